"""A⁻¹ as a device gives it: its program with the systems around it, and how well conditioned what it holds is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, to_numpy
from thermolinalg.devices import Ledger, Program, Reading, Schedule, SingularError
from thermolinalg.systems.base import Chain

__all__ = ["Adapter", "Averaging", "Condition", "DeviceInverse", "Inverse", "SingularError"]

ILL_CONDITIONED = 450.0
"""Times eps (1e-13 in double precision): below such an rcond an answer comes with a warning."""


@dataclass(frozen=True)
class Condition:
    """The ends of the spectrum (singular values) of A in balanced units.

    Parameters
    ----------
    smallest, largest : float
        Eigenvalues, or singular values.
    rounding : float
        min(d, 200) · eps: an rcond below it cannot be told from zero.
    eps : float
        Of the dtype.

    See Also
    --------
    Measure, Equation, DeviceInverse : What is known of a system.
    """

    smallest: float
    largest: float
    rounding: float
    eps: float

    @property
    def rcond(self) -> float:
        """Smallest over largest; zero for a zero matrix."""
        return self.smallest / self.largest if self.largest > 0 else 0.0

    @property
    def number(self) -> float:
        """The condition number 1/rcond."""
        return 1 / self.rcond if self.rcond > 0 else float("inf")

    @property
    def singular(self) -> bool:
        """Whether it cannot be told from a singular matrix."""
        return self.rcond < self.rounding

    @property
    def poor(self) -> bool:
        """Whether an answer has to come with a warning."""
        return self.rcond < ILL_CONDITIONED * self.eps

    @property
    def warning(self) -> str:
        """What a warning of a poor condition begins with."""
        return (
            f"A is ill-conditioned: balanced by rows and columns its condition number is {self.number:.3g} "
            f"(rcond {self.rcond:.2g})"
        )

    def refuse_singular(self, null_vector: Callable[[], Array]) -> None:
        """SingularError where rcond < min(d, 200) · eps (or A is zero), with the evidence.

        Parameters
        ----------
        null_vector : callable
            Gives what A all but annihilates, in the user's units (n,), as far as it can be had.
        """
        if not self.singular:
            return
        try:
            vector = to_numpy(null_vector())
        except (np.linalg.LinAlgError, NotImplementedError, ValueError, TypeError):
            vector = None
        evidence = "" if vector is None else f"; A takes {_told(vector)} to rounding"
        raise SingularError(
            f"A is singular to working precision: balanced by rows and columns, its smallest singular value is "
            f"{self.smallest:.3g} and its largest {self.largest:.3g}, a ratio of {self.rcond:.2g} below the rounding "
            f"{self.rounding:.2g}{evidence}; lstsq and pinv give the minimum-norm solution",
            vector,
            self.smallest,
            self.largest,
        )


def _told(vector: np.ndarray, most: int = 3) -> str:
    """The largest entries of a vector, as text."""
    order = np.argsort(-abs(vector))[:most]
    entries = ", ".join(f"{vector[i]:.3g} at {i}" for i in order)
    return f"the vector ({entries}{', …' if len(vector) > most else ''})"


class Averaging(Protocol):
    """A program, or what stands for one: averages of its voltages, and what they cost."""

    @property
    def ledger(self) -> Ledger:
        """What the device was asked to do."""
        ...

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        ...

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ for the load b (m, k)."""
        ...

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        ...

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Load b (m, k), run the schedule, return the estimate of A⁻¹b (n, k), with the last state if asked for."""
        ...


class Inverse(Averaging, Protocol):
    """A noisy inverse that tells what its runs cost and miss."""

    @property
    def definite(self) -> bool:
        """Whether A is held as a symmetric positive definite matrix."""
        ...

    @property
    def bias(self) -> float:
        """Most that a run leaves of a solution, relative to its norm in balanced units, whatever its noise."""
        ...

    @property
    def ideal(self) -> bool:
        """Whether a run errs by its noise and `bias` only."""
        ...

    @property
    def own(self) -> bool:
        """Whether the device is simulated by this package."""
        ...

    @property
    def failures(self) -> list[str]:
        """Runs that failed and were right the second time."""
        ...

    def left(self, burn_in: float) -> float:
        """Share of the start of the slowest mode that is left after a burn-in."""
        ...


@dataclass(frozen=True)
class Adapter:
    """Averages of a program as those of another matrix; what the program tells of itself is passed on.

    Parameters
    ----------
    program : Averaging
    """

    program: Averaging

    @property
    def ideal(self) -> bool:
        """Whether the device says of itself that it has no errors but noise; a stranger does not."""
        return bool(getattr(self.program, "ideal", False))

    @property
    def own(self) -> bool:
        """Whether the device is simulated by this package."""
        return bool(getattr(self.program, "own", False))

    @property
    def ledger(self) -> Ledger:
        """What the device was asked to do."""
        return self.program.ledger

    @property
    def failures(self) -> list[str]:
        """Runs that failed and were right the second time, where the program is watched."""
        return getattr(self.program, "failures", [])

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.program.rate()

    def left(self, burn_in: float) -> float:
        """Share of the start of the slowest mode that is left after a burn-in, unless the device tells of another."""
        told = getattr(self.program, "left", None)
        return math.exp(-burn_in * self.rate()) if told is None else float(told(burn_in))

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ for the load b (m, k)."""
        return self.program.timetable(b, relative)

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        return self.program.describe()


@dataclass(frozen=True)
class DeviceInverse(Adapter):
    """A noisy inverse: what is read from a program, through the systems between A and what it holds.

    Parameters
    ----------
    program : Program
        What the device holds.
    systems : Chain
        From A to what the device holds.
    definite : bool
        Whether A is held as a symmetric positive definite matrix.
    bias : float
        Most that a run leaves of a solution, relative to its norm in balanced units, whatever its noise.

    See Also
    --------
    Condition, Measure, Equation : What is known of a system.
    """

    program: Program
    systems: Chain
    definite: bool = True
    bias: float = 0.0

    def timetable(self, b: Array, relative: float) -> Schedule:
        """As that of the program, for the load that b (m, k) makes."""
        return self.program.timetable(self.systems.into(b), relative)

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Load b (m, k), run the schedule, return the estimate of A⁻¹b (n, k)."""
        if not self.systems.systems:
            return self.program.average(b, schedule, rng=rng, state=state)
        back, back_error = self.systems.back, self.systems.back_error
        inner = self.program.average(self.systems.into(b), schedule, rng=rng, state=state)

        def implied() -> dict[str, Array] | None:
            errors = None if inner.implied is None else inner.implied()
            return None if errors is None else {cause: back_error(error) for cause, error in errors.items()}

        return Reading(
            back(inner.value),
            inner.device_time,
            inner.schedule,
            None if inner.state is None else back(inner.state),
            None if inner.replicas is None else lambda: back_error(inner.noise),
            inner.gain,
            inner.condition,
            None if inner.implied is None else implied,
        )
