"""What anything must do to serve as a device: one protocol for all, and two for what only some primitives need."""

from __future__ import annotations

from typing import Protocol, cast, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading, Spectrum
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws.work import Drive
from thermolinalg.operators import Operator

__all__ = ["Correlated", "Device", "Drivable", "Program", "as_correlated", "as_drivable", "checked_device", "missing"]


@runtime_checkable
class Program(Protocol):
    """A matrix written into a device.

    See Also
    --------
    Drivable, Sourced, Spectrum, Device : Protocols of devices and what they hold.
    """

    ledger: Ledger

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ; LinAlgError with the evidence if it never relaxes."""
        ...

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ for the load b (d, k)."""
        ...

    def describe(self) -> dict[str, str]:
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
class Drivable(Protocol):
    """A program whose matrix can be changed, H_s = (1 − s) aI + s H on the way to the H it holds: for determinants.

    H is A, unless the device scales A on loading; `Spectrum.offset` tells then. A program that has these methods
    serves `slogdet`, `det` and `logabsdet`.

    See Also
    --------
    Sourced, Spectrum, Device, Program : Protocols of devices and what they hold.
    """

    ledger: Ledger

    def describe(self) -> dict[str, str]:
        """`engine` and `reason` of the last run."""
        ...

    def spectrum(self) -> Spectrum:
        """The ends of the spectrum of H; LinAlgError with the evidence if H is not positive definite, or singular."""
        ...

    def readings_along(self, start: float, log_odds: float, n: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        """Group means (groups,), n equilibrium readings of H_s each, of ds/du · xᵀ(H − aI)x/T at s = 1/(1 + e^−u).

        Here a is `start` and u `log_odds`; the mean of such a reading is d log det H_s/du. At least four groups, whose
        scatter tells the error.
        """
        ...

    def work(
        self, drive: Drive, steps: int, n: int, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Work of n drives from aI to H and of n back, in units of T, settling after each of so many jumps.

        A jump from s to s' at the voltages x does the work ½(s' − s) xᵀ(H − aI)x; `drive.progress` has the values of s.
        """
        ...


@runtime_checkable
class Correlated(Protocol):
    """A program driven by noise of any covariance, D per unit of the user's time: for Lyapunov equations and e^A.

    See Also
    --------
    CovarianceReading, Reading : What is read, and how.
    """

    ledger: Ledger

    def describe(self) -> dict[str, str]:
        """`engine` and `reason` of the last run."""
        ...

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ; LinAlgError with the evidence if it never relaxes."""
        ...

    def independent_readings(self, n: int) -> Schedule:
        """Timetable of n readings so far apart that each has forgotten the one before."""
        ...

    def noise_covariance(self, noise: Array, schedule: Schedule, *, rng: np.random.Generator) -> Array:
        """Mean of x xᵀ (d, d) over independent readings under the noise D (d, d): estimates X, A X + X Aᵀ = D."""
        ...

    def lagged_covariance(self, noise: Array, lag: float, schedule: Schedule, *, rng: np.random.Generator) -> Array:
        """Mean of x(t + lag) x(t)ᵀ (d, d) over independent pairs, `lag` in the user's time: estimates e^{−A lag} X."""
        ...


@runtime_checkable
class Device(Protocol):
    """Anything a matrix can be written into: a simulator, or hardware.

    See Also
    --------
    Program, Drivable, Sourced, Spectrum : Protocols of devices and what they hold.
    """

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> Program:
        """Write A; returns its `Program`."""
        ...


def checked_device(device: object, otherwise: str = "") -> Device:
    """The user's device; TypeError if it is none, which may `otherwise` be something else."""
    if isinstance(device, type) or not callable(getattr(device, "program", None)):
        raise TypeError(
            f"device must {otherwise}have a method program(operator), such as LangevinDevice(); not {device!r}"
        )
    return cast(Device, device)


DRIVABLE = ("spectrum", "readings_along", "work", "describe", "ledger")
CORRELATED = ("independent_readings", "noise_covariance", "lagged_covariance", "rate", "describe", "ledger")


def missing(program: object, names: tuple[str, ...]) -> list[str]:
    """Those of the names that a program has not, forwarded ones (``__getattr__``) included in what it has."""
    return [name for name in names if not hasattr(program, name)]


def as_drivable(program: object, device: object) -> Drivable:
    """The program as one that determinants can use; TypeError naming the methods it lacks, or why in its own words."""
    if lacking := missing(program, DRIVABLE):
        if undriven := getattr(program, "undriven", ""):
            raise TypeError(f"a determinant needs a device that can be driven, and {undriven}")
        raise TypeError(
            f"a determinant needs a device that can be driven, such as LangevinDevice: the program of {device!r} "
            f"lacks {', '.join(lacking)}"
        )
    return cast(Drivable, program)


def as_correlated(program: object, device: object) -> Correlated:
    """The program as one that takes noise of any covariance; TypeError naming the methods it lacks."""
    if lacking := missing(program, CORRELATED):
        raise TypeError(
            f"noise of one's own needs a device such as GeneralDevice: the program of {device!r} "
            f"lacks {', '.join(lacking)}"
        )
    return cast(Correlated, program)
