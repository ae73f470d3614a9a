"""Linear scores of centred features, and the pieces of Fisher information that they give."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermoapps._design import Design, row_space

__all__ = ["LinearPredictor"]


class LinearPredictor:
    """The scores c + (x − x̄)ᵀβ of samples, as a linear map of θ = (β, c), or of β alone without an intercept.

    Where there are more features than samples, β is held in coordinates of the space of the rows: outside of it the
    optimum is zero. `narrowed` does the same where features repeat each other.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        Samples.
    weights : array, shape (n,)
        Weights of the samples, of sum 1.
    intercept : bool
        Whether there is c.
    """

    def __init__(self, X: Any, weights: np.ndarray, *, intercept: bool) -> None:
        self._given = Design(X, weights, centre=intercept)
        self.design, self.intercept = self._given, intercept
        self.basis: np.ndarray | None = None
        if X.shape[1] > X.shape[0]:
            self._narrow()

    @property
    def width(self) -> int:
        """Length of θ."""
        return self.design.shape[1] + self.intercept

    @property
    def scales(self) -> np.ndarray:
        """Root mean square of what each entry of θ multiplies, (width,)."""
        return np.concatenate([self.design.scales, np.ones(int(self.intercept))])

    def narrowed(self) -> bool:
        """Hold β in the space of the rows, if that is smaller than it is."""
        return self.basis is None and self._narrow()

    def penalty(self, strength: float) -> np.ndarray:
        """A penalty on β and none on c, (width,)."""
        return np.concatenate([np.full(self.design.shape[1], strength), np.zeros(int(self.intercept))])

    def scores(self, theta: np.ndarray) -> np.ndarray:
        """Scores (n, K) of θ of shape (K, width)."""
        p = self.design.shape[1]
        return np.asarray(self.design.times(theta[:, :p].T) + theta[:, p:].sum(axis=1))

    def transposed(self, residuals: np.ndarray) -> np.ndarray:
        """The transpose of `scores`, (K, width), applied to (n, K)."""
        slope = self.design.transposed(residuals).T
        return np.hstack([slope, residuals.sum(axis=0)[:, None]]) if self.intercept else slope

    def information(self, weights: np.ndarray) -> np.ndarray:
        """Σ_i w_i z_i z_iᵀ over z = (x − x̄, 1), (width, width)."""
        gram = self.design.gram(weights)
        if not self.intercept:
            return gram
        border = self.design.transposed(weights[:, None])
        return np.block([[gram, border], [border.T, weights.sum()]])

    def coefficients(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients (K, p) and intercepts (K,) of the features as they were given."""
        p = self.design.shape[1]
        beta = theta[:, :p] if self.basis is None else theta[:, :p] @ self.basis.T
        beta = self._given.without_zeros(beta.T).T
        return beta, theta[:, p:].sum(axis=1) - beta @ self._given.mean

    def _narrow(self) -> bool:
        rows = self._given.dense()
        basis = row_space(np.sqrt(self._given.weights)[:, None] * rows)
        rank = basis.shape[1]
        if rank == len(basis) or not (rank or self.intercept):
            return False
        self.basis = basis
        self.design = Design(rows @ basis, self._given.weights, centre=False)
        return True
