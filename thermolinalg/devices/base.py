"""What anything must do to serve as a device: the protocols, and what a run returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np

from thermolinalg._arrays import Array, column_norms
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Operator

__all__ = ["CovarianceReading", "Device", "Ledger", "Program", "Reading"]

REPLICAS = 32
"""Further runs of a schedule whose spread gives the error bar of a reading."""


@dataclass
class Ledger:
    """What the device was asked to do; digital work of the simulator is never counted here.

    Parameters
    ----------
    programs : int
        Matrices written.
    runs : int
        Runs of a schedule; all columns of a block run side by side and count one by one.
    device_time : float
        In units of τ.
    values_in, values_out : int
        Numbers converted for loads and for readings.
    """

    programs: int = 0
    runs: int = 0
    device_time: float = 0.0
    values_in: int = 0
    values_out: int = 0

    def record(self, d: int, runs: int, time_each: float, readings: int = 1) -> None:
        """Add so many runs of a d-node device."""
        self.runs += runs
        self.device_time += runs * time_each
        self.values_in += runs * d
        self.values_out += runs * d * readings


@dataclass
class Reading:
    """What a device returns.

    Parameters
    ----------
    value : array, shape (d, k)
        The estimate in the user's units.
    device_time : float
        Time of the runs behind it, in units of τ.
    schedule : Schedule
        Timetable of each run.
    state : array, shape (d, k), optional
        Voltages at the end, in the user's units: pass it as `start` of the next run.
    replicas : callable, optional
        Draws the noise (d, r) of r further runs, in the user's units for gain 1, when an error bar is first asked for.
    gain : array, shape (k,), optional
        By how much each column was amplified to full range; its noise is smaller by this factor.
    """

    value: Array
    device_time: float
    schedule: Schedule
    state: Array | None = None
    replicas: Callable[[], Array] | None = field(default=None, repr=False)
    gain: Array | float = 1.0

    @cached_property
    def noise(self) -> Array:
        """Noise of `REPLICAS` further runs, shape (d, r), before division by the gain."""
        if self.replicas is None:
            raise ValueError("this reading carries no error bar")
        return self.replicas()

    @cached_property
    def standard_error(self) -> Array:
        """One standard deviation of `value`, in its shape; its Student t has `degrees_of_freedom`."""
        root_mean_square = column_norms(self.noise.T) / self.noise.shape[1] ** 0.5
        return root_mean_square[:, None] / self.gain

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of the standard error."""
        return REPLICAS


@dataclass
class CovarianceReading:
    """The spread of a device's readings.

    Parameters
    ----------
    value : array, shape (d, d) or (d,)
        Sample covariance over the temperature, an estimate of A⁻¹, or its diagonal, in the user's units.
    device_time : float
        Time of the runs behind it, in units of τ.
    schedule : Schedule
        Timetable of the run.
    autocovariance : callable, optional
        ``autocovariance(m)`` is what the law of the device expects of the covariance (d, d) between a reading and the
        m-th one after it, in the units of `value`. None: the readings are independent.
    lags : int, optional
        Lags beyond which the autocovariance is negligible.
    monotone : bool, optional
        Whether it only decays, mode by mode, so that it may be summed from a few lags, fractions included.
    """

    value: Array
    device_time: float
    schedule: Schedule
    autocovariance: Callable[[float], Array] | None = field(default=None, repr=False)
    lags: int = 0
    monotone: bool = True


@runtime_checkable
class Program(Protocol):
    """A matrix written into a device."""

    ledger: Ledger

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ; LinAlgError with the evidence if it never relaxes."""
        ...

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ for the load b (d, k)."""
        ...

    def describe(self) -> dict[str, Any]:
        """What the report of a call says about the device: `engine` and `reason`."""
        ...

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the voltages."""
        ...

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,), run the schedule, return all readings (n, d), with noise of that temperature if one is given."""
        ...

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the covariance of the readings (d, d) over the temperature."""
        ...

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature, from independent readings in equilibrium."""
        ...

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after so much time."""
        ...


@runtime_checkable
class Device(Protocol):
    """Anything a matrix can be written into: a simulator, or hardware."""

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> Any:
        """Write A; returns its `Program`."""
        ...
