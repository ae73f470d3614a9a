"""A held as an array."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

from thermolinalg._arrays import Array, as_array, as_float64, dtype_name, namespace, product
from thermolinalg.operators._scaling import inverse_root, row_blocks, same_scaling, scaled_array
from thermolinalg.operators.base import Operator
from thermolinalg.operators.sliced import SLICED_EPS, Sliced, bits_of_slices, row_slices, side_by_side

__all__ = ["Dense"]

COLUMNS = 1 << 16
"""Columns of a single-precision A taken to double precision at a time for A Aᵀ: more take more memory."""


KEPT = 1 << 22
"""Entries of a matrix whose slices are kept from residual to residual: five times its memory, at most 160 MB."""


def _sliced(matrix: Array) -> Sliced:
    """An array in slices."""
    bits = bits_of_slices(matrix.shape[1])
    return Sliced([partial(side_by_side, part) for part in row_slices(matrix, bits)], bits)


class Dense(Operator):
    """A matrix held as an array.

    Parameters
    ----------
    matrix : array_like, shape (m, n)
        NumPy array or torch tensor.
    symmetric : bool, optional
        Whether Aᵀ = A.

    See Also
    --------
    Sparse, MatrixFree, Diagonal : Matrices by how they are stored.

    Examples
    --------
    >>> import numpy as np
    >>> A = Dense(np.array([[2.0, 1.0], [1.0, 2.0]]))
    >>> A
    <2x2 dense operator, float64>
    >>> A @ np.array([1.0, 0.0])
    array([2., 1.])
    """

    structure = "dense"

    def __init__(self, matrix: Array, *, symmetric: bool = True) -> None:
        super().__init__(matrix.dtype, tuple(matrix.shape), matrix)
        self.matrix = matrix
        self.symmetric = symmetric

    def apply(self, block: Array) -> Array:
        return product(self.matrix, block)

    def apply_transposed(self, block: Array) -> Array:
        return product(self.matrix.T, block)

    def extended_product(self, block: Array) -> Array:
        return self._by_rows(lambda rows: as_array(rows, block) @ block, block)

    @property
    def extended_eps(self) -> float:
        return SLICED_EPS if dtype_name(self.like) == "float64" else super().extended_eps

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        if dtype_name(b) != "float64":
            return super().extended_residual(b, x, low)
        if self.matrix.shape[0] * self.matrix.shape[1] <= KEPT:
            return self._sliced.residual(b, x, low)
        parts = [part for part in row_blocks(self.shape)]
        blocks = [_sliced(self.matrix[part]).residual(b[part], x, low) for part in parts]
        return namespace(b).concat(blocks)

    @cached_property
    def _sliced(self) -> Sliced:
        """A in slices, for residuals of twice the precision."""
        return _sliced(self.matrix)

    def absolute(self, block: Array) -> Array:
        return self._by_rows(lambda rows: abs(rows) @ block, block)

    def _by_rows(self, product: Any, block: Array) -> Array:
        """Products of blocks of rows joined, so that no second matrix is held."""
        parts = [product(self.matrix[part]) for part in row_blocks(self.shape)]
        return namespace(block).concat(parts) if parts else block[:0]

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Dense(self.matrix.T, symmetric=False)

    def diagonal(self) -> Array:
        return namespace(self.matrix).linalg.diagonal(self.matrix)

    def norm_bound(self) -> float:
        xp = namespace(self.matrix)
        # The Frobenius norm needs no copy of |A|; both bound the largest eigenvalue.
        return float(xp.linalg.vector_norm(self.matrix))

    def column_squares(self) -> Array:
        return namespace(self.matrix).vecdot(self.matrix, self.matrix, axis=0)

    def dense(self) -> Array:
        return self.matrix

    def gram(self) -> Array:
        xp = namespace(self.matrix)
        if self.matrix.dtype == xp.float64:
            return self.matrix @ self.matrix.T
        # In single precision A Aᵀ would lose half the digits of its small eigenvalues.
        total = 0.0
        for start in range(0, self.shape[1], COLUMNS):
            part = as_float64(self.matrix[:, start : start + COLUMNS])
            total = total + part @ part.T
        return total

    def normal(self) -> Array:
        return self.matrix.T @ self.matrix

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        if diagonal is None:
            return Dense(self.matrix * factor, symmetric=self.symmetric)
        matrix = self.matrix * (factor * diagonal)
        matrix *= diagonal[:, None]
        return Dense(matrix, symmetric=self.symmetric)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        symmetric = self.symmetric and same_scaling(rows, columns)
        return Dense(scaled_array(self.matrix, rows, columns, factor), symmetric=symmetric)

    def negated(self) -> Operator:
        return Dense(-self.matrix, symmetric=self.symmetric)

    def jacobi_scaling(self) -> Array:
        return inverse_root(self.diagonal())
