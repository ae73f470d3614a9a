"""Ensembles of roundings: one matrix written many times, each time rounded differently, and the readings merged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._validation import as_count, as_rng
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.mitigation.wrapped import WrappedProgram
from thermolinalg.devices.protocols import Program, checked_device
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.systematic import combined

__all__ = ["Ensemble", "EnsembleProgram"]

TRIES = 8
"""Copies, or whole sets of them, that are drawn before the matrix counts as too coarse."""

WAYS = ("dither", "stochastic")


@dataclass(frozen=True)
class Ensemble:
    """A device that holds A in many roundings, one after the other, whose merged readings have an error ε² for ε.

    Copy k holds A + δ_k. Where the mean of δ_k is 0 the first order −A⁻¹δ_k A⁻¹ cancels in the mean, and
    A⁻¹ E[δ A⁻¹ δ] A⁻¹ is left. Stochastic rounding leaves ε/√K of the first order besides, dithered rounding, whose
    thresholds of each element are equally spaced, ε/K.

    It removes the rounding of the couplings and what each write draws. It cannot remove what is the same in all copies:
    mismatch, offsets, converters, drift; nor the second order.

    Parameters
    ----------
    device : LangevinDevice, or a mitigating device around one
        With ``Couplings(bits=…)``. All copies are on one chip: without a `die` it gets one.
    copies : int, optional
        K.
    rounding : str, optional
        ``"dither"`` or ``"stochastic"``.

    Raises
    ------
    TypeError
        The device has no couplings that round.
    ValueError
        Another rounding.

    See Also
    --------
    Averaged, Calibrated : Mitigation, devices around devices.

    References
    ----------
    Error mitigation for thermodynamic computing, arXiv:2401.16231, by its abstract; the residual is derived in
    docs/imperfections.md.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A, b = np.array([[2.0, 0.7], [0.7, 3.0]]), np.array([1.0, 2.0])
    >>> coarse = tla.LangevinDevice(tla.Overdamped(1e-9), imperfections=tla.Imperfections(matrix_bits=6))
    >>> errors = [
    ...     np.linalg.norm(tla.solve(A, b, refine=False, device=device, rng=0) - np.linalg.solve(A, b))
    ...     for device in (coarse, Ensemble(coarse, copies=32))
    ... ]
    >>> bool(errors[1] < 0.3 * errors[0])
    True
    """

    device: Any
    copies: int = 32
    rounding: str = "dither"

    def __post_init__(self) -> None:
        checked_device(self.device)
        as_count(self.copies, "copies")
        if self.rounding not in WAYS:
            raise ValueError(f"rounding must be 'dither' or 'stochastic', got {self.rounding!r}")
        _recast(self.device, lambda imperfections: imperfections)

    def program(self, A: Any, *, rng: Any = None) -> EnsembleProgram:
        """Write A into the device, as often as there are copies.

        Parameters
        ----------
        A : array_like or Operator, shape (d, d)
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        EnsembleProgram

        Raises
        ------
        LinAlgError
            The couplings are so coarse that some copy of A is not positive definite, whatever is drawn.
        """
        rng = as_rng(rng)
        chip = int(rng.integers(2**31))
        for _ in range(TRIES):
            programs = self._copies(A, chip, int(rng.integers(2**31)), rng)
            if programs is not None:
                return EnsembleProgram(programs, self)
        raise np.linalg.LinAlgError(
            f"of {TRIES} ensembles of roundings each had a copy of A that is not positive definite: pass a device with "
            "more matrix_bits"
        )

    def _copies(self, A: Any, chip: int, seed: int, rng: np.random.Generator) -> list[Program] | None:
        """One program for each copy; None where one of them is not positive definite."""
        programs = list[Program]()
        for k in range(self.copies):

            def rounded(imperfections: Imperfections, phase: float = k / self.copies) -> Imperfections:
                couplings = replace(imperfections.couplings, rounding=self.rounding, phase=phase, dither=seed)
                die = chip if imperfections.die is None else imperfections.die
                parts: dict[str, Any] = imperfections.parts | {"couplings": couplings}
                return Imperfections(**parts, die=die)

            program = _recast(self.device, rounded).program(A, rng=rng)
            if getattr(program, "lift", 0.0):
                return None
            try:
                program.rate()
            except np.linalg.LinAlgError:
                return None
            programs.append(program)
        return programs


class EnsembleProgram(WrappedProgram):
    """A matrix in an `Ensemble`: copies that run one after the other.

    Parameters
    ----------
    programs : list of Program
    device : Ensemble
    """

    def __init__(self, programs: list[Program], device: Ensemble) -> None:
        super().__init__(programs[0])
        self.programs, self.device = programs, device
        for other in programs[1:]:
            self.program.ledger.carry(other.ledger)
        self.ledger = self.program.ledger

    @property
    def ledger(self) -> Ledger:
        """Of all copies."""
        ledger: Ledger = self.program.ledger
        return ledger

    @ledger.setter
    def ledger(self, ledger: Ledger) -> None:
        for program in self.programs:
            program.ledger = ledger

    def told(self) -> str:
        """What is merged, and what it leaves."""
        return (
            f"merged readings of {len(self.programs)} copies of A in {self.device.rounding} rounding, which leave what "
            "is the same in all of them"
        )

    def rate(self) -> float:
        """Of the slowest copy."""
        return min(program.rate() for program in self.programs)

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The longest schedule among those of the copies; each runs it."""
        return max((program.timetable(b, relative) for program in self.programs), key=lambda each: each.total)

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k) into each copy, run the schedule, return the mean of the averages; the state is of the last."""
        parts = [program.average(b, schedule, rng=rng, start=start, state=state) for program in self.programs]
        value, n = sum(part.value for part in parts) / len(parts), len(parts)
        told = all(part.replicas is not None for part in parts)

        def noise() -> Array:
            # Gains of copies differ by a factor: that of the first column of each.
            return sum(part.noise * (_first(parts[0].gain) / _first(part.gain)) for part in parts) / n

        return Reading(
            value,
            sum(part.device_time for part in parts),
            schedule,
            parts[-1].state,
            noise if told else None,
            parts[0].gain,
            parts[0].condition,
            lambda: self._left(parts, value),
        )

    def _left(self, parts: list[Reading], value: Array) -> dict[str, Array] | None:
        """What the mean misses: the frozen errors of a copy, and of the rounding what merging leaves.

        The first order is the scatter of the copies over √K, in dithered rounding over K or what stays of it by noise;
        the second is estimated by the square of the relative scatter.
        """
        xp, n = namespace(value), len(parts)
        errors = None if parts[0].implied is None else parts[0].implied()
        if errors is None or n < 2:
            return errors
        scatter = xp.sqrt(sum((part.value - value) ** 2 for part in parts) / (n - 1))
        sizes = xp.sqrt(xp.sum(value**2, axis=0))
        relative = xp.sqrt(xp.sum(scatter**2, axis=0)) / xp.where(sizes > 0, sizes, 1.0)
        first = scatter / (n if self.device.rounding == "dither" else n**0.5)
        left = combined({"first": first, "second": scatter * relative})
        return errors | {"matrix": 0.0 * value, "mitigation": left}

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,), return readings (n, d), as many from each copy."""
        parts = [
            program.readings(b, part, rng=rng, start=start, temperature=temperature)
            for program, part in self._shares(schedule, 1)
        ]
        value = namespace(b).concat([part.value for part in parts])
        spent = sum(part.device_time for part in parts)
        return Reading(value, spent, schedule, state=value[-1], gain=parts[0].gain)

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Mean of the covariances of the copies (d, d), as many readings each."""
        parts = [(program.covariance(part, rng=rng), part.readings) for program, part in self._shares(schedule, 2)]
        return self._merged(parts, schedule)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """Mean of the variances of the copies (d,), as many readings each."""
        schedule = Schedule.for_covariance(readings, self.rate())
        parts = [
            (program.variances(part.readings or 2, rng=rng), part.readings)
            for program, part in self._shares(schedule, 2)
        ]
        return self._merged(parts, schedule)

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after `time`; each column is of a copy drawn at random."""
        xp, which = namespace(b), rng.integers(len(self.programs), size=b.shape[1])
        waited = Schedule.for_covariance(1, self.rate()).burn_in if math.isinf(time) else time
        value, gain = xp.zeros_like(b), xp.ones_like(b[0, :])
        for k in np.unique(which):
            chosen = np.flatnonzero(which == k)
            begun = None if start is None else start[:, chosen]
            part = self.programs[k].settle(b[:, chosen], time, rng=rng, start=begun)
            value[:, chosen], gain[chosen] = part.value, part.gain
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        return Reading(value, b.shape[1] * waited, schedule, value, gain=gain)

    def _shares(self, schedule: Schedule, least: int) -> list[tuple[Program, Schedule]]:
        """The copies and the part of the readings that each takes, at least so many."""
        count, _ = schedule.grid()
        used = max(1, min(len(self.programs), count // least))
        bounds = np.linspace(0, count, used + 1).astype(int)
        return [(program, schedule.up_to(int(n))) for program, n in zip(self.programs, np.diff(bounds), strict=False)]

    def _merged(self, parts: list[tuple[CovarianceReading, int | None]], schedule: Schedule) -> CovarianceReading:
        """The mean of covariances, weighed by their readings."""
        total = sum(n or 0 for _, n in parts)
        first = parts[0][0]
        return replace(
            first,
            value=sum((n or 0) / total * part.value for part, n in parts),
            device_time=sum(part.device_time for part, _ in parts),
            schedule=schedule,
            systematic=None,
        )


def _recast(device: Any, change: Callable[[Imperfections], Imperfections]) -> Any:
    """The same device, however deep it is wrapped, with other imperfections."""
    if isinstance(imperfections := getattr(device, "imperfections", None), Imperfections):
        return replace(device, imperfections=change(imperfections))
    if (inside := getattr(device, "device", None)) is not None:
        return replace(device, device=_recast(inside, change))
    raise TypeError(
        f"an Ensemble needs a device with imperfections whose couplings round, such as "
        f"LangevinDevice(imperfections=Imperfections(matrix_bits=8)), not {device!r}"
    )


def _first(gain: Any) -> float:
    """The gain of the first column."""
    return gain if isinstance(gain, float) else float(gain[0])
