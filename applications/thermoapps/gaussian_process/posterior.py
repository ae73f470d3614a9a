"""The posterior of a Gaussian process: its mean, its covariance, and functions drawn from it."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps.gaussian_process.loaded import Loaded
from thermoapps.gaussian_process.structures import JITTER, Dense
from thermoapps.gaussian_process.white import white_noise

__all__ = ["Posterior", "drawn"]

NUMBERS = 1 << 24
"""Numbers of a block of covariances that are held at once."""

CANCELLED = 1e-10
"""Part of a variance that rounding may leave of it where the data say nearly all."""


class Posterior:
    """What some data say of a function.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    y : array, shape (n, k)
        Targets.
    loaded : Loaded
        M.
    seed : int
        Of the noise of the device, the same for each question.

    Attributes
    ----------
    weights : array, shape (n, k)
        M⁻¹y.
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, loaded: Loaded, seed: int) -> None:
        self.X, self.loaded, self.kernel, self.seed = X, loaded, loaded.kernel, seed
        self.weights = loaded.solve(y)

    def mean(self, X: np.ndarray) -> np.ndarray:
        """(m, k) at places X (m, d)."""
        if self._is_structured(X):
            return self.loaded.times(self.weights)
        return np.concatenate([self.kernel(part, self.X) @ self.weights for part in self._parts(X)])

    def moments(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (m, k) and variance (m,) at places X (m, d)."""
        means, variances = [], []
        for part in self._parts(X):
            cross, prior = self.kernel(part, self.X), self.kernel.diag(part)
            x, r = self._explained(cross, prior)
            means.append(cross @ self.weights)
            variances.append(prior - np.einsum("ij,ij->j", x, cross[:, self.loaded.order].T + r))
        return np.concatenate(means), _positive(np.concatenate(variances))

    def covariance(self, X: np.ndarray) -> np.ndarray:
        """(m, m) at places X (m, d)."""
        cross, prior = self.kernel(X, self.X), self.kernel(X)
        x, r = self._explained(cross, prior.diagonal())
        explained = x.T @ (cross[:, self.loaded.order].T + r)
        return np.asarray(prior - (explained + explained.T) / 2)

    def deviations(self, X: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        """Deviations (m, count) of random functions from the mean.

        Where X is the data and their form is not dense, functions f of the prior are bent to the data,
        f − K M⁻¹(f + noise), so that no dense matrix is ever made.
        """
        if not self._is_structured(X):
            size = float(self.kernel.diag(X).max())
            return drawn(self.covariance(X), count, self.loaded.device, rng, size)
        loaded = copy.copy(self.loaded)
        loaded.rng = rng
        prior = loaded.draws(count)
        noise = np.sqrt(loaded.shift).reshape(-1, 1) * rng.standard_normal(prior.shape)
        fresh = np.sqrt(white_noise(self.kernel, X))[:, None] * rng.standard_normal(prior.shape)
        return np.asarray(prior - loaded.times(loaded.solve(prior + noise)) + fresh)

    def _explained(self, cross: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the data say, the same whatever was asked before."""
        self.loaded.rng = np.random.default_rng(self.seed)
        return self.loaded.explained(cross, prior)

    def _is_structured(self, X: np.ndarray) -> bool:
        return not isinstance(self.loaded.structure, Dense) and np.array_equal(X, self.X)

    def _parts(self, X: np.ndarray) -> list[np.ndarray]:
        step = max(1, NUMBERS // len(self.X))
        return [X[start : start + step] for start in range(0, len(X), step)]


def _positive(variances: np.ndarray) -> np.ndarray:
    """Variances, zero where rounding left less."""
    if (variances < 0).any():
        warnings.warn(
            "Predicted variances smaller than 0, by rounding, are set to 0; a larger alpha makes the kernel's matrix "
            "less ill-conditioned",
            tla.ThermodynamicWarning,
            stacklevel=4,
        )
    return np.asarray(np.maximum(variances, 0.0))


def drawn(covariance: np.ndarray, count: int, device: Any, rng: np.random.Generator, size: float = 0.0) -> np.ndarray:
    """Vectors (m, count) of a covariance C (m, m): C times readings of a device that holds C, of covariance C⁻¹.

    Where C is what is left of variances of a `size`, rounding of that size may make it indefinite, and is lifted.
    """
    largest = max(float(covariance.diagonal().max()), float(np.finfo(float).tiny))
    least = float(np.linalg.eigvalsh(covariance)[0])
    lift = JITTER * largest + (2 * abs(least) if -CANCELLED * size <= least < 0 else 0.0)
    matrix = covariance + lift * np.eye(len(covariance))
    return np.asarray(matrix @ tla.sample(matrix, count, device=device, rng=rng).T)
