"""How long a device runs: burn-in, averaging and readings, and the rules that choose them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from thermolinalg._validation import as_count, as_nonnegative, as_positive
from thermolinalg.laws import EQUILIBRIUM_TIMES

__all__ = ["Schedule"]

STEPS = 4
"""Steps of an octave to which averaging times against noise are rounded up: a fifth more device time at most, and loads
of nearly the same size share one timetable, whose law is evaluated once."""

AVERAGING_TIMES = 64.0
"""Averaging in relaxation times of the slowest mode: 32 effectively independent readings of it."""


@dataclass(frozen=True)
class Schedule:
    """Timetable of one device run, in units of the device's time constant τ.

    Parameters
    ----------
    burn_in : float
        Time before the first reading.
    duration : float, optional
        Length of the averaging window. Needed unless `readings` and `spacing` are given.
    readings : int, optional
        Number of equally spaced readings; None integrates continuously over the window, as an analog integrator does.
    spacing : float, optional
        Time between readings; `duration / readings` if not given.
    bound : str, optional
        Which rule chose the times; "as given" for a schedule of the user's.
    rough : bool, optional
        Whether what the average leaves of its load is measured and sent back: a simulation that approximates may then
        err by a part of its noise.

    Raises
    ------
    ValueError
        Negative times, no duration, or a duration that is not readings × spacing.

    See Also
    --------
    solve : Takes one.
    devices.Reading : What it becomes on a device.

    Examples
    --------
    >>> Schedule(burn_in=10.0, readings=100, spacing=0.5).duration
    50.0
    """

    burn_in: float
    duration: float = None  # type: ignore[assignment]
    readings: int | None = None
    spacing: float | None = None
    bound: str = "as given"
    rough: bool = field(default=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("burn_in", as_nonnegative(self.burn_in, "burn_in"))
        if self.readings is not None:
            put("readings", as_count(self.readings, "readings"))
        if self.spacing is not None:
            put("spacing", as_positive(self.spacing, "spacing"))
        if self.duration is not None:
            put("duration", as_positive(self.duration, "duration"))
        if self.readings is None:
            if self.duration is None or self.spacing is not None:
                raise ValueError("a schedule needs duration, or readings with spacing or duration")
        elif self.duration is None:
            if self.spacing is None:
                raise ValueError("a schedule needs duration, or readings with spacing or duration")
            put("duration", self.readings * self.spacing)
        elif self.spacing is None:
            put("spacing", self.duration / self.readings)
        elif abs(self.readings * self.spacing - self.duration) > 1e-9 * self.duration:
            raise ValueError(
                f"duration {self.duration:g} is not readings × spacing = {self.readings * self.spacing:g}; drop one"
            )

    @property
    def total(self) -> float:
        """Device time of one run, burn-in included, in units of τ."""
        return self.burn_in + self.duration

    def grid(self) -> tuple[int, float]:
        """Number and spacing of the readings.

        Raises
        ------
        ValueError
            The schedule integrates over its window instead.
        """
        if self.readings is None or self.spacing is None:
            raise ValueError("single readings are needed, not an integral; pass Schedule(..., readings=n)")
        return self.readings, self.spacing

    def with_readings(self, readings: int) -> Schedule:
        """The same timetable read so many times."""
        return replace(self, readings=readings, spacing=None)

    def up_to(self, readings: int) -> Schedule:
        """The same timetable, ended after so many readings."""
        _, spacing = self.grid()
        return replace(self, readings=readings, duration=readings * spacing)

    def lengthened(self, times: int) -> Schedule:
        """The same timetable with a window, or readings, so many times as long."""
        if self.readings is None:
            return replace(self, duration=times * self.duration)
        return replace(self, readings=times * self.readings, duration=times * self.duration)

    @classmethod
    def for_residual(cls, relative: float, signal: float, temperature: float, rate: float) -> Schedule:
        """Window whose average has a residual of size `relative` × ‖b‖, on a device in its own units.

        The noise of a window's average, A⁻¹ sqrt(2T/T_w) z, leaves a white residual: its size does not depend on A, so
        T_w = 2T/(relative · signal)² is enough; longer windows serve error bars, which need the slowest mode to turn
        over often.

        Parameters
        ----------
        relative : float
            Residual of one run, relative to the load.
        signal : float
            Root mean square of the load on the device.
        temperature : float
            Temperature of the device.
        rate : float
            Relaxation rate of its slowest mode, in 1/τ.

        Returns
        -------
        Schedule
        """
        noise = 2 * temperature / (relative * signal) ** 2
        if noise > 0:
            noise = 2.0 ** (math.ceil(STEPS * math.log2(noise) - 1e-9) / STEPS)
        memory = AVERAGING_TIMES / rate
        bound = f"residual noise {relative:g}" if noise > memory else "averaging over the slowest mode"
        return cls(burn_in=EQUILIBRIUM_TIMES / rate, duration=max(noise, memory), bound=bound)

    @classmethod
    def for_covariance(cls, readings: int, rate: float) -> Schedule:
        """So many practically independent readings of a device in equilibrium.

        Parameters
        ----------
        readings : int
        rate : float
            Relaxation rate of the slowest mode, in 1/τ.

        Returns
        -------
        Schedule
        """
        spacing = EQUILIBRIUM_TIMES / rate
        return cls(burn_in=spacing, readings=readings, spacing=spacing, bound="independent readings")
