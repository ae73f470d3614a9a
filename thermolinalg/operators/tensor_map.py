"""Maps of tensors known by their products: an object with a shape, a torch dtype and a matvec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg._arrays import Array, as_array, dtype_name, is_torch, namespace, to_numpy
from thermolinalg._autograd import wants_gradients
from thermolinalg.operators._maps import Blockwise, complexify, realify
from thermolinalg.operators.matrix_free import tensor_like

__all__ = ["RealTensorMap", "TensorMap", "as_linear_operator"]


def as_linear_operator(source: Any, name: str) -> LinearOperator:
    """Any map as SciPy has them: one of tensors takes NumPy vectors then, and gives them.

    Parameters
    ----------
    source : LinearOperator, array, sparse array or object with a shape and matvec
    name : str
        What to call it in errors.

    Returns
    -------
    LinearOperator
    """
    like = None if isinstance(source, LinearOperator) else tensor_like(source)
    return aslinearoperator(source) if like is None else TensorMap(source, like, name)


class TensorMap(Blockwise):
    """A map of tensors: by `apply` for those who compute with it, as SciPy's for those who look at it from the host.

    Parameters
    ----------
    source : object, shape (m, n)
        With ``matvec``; products with blocks by ``matmat``, with its adjoint by ``rmatvec`` and ``rmatmat``.
    like : tensor
        Of the dtype, real or complex, and device of its vectors.
    name : str
        What to call it in errors.
    """

    def __init__(self, source: Any, like: Array, name: str) -> None:
        m, n = source.shape
        super().__init__(np.dtype(dtype_name(like)), (int(m), int(n)))
        self.source, self.like, self.name = source, like, name

    def apply(self, block: Array) -> Array:
        """A V for a block of tensors (n, k)."""
        return self._product(block, "matmat", "matvec", self.shape[0])

    def apply_transposed(self, block: Array) -> Array:
        """Aᴴ U for a block of tensors (m, k)."""
        return self._product(block, "rmatmat", "rmatvec", self.shape[1])

    def _product(self, block: Array, whole: str, single: str, rows: int) -> Array:
        """The product by the method for blocks where there is one, else column by column."""
        of_blocks: Callable[[Array], Array] | None = getattr(self.source, whole, None)
        of_vectors: Callable[[Array], Array] | None = getattr(self.source, single, None)
        if of_blocks is not None:
            return self._checked(of_blocks(block), (rows, block.shape[1]), whole)
        if of_vectors is None:
            raise NotImplementedError(f"{self.name} has no {single}")
        columns = [self._checked(of_vectors(column), (rows,), single) for column in block.T]
        xp = namespace(block)
        return xp.stack(columns, axis=1) if columns else xp.zeros((rows, 0), dtype=block.dtype, device=block.device)

    def _checked(self, product: Any, shape: tuple[int, ...], method: str) -> Array:
        """A product, where it is a tensor of the right kind."""
        if not is_torch(product) or tuple(product.shape) != shape:
            found = f" of shape {tuple(product.shape)}" if hasattr(product, "shape") else ""
            raise ValueError(
                f"{self.name}.{method} must give a tensor of shape {shape}, not a {type(product).__name__}{found}"
            )
        if product.is_complex() and not self.like.is_complex():
            raise TypeError(
                f"{self.name}.{method} gives complex numbers, and its dtype {self.like.dtype} is real; give it "
                f"dtype={product.dtype}"
            )
        if wants_gradients(product):
            raise TypeError(
                f"products with {self.name} require gradients, which dense tensors only are given; take them under "
                f"torch.no_grad(), or pass {self.name} as a tensor"
            )
        return as_array(product.resolve_conj().resolve_neg(), self.like)

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        return to_numpy(self.apply(as_array(x, self.like)))

    def _rmatmat(self, x: np.ndarray) -> np.ndarray:
        return to_numpy(self.apply_transposed(as_array(x, self.like)))


class RealTensorMap:
    """[[Re, −Im], [Im, Re]] of a complex map of tensors, by its own products.

    Parameters
    ----------
    source : TensorMap, shape (m, n)
    """

    def __init__(self, source: TensorMap) -> None:
        m, n = source.shape
        self.source, self.shape, self.like = source, (2 * m, 2 * n), source.like.real

    def apply(self, block: Array) -> Array:
        """The product with a block (2n, k)."""
        return realify(self.source.apply(complexify(block)))

    def apply_transposed(self, block: Array) -> Array:
        """The product of the transpose with a block (2m, k)."""
        return realify(self.source.apply_transposed(complexify(block)))
