"""Fisher scoring: Newton's method with the Fisher information, which is the natural gradient with step 1."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import thermolinalg as tla

__all__ = ["Fitted", "fisher_scoring"]

SUFFICIENT_DECREASE = 1e-4
SHORTEST_STEP = 2.0**-40


class Fitted(NamedTuple):
    """Minimiser, iterations, device time in units of the device's time constant, and the last Fisher information."""

    theta: np.ndarray
    n_iter: int
    device_time: float
    information: np.ndarray


def fisher_scoring(
    objective: Callable[[np.ndarray], float],
    derivatives: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    start: np.ndarray,
    *,
    tol: float,
    max_iter: int,
    rtol: float,
    device: Any,
    rng: Any,
) -> Fitted:
    """Minimise a convex function; every step F δ = −g is solved on the device.

    Parameters
    ----------
    objective, derivatives : callable
        θ ↦ value, and θ ↦ (gradient, positive definite Fisher information).
    start : array, shape (d,)
        First θ.
    tol : float
        Largest entry of the gradient to accept.
    max_iter : int
        Steps at most.
    rtol : float
        Relative residual of each step; the next step corrects what it leaves.
    device, rng : optional
        As for `thermolinalg.solve`.

    Returns
    -------
    Fitted
        The result.

    Warns
    -----
    ConvergenceWarning
        The gradient is still above `tol`.
    """
    theta, value, device_time = start, objective(start), 0.0
    generator = np.random.default_rng(rng)
    gradient, information = derivatives(theta)
    for n_iter in range(max_iter):
        if np.max(np.abs(gradient)) <= tol:
            return Fitted(theta, n_iter, device_time, information)
        step, info = tla.solve(
            information, -gradient, assume_a="pos", rtol=rtol, device=device, rng=generator, return_info=True
        )
        device_time += float(info.device_time)
        slope = float(gradient @ step)
        rounding = 8 * np.finfo(float).eps * max(abs(value), 1.0)
        length = 1.0
        while not objective(theta + length * step) <= value + SUFFICIENT_DECREASE * length * slope + rounding:
            length /= 2
            if length < SHORTEST_STEP:
                break
        theta = theta + length * step
        value = objective(theta)
        gradient, information = derivatives(theta)
        if -slope <= rounding:  # what is left to gain is below the rounding errors of the objective
            return Fitted(theta, n_iter + 1, device_time, information)
    if np.max(np.abs(gradient)) > tol:
        warnings.warn(
            f"the gradient is {np.max(np.abs(gradient)):.3g} after {max_iter} steps, above tol={tol:g}; "
            "pass a larger max_iter=, or scale the features",
            ConvergenceWarning,
            stacklevel=3,
        )
    return Fitted(theta, max_iter, device_time, information)
