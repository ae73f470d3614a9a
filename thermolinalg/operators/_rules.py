"""What an operator may know of itself beyond its products, with the answers of one that knows nothing."""

from __future__ import annotations

import numpy as np

from thermolinalg._arrays import Array, as_array, as_float64, eps, namespace
from thermolinalg.operators._extended import narrowed, widened, widest_eps

__all__ = ["Rules"]

ROUNDED = 200
"""Orders from which on rounding of an eigenvalue is taken to grow no further, in units of eps ‖A‖: what is computed for
a zero eigenvalue stays well below that however large A is, and real ones above it carry digits."""

ROWS = 16
"""Rows of A Aᵀ computed at a time where only products are known: more take more memory, fewer more calls."""


class Rules:
    """Exact rules of a real linear map, None where there is none, from its products where those suffice."""

    shape: tuple[int, int]
    like: Array

    def apply(self, block: Array) -> Array:
        """Product A V with a block of vectors V (n, k), in the operator's own namespace."""
        raise NotImplementedError

    def apply_transposed(self, block: Array) -> Array:
        """Product Aᵀ U with a block of vectors U (m, k); the same as `apply` for symmetric operators."""
        raise NotImplementedError

    def add_product(self, block: Array, total: Array) -> Array:
        """total + A V for a block V (n, k), written over `total` (m, k)."""
        total += self.apply(block)
        return total

    def absolute(self, block: Array) -> Array | None:
        """|A| V for a block V ≥ 0 (n, k), with |A| the entries' absolute values or an upper bound of them, or None."""
        return None

    def extended_product(self, block: Array) -> Array | None:
        """A V for a block of the wider type, accumulated in that type, or None."""
        return None

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        """b − A (x + low) accumulated in extended precision, or None where there is none."""
        wide, high, rest = widened(b), widened(x), widened(low)
        if wide is None or high is None or rest is None:
            return None
        product = self.extended_product(high + rest)
        return None if product is None else narrowed(wide - product, b)

    @property
    def extended_eps(self) -> float:
        """Relative rounding error of `extended_residual`."""
        return widest_eps(self.like)

    @property
    def order(self) -> int:
        """Order of the largest matrix that has to be diagonalised as a whole: rounding of eigenvalues grows with it."""
        return int(self.shape[0])

    @property
    def rounding(self) -> float:
        """Eigenvalues (singular values) below this share of the largest cannot be told from zero: min(d, 200) eps."""
        return min(self.order, ROUNDED) * eps(self.like)

    @property
    def couplings(self) -> int:
        """Numbers that a device is told to hold A: its entries, without those that are zero by its structure."""
        return int(self.shape[0] * self.shape[1])

    def diagonal(self) -> Array | None:
        """Diagonal entries (n,), or None."""
        return None

    def trace(self) -> float | None:
        """Trace, or None."""
        diagonal = self.diagonal()
        return None if diagonal is None else float(namespace(diagonal).sum(diagonal))

    def eigenvalues(self) -> Array | None:
        """All eigenvalues (n,) where the structure gives them cheaply, in no particular order, or None."""
        return None

    def norm_bound(self) -> float | None:
        """Cheap upper bound of the largest eigenvalue in size, or None."""
        return None

    def column_squares(self) -> Array | None:
        """Squared norms (n,) of the columns, the diagonal of AᵀA, or None."""
        return None

    def jacobi_scaling(self) -> Array | None:
        """Entries of the S that gives S A S a unit diagonal without harming the structure, or None."""
        return None

    def dense(self) -> Array:
        """The matrix itself (m, n)."""
        return self.apply(as_array(np.eye(self.shape[1]), self.like))

    def gram(self) -> Array:
        """A Aᵀ (m, m) in double precision."""
        identity = as_array(np.eye(self.shape[0]), self.like)
        parts = [identity[:, j : j + ROWS] for j in range(0, self.shape[0], ROWS)]
        columns = [self.apply(self.apply_transposed(part)) for part in parts]
        return as_float64(namespace(self.like).concat(columns, axis=1))

    def normal(self) -> Array:
        """AᵀA (n, n)."""
        return self.apply_transposed(self.dense())
