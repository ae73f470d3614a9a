"""Laws of the timetables that a device ran last: a refinement runs few of them, again and again."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import LinearLaw

__all__ = ["Windows"]

KEPT = 32
"""Timetables whose laws are kept."""


class Averaged(Protocol):
    """Dynamics that tell the average over a window."""

    def window(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Joint law of the average and the state at the end."""
        ...

    def average(self, burn_in: float, duration: float, readings: int | None = None) -> LinearLaw:
        """Law of the average alone, which takes one normal vector."""
        ...


class Windows:
    """Laws of windows on a device that holds a multiple of its matrix, kept as objects.

    Parameters
    ----------
    law : Averaged
    factor : float
        Of the matrix.
    """

    def __init__(self, law: Averaged, factor: float) -> None:
        self.law, self.factor = law, factor
        self._kept: dict[tuple[float, float, int | None, bool, bool], LinearLaw] = {}

    def __reduce__(self) -> tuple[type[Windows], tuple[Averaged, float]]:
        # The laws are closures, which do not pickle; they are soon made again.
        return type(self), (self.law, self.factor)

    def __call__(self, schedule: Schedule, *, state: bool) -> LinearLaw:
        """Law of the average over a window, and of the state at its end where that is asked for."""
        times, rough = (schedule.burn_in, schedule.duration, schedule.readings), schedule.rough and not state
        if (*times, state, rough) not in self._kept:
            while len(self._kept) >= KEPT:
                del self._kept[next(iter(self._kept))]
            law = self.law.window if state else self.law.average
            self._kept[*times, state, rough] = replace(law(*times).rescaled(self.factor), rough=rough)
        return self._kept[*times, state, rough]
