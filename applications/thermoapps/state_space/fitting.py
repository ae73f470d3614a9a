"""Parameters of maximum likelihood, by its slope."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import minimize

from thermoapps._journal import Journal
from thermoapps.state_space._batches import pinv, symmetric
from thermoapps.state_space.model import read_model
from thermoapps.state_space.moments import posterior_of
from thermoapps.state_space.scoring import score

__all__ = ["Fit", "fit"]

STEP = np.finfo(float).eps ** (1 / 3)
STOPPED = 99
"""Status of `scipy.optimize.minimize` when its callback raises StopIteration."""
OUTSIDE = 1e-8
"""Part of a change outside the range of a covariance that is rounding."""


@dataclass
class Fit:
    """Parameters found, and what they make of the series.

    Parameters
    ----------
    system : dict
        Arrays to pass to `thermoapps.state_space.smooth`.
    log_likelihood : float
    history : list of float
        Log-likelihoods on the way.
    success : bool
        Whether the search converged.
    message : str
        How the search ended.
    theta : array, optional
        Parameters of `fit`.
    standard_errors : array, optional
        Theirs, by the curvature of the likelihood; NaN where it is not a maximum.

    See Also
    --------
    Score, Measured, fit, expectation_maximisation : Parameters of a series.
    """

    system: dict[str, Any]
    log_likelihood: float
    history: list[float]
    success: bool
    message: str
    theta: np.ndarray = field(default_factory=lambda: np.zeros(0))
    standard_errors: np.ndarray = field(default_factory=lambda: np.zeros(0))


def fit(
    build: Callable[[np.ndarray], Mapping[str, Any]],
    start: Any,
    y: Any,
    *,
    inputs: Any = None,
    bounds: Any = None,
    maxiter: int = 200,
    callback: Callable[..., Any] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    device: Any = None,
    rng: Any = None,
) -> Fit:
    """Parameters of maximum likelihood by L-BFGS-B, whose slopes are exact.

    Parameters
    ----------
    build : callable
        Takes the parameters (p,) to a dictionary of F, Q, H, R, initial_covariance and, where there are,
        initial_mean, B and D; smooth, as its derivatives are taken by differences.
    start : array_like, shape (p,)
        Parameters to begin with, best of size one.
    y : array_like, shape (n,) or (n, m)
        Observations.
    inputs : array_like, shape (n,) or (n, k), optional
    bounds : sequence or scipy.optimize.Bounds, optional
        As `scipy.optimize.minimize` takes them.
    maxiter : int, optional
        Most steps.
    callback : callable, optional
        As that of `scipy.optimize.minimize`; StopIteration ends the search with what there is.
    checkpoint : str or path, optional
        Of a file in which the search notes likelihoods and their slopes.
        The same call with the same file goes on from there, bit for bit; at the end the file is removed.
    progress : bool, optional
        Whether to show a bar.
    device : thermolinalg.devices.Device, optional
    rng : None, int or numpy.random.Generator, optional

    Returns
    -------
    Fit
        With `theta`, its `standard_errors` and the `system` there.

    Raises
    ------
    ValueError
        A start that is not finite, or that the bounds exclude; a checkpoint of another search; as
        `thermoapps.state_space.smooth`.

    See Also
    --------
    expectation_maximisation, score, Fit, Score : Parameters of a series.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.state_space import fit
    >>> def white(theta):  # variance exp(theta) about a mean that is not known
    ...     return {"F": 1.0, "Q": 0.0, "H": 1.0, "R": np.exp(theta[0]), "initial_covariance": np.inf}
    >>> found = fit(white, [0.0], [1.0, 2.0, 3.0, 6.0], rng=0)
    >>> round(float(found.system["R"]), 4), found.success
    (4.6667, True)
    """
    theta = np.atleast_1d(np.asarray(start, dtype=float))
    if theta.ndim != 1 or not np.isfinite(theta).all():
        raise ValueError(f"start must be finite numbers of shape (p,), got {start!r}")
    generator = np.random.default_rng(rng)
    history: list[float] = []

    def evaluated(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = journal.step(lambda: _value_and_slope(build, theta, y, inputs, device, generator))
        return found["value"], found["slope"]

    def cost(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = evaluated(theta)
        history.append(value)
        return -value, -slope

    options = {"maxiter": maxiter, "gtol": 1e-6, "ftol": 1e-13}
    asked = [
        theta,
        dict(build(theta)),
        np.asarray(y, dtype=float),
        None if inputs is None else np.asarray(inputs),
        repr(bounds),
    ]
    with Journal(checkpoint, asked, generator, progress) as journal:
        found = minimize(cost, theta, jac=True, method="L-BFGS-B", bounds=bounds, callback=callback, options=options)
        journal.ended = found.status != STOPPED
        curvature = np.empty((len(theta), len(theta)))
        for i, step in enumerate(STEP * np.maximum(np.abs(found.x), 1.0)):
            ends = [found.x + sign * step * np.eye(len(theta))[i] for sign in (1, -1)]
            slopes = [evaluated(end)[1] for end in ends]
            curvature[i] = (slopes[1] - slopes[0]) / (2 * step)
    variances = np.diag(np.linalg.pinv(symmetric(curvature), hermitian=True))
    certain = np.linalg.eigvalsh(symmetric(curvature))[:1].sum() > 0
    errors = np.sqrt(variances) if certain else np.full(len(theta), np.nan)
    system = dict(build(found.x))
    return Fit(system, -float(found.fun), history, bool(found.success), str(found.message), found.x, errors)


def _value_and_slope(
    build: Callable[[np.ndarray], Mapping[str, Any]], theta: np.ndarray, y: Any, inputs: Any, device: Any, rng: Any
) -> dict[str, Any]:
    """Log-likelihood and its slope in the parameters; by differences along those that leave a singular covariance."""
    given: dict[str, Any] = {"inputs": inputs, "device": device, "rng": rng}
    system = dict(build(theta))
    here = score(**system, y=y, **given)
    slope = np.empty(len(theta))
    for i, step in enumerate(STEP * np.maximum(np.abs(theta), 1.0)):
        ends = [dict(build(theta + sign * step * np.eye(len(theta))[i])) for sign in (1, -1)]
        changes = {
            name: (_finite(ends[0][name]) - _finite(ends[1][name])) / (2 * step)
            for name in here.slopes
            if name in system
        }
        if _stays(system, changes):
            slope[i] = sum(float(np.sum(here[name] * change)) for name, change in changes.items())
        else:
            values = [_log_likelihood(end, y, given) for end in ends]
            slope[i] = (values[0] - values[1]) / (2 * step)
    return {"value": here.log_likelihood, "slope": slope}


def _log_likelihood(system: Mapping[str, Any], y: Any, given: Mapping[str, Any]) -> float:
    """Of a system as `fit` builds it."""
    names = {"initial_mean": None, "B": None, "D": None} | dict(system)
    model = read_model(**names, y=y, inputs=given["inputs"])
    return posterior_of(model, given["device"], given["rng"]).log_likelihood


def _finite(array: Any) -> np.ndarray:
    """Zeros where a state is diffuse, which no parameter changes."""
    numbers = np.asarray(array, dtype=float)
    return np.where(np.isinf(numbers), 0.0, numbers)


def _stays(system: Mapping[str, Any], changes: Mapping[str, np.ndarray]) -> bool:
    """Whether changes of the arrays stay in the ranges of the covariances that weigh them."""
    for name, covariance in (("F", "Q"), ("Q", "Q"), ("B", "Q"), ("H", "R"), ("R", "R"), ("D", "R")):
        change = changes.get(name)
        if change is None or not change.any():
            continue
        C = np.atleast_2d(np.asarray(system[covariance], dtype=float))
        change = np.atleast_2d(change)
        outside = change - C @ (pinv(C) @ change)
        if np.abs(outside).max() > OUTSIDE * np.abs(change).max():
            return False
    return True
