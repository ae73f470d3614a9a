"""Voltages whose rails are close together: drawn one after the other, given all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["NARROW", "swept"]

Vector = NDArray[np.float64]

NARROW = 0.25
"""Conditional spreads between rails, below which a voltage is drawn given the others instead of bouncing without end.

Between such rails its density is nearly flat or exponential, so that nearly every proposal is accepted.
"""


def swept(A: Vector, offset: Vector, y: Vector, lower: Vector, upper: Vector, rng: np.random.Generator) -> Vector:
    """Narrow voltages after each was drawn once, in order, from its law given all the others.

    Parameters
    ----------
    A : array, shape (m, d)
        Rows of the precision that belong to the narrow voltages, which come first among all d.
    offset : array, shape (d, k)
        y less the mean, for k replicas.
    y : array, shape (m, k)
        The narrow voltages.
    lower, upper : array, shape (m,)
        Their rails.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (m, k)
    """
    offset, y = offset.copy(), y.copy()
    for i, (row, low, high) in enumerate(zip(A, lower, upper, strict=True)):
        spread = row[i] ** -0.5
        mean = y[i] - row @ offset / row[i]
        # Heights are measured from the rail where the density is larger, in conditional spreads.
        rising = mean > high
        slope = np.where(rising, mean - high, low - mean) / spread
        height = spread * _exponential_with_a_bend(slope, (high - low) / spread, rng)
        drawn = np.where(rising, high - height, low + height)
        offset[i] += drawn - y[i]
        y[i] = drawn
    return y


def _exponential_with_a_bend(slope: Vector, width: float, rng: np.random.Generator) -> Vector:
    """Draws of s in [0, width] from e^{−slope s − s²/2}, by rejection from the exponential."""
    drawn, left = np.empty_like(slope), np.arange(slope.size)
    while left.size:
        a = slope[left]
        uniform = rng.uniform(size=left.size)
        with np.errstate(divide="ignore", invalid="ignore"):
            curved = -np.log1p(uniform * np.expm1(-a * width)) / a
        s = np.where(np.abs(a) * width < 1e-8, uniform * width, curved)
        drawn[left] = np.minimum(s, width)
        left = left[rng.uniform(size=left.size) > np.exp(-s * s / 2)]
    return drawn
