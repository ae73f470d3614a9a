"""Slope and curvature of the evidence in a kernel's parameters.

With M = K + noise and a = M⁻¹y the logarithmic evidence of one target has

    slope        ∂_j = ½ aᵀ(∂_j K) a − ½ tr(M⁻¹ ∂_j K)
    information  I_ij = ½ tr(M⁻¹ ∂_i K M⁻¹ ∂_j K)

in the logarithms θ of the parameters. Neither needs a determinant. Traces are those of one inverse, or measured:
readings x of the device that holds M have covariance M⁻¹, so that xᵀ(∂_j K)x has the mean tr(M⁻¹ ∂_j K) and the
variance 2 tr((M⁻¹ ∂_j K)²) = 4 I_jj. With m readings θ is then known to 1/√m of its own posterior standard deviation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from thermoapps.gaussian_process.loaded import Loaded
from thermoapps.gaussian_process.structures import Dense

__all__ = ["Slope", "log_evidence", "slope_of"]

MEASURED = 1e-3
"""Relative residual of the solves for the information alone."""


@dataclass(frozen=True)
class Slope:
    """The evidence to first and second order.

    Parameters
    ----------
    gradient : array, shape (p,)
        ∂, in logarithmic parameters.
    information : array, shape (p, p)
        I.
    unknown : array, shape (p,)
        What the residual of an inverse leaves unknown of ∂.
    """

    gradient: np.ndarray
    information: np.ndarray
    unknown: np.ndarray | float = 0.0

    def measured(self, readings: int, targets: int) -> Slope:
        """The same, with the standard error of traces from so many readings as what is unknown of it."""
        return replace(self, unknown=np.sqrt(np.maximum(self.information.diagonal(), 0) * targets / readings))

    def deviations(self) -> np.ndarray:
        """Standard deviations (p,) of the parameters, by the information."""
        return np.sqrt(np.maximum(np.linalg.pinv(self.information, hermitian=True).diagonal(), 0))


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
        M, dense where there are no readings.
    y : array, shape (n, k)
        Targets.
    readings : int, optional
        Number of readings from which traces are measured; None takes the inverse instead.

    Returns
    -------
    Slope
    """
    return _by_inverse(loaded, y) if readings is None else _measured(loaded, y, readings)


def _by_inverse(loaded: Loaded, y: np.ndarray) -> Slope:
    """The slope from one inverse."""
    assert isinstance(loaded.structure, Dense)
    targets, inverse = y.shape[1], loaded.inverse().sharpened()
    weights = loaded.solve(y)
    changes = loaded.structure.gradients(loaded.kernel)
    quadratic = np.array([np.sum(weights * (change @ weights)) for change in changes])
    # In this order: (∂K)M⁻¹R is small where R is, and M⁻¹R(∂K) is not where M is ill-conditioned.
    moved = [change @ inverse.X for change in changes]
    traces = np.array([np.trace(product) for product in moved])
    unknown = inverse.residual * np.array([np.linalg.norm(product) for product in moved])
    slope = _slope(quadratic, traces, _products(moved, moved), targets)
    return Slope(slope.gradient, slope.information, targets * unknown / 2)


def _measured(loaded: Loaded, y: np.ndarray, readings: int) -> Slope:
    """The slope, its traces from vectors u, v with E uvᵀ = M⁻¹."""
    targets, (u, v) = y.shape[1], loaded.probes(readings)
    weights = loaded.solve(y)
    ahead = loaded.slopes(np.hstack([weights, v] if u is v else [weights, v, u]))
    quadratic = np.array([np.sum(weights * product[:, :targets]) for product in ahead])
    moved = [product[:, targets : targets + readings] for product in ahead]
    solved = np.split(loaded.solve(np.hstack(moved), MEASURED), len(moved), axis=1)
    traces = np.array([np.sum(u * part) for part in moved]) / readings
    left = [product[:, -readings:].T for product in ahead]
    return _slope(quadratic, traces, _products(left, solved) / readings, targets)


def _products(a: list[np.ndarray], b: list[np.ndarray]) -> np.ndarray:
    """The traces tr(a_i b_j)."""
    return np.array([[np.sum(left * right.T) for right in b] for left in a])


def _slope(quadratic: np.ndarray, traces: np.ndarray, products: np.ndarray, targets: int) -> Slope:
    return Slope((quadratic - targets * traces) / 2, targets * (products + products.T) / 4)
