"""Each state given the observations up to its time, and what follows the last."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps._reading import read_count
from thermoapps.state_space._batches import symmetric, times, transposed
from thermoapps.state_space.chain import Gaussian, Links, beginning, filtered, links_of
from thermoapps.state_space.model import Model, read_model
from thermoapps.state_space.posterior import Posterior

__all__ = ["Filtered", "Forecast", "filter", "forecast_from"]

ROUND = 1e-4
"""Reciprocal condition of a covariance from which on others are derived from it."""

SEPARATE = 4
"""Times for each state, at most, that are not derived from the one before."""


@dataclass(frozen=True)
class Forecast:
    """States and observations after the last observed time.

    Parameters
    ----------
    means : array, shape (steps, d)
        Of the states.
    covariances : array, shape (steps, d, d)
        Of the states.
    observation_means : array, shape (steps, m)
        Of observations.
    observation_covariances : array, shape (steps, m, m)
        Of observations, their noise with them.

    See Also
    --------
    filter, smooth, Filtered, Smoothed : States of a series.
    """

    means: np.ndarray
    covariances: np.ndarray
    observation_means: np.ndarray
    observation_covariances: np.ndarray


class Filtered:
    """What is known of each state given the observations up to its time; made by `filter`.

    Parameters
    ----------
    model : Model
    posterior : Posterior or None
        Of all states given all observations; None for an empty series.

    Attributes
    ----------
    means : array, shape (n, d)
        E[x_t | y_0 … y_t]; NaN before the observations determine all diffuse states.
    covariances : array, shape (n, d, d)
        Of the same; infinite there.
    n_diffuse : int
        Number of times before that.

    See Also
    --------
    Smoothed, Forecast, filter, smooth : States of a series.
    """

    def __init__(self, model: Model, posterior: Posterior | None) -> None:
        n, d, _ = model.sizes
        self.model = model
        self._posterior = posterior
        self.n_diffuse = 0
        self.means, self.covariances = np.full((n, d), np.nan), np.full((n, d, d), np.inf)
        if posterior is None:
            return
        # About the smoothed states all numbers are of the size of deviations, and rounding is relative to these.
        start, along, seen = posterior.remaining
        inner = posterior.inner
        links = links_of(inner, (along, seen))
        first, self.n_diffuse = _first_states(inner, (start, seen), links)
        later = filtered(first[-1], links[self.n_diffuse + len(first) - 1 :])
        mean = np.concatenate([[state.mean for state in first[:-1]], later.mean]) if first[:-1] else later.mean
        self.means[self.n_diffuse :] = (posterior.mode.x[self.n_diffuse :] + mean) * posterior.states
        covariance = np.concatenate([*(state.covariance[None] for state in first[:-1]), later.covariance])
        self.covariances[self.n_diffuse :] = covariance * posterior.states * posterior.states[:, None]

    @cached_property
    def predictions(self) -> Gaussian:
        """Mean (n, d) and covariance (n, d, d) of x_t given y_0 … y_{t−1}; NaN and infinite where diffuse."""
        model = self.model
        F, Q, c = (model.transitions(array) for array in (model.F, model.Q, model.offsets[0]))
        n, d, _ = model.sizes
        means, covariances = np.full((n, d), np.nan), np.full((n, d, d), np.inf)
        if n and not model.diffuse.any():
            means[0], covariances[0] = model.mean, model.covariance
        known = slice(self.n_diffuse, max(n - 1, 0))
        later = slice(self.n_diffuse + 1, n)
        P = self.covariances[known]
        means[later] = times(F[known], self.means[known]) + c[known]
        covariances[later] = symmetric(F[known] @ P @ transposed(F[known])) + Q[known]
        return Gaussian(means, covariances)

    @property
    def log_likelihood(self) -> float:
        """log p(y); as `Smoothed.log_likelihood`."""
        return 0.0 if self._posterior is None else self._posterior.log_likelihood

    def forecast(self, steps: int) -> Forecast:
        """States and observations after the last.

        Parameters
        ----------
        steps : int
            How many.

        Returns
        -------
        Forecast
        """
        n = len(self.means)
        if n and self.n_diffuse >= n:
            raise tla.SingularError("the observations do not determine all diffuse states; there is no forecast")
        return forecast_from(self.model, Gaussian(self.means[-1], self.covariances[-1]) if n else None, steps)


def filter(
    F: Any,
    Q: Any,
    H: Any,
    R: Any,
    y: Any,
    *,
    initial_covariance: Any,
    initial_mean: Any = None,
    inputs: Any = None,
    B: Any = None,
    D: Any = None,
    device: Any = None,
    rng: Any = None,
) -> Filtered:
    """Each state of a linear-Gaussian model given the observations up to its time.

    The device finds the smoothed states; what filtered states differ from them by is the prefix sums of links, each a
    few states' covariances, computed for all times side by side (Särkkä and García-Fernández 2021).

    Parameters
    ----------
    F, Q, H, R, y, initial_covariance, initial_mean, inputs, B, D, device, rng
        As `thermoapps.state_space.smooth`.

    Returns
    -------
    Filtered
        `means`, `covariances`; on demand `predictions`, `log_likelihood`, `forecast`.

    Raises
    ------
    ValueError
        As `thermoapps.state_space.smooth`.
    thermolinalg.SingularError
        As `thermoapps.state_space.smooth`.

    See Also
    --------
    smooth, Filtered, Smoothed, Forecast : States of a series.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.state_space import filter
    >>> level = filter(1.0, 1.0, 1.0, 2.0, [1.0, np.nan], initial_covariance=2.0, rng=0)
    >>> level.means[:, 0].round(6), level.covariances[:, 0, 0].round(6)
    (array([0.5, 0.5]), array([1., 2.]))
    >>> level.predictions.mean[:, 0].round(6), level.forecast(2).observation_covariances[:, 0, 0].round(6)
    (array([0. , 0.5]), array([5., 6.]))
    """
    model = read_model(F, Q, H, R, y, initial_mean, initial_covariance, inputs, B, D)
    return Filtered(model, Posterior(model, device, rng) if model.sizes[0] else None)


def forecast_from(model: Model, last: Gaussian | None, steps: int) -> Forecast:
    """The model run on from its last state; None is an empty series, whose next state is the initial one."""
    steps = read_count(steps, "steps", least=0)
    arrays = (model.F, model.Q, model.H, model.R, *model.offsets)
    if last is None or any(len(array) != 1 for array in arrays):
        raise ValueError("what follows is not known of an empty or changing model; append rows of NaN to y instead")
    F, Q, H, R, c, e = (array[0] for array in arrays)
    means, covariances = np.empty((steps, *last.mean.shape)), np.empty((steps, *last.covariance.shape))
    mean, P = last.mean, last.covariance
    for step in range(steps):
        mean, P = F @ mean + c, symmetric(F @ P @ F.T) + Q
        means[step], covariances[step] = mean, P
    seen = symmetric(H @ covariances @ H.T) + R
    return Forecast(means, covariances, means @ H.T + e, seen)


def _first_states(model: Model, rows: tuple[np.ndarray, np.ndarray], links: Links) -> tuple[list[Gaussian], int]:
    """States by all the observations up to their times, from the first that these determine, and when that is.

    Each stands by itself: while one variance is far below another, as at first in a start that is nearly diffuse, a
    covariance does not hold both in its digits, and no later one may be derived from it.
    """
    so_far: Links | None = None
    found: list[Gaussian] = []
    best = 0.0
    for t in range(model.sizes[0]):
        try:
            start, _ = beginning(model, rows, so_far)
        except tla.SingularError:
            if found or not model.diffuse.any():
                raise
        else:
            if so_far is not None:
                A = so_far.A[0]
                covariance = symmetric(A @ start.covariance @ A.T) + so_far.C[0]
                start = Gaussian(A @ start.mean + so_far.b[0], covariance)
            found.append(start)
            ratio = _reciprocal_condition(start.covariance)
            if ratio > ROUND or ratio == best or len(found) > SEPARATE * len(model.diffuse):
                return found, t + 1 - len(found)
            best = max(best, ratio)
        if t < len(links):
            so_far = links[t : t + 1] if so_far is None else so_far.followed_by(links[t : t + 1])
    found = found or [beginning(model, rows, so_far)[0]]  # which refuses, and tells what is not determined
    return found, model.sizes[0] - len(found)


def _reciprocal_condition(covariance: np.ndarray) -> float:
    """Least over largest eigenvalue, of the states that have a variance."""
    values = np.linalg.eigvalsh(covariance)
    return float(max(values[0], 0.0) / values[-1]) if values[-1] > 0 else 0.0
