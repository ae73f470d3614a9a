"""Laws of what a device ran last: refinements and trajectories run few timetables, again and again."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import LinearLaw

__all__ = ["Dynamics", "RecentLaws"]

KEPT = 32
"""Laws that are kept."""


class Dynamics(Protocol):
    """Dynamics of a device, as the laws of what is read of it."""

    @property
    def temperature(self) -> float:
        """T."""
        ...

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average and the state at the end."""
        ...

    def average(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Law of the average alone, which takes one normal vector."""
        ...

    def step(self, t: float) -> LinearLaw:
        """Law of the state a time t after a known state."""
        ...

    def stationary(self) -> LinearLaw:
        """Law of the state in equilibrium."""
        ...


class RecentLaws:
    """Laws of a device that holds a multiple of its matrix, kept as objects: engines know them by that.

    Parameters
    ----------
    law : Dynamics
    factor : float
        Of the matrix.
    """

    def __init__(self, law: Dynamics, factor: float) -> None:
        self.law, self.factor = law, factor
        self._kept: dict[tuple[float | None, ...], LinearLaw] = {}

    def __reduce__(self) -> tuple[type[RecentLaws], tuple[Dynamics, float]]:
        # The laws are closures, which do not pickle; they are soon made again.
        return type(self), (self.law, self.factor)

    def window(self, schedule: Schedule, *, state: bool) -> LinearLaw:
        """Law of the average over a window, and of the state at its end where that is asked for."""
        times, rough = (schedule.burn_in, schedule.duration, schedule.readings), schedule.rough and not state
        law = self.law.window if state else self.law.average
        return self._keep((*times, state, rough), lambda: replace(law(*times).rescaled(self.factor), rough=rough))

    def after(self, time: float) -> LinearLaw:
        """Law of the state a time after a known one; in equilibrium where that is infinite."""
        law = self.law.stationary if math.isinf(time) else lambda: self.law.step(time)
        return self._keep((time,), lambda: law().rescaled(self.factor))

    def _keep(self, key: tuple[float | None, ...], make: Callable[[], LinearLaw]) -> LinearLaw:
        """The law of this key, made where it is not there."""
        if key not in self._kept:
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = make()
        return self._kept[key]
