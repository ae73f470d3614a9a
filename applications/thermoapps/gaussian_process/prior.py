"""A Gaussian process before it has seen data, and the units of its targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from thermoapps.gaussian_process.posterior import drawn

__all__ = ["Units", "default_kernel", "prior_draws", "prior_moments"]


@dataclass(frozen=True)
class Units:
    """Mean and standard deviation of targets, which a process sees without them.

    Parameters
    ----------
    mean, scale : array, shape () or (k,)
        Of targets (n,) or (n, k).
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, *, normalize: bool) -> Units:
        """Those of some targets, or none."""
        if not normalize:
            return cls(np.zeros(y.shape[1:]), np.ones(y.shape[1:]))
        spread = y.std(axis=0)
        return cls(np.asarray(y.mean(axis=0)), np.where(spread > 0, spread, 1.0))

    def into(self, y: np.ndarray) -> np.ndarray:
        """Targets as the process sees them."""
        return np.asarray((y - self.mean) / self.scale)

    def back(self, values: np.ndarray) -> np.ndarray:
        """Values (m, k) of the process in the units and the shape of y."""
        return np.asarray(values.reshape(len(values), *self.mean.shape) * self.scale + self.mean)


def default_kernel() -> Any:
    """The kernel where none is given."""
    return ConstantKernel() * RBF()


def prior_moments(kernel: Any, X: np.ndarray, targets: int, *, return_std: bool, return_cov: bool) -> Any:
    """Mean (n,) or (n, targets) of the prior, and its standard deviation or covariance if asked for."""
    mean = np.zeros(len(X) if targets == 1 else (len(X), targets))
    if not (return_std or return_cov):
        return mean
    spread = kernel(X) if return_cov else np.sqrt(kernel.diag(X))
    return mean, spread if targets == 1 else np.repeat(spread[..., None], targets, axis=-1)


def prior_draws(
    kernel: Any, X: np.ndarray, targets: int, count: int, device: Any, rng: np.random.Generator
) -> np.ndarray:
    """Functions (n, count) or (n, targets, count) drawn from the prior."""
    draws = drawn(kernel(X), count * targets, device, rng).reshape(len(X), targets, count)
    return np.asarray(draws[:, 0] if targets == 1 else draws)
