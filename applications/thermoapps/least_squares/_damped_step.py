"""One Levenberg–Marquardt step: a damped linear least-squares problem that the device solves."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import thermolinalg as tla
from thermolinalg.devices import Device

__all__ = ["DampedSteps"]

Vector = NDArray[np.float64]

ACCURACY = 1e-6
"""Of a step, relative to the part of f that a step can remove: fewer digits cost steps, more cost device time."""


@dataclass
class DampedSteps:
    """Steps min ‖J p + f‖² + λ ‖D p‖² within lower ≤ p ≤ upper, each on the device, and the time they took.

    Parameters
    ----------
    device : Device or None
        The device.
    rng : numpy.random.Generator
        Its noise.
    """

    device: Device | None
    rng: np.random.Generator
    device_time: float = field(default=0.0, init=False)

    def __call__(self, f: Vector, jacobian: Vector, scale: Vector, damping: float, room: tuple[Any, Any]) -> Vector:
        """The step; variables that would leave their room stop at its end, and the others are solved for again."""
        lower, upper = room
        step = np.zeros(scale.size)
        gradient = jacobian.T @ f
        free = ~((lower == 0) & (gradient > 0) | (upper == 0) & (gradient < 0))
        while free.any():
            rest = f + jacobian[:, ~free] @ step[~free]
            step[free] = self._solve(rest, jacobian[:, free] / scale[free], damping) / scale[free]
            leaving = free & ((step < lower) | (step > upper))
            if not leaving.any():
                break
            step[leaving] = np.clip(step, lower, upper)[leaving]
            free &= ~leaving
        return step

    def _solve(self, f: Vector, jacobian: Vector, damping: float) -> Vector:
        n = jacobian.shape[1]
        # J over sqrt(λ) I: least squares of its rows is the step, at the condition number of J and not of JᵀJ.
        damped = np.concatenate([jacobian, np.sqrt(damping) * np.eye(n)])
        load = np.concatenate([-f, np.zeros(n)])
        removable = float(np.linalg.norm(jacobian.T @ f)) / np.sqrt(n)
        if removable == 0:
            return np.zeros(n)
        atol = max(ACCURACY * removable, 4 * np.finfo(float).eps * float(np.linalg.norm(f)))
        with warnings.catch_warnings():
            # A step that is less exact is still judged by the cost it leads to.
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            result, info = tla.lstsq(
                damped, load, rtol=0.0, atol=atol, device=self.device, rng=self.rng, return_info=True
            )
        self.device_time += float(info.get("device_time", 0.0))
        return np.asarray(result.x, dtype=float)
