"""The normal operator XᵀX + λI of a least-squares problem, from X."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array
from thermolinalg._validation import as_positive
from thermolinalg.operators._factor import as_factor
from thermolinalg.operators._gram import GramPlusDiagonal, as_ridge
from thermolinalg.operators._scaling import rounded_inverse_root
from thermolinalg.operators.base import Operator

__all__ = ["Normal"]


class Normal(GramPlusDiagonal):
    """A = w XᵀX + λI from X of shape (m, n), never formed unless asked for: the matrix of ridge regression.

    Parameters
    ----------
    X : array_like, sparse array, LinearOperator or object, shape (m, n)
        As R in `LowRankPlusIdentity`.
    shift : float or array_like, shape (n,), optional
        λ ≥ 0, one for all columns of X or one for each.
    weight : float, optional
        w > 0.
    like : array, optional
        As for `LowRankPlusIdentity`.

    Raises
    ------
    TypeError
        X is complex or has no products.
    ValueError
        X is not two-dimensional or not finite; shift < 0 or of the wrong length; weight ≤ 0.

    See Also
    --------
    Operator, Sum, Scaled : Made of other operators.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0, 2.0], [0.0, 1.0], [2.0, 0.0]])
    >>> A = Normal(X, shift=0.5)
    >>> A.dense()
    array([[5.5, 2. ],
           [2. , 5.5]])
    >>> A.trace()
    11.0
    """

    structure = "normal"

    @property
    def is_low_rank(self) -> bool:
        """Whether X is wide and every node has the same positive shift: λI plus low rank."""
        m, n = self.factor.shape
        return m < n and isinstance(self.ridge, float) and self.ridge > 0

    def __init__(self, X: Any, shift: float | Array = 0.0, *, weight: float = 1.0, like: Array | None = None) -> None:
        factor = as_factor(X, "X", like)
        super().__init__(factor, as_ridge(shift, "shift", factor), as_positive(weight, "weight"))

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        weight = factor * self.weight
        if diagonal is None:
            return Normal(self.factor, factor * self.ridge, weight=weight)
        # No ridge stays a number, so that a wide X stays low rank.
        ridge = 0.0 if isinstance(self.ridge, float) and self.ridge == 0 else factor * self.ridge * diagonal**2
        return Normal(self.factor.times(diagonal), ridge, weight=weight)

    def jacobi_scaling(self) -> Array | None:
        m, n = self.factor.shape
        if m < n and isinstance(self.ridge, float):
            return None  # a wide X is low rank plus identity, which no other scaling keeps
        return rounded_inverse_root(self.diagonal())
