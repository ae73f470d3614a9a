"""What expm works with: one step of the exponential on a device, read as often as the tolerance asks for."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Any

import numpy as np
from scipy.sparse.linalg import expm_multiply

from thermolinalg._info import Info, warn
from thermolinalg._progress import told, watched
from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.devices import Correlated, Device, Schedule
from thermolinalg.devices.protocols import as_correlated
from thermolinalg.devices.watched import watched_program
from thermolinalg.estimation.health import Health, correlation_health
from thermolinalg.estimation.squaring import deviations, power, spread_of_power
from thermolinalg.matrix_functions import largest_eigenvalue
from thermolinalg.operators import Dense
from thermolinalg.primitives._coordinates import Plan, plan
from thermolinalg.primitives._lyapunov import embedding
from thermolinalg.primitives._readings import declare, empty_report, end_early
from thermolinalg.primitives._tolerance import read_rtol

__all__ = [
    "DIRECTIONS",
    "FEWEST_READINGS",
    "LONG",
    "MARGIN",
    "MOST_READINGS",
    "Precision",
    "announce",
    "estimate",
    "examined",
    "margin",
]

MARGIN = 0.49
"""How far the shift stays above the least one, m. Readings are independent after 18.4/m lags, and their number grows
as e^{2m}: the device time (1 + 18.4/m) e^{2m} is least here."""

FEWEST_READINGS = 100
"""With so many an entry of a covariance is normal enough for its error bar."""

MOST_READINGS = 10**15
"""More are not worth naming: decades at a nanosecond each."""

DIRECTIONS = 8
"""Vectors that such a device is held against digital products with A for."""

PILOT = 1000
"""Readings that tell how large e^A is, where the tolerance is relative to that."""

FASTER = 1e4
"""Factor by which readings grow at most from one run to the next: the first may be far from linear in its noise."""

SMALLER = "pass a smaller A and square the result yourself"
"""Where no tolerance helps."""

EXAMINED = 4096
"""Readings, and pairs at two lags, of a device that is not the package's own; as many as an answer took where these are
more, so that what goes unseen is of the order of its error bar."""

REPLICAS = 32
"""Draws that tell the spread of a power: as many degrees of freedom."""

LONG = 1e12
"""Device time, in τ, that is announced: eleven days at a microsecond each."""


@dataclass(frozen=True)
class Precision:
    """What is asked for: every standard error at most rtol times the largest entry, plus atol."""

    rtol: float
    atol: float
    schedule: Schedule | None = None

    @classmethod
    def read(cls, rtol: Any, atol: Any, schedule: Schedule | None, default: Precision) -> Precision:
        """The user's, of which one has to be positive; the default where neither is given."""
        if rtol is None and atol is None:
            return replace(default, schedule=schedule)
        relative = read_rtol(rtol, refine=True) or 0.0
        absolute = as_positive if atol is not None and not relative else as_nonnegative
        if not relative and atol is None:
            raise ValueError("rtol must be positive where no atol= is given")
        return cls(relative, absolute(0.0 if atol is None else atol, "atol"), schedule)

    def target(self, value: np.ndarray) -> float:
        """The largest standard error for this answer."""
        return self.atol + (self.rtol * float(np.abs(value).max(initial=0.0)) if self.rtol else 0.0)


@dataclass(frozen=True)
class Reading:
    """An estimate of e^A, its noise and its rounding."""

    value: np.ndarray
    noise: np.ndarray
    rounding: np.ndarray


@dataclass(frozen=True)
class Step:
    """(T e^{H/N} T⁻¹)^N for H/N on a device: e^{α} times the covariance of readings one unit of time apart.

    Parameters
    ----------
    plan : Plan
        Of the real form of A.
    complex : bool
        Whether A is complex.
    device : Device
    rng : numpy.random.Generator
    """

    plan: Plan
    complex: bool
    device: Device
    rng: np.random.Generator

    @cached_property
    def shift(self) -> float:
        """α."""
        step = self.plan.step
        return self.plan.abscissa + margin(len(step), float(np.abs(step).max()))

    @cached_property
    def growth(self) -> float:
        """e^α."""
        try:
            return math.exp(self.shift)
        except OverflowError:
            raise OverflowError(
                f"e^A is read as e^{self.shift:.4g} times what a device shows, beyond the range of float64; {SMALLER}"
            ) from None

    @cached_property
    def drift(self) -> np.ndarray:
        """αI − H/N."""
        return np.asarray(self.shift * np.eye(len(self.plan.step)) - self.plan.step)

    @cached_property
    def size(self) -> float:
        """‖αI − H/N‖, or a bound within a factor of two."""
        if (self.drift == self.drift.T).all():
            return largest_eigenvalue(Dense(self.drift, symmetric=True))
        return float(np.linalg.norm(self.drift, 2))

    @cached_property
    def program(self) -> Correlated:
        """The device with that drift on it."""
        return as_correlated(watched_program(self.device, Dense(self.drift, symmetric=False), self.rng), self.device)

    @cached_property
    def spread(self) -> np.ndarray:
        """Standard error of an entry of the step where one pair of readings is taken, without what P adds."""
        amplification = self.growth * self.plan.coordinates.amplification
        d = len(amplification) // 2
        return amplification[:d, :d] if self.complex else amplification

    @cached_property
    def rounding(self) -> np.ndarray:
        """What rounding of the drift moves an entry of the step by."""
        size = max(
            len(self.drift), float(np.abs(self.drift).max()), self.plan.coordinates.size * 0.5**self.plan.squarings
        )
        return float(np.finfo(float).eps) * size * self.spread

    def pairs(self, target: float) -> float:
        """Pairs of readings for a standard error of a single step."""
        # Entries of P are at most the spread, so that twice its square bounds the variance; of Re and Im together it
        # is the square.
        return (1 if self.complex else 2) * (float(self.spread.max()) / target) ** 2

    def read(self, schedule: Schedule) -> Reading:
        """One run of the device, and the squarings."""
        n, k = schedule.readings or 1, self.plan.squarings
        P = self.program.lagged_covariance(self.drift + self.drift.T, 1.0, schedule, rng=self.rng)
        X = self.outer(P)
        if k == 0:
            own = 0.0 if self.complex else np.minimum(np.abs(X), self.spread) ** 2
            return Reading(X, np.sqrt((self.spread**2 + own) / n), self.rounding)
        errors = (self.outer(error) for error in deviations(P, n, REPLICAS, self.rng))
        value, noise = power(X, k), spread_of_power(X, errors, k)
        # Rounding is an error of the step like any other; the products have their own.
        share = float(self.rounding.max()) * math.sqrt(n * len(P)) / float(self.spread.max())
        return Reading(value, noise, share * noise + 2**k * len(P) * np.finfo(float).eps * np.abs(value))

    def health(self, answered: int) -> Health | None:
        """Of the device, after so many readings."""
        d = len(self.drift)
        few = np.eye(d) if d <= DIRECTIONS else np.random.default_rng(d).choice([-1.0, 1.0], size=(d, DIRECTIONS))
        return examined(self.program, self.drift, few, answered, self.rng)

    def outer(self, P: np.ndarray) -> np.ndarray:
        """e^α T P T⁻¹, complex where A is: its real form comes once in each of two blocks."""
        X = self.growth * (self.plan.coordinates.T @ P @ self.plan.coordinates.inverse)
        if not self.complex:
            return np.asarray(X)
        d = len(X) // 2
        return np.asarray((X[:d, :d] + X[d:, d:]) / 2 + 0.5j * (X[d:, :d] - X[:d, d:]))


def examined(
    program: Any, drift: np.ndarray, along: np.ndarray, answered: int, rng: np.random.Generator
) -> Health | None:
    """Health of a device that is not the package's own, whose readings for its drift settle to N(0, I); None of that.

    Parameters
    ----------
    program : Watched
        `Correlated`, with the drift on it.
    drift : ndarray, shape (d, d)
    along : ndarray, shape (d, k)
        A few vectors, none of them zero.
    answered : int
        Readings that the answer took.
    rng : numpy.random.Generator
    """
    if program.vouched:
        return None
    n = max(EXAMINED, answered)
    noise, schedule = drift + drift.T, program.independent_readings(n)
    half, whole = (program.lagged_covariance(noise, lag, schedule, rng=rng) for lag in (0.5, 1.0))
    health = correlation_health(program.noise_covariance(noise, schedule, rng=rng), half, whole, n)
    # Digital products with A tell what a lag leaves of a few vectors; see `correlation_health` for the error.
    left = expm_multiply(-drift, along)
    health.note("decay", (whole @ along - left) * np.sqrt(n / ((along**2).sum(axis=0) + left**2)))
    return health


def margin(d: int, size: float) -> float:
    """How far above the least shift rounding and the cost of independent readings take it."""
    return max(MARGIN, 8 * d * float(np.finfo(float).eps) * size)


def estimate(A: np.ndarray, wanted: Precision, device: Device, rng: np.random.Generator) -> tuple[np.ndarray, Info]:
    """e^A and its report: runs of the device until the standard error is as small as was asked for."""
    is_complex = np.iscomplexobj(A)
    step = Step(plan(embedding(A) if is_complex else A), is_complex, device, rng)
    if step.growth == 0.0:
        return np.zeros_like(A), empty_report(np.zeros(A.shape), "every entry of e^A is below the range of float64")
    schedule, runs, stopped = wanted.schedule, 1, False
    if schedule is not None:
        found = step.read(schedule)
    else:
        found, schedule, runs, stopped = _read_until(step, wanted)
    if not np.isfinite(found.value).all():
        raise OverflowError(f"e^A leaves the range of float64; {SMALLER}")
    info = _report(step, found, schedule, runs)
    if stopped:
        end_early(info, runs, "runs")
    return found.value, info


def _read_until(step: Step, wanted: Precision) -> tuple[Reading, Schedule, int, bool]:
    """Runs with more and more readings: where errors are squared, or relative, the first only tells how many."""
    direct = step.plan.squarings == 0 and not wanted.rtol
    if direct:
        _refuse_rounding(step, step.rounding, wanted.atol, _least(float(step.spread.max()), 1))
        _refuse_many(step.pairs(wanted.atol), _least(float(step.spread.max()), 1))
        n = math.ceil(step.pairs(wanted.atol))
    else:
        n = max(PILOT, 4 * len(step.drift) * 4**step.plan.squarings)
    n, announced = max(n, FEWEST_READINGS), LONG
    for runs in watched(count(1), "run"):
        schedule = step.program.independent_readings(n)
        time = schedule.total + n * step.size
        announced = announce("e^A", time, n, announced)
        found = step.read(schedule)
        stopped = told("exponential", lambda: {"x": found.value, "n_runs": runs, "standard_error": found.noise})
        target, error = wanted.target(found.value), float(found.noise.max())
        if direct or (resolved := math.isfinite(error)):
            _refuse_rounding(step, found.rounding, target, _least(error, n))
        if stopped or direct or (resolved and error <= target):
            return found, schedule, runs, stopped and not (direct or error <= target)
        growth = min(1.2 * (error / target) ** 2, FASTER) if math.isfinite(error / target) else FASTER
        _refuse_many(growth * n, _least(error, n))
        n = math.ceil(growth * n)
    raise AssertionError  # the count has no end


def _least(error: float, n: int) -> float:
    """The tolerance that `MOST_READINGS` pairs reach with certainty, where n leave that error."""
    return 3 * error * math.sqrt(n / MOST_READINGS)


def _refuse_rounding(step: Step, rounding: np.ndarray, target: float, least: float) -> None:
    """ValueError where rounding alone is above the tolerance."""
    if (worst := float(rounding.max())) > target:
        raise ValueError(
            f"e^A is read as e^{step.shift * 2.0**step.plan.squarings:.4g} times what a device shows, whose rounding "
            f"alone makes an error of {worst:.3g}; pass atol= above {max(2 * worst, least):.2g}"
        )


def _refuse_many(pairs: float, least: float) -> None:
    """ValueError where more pairs are needed than any device reads."""
    if pairs > MOST_READINGS:
        advice = f"pass atol= above {least:.2g}" if math.isfinite(least) else SMALLER
        raise ValueError(f"e^A would take {pairs:.2g} pairs of readings, and {MOST_READINGS:.0g} is the most; {advice}")


def announce(what: str, time: float, n: int, already: float = LONG) -> float:
    """Warn of device time beyond what was announced already before it is spent; ten times what has been."""
    if time <= already:
        return already
    advice = "; pass a larger atol= or rtol=, with whose square it falls" if n > FEWEST_READINGS else ""
    warn(f"{what} takes {time:.2g} τ of device time for {n:.2g} pairs of independent readings{advice}")
    return 10 * time


def _report(step: Step, found: Reading, schedule: Schedule, runs: int) -> Info:
    program, k, d = step.program, step.plan.squarings, len(found.value)
    changed = step.plan.coordinates.changed
    factor = f"e^shift = {step.growth:.3g}" + (", and how the squarings amplify it" if k else "")
    told, health = program.describe(), step.health(schedule.readings or 1)
    info = Info(
        success=True,
        status=0,
        message=(
            f"statistical: no residual checks it. The standard error, at most {found.noise.max():.3g}, contains the "
            f"factor {factor}; pass a smaller atol= for more readings"
        ),
        residual_norm=None,
        backward_error=None,
        condition=None,
        n_runs=runs,
        n_matvec=d * (k + 2 * changed),
        shift=step.shift,
        squarings=k,
        noise=found.noise,
        rounding=found.rounding,
        systematic=0.0 * found.noise if getattr(program, "ideal", False) else None,
        standard_error=found.noise + found.rounding,
        failures=list(getattr(program, "failures", ())),
        effective_sample_size=schedule.readings,
        autocorrelation_time=1 / program.rate(),
        schedule=schedule,
        ledger=program.ledger,
        device_time=program.ledger.device_time,
        engine=told["engine"],
        reason=f"{told['reason']}; {step.plan.reason}",
    )
    declare(info, health)
    return info
