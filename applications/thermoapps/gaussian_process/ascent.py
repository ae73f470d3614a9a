"""The ascent of an evidence by Fisher scoring, from its slope alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from thermoapps.gaussian_process.evidence import Slope

__all__ = ["fisher_scoring"]

LONGEST = 2.0
"""Longest step in a logarithmic parameter."""

HALVINGS = 20


def fisher_scoring(
    slope_at: Callable[[np.ndarray], Slope], start: np.ndarray, bounds: np.ndarray, *, tol: float, max_iter: int
) -> tuple[np.ndarray, Slope, int]:
    """Climb the evidence within bounds: a natural gradient I⁻¹∂ first, then steps that BFGS corrects.

    Fisher's information is the mean of what the curvature may be; the changes of the slope on the way tell what it is.
    The rise along a step is the integral of the slope, taken by the trapezoidal rule; where it is not positive, or the
    slope not finite, the step is halved.

    Parameters
    ----------
    slope_at : callable
        The `Slope` at θ.
    start : array, shape (p,)
        θ to begin with.
    bounds : array, shape (p, 2)
        Of θ.
    tol : float
        Largest entry to reach of the slope, where no bound holds it; what is unknown of it is always enough.
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

    Raises
    ------
    ValueError
        The slope at the start is not finite.

    Warns
    -----
    ConvergenceWarning
        The slope is larger than `tol` after `max_iter` steps, or no step is uphill any more.
    """
    theta = np.clip(start, bounds[:, 0], bounds[:, 1])
    slope = slope_at(theta)
    if not np.isfinite(slope.gradient).all():
        raise ValueError("the evidence of kernel has no finite slope at its parameters; start from others")
    curvature = slope.information
    for iteration in range(max_iter):
        free = _open(theta, slope, bounds, tol)
        if not free.any():
            return theta, slope, iteration
        step = np.zeros_like(theta)
        block = curvature[np.ix_(free, free)]
        step[free] = np.linalg.lstsq(block, slope.gradient[free], rcond=None)[0]
        step *= min(1.0, LONGEST / np.abs(step).max())
        for _ in range(HALVINGS):
            there = np.clip(theta + step, bounds[:, 0], bounds[:, 1])
            slope_there = slope_at(there)
            if (slope.gradient + slope_there.gradient) @ (there - theta) > 0:
                break
            step /= 2
        else:
            _warn(f"no step from here is uphill; largest slope {np.abs(slope.gradient[free]).max():.2g}")
            return theta, slope, iteration
        curvature = _corrected(curvature, there - theta, slope.gradient - slope_there.gradient, slope_there)
        theta, slope = there, slope_there
    free = _open(theta, slope, bounds, tol)
    if free.any():
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


def _open(theta: np.ndarray, slope: Slope, bounds: np.ndarray, tol: float) -> np.ndarray:
    """Which parameters no bound holds back; none where their slopes are all below the tolerance or unknown."""
    gradient = slope.gradient
    free = ~(((theta <= bounds[:, 0]) & (gradient < 0)) | ((theta >= bounds[:, 1]) & (gradient > 0)))
    above = np.abs(gradient) > np.maximum(tol, slope.unknown)
    return free if (free & above).any() else np.zeros_like(free)


def _warn(message: str) -> None:
    warnings.warn(f"Fisher scoring of the kernel's parameters: {message}", ConvergenceWarning, stacklevel=4)
