"""What all operators of the form D + w RᵀR share."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array, as_array, eps, namespace
from thermolinalg._validation import as_nonnegative
from thermolinalg.operators._checks import real_array
from thermolinalg.operators._factor import Factor
from thermolinalg.operators._scaling import scaled_rows
from thermolinalg.operators.base import Operator

__all__ = ["GramPlusDiagonal", "as_ridge", "is_constant"]


class GramPlusDiagonal(Operator):
    """The operator D + w RᵀR with D = diag(ridge), R known by its products.

    Parameters
    ----------
    factor : Factor
        R of shape (r, n).
    ridge : float or array, shape (n,)
        D; a float stands for a multiple of the identity.
    weight : float
        w > 0.
    """

    def __init__(self, factor: Factor, ridge: float | Array, weight: float) -> None:
        n = factor.shape[1]
        super().__init__(factor.like.dtype, (n, n), factor.like)
        self.factor, self.ridge, self.weight = factor, ridge, weight

    @property
    def couplings(self) -> int:
        """The full array, or where that is less r (r + 2n): R Rᵀ, R and Rᵀ in three arrays."""
        r, n = self.factor.shape
        return int(min(n * n, r * (r + 2 * n)))

    def apply(self, block: Array) -> Array:
        return self._ridge_times(block) + self.factor.apply_transposed(self.weight * self.factor.apply(block))

    def extended_product(self, block: Array) -> Array | None:
        R = self.factor.matrix
        product = R.extended_product(block)
        product = None if product is None else R.T.extended_product(self.weight * product)
        return None if product is None else self._ridge_times(block) + product

    def absolute(self, block: Array) -> Array | None:
        R = self.factor.matrix
        product = R.absolute(block)
        product = None if product is None else R.T.absolute(self.weight * product)
        return None if product is None else self._ridge_times(block) + product

    def _ridge_times(self, block: Array) -> Array:
        return self.ridge * block if isinstance(self.ridge, float) else scaled_rows(self.ridge, block)

    def diagonal(self) -> Array | None:
        squares = self.factor.matrix.column_squares()
        return None if squares is None else self.ridge + self.weight * squares

    def norm_bound(self) -> float | None:
        squares = self.factor.matrix.column_squares()
        if squares is None:
            return None
        largest = self.ridge if isinstance(self.ridge, float) else float(namespace(self.ridge).max(self.ridge))
        return largest + self.weight * float(namespace(squares).sum(squares))

    def dense(self) -> Array:
        matrix = self.weight * self.factor.matrix.normal()
        xp = namespace(matrix)
        matrix += xp.eye(self.shape[0], dtype=matrix.dtype, device=matrix.device) * self.ridge
        return matrix

    def __repr__(self) -> str:
        n, r = self.shape[0], self.factor.shape[0]
        return f"<{n}x{n} {self.structure} operator of {r} rows, {self.dtype}>"


def as_ridge(value: Any, name: str, factor: Factor) -> float | Array:
    """A float ≥ 0, or an array (n,) of such numbers where the factor's vectors live."""
    if getattr(value, "ndim", 0) == 0 and not isinstance(value, (list, tuple)):
        return as_nonnegative(value, name)
    ridge = as_array(real_array(value, name, 1), factor.like)
    xp = namespace(ridge)
    if ridge.shape[0] != factor.shape[1]:
        raise ValueError(
            f"{name} must have one entry per column of {factor.name} ({factor.shape[1]}), got {ridge.shape[0]}"
        )
    if bool(xp.any(ridge < 0)):
        raise ValueError(f"{name} must not be negative, its smallest entry is {float(xp.min(ridge)):.6g}")
    return ridge


def is_constant(x: Array) -> bool:
    """Whether all entries are the same but for the rounding of a few operations."""
    xp = namespace(x)
    smallest, largest = float(xp.min(x)), float(xp.max(x))
    return largest - smallest <= 8 * eps(x) * largest
