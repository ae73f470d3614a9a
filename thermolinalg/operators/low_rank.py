"""Low rank plus a multiple of the identity, and plus a diagonal."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.operators._factor import as_factor
from thermolinalg.operators._gram import GramPlusDiagonal, as_ridge, is_constant
from thermolinalg.operators.base import Operator

__all__ = ["DiagonalPlusLowRank", "LowRankPlusIdentity"]


class LowRankPlusIdentity(GramPlusDiagonal):
    """A = λI + w RᵀR with R of shape (r, n), r ≪ n: a damped Gauss–Newton or Fisher matrix.

    Everything a device needs costs products with R and Rᵀ and the r × r matrix RRᵀ: with K = w RRᵀ = QΣQᵀ,

        f(A) v = f(λ) v + w Rᵀ Q [(f(λ+Σ) − f(λ))/Σ] Qᵀ R v.

    Parameters
    ----------
    R : array_like, sparse array, LinearOperator or object, shape (r, n)
        NumPy array, torch tensor or SciPy sparse array; or anything with ``shape`` and the products
        ``apply(V)``, ``apply_transposed(U)`` with blocks of columns (or ``matvec``, ``rmatvec`` with vectors), and
        ``gram()`` returning RRᵀ if it has a cheap way to it. Such an R is never formed.
    shift : float
        λ ≥ 0.
    weight : float, optional
        w > 0, such as 1/r for a mean over rows.
    like : array, optional
        For an object R: an array of the namespace, dtype and device of its vectors. By default its attribute ``like``,
        or ``dtype`` and ``device``, else NumPy float64.

    Raises
    ------
    TypeError
        R is complex or has no products.
    ValueError
        R is not two-dimensional or not finite; shift < 0; weight ≤ 0.

    See Also
    --------
    DiagonalPlusLowRank : Corrections of low rank.

    Examples
    --------
    >>> import numpy as np
    >>> A = LowRankPlusIdentity(np.array([[3.0, 0.0, 4.0]]), shift=0.5)
    >>> A
    <3x3 low-rank operator of 1 rows, float64>
    >>> A.eigenvalues()
    array([ 0.5,  0.5, 25.5])
    >>> A @ np.array([0.0, 1.0, 0.0])
    array([0. , 0.5, 0. ])
    """

    structure = "low-rank"
    ridge: float

    def __init__(self, R: Any, shift: float, *, weight: float = 1.0, like: Array | None = None) -> None:
        super().__init__(as_factor(R, like=like), as_nonnegative(shift, "shift"), as_positive(weight, "weight"))

    @property
    def shift(self) -> float:
        """The λ of λI + w RᵀR."""
        return self.ridge

    @property
    def order(self) -> int:
        # With fewer rows than columns the smallest eigenvalue is λ itself, without rounding.
        r, n = self.factor.shape
        return 1 if r < n else n

    def trace(self) -> float:
        n: int = self.shape[0]
        values = self.factor.spectrum[0]
        return self.shift * n + self.weight * float(namespace(values).sum(values))

    def eigenvalues(self) -> Array:
        return as_array(self.shift + self.weight * self.factor.eigenvalues(), self.like)

    def norm_bound(self) -> float:
        return self.shift + self.weight * float(self.factor.spectrum[0][-1])

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        weight = factor * self.weight
        if diagonal is None:
            return LowRankPlusIdentity(self.factor, factor * self.shift, weight=weight)
        ridge = factor * self.shift * diagonal**2
        return DiagonalPlusLowRank(ridge, self.factor.times(diagonal), weight=weight)


class DiagonalPlusLowRank(GramPlusDiagonal):
    """A = D + w RᵀR with D diagonal and R of shape (r, n), r ≪ n: a factor-analysis covariance.

    Scaling by D^{-1/2} makes it low rank plus identity, and this is how it is loaded into a device.

    Parameters
    ----------
    diagonal : array_like, shape (n,)
        Entries of D, ≥ 0.
    R : array_like, sparse array, LinearOperator or object, shape (r, n)
        As for `LowRankPlusIdentity`.
    weight : float, optional
        w > 0.
    like : array, optional
        As for `LowRankPlusIdentity`.

    Raises
    ------
    TypeError
        R is complex or has no products.
    ValueError
        Wrong shapes, entries that are not finite, a negative entry of D, or weight ≤ 0.

    See Also
    --------
    LowRankPlusIdentity : Corrections of low rank.

    Examples
    --------
    >>> import numpy as np
    >>> A = DiagonalPlusLowRank(np.array([1.0, 4.0]), np.array([[1.0, 2.0]]))
    >>> A.diagonal()
    array([2., 8.])
    >>> A.scaled(1.0, A.jacobi_scaling())
    <2x2 low-rank operator of 1 rows, float64>
    """

    structure = "diagonal plus low-rank"
    ridge: Array

    def __init__(self, diagonal: Array, R: Any, *, weight: float = 1.0, like: Array | None = None) -> None:
        factor = as_factor(R, like=like)
        ridge = as_ridge(diagonal, "diagonal", factor)
        if isinstance(ridge, float):
            raise ValueError("diagonal must be an array (n,); for a multiple of the identity use LowRankPlusIdentity")
        super().__init__(factor, ridge, as_positive(weight, "weight"))

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        weight = factor * self.weight
        if diagonal is None:
            return DiagonalPlusLowRank(factor * self.ridge, self.factor, weight=weight)
        ridge, scaled = factor * self.ridge * diagonal**2, self.factor.times(diagonal)
        if is_constant(ridge):
            return LowRankPlusIdentity(scaled, float(ridge[0]), weight=weight)
        return DiagonalPlusLowRank(ridge, scaled, weight=weight)

    def jacobi_scaling(self) -> Array | None:
        # Not rounded to powers of two: only the exact root makes D a multiple of the identity.
        if bool(namespace(self.ridge).any(self.ridge <= 0)):
            return None
        return self.ridge**-0.5
