"""Oscillators between hard rails: exact harmonic motion from bounce to bounce."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Flight"]

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Flight:
    """A device of oscillators whose inertia matches its couplings, A ẍ = −A (x − m), between rails.

    All its modes have the period 2π: x(t) = m + (x₀ − m) cos t + v₀ sin t. A rail pushes its own voltage alone, so that
    a bounce of voltage i is v ← v − 2 vᵢ Σeᵢ/Σᵢᵢ with Σ = A⁻¹: it turns vᵢ round and keeps the energy ½ vᵀAv. Motion
    and bounces leave the density e^{−(x − m)ᵀA(x − m)/2} between the rails as it is.

    Parameters
    ----------
    centre : array, shape (d,) or (d, k)
        m; of each of k replicas where theirs differ.
    covariance : array, shape (d, d)
        Σ.
    lower, upper : array, shape (d,)
        Rails; infinite entries are none.

    See Also
    --------
    TruncatedGaussian : Gaussians between rails.

    References
    ----------
    Pakman and Paninski, J. Comput. Graph. Stat. 23 (2014) 518.

    Examples
    --------
    >>> import numpy as np
    >>> flight = Flight(np.zeros(1), np.eye(1), np.zeros(1), np.array([np.inf]))
    >>> x, bounces, flown = flight.along(np.array([[1.0]]), np.array([[-2.0]]), np.pi / 2)
    >>> x.round(12), bounces, flown.round(12)  # without the rail it would be at −2
    (array([[2.]]), 1, array([1.57079633]))
    """

    centre: Vector
    covariance: Vector
    lower: Vector
    upper: Vector

    def along(self, x: Vector, v: Vector, time: float | Vector, most: int | None = None) -> tuple[Vector, int, Vector]:
        """Where replicas are after a time.

        Parameters
        ----------
        x, v : array, shape (d, k)
            Voltages between the rails, and their velocities.
        time : float or array, shape (k,)
            Below π.
        most : int, optional
            Bounces after which a replica stays where it is.

        Returns
        -------
        x : array, shape (d, k)
        bounces : int
            The most of a replica.
        flown : array, shape (k,)
            For how long each replica was on its way.
        """
        x, v, left = x.copy(), v.copy(), np.full(x.shape[1], time, dtype=float)
        kicks = self.covariance / np.diag(self.covariance)
        centres = np.broadcast_to(self.centre.reshape(len(x), -1), x.shape)
        going, bounces = np.arange(x.shape[1]), 0
        while going.size and bounces != most:
            here, speed, columns = x[:, going], v[:, going], np.arange(going.size)
            centre = centres[:, going]
            offset = here - centre
            below = _falls(offset, speed, here - self.lower[:, None], self.lower[:, None] - centre)
            above = _falls(-offset, -speed, self.upper[:, None] - here, centre - self.upper[:, None])
            both = np.minimum(below, above)
            first = both.argmin(axis=0)
            half = both[first, columns]
            hit = 2 * np.arctan(half) < left[going]
            half = np.where(hit, half, np.tan(left[going] / 2))
            share = half / (1 + half * half)  # of sines and cosines by the tangent of half the angle
            moved = here + 2 * share * (speed - half * offset)
            speed = speed - 2 * share * (half * speed + offset)
            here = np.clip(moved, self.lower[:, None], self.upper[:, None])  # rounding crosses no rail
            struck = first[hit]
            lower = below[struck, columns[hit]] <= above[struck, columns[hit]]
            here[struck, columns[hit]] = np.where(lower, self.lower[struck], self.upper[struck])
            speed[:, hit] -= 2 * speed[struck, columns[hit]] * kicks[:, struck]
            x[:, going], v[:, going] = here, speed
            left[going] = np.where(hit, left[going] - 2 * np.arctan(half), 0.0)
            going = going[hit]
            bounces += bool(going.size)
        return x, bounces, time - left


def _falls(offset: Vector, v: Vector, gap: Vector, level: Vector) -> Vector:
    """tan(t/2) for when offset cos t + v sin t, now a gap ≥ 0 above a level, comes down to it; infinity from t = π on.

    The root of (offset + level) τ² − 2vτ − gap = 0 on the way down, in the form in which nothing cancels: heights are
    told from the gap, which is small where the level is far above zero.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        total = offset + level
        square = v * v + gap * total
        root = np.sqrt(np.maximum(square, 0.0))
        tangent = np.where(v > 0, (v + root) / total, gap / (root - v))
        return np.where((square >= 0) & (tangent >= 0) & np.isfinite(gap), tangent, np.inf)
