"""The dimension from which on a device is the faster way, with the same condition, tolerance and filling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermolinalg.planning.ways import Direct, Iterative, OnDevice
from thermolinalg.primitives._pricing import counted

__all__ = ["Crossover", "crossover"]

LARGEST = 1e8
"""Dimensions are looked at up to here: a full matrix of that order has 1e16 entries, beyond any memory."""

STEPS = 20
"""Dimensions looked at in a decade: two ways that cross twice within a step are missed."""


@dataclass(frozen=True)
class Crossover:
    """From which dimension on the device is faster than a digital way.

    Parameters
    ----------
    way : str
        The digital way.
    dimension : float, optional
        None: at no dimension, or it is not known.
    why : str
        In words, with what the device would need there.

    See Also
    --------
    Way, Bits, BreakEven : Parts of a `Plan`.
    """

    way: str
    dimension: float | None
    why: str

    def __str__(self) -> str:
        return f"{self.way}: {self.why}"


def crossover(device: OnDevice, way: Direct | Iterative, d: int) -> Crossover:
    """The dimension from which on the device takes less time, all else being as it is.

    Parameters
    ----------
    device : OnDevice
    way : Direct or Iterative
    d : int
        Dimension that both are priced at.

    Returns
    -------
    Crossover
    """
    if way.obstacle is not None or way.seconds() is None or device.seconds() is None:
        return Crossover(way.name, None, way.obstacle or "a price is unknown")

    def faster(dimension: float) -> bool:
        taken, digital = device.seconds(dimension / d), way.seconds(dimension / d)
        return taken is not None and digital is not None and taken < digital

    dimensions = np.geomspace(1, LARGEST, round(STEPS * np.log10(LARGEST)) + 1)
    slower = [float(dimension) for dimension in dimensions if not faster(float(dimension))]
    if len(slower) == len(dimensions):
        return Crossover(way.name, None, "faster than the device at every dimension")
    if not slower:
        return Crossover(way.name, 1.0, "the device is faster at every dimension")
    if slower[-1] == dimensions[-1]:
        won = max(set(map(float, dimensions)) - set(slower))
        return Crossover(way.name, None, f"faster than the device at every dimension above {_rounded(won)}")
    low, high = slower[-1], float(dimensions[np.searchsorted(dimensions, slower[-1]) + 1])
    while high / low > 1.001:
        middle = (low * high) ** 0.5
        low, high = (low, middle) if faster(middle) else (middle, high)
    obstacle = device.obstacle(high / d)
    bits = (device.bits.grown(high / d) if device.full else device.bits).couplings
    but = f"where couplings take {bits} bits" if obstacle is None else f"but {obstacle}"
    return Crossover(way.name, high, f"the device is faster from d = {_rounded(high)} on, {but}")


def _rounded(dimension: float) -> str:
    """With three digits, as people read it."""
    return counted(float(f"{dimension:.3g}"))
