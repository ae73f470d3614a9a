"""What is expected of noise and states given all observations, as all learning needs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thermoapps.state_space._batches import symmetric, transposed
from thermoapps.state_space.model import Model
from thermoapps.state_space.posterior import Posterior

__all__ = ["Expected", "expected_of", "outer", "posterior_of"]


@dataclass(frozen=True)
class Expected:
    """Moments of noise and states given all observations.

    Parameters
    ----------
    x, P : array, shapes (n, d) and (n, d, d)
        Means and covariances of states.
    w, ww, wx : array, shapes (n − 1, d), (n − 1, d, d), (n − 1, d, d)
        Means of w, and expectations of w wᵀ and w xᵀ.
    v, vv, vx : array, shapes (n, m), (n, m, m), (n, m, d)
        The same of v, with zeros where nothing is observed.
    """

    x: np.ndarray
    P: np.ndarray
    w: np.ndarray
    ww: np.ndarray
    wx: np.ndarray
    v: np.ndarray
    vv: np.ndarray
    vx: np.ndarray


def expected_of(posterior: Posterior) -> Expected:
    """Moments in the user's units."""
    model, (P, X, _) = posterior.model, posterior.moments
    _, w, v = posterior.remaining
    x, w, v = posterior.means, -w * posterior.states, v * posterior.observations
    H, F = model.observations[0], model.transitions(model.F)
    ww = outer(w, w) + posterior.transitions_covariance()
    wx = outer(w, x[:-1]) + transposed(X) - F @ P[:-1]
    vv = outer(v, v) + symmetric(H @ P @ transposed(H))
    return Expected(x, P, w, symmetric(ww), wx, v, vv, outer(v, x) - H @ P)


def posterior_of(model: Model, device: Any, rng: Any) -> Posterior:
    """The posterior of a series that is not empty."""
    if not model.sizes[0]:
        raise ValueError("y is empty; parameters need observations")
    return Posterior(model, device, rng)


def outer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a bᵀ at each time."""
    return np.asarray(a[..., :, None] * b[..., None, :])
