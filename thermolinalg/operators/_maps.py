"""Linear maps known by their products: their matrix, their adjoint, and their real form."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array
from thermolinalg._validation import checked_array, is_finite
from thermolinalg.operators.matrix_free import product

__all__ = ["formed", "has_adjoint", "real_form", "with_conjugate_as_adjoint"]


def formed(op: LinearOperator, name: str) -> Array:
    """The matrix of a map, from its products with the unit vectors."""
    matrix = product(op, np.eye(op.shape[1], dtype=op.dtype))
    if not is_finite(matrix):
        raise ValueError(f"products with {name} give NaN or infinity")
    return checked_array(matrix, name)


def with_conjugate_as_adjoint(op: LinearOperator) -> LinearOperator:
    """A complex symmetric map with its adjoint conj(A conj(u))."""

    def adjoint(x: np.ndarray) -> Any:
        return np.conj(product(op, np.conj(x)))

    return LinearOperator(
        shape=op.shape,
        dtype=op.dtype,
        matvec=op.matvec,
        matmat=lambda x: product(op, x),
        rmatvec=lambda x: adjoint(x.reshape(-1, 1))[:, 0],
        rmatmat=adjoint,
    )


def has_adjoint(op: LinearOperator) -> bool:
    """Whether it knows products with its adjoint."""
    try:
        op.rmatvec(np.zeros(op.shape[0]))
    except NotImplementedError:
        return False
    return True


def real_form(op: LinearOperator) -> LinearOperator:
    """[[Re, −Im], [Im, Re]] of a complex map, by its own products."""
    m, n = op.shape

    def real(factor: LinearOperator) -> Any:
        def matmat(x: np.ndarray) -> np.ndarray:
            half = x.shape[0] // 2
            y = product(factor, x[:half] + 1j * x[half:])
            return np.concatenate([y.real, y.imag])

        return matmat

    forward, adjoint = real(op), real(op.H)
    return LinearOperator(
        shape=(2 * m, 2 * n),
        dtype=np.float32 if np.dtype(op.dtype) == np.complex64 else np.float64,
        matvec=lambda x: forward(x.reshape(-1, 1))[:, 0],
        matmat=forward,
        rmatvec=lambda x: adjoint(x.reshape(-1, 1))[:, 0],
        rmatmat=adjoint,
    )
