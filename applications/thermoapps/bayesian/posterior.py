"""Posteriors of coefficients in coordinates in which Laplace's approximation is a standard Gaussian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

import thermolinalg as tla
from thermoapps.bayesian.likelihoods import Likelihood

__all__ = ["Bridge", "Posterior", "Whitened"]

Vector = NDArray[np.float64]

STEPS = 100
"""Newton steps at most to the mode."""

STILL = 1e-9
"""Newton steps shorter than this, in units of the posterior's spread, end the search for the mode."""

SHORTEST = 2.0**-60
LOST = "the mode of the posterior is not found; pass a larger prior_precision="


@dataclass(frozen=True)
class Posterior:
    """−ln p(y, θ) = Σᵢ lossᵢ(zᵢᵀθ) + ½ θᵀPθ + constant.

    Parameters
    ----------
    likelihood : Likelihood
    rows : array, shape (n, d)
        z, of columns of about unit size.
    prior : array, shape (d, d)
        P, positive semidefinite.
    """

    likelihood: Likelihood
    rows: Vector
    prior: Vector

    def value(self, theta: Vector) -> float:
        """−ln p(y, θ) but for the prior's normalisation."""
        losses = self.likelihood.loss((self.rows @ theta)[:, None])
        return float(losses.sum() + theta @ self.prior @ theta / 2)

    def information(self, theta: Vector) -> Vector:
        """Second derivatives, (d, d)."""
        weights = self.likelihood.curvature((self.rows @ theta)[:, None])
        return np.asarray(self.rows.T @ (weights * self.rows) + self.prior)

    def mode(self, start: Vector, *, device: Any, rng: np.random.Generator) -> Vector:
        """The maximum, by Newton's method with steps on the device.

        Raises
        ------
        thermolinalg.SingularError
            Second derivatives that are singular to working precision.
        RuntimeError
            No maximum within 100 steps, or along one.
        """
        theta, value = start, self.value(start)
        for _ in range(STEPS):
            slope = self.rows.T @ self.likelihood.slope((self.rows @ theta)[:, None])[:, 0] + self.prior @ theta
            step = np.asarray(
                tla.solve(self.information(theta), -slope, assume_a="sym", rtol=1e-8, device=device, rng=rng)
            )
            gain = -float(slope @ step)
            rounding, length = 8 * np.finfo(float).eps * max(abs(value), 1.0), 1.0
            while not (new := self.value(theta + length * step)) <= value - 1e-4 * length * gain + rounding:
                length /= 2
                if length < SHORTEST:
                    raise RuntimeError(LOST)
            theta, value = theta + length * step, new
            if gain <= max(STILL**2, rounding):
                return np.asarray(theta)
        raise RuntimeError(LOST)


@dataclass(frozen=True)
class Whitened:
    """The energy E(u) = −ln p(y, θ̂ + Wu) + ln p(y, θ̂) with WᵀHW = I at the mode θ̂: about ½ |u|².

    Parameters
    ----------
    posterior : Posterior
    mode : array, shape (d,)
        θ̂.
    """

    posterior: Posterior
    mode: Vector

    @cached_property
    def lower(self) -> Vector:
        """L with LLᵀ = H, whose inverse transpose is W."""
        return np.asarray(np.linalg.cholesky(self.posterior.information(self.mode)))

    def theta(self, u: Vector) -> Vector:
        """θ (d, k) of u (d, k)."""
        return np.asarray(self.mode[:, None] + scipy.linalg.solve_triangular(self.lower.T, u, lower=False))

    @cached_property
    def _whitened(self) -> tuple[Vector, Vector, Vector, Vector, Vector]:
        """Scores at the mode, rows, prior and its slope in u, losses at the mode."""
        of, inverse = self.posterior, scipy.linalg.solve_triangular(self.lower.T, np.eye(len(self.mode)), lower=False)
        scores = (of.rows @ self.mode)[:, None]
        return (
            scores,
            of.rows @ inverse,
            inverse.T @ of.prior @ inverse,
            inverse.T @ (of.prior @ self.mode),
            (of.likelihood.loss(scores)),
        )

    def value(self, u: Vector) -> Vector:
        """E of every column of u (d, k): (k,)."""
        scores, rows, prior, slope, losses = self._whitened
        change = (self.posterior.likelihood.loss(scores + rows @ u) - losses).sum(axis=0)
        return np.asarray(change + np.sum(u * (prior @ u), axis=0) / 2 + slope @ u)

    def gradient(self, u: Vector) -> Vector:
        """∇E of every column of u (d, k): (d, k)."""
        scores, rows, prior, slope, _ = self._whitened
        return np.asarray(rows.T @ self.posterior.likelihood.slope(scores + rows @ u) + prior @ u + slope[:, None])

    @property
    def laplace(self) -> float:
        """ln ∫ p(y, θ) dθ by Laplace's approximation, but for the prior's normalisation."""
        d = len(self.mode)
        root = float(np.log(np.diag(self.lower)).sum())
        return d / 2 * math.log(2 * math.pi) - root - self.posterior.value(self.mode)


@dataclass(frozen=True)
class Bridge:
    """Energies on the way from a standard Gaussian to another, (1 − s) ½|u|² + s E(u).

    Parameters
    ----------
    energy : Whitened
        E.
    s : float
        Between 0 and 1.
    """

    energy: Whitened
    s: float

    def value(self, u: Vector) -> Vector:
        """Energy of every column of u (d, k): (k,)."""
        return np.asarray((1 - self.s) * np.sum(u * u, axis=0) / 2 + self.s * self.energy.value(u))

    def gradient(self, u: Vector) -> Vector:
        """Its gradient, (d, k)."""
        return np.asarray((1 - self.s) * u + self.s * self.energy.gradient(u))
