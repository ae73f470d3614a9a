"""A program around another one: all is passed on until something is changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices.protocols import Program
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule

__all__ = ["WrappedProgram"]


class WrappedProgram:
    """Passes on what `Program` asks for.

    Parameters
    ----------
    program : Program
        The one inside.
    """

    ideal = False

    def __init__(self, program: Program) -> None:
        self.program: Any = program

    @property
    def ledger(self) -> Ledger:
        """Of the device inside."""
        ledger: Ledger = self.program.ledger
        return ledger

    @ledger.setter
    def ledger(self, ledger: Ledger) -> None:
        self.program.ledger = ledger

    @property
    def excess_kurtosis(self) -> float:
        """Of the readings of the device inside, at most."""
        return float(getattr(self.program, "excess_kurtosis", 0.0))

    @property
    def remembers(self) -> float:
        """Time in τ over which 1/f noise correlates the readings of the device inside."""
        return float(getattr(self.program, "remembers", 0.0))

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return float(self.program.rate())

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ for the load b (d, k)."""
        schedule: Schedule = self.program.timetable(b, relative)
        return schedule

    def describe(self) -> dict[str, str]:
        """`engine` and `reason` of the device inside, and what is done about its errors."""
        told: dict[str, str] = dict(self.program.describe())
        told["reason"] = "; ".join(filter(None, (told.get("reason", ""), self.told())))
        return told

    def told(self) -> str:
        """What is done about errors, and what that leaves."""
        raise NotImplementedError

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the voltages."""
        reading: Reading = self.program.average(b, schedule, rng=rng, start=start, state=state)
        return reading

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,), run the schedule, return all readings (n, d)."""
        reading: Reading = self.program.readings(b, schedule, rng=rng, start=start, temperature=temperature)
        return reading

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the covariance of the readings (d, d) over the temperature."""
        reading: CovarianceReading = self.program.covariance(schedule, rng=rng)
        return reading

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature."""
        reading: CovarianceReading = self.program.variances(readings, rng=rng, progress=progress)
        return reading

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after so much time."""
        reading: Reading = self.program.settle(b, time, rng=rng, start=start)
        return reading
