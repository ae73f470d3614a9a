"""Likelihoods of linear scores: labels and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln

__all__ = ["Bernoulli", "Likelihood", "Poisson"]

Vector = NDArray[np.float64]


class Likelihood(Protocol):
    """−ln p(yᵢ | ηᵢ) of n scores η, each entry by itself; scores have shape (n, k)."""

    def loss(self, scores: Vector) -> Vector:
        """−ln p, (n, k)."""
        ...

    def slope(self, scores: Vector) -> Vector:
        """Its derivative by the score."""
        ...

    def curvature(self, scores: Vector) -> Vector:
        """Its second derivative, ≥ 0."""
        ...

    def flat_ways(self) -> tuple[Vector, NDArray[np.bool_]]:
        """Signs s (n,), and where a score must stand still (n,): −ln p falls for ever where s · score rises."""
        ...


@dataclass(frozen=True)
class Bernoulli:
    """Labels 0 and 1 with probability 1/(1 + e^{−η}) of 1.

    Parameters
    ----------
    y : array, shape (n,)
    """

    y: Vector

    def loss(self, scores: Vector) -> Vector:
        """ln(1 + e^{∓η})."""
        return np.asarray(np.logaddexp(0.0, np.where(self.y[:, None] > 0, -scores, scores)))

    def slope(self, scores: Vector) -> Vector:
        """p − y."""
        return np.asarray(expit(scores) - self.y[:, None])

    def curvature(self, scores: Vector) -> Vector:
        """p (1 − p)."""
        return np.asarray(expit(scores) * expit(-scores))

    def flat_ways(self) -> tuple[Vector, NDArray[np.bool_]]:
        """Right labels are the more probable the further out."""
        return 2 * self.y - 1, np.zeros(len(self.y), dtype=bool)


@dataclass(frozen=True)
class Poisson:
    """Counts of rate e^η.

    Parameters
    ----------
    y : array, shape (n,)
    """

    y: Vector

    def loss(self, scores: Vector) -> Vector:
        """e^η − y η + ln y!."""
        with np.errstate(over="ignore"):  # a rate beyond all numbers has probability zero
            return np.asarray(np.exp(scores) - self.y[:, None] * scores + gammaln(self.y + 1)[:, None])

    def slope(self, scores: Vector) -> Vector:
        """e^η − y."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(scores) - self.y[:, None])

    def curvature(self, scores: Vector) -> Vector:
        """e^η."""
        with np.errstate(over="ignore"):
            return np.asarray(np.exp(scores))

    def flat_ways(self) -> tuple[Vector, NDArray[np.bool_]]:
        """Counts of zero are the more probable the smaller the rate; any other fixes its rate."""
        return np.full(len(self.y), -1.0), self.y > 0
