"""Diagonal matrices."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array, namespace
from thermolinalg.operators._checks import real_array
from thermolinalg.operators._scaling import rounded_inverse_root, scaled_rows
from thermolinalg.operators.base import Operator

__all__ = ["Diagonal"]


class Diagonal(Operator):
    """A = diag(d).

    Parameters
    ----------
    diagonal : array_like, shape (n,)
        Entries d.

    Raises
    ------
    TypeError
        Entries are not real numbers.
    ValueError
        Not one-dimensional, or not finite.

    See Also
    --------
    Dense, Sparse, MatrixFree : Matrices by how they are stored.

    Examples
    --------
    >>> import numpy as np
    >>> A = Diagonal([1.0, 2.0])
    >>> A @ np.array([3.0, 4.0])
    array([3., 8.])
    """

    structure = "diagonal"

    def __init__(self, diagonal: Any) -> None:
        entries = real_array(diagonal, "diagonal", 1)
        super().__init__(entries.dtype, (entries.shape[0], entries.shape[0]), entries)
        self.entries = entries

    @property
    def order(self) -> int:
        return 1

    @property
    def couplings(self) -> int:
        return int(self.shape[0])

    def apply(self, block: Array) -> Array:
        return self.entries[:, None] * block

    def extended_product(self, block: Array) -> Array:
        return scaled_rows(self.entries, block)

    def absolute(self, block: Array) -> Array:
        return abs(self.entries)[:, None] * block

    def diagonal(self) -> Array:
        return self.entries

    def eigenvalues(self) -> Array:
        return self.entries

    def norm_bound(self) -> float:
        xp = namespace(self.entries)
        return float(xp.max(xp.abs(self.entries)))

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return Diagonal(factor * self.entries * (1.0 if diagonal is None else diagonal**2))

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        first, second = [1.0 if scaling is None else scaling for scaling in (rows, columns)]
        return Diagonal(factor * (first * self.entries * second))

    def negated(self) -> Operator:
        return Diagonal(-self.entries)

    def jacobi_scaling(self) -> Array:
        return rounded_inverse_root(self.entries)
