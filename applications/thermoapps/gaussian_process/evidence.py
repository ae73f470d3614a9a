"""Slope and curvature of the evidence in a kernel's parameters, and the ascent by Fisher scoring.

With M = K + noise and a = M⁻¹y the logarithmic evidence of one target has

    slope        ∂_j = ½ aᵀ(∂_j K) a − ½ tr(M⁻¹ ∂_j K)
    information  I_ij = ½ tr(M⁻¹ ∂_i K M⁻¹ ∂_j K)

in the logarithms θ of the parameters. Neither needs a determinant. Traces are exact from n solves, or measured:
readings x of the device that holds M have covariance M⁻¹, so that xᵀ(∂_j K)x has the mean tr(M⁻¹ ∂_j K). With m
readings θ is then known to 1/√m of its own posterior standard deviation.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from thermoapps.gaussian_process.loaded import Loaded

__all__ = ["Slope", "fisher_scoring", "log_evidence", "slope_of"]

LONGEST = 2.0
"""Longest step in a logarithmic parameter."""

HALVINGS = 20

EXACT, MEASURED = 1e-9, 1e-3
"""Relative residuals of the solves for traces and information, and of those for the information alone."""


@dataclass(frozen=True)
class Slope:
    """The evidence to first and second order.

    Parameters
    ----------
    gradient : array, shape (p,)
        ∂, in logarithmic parameters.
    information : array, shape (p, p)
        I.
    """

    gradient: np.ndarray
    information: np.ndarray


def log_evidence(loaded: Loaded, y: np.ndarray, weights: np.ndarray, atol: float) -> tuple[float, float]:
    """Log evidence as measured, and its standard error.

    Parameters
    ----------
    loaded : Loaded
        M.
    y, weights : array, shape (n,) or (n, k)
        Targets, and M⁻¹ y.
    atol : float
        Standard error to reach of the log-determinant of M.

    Returns
    -------
    value, standard_error : float
    """
    logdet, error = loaded.logdet(atol)
    targets = y.size // len(y)
    value = -(float(np.sum(y * weights)) + targets * (logdet + len(y) * math.log(2 * math.pi))) / 2
    return value, targets * error / 2


def slope_of(loaded: Loaded, y: np.ndarray, readings: int | None) -> Slope:
    """The evidence of some targets to first and second order.

    Parameters
    ----------
    loaded : Loaded
        M.
    y : array, shape (n, k)
        Targets.
    readings : int, optional
        Number of readings from which traces are measured; None takes n solves instead.

    Returns
    -------
    Slope
    """
    n, targets = y.shape
    probes = np.eye(n) if readings is None else loaded.readings(readings)
    weights = loaded.solve(y)
    ahead = loaded.slopes(np.hstack([weights, probes]))
    quadratic = np.array([np.sum(weights * product[:, :targets]) for product in ahead])
    moved = [product[:, targets:] for product in ahead]
    rtol = EXACT if readings is None else MEASURED
    solved = np.split(loaded.solve(np.hstack(moved), rtol), len(moved), axis=1)
    if readings is None:
        traces = np.array([np.trace(part) for part in solved])
        products = np.array([[np.sum(a * b.T) for b in solved] for a in solved])
    else:
        traces = np.array([np.sum(probes * part) for part in moved]) / readings
        products = np.array([[np.sum(a * b) for b in solved] for a in moved]) / readings
    return Slope((quadratic - targets * traces) / 2, targets * (products + products.T) / 4)


def fisher_scoring(
    slope_at: Callable[[np.ndarray], Slope], start: np.ndarray, bounds: np.ndarray, *, tol: float, max_iter: int
) -> tuple[np.ndarray, Slope, int]:
    """Climb the evidence within bounds: a natural gradient I⁻¹∂ first, then steps that BFGS corrects.

    Fisher's information is the mean of what the curvature may be; the changes of the slope on the way tell what it is.
    The rise along a step is the integral of the slope, taken by the trapezoidal rule; where it is not positive the
    step is halved.

    Parameters
    ----------
    slope_at : callable
        The `Slope` at θ.
    start : array, shape (p,)
        θ to begin with.
    bounds : array, shape (p, 2)
        Of θ.
    tol : float
        Largest entry to reach of the slope, where no bound holds it.
    max_iter : int
        Most steps.

    Returns
    -------
    theta : array, shape (p,)
        Where it ended.
    slope : Slope
        There.
    iterations : int
        Steps taken.

    Warns
    -----
    ConvergenceWarning
        The slope is larger than `tol` after `max_iter` steps, or no step is uphill any more.
    """
    theta = np.clip(start, bounds[:, 0], bounds[:, 1])
    slope = slope_at(theta)
    curvature = slope.information
    for iteration in range(max_iter):
        free = _free(theta, slope.gradient, bounds)
        if np.abs(slope.gradient[free]).max(initial=0.0) <= tol:
            return theta, slope, iteration
        step = np.zeros_like(theta)
        block = curvature[np.ix_(free, free)]
        step[free] = np.linalg.lstsq(block, slope.gradient[free], rcond=None)[0]
        step *= min(1.0, LONGEST / np.abs(step).max())
        for _ in range(HALVINGS):
            there = np.clip(theta + step, bounds[:, 0], bounds[:, 1])
            slope_there = slope_at(there)
            rise = (slope.gradient + slope_there.gradient) @ (there - theta)
            if rise > 0:
                break
            step /= 2
        else:
            _warn(f"no step from here is uphill; largest slope {np.abs(slope.gradient[free]).max():.2g}")
            return theta, slope, iteration
        curvature = _corrected(curvature, there - theta, slope.gradient - slope_there.gradient, slope_there)
        theta, slope = there, slope_there
    free = _free(theta, slope.gradient, bounds)
    if np.abs(slope.gradient[free]).max(initial=0.0) > tol:
        _warn(f"{max_iter} steps left a slope of {np.abs(slope.gradient[free]).max():.2g}; pass a larger max_iter")
    return theta, slope, max_iter


def _corrected(curvature: np.ndarray, step: np.ndarray, change: np.ndarray, slope: Slope) -> np.ndarray:
    """The curvature after BFGS's correction, or the information where the evidence is not concave along the step."""
    seen, expected = float(step @ change), float(step @ curvature @ step)
    if seen <= 1e-3 * expected or expected <= 0:
        return slope.information
    ahead = curvature @ step
    corrected: np.ndarray = curvature - np.outer(ahead, ahead) / expected + np.outer(change, change) / seen
    return corrected


def _free(theta: np.ndarray, gradient: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Which parameters no bound holds back."""
    return ~(((theta <= bounds[:, 0]) & (gradient < 0)) | ((theta >= bounds[:, 1]) & (gradient > 0)))


def _warn(message: str) -> None:
    warnings.warn(f"Fisher scoring of the kernel's parameters: {message}", ConvergenceWarning, stacklevel=4)
