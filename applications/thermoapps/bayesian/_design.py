"""Features as the columns of a posterior: centred, in units of powers of two, with the prior in the same units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps._design import Design

__all__ = ["Columns", "read_precision"]

Vector = NDArray[np.float64]


class Columns:
    """Scores b + xᵀβ as rows zᵀθ with θ = (β · scales, b + x̄ᵀβ), or without the last entry where there is no intercept.

    Parameters
    ----------
    X : array, shape (n, p)
    precision : array, shape (p,)
        Of the Gaussian prior on β, ≥ 0.
    intercept : bool
        Whether there is b.
    intercept_precision : float
        Of the prior on b, ≥ 0.
    """

    def __init__(self, X: Vector, precision: Vector, *, intercept: bool, intercept_precision: float) -> None:
        design = Design(X, np.ones(len(X)), centre=intercept)
        self.mean, self.intercept = design.mean, intercept
        self.scales = np.exp2(np.round(np.log2(design.scales)))
        self.rows = design.dense() / self.scales
        self.prior = np.diag(precision / self.scales**2)
        self._flat = X[:, precision == 0]
        self._proper = [*precision[precision > 0].tolist()]
        if intercept:
            self.rows = np.hstack([self.rows, np.ones((len(X), 1))])
            origin = np.append(-self.mean / self.scales, 1.0)
            self.prior = np.pad(self.prior, (0, 1)) + intercept_precision * np.outer(origin, origin)
            if intercept_precision > 0:
                self._proper.append(intercept_precision)
            else:
                self._flat = np.hstack([self._flat, np.ones((len(X), 1))])

    @property
    def flat(self) -> Vector:
        """The columns whose coefficients have a flat prior, (n, f)."""
        return self._flat

    @property
    def log_prior(self) -> float:
        """ln of the normalisation of the prior on (β, b), with density one where it is flat, and of the units of θ."""
        proper = np.array(self._proper)
        return float(np.log(proper / (2 * np.pi)).sum() / 2 - np.log(self.scales).sum())

    def coefficients(self, theta: Vector) -> tuple[Vector, Vector]:
        """β (p, k) and b (k,) of θ (d, k)."""
        p = len(self.scales)
        beta = theta[:p] / self.scales[:, None]
        return beta, theta[p:].sum(axis=0) - self.mean @ beta


def read_precision(value: Any, p: int, name: str = "prior_precision") -> Vector:
    """Precisions of p coefficients, ≥ 0, from a number or p of them."""
    try:
        precision = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number or {p} numbers, got {value!r}") from None
    if precision.shape not in ((), (p,)):
        raise ValueError(f"{name} must be a number or {p} numbers, got shape {precision.shape}")
    if not (np.isfinite(precision).all() and (precision >= 0).all()):
        raise ValueError(f"{name} must be finite and ≥ 0, got {value!r}")
    return np.broadcast_to(precision, (p,)).astype(float)
