"""Damped linear least-squares problems, each solved on the device: what steps of the search are made of."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array, issparse
from scipy.sparse.linalg import LinearOperator

import thermolinalg as tla
from thermoapps.least_squares._jacobians import column_norms, columns, scaled
from thermolinalg.devices import Device

__all__ = ["LinearSteps"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

ACCURACY = 1e-6
"""Of a step, relative to the part of f that a step can remove: fewer digits cost steps, more cost device time."""

LEAST_DAMPING = 16 * EPS
"""λ at least, of the squared columns and for each unknown, where JᵀJ is held: less is the rounding of its products."""


@dataclass
class LinearSteps:
    """Steps min ‖J p + f‖² + λ ‖D p‖² within lower ≤ p ≤ upper, each on the device, and the time they took.

    A dense J is held in its skew embedding, so that nothing is squared, and a LinearOperator likewise. Of a sparse one
    the device holds JᵀJ + λD², which is as sparse as the variables are coupled; loads and residuals are of J.

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

    def __call__(
        self,
        model: tuple[Vector, Any],
        scale: Vector,
        damping: float,
        room: tuple[Vector, Vector],
        gradient: Vector,
        noise: float = 0.0,
    ) -> Vector:
        """The step; variables that would leave their room stop at its end, and the others are solved for again.

        Directions whose singular values are below `noise`, of the columns' norms, are left out of a dense J.
        """
        f, jacobian = model
        lower, upper = room
        step = np.zeros(scale.size)
        free = ~((lower == 0) & (gradient > 0) | (upper == 0) & (gradient < 0) | (lower == upper))
        weights = np.sqrt(damping) * scale
        while free.any():
            rest = f + jacobian @ step if step.any() else f
            step[free] = self._solve(rest, columns(jacobian, free), weights[free], scale[free], noise)
            leaving = free & ((step < lower) | (step > upper))
            if not leaving.any():
                break
            step[leaving] = np.clip(step, lower, upper)[leaving]
            free &= ~leaving
            step[free] = 0.0
        return step

    def _solve(self, f: Vector, jacobian: Any, weights: Vector, scale: Vector, noise: float) -> Vector:
        """The p that minimises ‖J p + f‖² + ‖weights p‖² without bounds."""
        load = -(jacobian.T @ f)
        if not load.any():
            return np.zeros(load.size)
        norms = column_norms(jacobian)
        # Columns of norm one, damping included, are what the device holds, whatever the units of the variables.
        size = scale if norms is None else np.hypot(norms, weights)
        size = np.where(size > 0, size, 1.0)
        with warnings.catch_warnings():
            # A step that is less exact is still judged by the cost it leads to.
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            jacobian, load, weights = scaled(jacobian, columns=1 / size), load / size, weights / size
            if issparse(jacobian):
                x, info = self._from_normal_equations(jacobian, load, weights)
            else:
                x, info = self._from_rows(jacobian, f, load, weights, noise)
        self.device_time += float(info.get("device_time", 0.0))
        return np.asarray(np.asarray(x, dtype=float) / size)

    def _from_rows(self, jacobian: Any, f: Vector, load: Vector, weights: Vector, noise: float) -> tuple[Any, Any]:
        atol = max(ACCURACY * float(np.linalg.norm(load)) / np.sqrt(load.size), 4 * EPS * float(np.linalg.norm(f)))
        how: dict[str, Any] = {"rtol": 0.0, "atol": atol, "device": self.device, "rng": self.rng, "return_info": True}
        if isinstance(jacobian, LinearOperator):
            result, info = tla.lstsq(jacobian, -f, damp=float(weights[0]), **how)
        else:
            # J over the damping: least squares of its rows is the step, at the condition number of J and not of JᵀJ.
            rows = np.concatenate([jacobian, np.diag(weights)]) if weights.any() else jacobian
            right = -np.concatenate([f, np.zeros(rows.shape[0] - f.size)])
            result, info = tla.lstsq(rows, right, cond=max(noise, max(rows.shape) * EPS), **how)
        return result.x, info

    def _from_normal_equations(self, jacobian: Any, load: Vector, weights: Vector) -> tuple[Any, Any]:
        normal = (jacobian.T @ jacobian).tocsr() + diags_array(
            np.maximum(weights**2, LEAST_DAMPING * load.size), format="csr"
        )
        return tla.solve(
            normal, load, assume_a="pos", rtol=ACCURACY, device=self.device, rng=self.rng, return_info=True
        )
