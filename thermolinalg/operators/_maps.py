"""Linear maps known by their products: their matrix, their adjoint, and their real form."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, dtype_name, namespace
from thermolinalg._validation import checked_array, is_finite
from thermolinalg.operators.matrix_free import product

__all__ = ["Blockwise", "ComplexSymmetric", "RealForm", "complexify", "formed", "has_adjoint", "realify"]


def formed(op: LinearOperator, name: str) -> Array:
    """The matrix of a map, from its products with the unit vectors."""
    matrix = product(op, np.eye(op.shape[1], dtype=op.dtype))
    if not is_finite(matrix):
        raise ValueError(f"products with {name} give NaN or infinity")
    return checked_array(matrix, name)


def has_adjoint(op: LinearOperator) -> bool:
    """Whether it knows products with its adjoint."""
    try:
        op.rmatvec(np.zeros(op.shape[0]))
    except NotImplementedError:
        return False
    return True


def realify(block: Array) -> Array:
    """The real form [Re; Im] of a complex block (d, k); the imaginary part of a real one is zero."""
    xp = namespace(block)
    if "complex" not in dtype_name(block):
        return xp.concat([block, xp.zeros_like(block)])
    return xp.concat([xp.real(block), xp.imag(block)])


def complexify(block: Array) -> Array:
    """The complex block (d, k) whose real form is `block` (2d, k)."""
    d = block.shape[0] // 2
    return block[:d] + 1j * block[d:]


class Blockwise(LinearOperator):  # type: ignore[misc]
    """A map that is told by its products with blocks, `_matmat` and `_rmatmat`."""

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        """Not every SciPy (1.15) finds the adjoint's product with one vector from that with a block."""
        return np.asarray(self._rmatmat(x.reshape(-1, 1))).ravel()


class ComplexSymmetric(Blockwise):
    """A complex map with Aᵀ = A, whose adjoint is therefore conj(A conj(u)).

    Parameters
    ----------
    operator : LinearOperator, shape (d, d)
    """

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__(operator.dtype, operator.shape)
        self.operator = operator

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        return product(self.operator, x)

    def _rmatmat(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(np.conj(product(self.operator, np.conj(x))))


class RealForm(Blockwise):
    """[[Re, −Im], [Im, Re]] of a complex map, by its own products.

    Parameters
    ----------
    operator : LinearOperator, shape (m, n)
    """

    def __init__(self, operator: LinearOperator) -> None:
        m, n = operator.shape
        super().__init__(np.float32 if np.dtype(operator.dtype) == np.complex64 else np.float64, (2 * m, 2 * n))
        self.operator = operator

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        return _real_product(self.operator, x)

    def _rmatmat(self, x: np.ndarray) -> np.ndarray:
        return _real_product(self.operator.H, x)


def _real_product(operator: LinearOperator, x: np.ndarray) -> np.ndarray:
    half = x.shape[0] // 2
    y = product(operator, x[:half] + 1j * x[half:])
    return np.concatenate([y.real, y.imag])
