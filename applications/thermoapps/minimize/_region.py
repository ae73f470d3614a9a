"""Steps of a quadratic model within a radius, each system of which is solved on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps._programmed import Programmed
from thermoapps.minimize._curvature import largest, lowest, shifted

__all__ = ["RegionStep", "TrustRegion"]

Vector = NDArray[np.float64]

ACCURACY = 1e-6
"""Of a step: fewer digits cost steps, more cost device time."""

NEAR = 1.1
"""Of the radius: a step that is no longer is cut to it."""

TRIALS = 10
"""Shifts tried for one step at most."""

LIFT = 0.05
"""How far beyond the lowest eigenvalue a first shift goes, as a part of it."""

DOUBLINGS = 60
"""Shifts that the device may refuse because the lowest eigenvalue was not found well."""


@dataclass(frozen=True)
class RegionStep:
    """A step p; whether the region shortened it; whether the curvature is negative somewhere."""

    p: Vector
    shortened: bool
    curved: bool


@dataclass
class TrustRegion:
    """The minimum of gᵀp + ½ pᵀAp over ‖p‖ ≤ radius (Moré and Sorensen 1983).

    p = −(A + μI)⁻¹g with the μ ≥ 0 that makes A + μI positive definite and p no longer than the radius; where p stays
    within at every such μ, an eigenvector of the lowest eigenvalue leads on to the radius.

    Parameters
    ----------
    device : Programmed
        Solves definite systems.
    noise : float
        Eigenvalues down to −noise of the size of A count as zero.
    """

    device: Programmed
    noise: float

    def step(self, A: Any, g: Vector, radius: float) -> RegionStep:
        """The step; a radius that is infinite is one for definite A only, and g's own length over A's else."""
        rng = self.device.rng
        try:
            return self._shortened(A, g, self._at(A, 0.0, g), 0.0, radius)
        except np.linalg.LinAlgError:
            size = largest(A, rng)
        length = float(np.linalg.norm(g))
        if size == 0:
            return RegionStep(-g * min(1.0, radius / length) if length else 0 * g, length > 0, False)
        value, vector = lowest(A, rng)
        curved = value < -self.noise * size
        mu = max(-value * (1 + LIFT), self.noise * size)
        for _ in range(DOUBLINGS):
            try:
                p = self._at(A, mu, g)
                break
            except np.linalg.LinAlgError:
                mu *= 2
        else:
            p, curved = -g / mu, False
        if not curved:
            return self._shortened(A, g, p, mu, radius)
        if not np.isfinite(radius):
            radius = length / size or 1.0
        if float(np.linalg.norm(p)) > radius:
            return RegionStep(self._shortened(A, g, p, mu, radius).p, True, True)
        along = float(p @ vector)
        vector = vector if along > 0 or (along == 0 and rng.random() < 0.5) else -vector
        along = abs(along)
        more = -along + np.sqrt(max(along**2 + radius**2 - float(p @ p), 0.0))
        return RegionStep(p + more * vector, True, True)

    def _at(self, A: Any, mu: float, g: Vector) -> Vector:
        """−(A + μI)⁻¹g; a matrix that is not definite is refused though g is zero."""
        self.device.write(shifted(A, mu))
        if not g.any():
            self.device.solve(self.device.rng.standard_normal(g.size), ACCURACY)
            return np.zeros(g.size)
        return self.device.solve(-g, ACCURACY)

    def _shortened(self, A: Any, g: Vector, p: Vector, mu: float, radius: float) -> RegionStep:
        """The step at the shift where it is as long as the radius, by Newton's method on the inverse of its length."""
        length = float(np.linalg.norm(p))
        if length <= radius:
            return RegionStep(p, False, False)
        for _ in range(TRIALS):
            if length <= NEAR * radius:
                break
            falls = float(p @ self.device.solve(p, ACCURACY))  # −½ d‖p‖²/dμ
            if not falls > 0:
                break
            mu += length**2 / falls * (length - radius) / radius
            p = self._at(A, mu, g)
            length = float(np.linalg.norm(p))
        return RegionStep(p * min(1.0, radius / length), True, False)
