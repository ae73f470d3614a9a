"""Range, standard deviation and noise of a Matérn field by its evidence."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from thermoapps._journal import Journal
from thermoapps._reading import read_number
from thermoapps.random_field.field import GaussianField
from thermoapps.random_field.grid import Grid
from thermoapps.random_field.observing import read_observations
from thermoapps.random_field.posterior import Posterior

__all__ = ["MaternFit", "fit_matern"]

STEP = 1e-3
"""Step in logarithms of parameters of central differences of the evidence, whose rounding is below 1e-9."""

NOISES = (1e-4, 10.0)
"""Bounds of the noise in units of the spread of the data."""

PRECISION = {"ftol": 1e-9, "gtol": 1e-3}
"""Of the search: slopes of an evidence in logarithms, which its curvature of about m/2 makes small errors."""

FREE = 0.05
"""Distance from a bound below which a parameter has no standard error."""


@dataclass(frozen=True)
class MaternFit:
    """Parameters of largest evidence.

    Parameters
    ----------
    range, standard_deviation, noise : float
        In units of the coordinates and of the data.
    log_errors : dict
        Standard errors of the logarithms of those that were fitted, from the curvature of the evidence; NaN on a bound.
    log_evidence : float
        There.
    posterior : Posterior
        There.
    result : scipy.optimize.OptimizeResult
        Of the search over logarithms.

    See Also
    --------
    GaussianField, fit_matern : Parameters of a field.
    """

    range: float
    standard_deviation: float
    noise: float
    log_errors: dict[str, float]
    log_evidence: float
    posterior: Posterior
    result: OptimizeResult


def fit_matern(
    grid: Grid,
    observations: Any,
    at: Any = None,
    *,
    alpha: int = 2,
    trend: Any = None,
    range: float | None = None,
    standard_deviation: float | None = None,
    noise: float | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    progress: bool = False,
    device: Any = None,
    rng: Any = None,
) -> MaternFit:
    """The Matérn field on a grid under which observations are most probable, and its posterior.

    The evidence is climbed by L-BFGS-B over the logarithms of the parameters, with determinants from sparse factors.

    Parameters
    ----------
    grid : Grid
        Where; see `GaussianField.from_matern`.
    observations : array_like, shape (m,)
        NaN marks missing ones.
    at : optional
        As for `GaussianField.condition`.
    alpha : int, optional
        Order of the field.
    trend : array_like, shape (n,) or (n, p), or True, optional
        Covariates at the nodes, as for `GaussianField.with_trend`; True is an unknown mean.
    range, standard_deviation, noise : float, optional
        Parameters that are known; the others are fitted.
    checkpoint : str or path, optional
        Of a file in which the search notes evidences.
        The same call with the same file goes on from there, bit for bit; at the end the file is removed.
    progress : bool, optional
        Whether to show a bar.
    device, rng : optional
        Of the posterior, as for `GaussianField.condition`.

    Returns
    -------
    MaternFit

    Raises
    ------
    ValueError
        Fewer than three observations more than the trend has coefficients, or observations without any spread; a
        checkpoint of another search.

    See Also
    --------
    MaternFit, GaussianField : Parameters of a field.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.random_field import GaussianField, Grid, fit_matern
    >>> grid = Grid(300)
    >>> y = GaussianField.from_matern(grid, range=20.0).sample(rng=0)
    >>> fit = fit_matern(grid, y[::3], np.arange(0, 300, 3), standard_deviation=1.0, noise=0.01, rng=0)
    >>> 10 < fit.range < 40
    True
    """
    given = {"range": range, "standard_deviation": standard_deviation, "noise": noise}
    for name, value in given.items():
        if value is not None:
            given[name] = read_number(value, name, positive=name != "noise")
    if not isinstance(grid, Grid):
        raise TypeError(f"grid must be a Grid, got {grid!r}")
    n = grid.size
    covariates = np.ones(n) if trend is True else trend
    observed = read_observations(observations, 1.0, at, n, grid)
    coefficients = 0 if covariates is None else np.asarray(covariates)[0:1].size
    if len(observed) < coefficients + 3:
        raise ValueError(
            f"{len(observed)} observations are too few for parameters of a field; pass range=, standard_deviation= and "
            "noise= to GaussianField"
        )
    spread = float(np.std(observed.y)) if covariates is not None else float(np.sqrt(np.mean(observed.y**2)))
    if not spread > 0:
        raise ValueError("the observations have no spread: nothing tells a range or a standard deviation")
    step, width = float(grid.spacing.max()), float(((np.array(grid.shape) - 1) * grid.spacing).max())
    start = {"range": math.sqrt(2 * step * max(width, step) / 4), "standard_deviation": spread, "noise": spread / 3}
    bounds = {
        "range": (2 * step, 10 * max(width, step)),
        "standard_deviation": (1e-3 * spread, 1e3 * spread),
        "noise": (NOISES[0] * spread, NOISES[1] * spread),
    }
    names = [name for name, value in given.items() if value is None]
    known = {name: value for name, value in given.items() if value is not None}
    generator = np.random.default_rng(rng)

    def posterior_at(theta: np.ndarray) -> Posterior:
        here = known | {name: math.exp(value) for name, value in zip(names, theta, strict=True)}
        field = GaussianField.from_matern(
            grid, range=here["range"], standard_deviation=here["standard_deviation"], alpha=alpha
        )
        field = field if covariates is None else field.with_trend(covariates)
        return field.condition(observations, here["noise"], at=at, device=device, rng=generator)

    def cost(theta: np.ndarray) -> float:
        found = journal.step(lambda: {"value": float(posterior_at(theta).log_evidence(method="factor"))})
        return -float(found["value"])

    def slope(theta: np.ndarray) -> np.ndarray:
        steps = STEP * np.eye(len(theta))
        return np.array([(cost(theta + e) - cost(theta - e)) / (2 * STEP) for e in steps])

    limits = np.log([bounds[name] for name in names]).reshape(-1, 2)
    theta = np.clip(np.log([start[name] for name in names]), *limits.T) if names else np.zeros(0)
    asked = [repr(grid), observed.H, observed.y, alpha, np.asarray(covariates, dtype=float), given]
    with Journal(checkpoint, asked, generator, progress) as journal:
        if names:
            result = minimize(cost, theta, jac=slope, method="L-BFGS-B", bounds=limits, options=PRECISION)
            theta = result.x
        else:
            result = OptimizeResult(x=theta, fun=cost(theta), success=True, message="all parameters are given")
        errors = dict(zip(names, _errors(slope, theta, limits), strict=True))
    found = known | {name: math.exp(value) for name, value in zip(names, theta, strict=True)}
    posterior = posterior_at(theta)
    evidence = float(posterior.log_evidence(method="factor"))
    return MaternFit(**found, log_errors=errors, log_evidence=evidence, posterior=posterior, result=result)


def _errors(slope: Any, theta: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Standard errors from the curvature, of the parameters that are not on a bound."""
    found = np.full(len(theta), np.nan)
    inside = np.flatnonzero((theta - limits[:, 0] > FREE) & (limits[:, 1] - theta > FREE))
    if len(inside):
        steps = 10 * STEP * np.eye(len(theta))[inside]
        curvature = np.array([(slope(theta + e) - slope(theta - e)) / (20 * STEP) for e in steps])[:, inside]
        values, vectors = np.linalg.eigh((curvature + curvature.T) / 2)
        if (values > 0).all():
            found[inside] = np.sqrt(((vectors**2) / values).sum(axis=1))
    return found
