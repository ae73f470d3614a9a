"""Robust losses ρ(z) of SciPy's `least_squares`, and how they change a Gauss–Newton step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps.least_squares._jacobians import scaled

__all__ = ["LOSSES", "RobustLoss"]

Vector = NDArray[np.float64]


def _soft_l1(z: Vector) -> tuple[Vector, Vector, Vector]:
    t = 1 + z
    return 2 * z / (np.sqrt(t) + 1), t**-0.5, -0.5 * t**-1.5


def _huber(z: Vector) -> tuple[Vector, Vector, Vector]:
    inside = z <= 1
    root = np.sqrt(np.where(inside, 1.0, z))
    return np.where(inside, z, 2 * root - 1), 1 / root, np.where(inside, 0.0, -0.5 / root**3)


def _cauchy(z: Vector) -> tuple[Vector, Vector, Vector]:
    t = 1 + z
    return np.log1p(z), 1 / t, -1 / t**2


def _arctan(z: Vector) -> tuple[Vector, Vector, Vector]:
    t = 1 + z**2
    return np.arctan(z), 1 / t, -2 * z / t**2


def _linear(z: Vector) -> tuple[Vector, Vector, Vector]:
    return z, np.ones_like(z), np.zeros_like(z)


LOSSES: dict[str, Callable[[Vector], tuple[Vector, Vector, Vector]]] = {
    "linear": _linear,
    "soft_l1": _soft_l1,
    "huber": _huber,
    "cauchy": _cauchy,
    "arctan": _arctan,
}


class RobustLoss:
    """The cost ½ Σ C² ρ((f/C)²) and the residuals and Jacobian of its Gauss–Newton model.

    Parameters
    ----------
    loss : str or callable
        A name of SciPy's, or a function of z that returns ρ, ρ′ and ρ″ as an array of shape (3, m).
    f_scale : float
        C, the residual at which outliers begin.
    """

    def __init__(self, loss: str | Callable[[Vector], Any], f_scale: float) -> None:
        self._rho = loss if callable(loss) else LOSSES[loss]
        self.is_linear = loss == "linear"
        self._named = not callable(loss)
        self._scale = f_scale

    def _derivatives(self, f: Vector) -> Vector:
        rho = np.asarray(self._rho((f / self._scale) ** 2), dtype=float)
        if rho.shape != (3, f.size):
            raise ValueError(f"loss must return an array of shape (3, {f.size}), got shape {rho.shape}")
        return rho

    def cost(self, f: Vector) -> float:
        """The cost of residuals f; infinite where they are not finite."""
        if not np.all(np.isfinite(f)):
            return np.inf
        with np.errstate(over="ignore", under="ignore"):
            if self.is_linear:
                return float(0.5 * (f @ f))
            return float(0.5 * self._scale**2 * np.sum(self._derivatives(f)[0]))

    def rounding(self, cost: float) -> float:
        """What a cost is exact to, in units of the precision; a user's ρ may be a difference of numbers near one."""
        return cost if self._named else max(cost, 0.5 * self._scale**2)

    def weights(self, f: Vector) -> Vector | None:
        """√ρ′ of each residual, by which it counts in the gradient; None where all count alike."""
        return None if self.is_linear else np.sqrt(np.maximum(self._derivatives(f)[1], 0.0))

    def model(self, f: Vector, jacobian: Any) -> tuple[Vector, Any]:
        """Residuals and Jacobian of the quadratic model: same gradient, curvature ρ′ + 2 ρ″ (f/C)² per residual."""
        if self.is_linear:
            return f, jacobian
        _, first, second = self._derivatives(f)
        # Negative curvature is cut off at rounding level, which keeps the model convex.
        root = np.sqrt(np.maximum(first + 2 * second * (f / self._scale) ** 2, np.finfo(float).eps))
        return f * first / root, scaled(jacobian, rows=root)
