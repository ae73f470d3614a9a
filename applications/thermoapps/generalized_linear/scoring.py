"""Fisher scoring: Newton's method with the Fisher information, which is the natural gradient with step 1."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning

import thermolinalg as tla
from thermoapps._reading import naming
from thermoapps.generalized_linear._predictor import LinearPredictor

__all__ = ["Fitted", "Likelihood", "fisher_scoring"]

SUFFICIENT_DECREASE = 1e-4
SHORTEST_STEP = 2.0**-40

LOOSE = 0.1
"""Relative residual of a step far from the optimum, where the next one has more to correct."""


class Likelihood(Protocol):
    """A penalised negative log-likelihood of linear scores, convex in θ of shape (K, width)."""

    predictor: LinearPredictor

    def start(self) -> np.ndarray:
        """The first θ."""
        ...

    def objective(self, theta: np.ndarray) -> float:
        """Its value; infinite where it overflows."""
        ...

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (K, width) and positive definite Fisher information (K·width, K·width)."""
        ...

    def changing(self, step: np.ndarray) -> np.ndarray:
        """A step (K, width) without what changes no probability, where residuals of solves would gather."""
        ...


class Fitted(NamedTuple):
    """Minimiser (K, width), iterations, and device time in units of the device's time constant."""

    theta: np.ndarray
    n_iter: int
    device_time: float


def fisher_scoring(
    likelihood: Likelihood, *, tol: float, max_iter: int, rtol: float, device: Any, rng: Any, advice: str
) -> Fitted:
    """Minimise a convex function; every step F δ = −g is solved on the device.

    Where F is singular to working precision, θ is taken to the space of the rows once.

    Parameters
    ----------
    likelihood : Likelihood
    tol : float
        Largest entry of the gradient to accept, of features of unit root mean square.
    max_iter : int
        Steps at most.
    rtol : float
        Least relative residual of a step. Far from the optimum it may be as large as the gradient beside the first one,
        up to a tenth: the next step corrects what it leaves, and the order of convergence stays two.
    device, rng : optional
        As for `thermolinalg.solve`.
    advice : str
        What works where F is singular for good.

    Returns
    -------
    Fitted
        The result.

    Raises
    ------
    thermolinalg.SingularError
        F is singular in the space of the rows, too.

    Warns
    -----
    ConvergenceWarning
        The gradient is still above `tol`.
    """
    generator = np.random.default_rng(rng)
    try:
        return _descended(likelihood, tol, max_iter, rtol, device, generator)
    except tla.SingularError:
        if not likelihood.predictor.narrowed():
            with naming("the Fisher information", advice):
                raise
    with naming("the Fisher information", advice):
        return _descended(likelihood, tol, max_iter, rtol, device, generator)


def _descended(
    likelihood: Likelihood, tol: float, max_iter: int, rtol: float, device: Any, rng: np.random.Generator
) -> Fitted:
    """Steps until the gradient is small, or nothing is left to gain."""
    theta, device_time = likelihood.start(), 0.0
    value = likelihood.objective(theta)
    gradient, information = likelihood.derivatives(theta)
    scales = likelihood.predictor.scales
    first = largest = float(np.max(np.abs(gradient) / scales))
    for n_iter in range(max_iter):
        if largest <= tol:
            return Fitted(theta, n_iter, device_time)
        left = max(rtol, min(LOOSE, largest / first))
        load = -gradient.ravel()
        flat, info = tla.solve(information, load, assume_a="pos", rtol=left, device=device, rng=rng, return_info=True)
        device_time += float(info.device_time)
        step = likelihood.changing(np.asarray(flat).reshape(theta.shape))
        slope = float(np.sum(gradient * step))
        rounding = 8 * np.finfo(float).eps * max(abs(value), 1.0)
        length, before = 1.0, value
        while True:
            moved = theta + length * step
            value = likelihood.objective(moved)
            enough = value <= before + SUFFICIENT_DECREASE * length * slope + rounding
            if enough or length < SHORTEST_STEP:
                break
            length /= 2
        theta = moved
        gradient, information = likelihood.derivatives(theta)
        largest = float(np.max(np.abs(gradient) / scales))
        if -slope <= rounding:  # what is left to gain is below the rounding errors of the objective
            return Fitted(theta, n_iter + 1, device_time)
    if largest > tol:
        warnings.warn(
            f"the gradient of features in units of their deviations is {largest:.3g} after {max_iter} steps, above "
            f"tol={tol:g}; pass a larger max_iter=",
            ConvergenceWarning,
            stacklevel=4,
        )
    return Fitted(theta, max_iter, device_time)
