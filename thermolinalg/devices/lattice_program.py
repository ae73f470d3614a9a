"""A matrix in a lattice random walk: its runs, walked step by step or drawn from the moments of the walk."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg._info import warn
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.ranging import Ranged
from thermolinalg.devices.reading import REPLICAS, CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import forgotten
from thermolinalg.operators import Operator
from thermolinalg.simulation.covariances import sample_covariance, wishart_factor
from thermolinalg.simulation.lattice import LatticeWalk

__all__ = ["LatticeProgram"]

LARGEST = 4096
"""Nodes up to which dense arrays of them are held and decomposed."""

STEP_COST = 2**11
"""Draws that take as long as what else there is to a step."""

NEGLIGIBLE = 12.0
"""Relaxation times after which two readings count as uncorrelated in an error bar."""

WARNED = 1e-4
"""Share of clipped draws from which a run warns."""

IDEAL = Imperfections()


class LatticeProgram(Ranged):
    """A matrix written into a `LatticeDevice`; see `Program` for its methods.

    It has no drives, since its covariances on the way would be biased by its step: determinants need another device.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A, symmetric.
    temperature, spacing, step : float
        T, δ and h.
    loading : Equilibrated or AsWritten
        Of the `LatticeDevice` it was written into.
    longest : float
        Draws up to which a run is walked.
    rng : numpy.random.Generator
        Not used.

    Raises
    ------
    TypeError
        A is not symmetric.
    ValueError
        More nodes than dense arrays can hold, or a step at which the walk is not stable.

    See Also
    --------
    SaturatingProgram, TiledProgram, UnevenProgram, LangevinProgram : Programs, what devices hold of A.
    """

    ideal = False

    def __init__(
        self,
        operator: Operator,
        temperature: float,
        spacing: float,
        step: float,
        loading: Equilibrated | AsWritten,
        longest: float,
        rng: np.random.Generator,
    ) -> None:
        d = operator.shape[0]
        if not operator.symmetric:
            raise TypeError("a LatticeDevice holds real symmetric A only; solve() takes others to such a form")
        if d > LARGEST:
            raise ValueError(
                f"a LatticeDevice is simulated with dense arrays of up to {LARGEST} nodes, and A has {d}; pass "
                "LangevinDevice()"
            )
        super().__init__(operator, loading, IDEAL, rng)
        self.temperature, self.h, self.longest = temperature, step, longest
        self.ledger, self.drawn = Ledger.of(operator), ("none: nothing had to run", "")
        held = to_numpy(self.effective.dense()).astype(np.float64)
        largest = float(np.linalg.eigvalsh(held)[-1]) if d else 1.0
        if isinstance(loading, Equilibrated) and largest > 0:
            self.factor = 1 / largest
        if self.h * self.factor * largest >= 1:
            raise ValueError(
                f"step · λ_max = {self.h * self.factor * largest:.4g} must stay below 1; pass a shorter step, a finer "
                "spacing, or loading=Equilibrated()"
            )
        self.walk = self.law = LatticeWalk(self.factor * held, spacing, step, temperature)
        self._roots: dict[tuple[int, int, int | None, bool], np.ndarray] = {}

    # -- what it is ---------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of A_dev."""
        values = self.walk.moments.values
        return (float(values[0]), float(values[-1])) if len(values) else (1.0, 1.0)

    @property
    def condition(self) -> float:
        """Condition number of A_dev."""
        lower, upper = self.interval()
        return upper / lower if lower > 0 else math.inf

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, −log(1 − hλ)/h, in 1/τ.

        Raises
        ------
        LinAlgError
            A is not positive definite to working precision.
        """
        lower, upper = self.interval()
        if lower <= self.effective.rounding * upper:
            raise np.linalg.LinAlgError(
                f"A is singular or indefinite: its smallest eigenvalue on the device is {lower:.3g}, "
                f"the largest {upper:.3g}; use lstsq or pinv for the minimum-norm solution"
            )
        return -math.log1p(-self.h * lower) / self.h

    def describe(self) -> dict[str, str]:
        """Engine and reason of the last draw."""
        engine, reason = self.drawn
        clipped = f"; {self.ledger.clipped} draws were clipped" if self.ledger.clipped else ""
        return {"engine": engine, "reason": reason + clipped}

    # -- what it does with a load -------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the accumulators."""
        load, gain = self.load(b, rng=rng)
        entering, begun = to_numpy(load).astype(np.float64), self._begun(start, gain, load)
        average, end = self._window(entering, begun, schedule, rng, state=state)
        d, k = b.shape
        self.ledger.record(d, k, schedule.total, schedule.readings or 1)
        seed, value = rng.bit_generator.random_raw(), self.to_user(as_array(average, b), gain)
        return Reading(
            value=value,
            state=None if end is None else self.to_user(as_array(end, b), gain),
            device_time=k * schedule.total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, seed),
            gain=gain,
            condition=self.condition,
            # The mean of a walk is right at any step, unless it was clipped.
            implied=lambda: None if self.ledger.clipped else {"drift": 0.0 * value},
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the accumulators after `time`; infinity reads in equilibrium."""
        waited = Schedule.for_covariance(1, self.rate()).burn_in if math.isinf(time) else time
        load, gain = self.load(b, rng=rng)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        entering = to_numpy(load).astype(np.float64)
        value, _ = self._window(entering, self._begun(start, gain, load), schedule, rng, state=False)
        self.ledger.record(b.shape[0], b.shape[1], waited)
        read = self.to_user(as_array(value, b), gain)
        return Reading(read, b.shape[1] * waited, schedule, read, gain=gain)

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,), run the schedule, return every reading (n, d), with noise of a given temperature."""
        count, spacing = schedule.grid()
        load, gain = self.load(b[:, None], None if temperature is None else self.gain_at(temperature), rng)
        entering, begun = to_numpy(load).astype(np.float64), self._begun(_column(start), gain, load)
        first, stride, moments = self._steps(schedule.burn_in), max(1, self._steps(spacing)), self.walk.moments
        force = entering - self.walk.matrix @ begun
        if self._walked(first + stride * count, 1, force, settled=forgotten(self.rate() * schedule.burn_in)):
            path, clipped = self.walk.path(begun, entering, first, stride, count, rng)
            path = path[:, :, 0]
            self._count(clipped, (first + stride * count) * len(path.T))
        elif forgotten(self.rate() * spacing):
            path = (moments.mean(entering) + moments.root @ rng.standard_normal((len(b), count))).T
            self._expect((first + stride * count) * len(b), rng)
        else:
            begun = moments.mean(entering)[:, 0] + moments.root @ rng.standard_normal(len(b))
            path = moments.path(begun, entering[:, 0], stride, count, rng)
            self._expect((first + stride * count) * len(b), rng)
        self.ledger.record(b.shape[0], 1, schedule.total, count)
        value = self.to_user(as_array(np.ascontiguousarray(path.T), b), gain).T
        return Reading(value, schedule.total, schedule, state=value[-1], gain=gain, condition=self.condition)

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the sample covariance of the readings (d, d) over the temperature."""
        count, spacing = schedule.grid()
        if count < 2:
            raise ValueError("a covariance needs two readings at least; pass Schedule(..., readings=n)")
        d, rate, like = self.operator.shape[0], self.rate(), self.operator.like
        independent = forgotten(rate * min(schedule.burn_in, spacing))
        steps = self._steps(schedule.total)
        if independent and not self._walked(steps, 1, np.zeros((d, 1)), settled=True):
            (factor,) = wishart_factor(d, count - 1, np.zeros(0), rng)
            draws = self.walk.moments.root @ factor
            spread = self._in_user_units(as_array(draws @ draws.T / (count - 1), like))
            self._expect(steps * d, rng)
            self.ledger.record(d, 1, schedule.total, count)
        else:
            unloaded = as_array(np.zeros(d), like)
            spread = sample_covariance([self.readings(unloaded, schedule, rng=rng, temperature=1.0).value])
        stride, sigma = max(1, self._steps(spacing)), self.walk.moments.covariance

        def expected(lag: float) -> Array:
            late = self.walk.moments.memory(lag * stride) @ sigma
            return self._in_user_units(as_array((late + late.T) / 2, like))

        lags = 0 if independent else min(count - 1, int(NEGLIGIBLE / (rate * spacing)) + 1)
        return CovarianceReading(
            spread,
            schedule.total,
            schedule,
            None if independent else expected,
            lags,
            False,
            self.condition,
            self.spread_error,
        )

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature, from independent readings in equilibrium."""
        found = self.covariance(Schedule.for_covariance(readings, self.rate()), rng=rng)
        return CovarianceReading(
            found.value.diagonal() + 0,
            found.device_time,
            found.schedule,
            condition=self.condition,
            systematic=found.systematic,
        )

    @property
    def spread_error(self) -> float:
        """Largest relative error of a covariance that does not average out."""
        return self.walk.moments.bias

    # -- inside -------------------------------------------------------------------------------------------------------

    def _steps(self, time: float) -> int:
        """The time in whole steps."""
        return round(time / self.h)

    def _grid(self, schedule: Schedule) -> tuple[int, int]:
        """Number of readings of a window and steps between them: every step where it integrates."""
        count = schedule.readings or max(1, self._steps(schedule.duration))
        return count, max(1, self._steps(schedule.duration / count))

    def _walked(self, steps: int, columns: int, force: np.ndarray, *, settled: bool) -> bool:
        """Whether a run is walked step by step; otherwise its moments stand for it.

        Its moments are known where it has settled, which a start that is clipped does at a rate of its own.
        """
        draws = steps * (STEP_COST + self.operator.shape[0] * columns)
        far = bool(np.abs(force).max(initial=0.0) > 2 * self.temperature / self.walk.spacing)
        walked = draws <= self.longest or far or not settled
        self.drawn = (
            ("lattice walk", f"walked step by step, {steps} steps of {self.h:.4g} τ")
            if walked
            else (
                "moments of the lattice walk",
                f"{steps} steps of {self.h:.4g} τ, drawn as normal numbers",
            )
        )
        return walked

    def _window(
        self, load: np.ndarray, start: np.ndarray, schedule: Schedule, rng: np.random.Generator, *, state: bool
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Average of a window (d, k) and its last reading."""
        (d, k), first, (count, stride) = load.shape, self._steps(schedule.burn_in), self._grid(schedule)
        steps, mean = first + stride * (count - 1), self.walk.moments.mean(load)
        # Slow modes may start where they settle, without their noise.
        left, settled = self.walk.moments.left(first, start - mean)
        if self._walked(steps, k, load - self.walk.matrix @ start, settled=settled):
            average, end, clipped = self.walk.window(start, load, first, stride, count, rng)
            self._count(clipped, steps * d * k)
            return average, end if state else None
        root = self._root(schedule, state=state)
        drawn = root @ rng.standard_normal((root.shape[1], k))
        self._expect(steps * d * k, rng)
        average = mean + self.walk.moments.averaged(stride, count, left) + drawn[:d]
        if not state:
            return average, None
        return average, mean + self.walk.moments.left(stride * (count - 1), left)[0] + drawn[d:]

    def _root(self, schedule: Schedule, *, state: bool) -> np.ndarray:
        """Root of the covariance of a window that begins a burn-in after a start; those of the last one are kept."""
        count, stride = self._grid(schedule)
        before = None if forgotten(self.rate() * schedule.burn_in) else self._steps(schedule.burn_in)
        key = (stride, count, before, state)
        if key not in self._roots:
            kept = {known: root for known, root in self._roots.items() if known[:3] == key[:3]}
            self._roots = kept | {key: self.walk.moments.window(stride, count, state=state, before=before)}
        return self._roots[key]

    def _replicas(self, schedule: Schedule, seed: int) -> Array:
        """Noise of further runs without a load, which starts where it settles."""
        d, rng = self.operator.shape[0], np.random.default_rng(seed)
        noise = self._root(schedule, state=False) @ rng.standard_normal((d, REPLICAS))
        self.ledger.record(d, REPLICAS, schedule.total)
        return self.to_user(as_array(noise, self.operator.like), 1.0)

    def _begun(self, start: Array | None, gain: Array, load: Array) -> np.ndarray:
        """Where the accumulators start (d, k)."""
        begun = self.started(start, gain)
        return np.zeros(load.shape) if begun is None else to_numpy(begun).astype(np.float64)

    def _expect(self, draws: int, rng: np.random.Generator) -> None:
        """Count what would have been clipped of so many draws in equilibrium."""
        share = self.walk.moments.clipped_share
        self._count(int(rng.poisson(min(share * draws, 1e15))), draws)

    def _count(self, clipped: int, draws: int) -> None:
        """Put clipped draws into the ledger, and warn of many."""
        self.ledger.clipped += clipped
        if clipped > WARNED * draws:
            warn(
                f"{clipped} of {draws} draws of the lattice walk had chances outside of [0, 1] and were clipped, so "
                "that its drift was too small; pass a smaller spacing= or a higher temperature="
            )

    def _in_user_units(self, spread: Array) -> Array:
        """A covariance of accumulators as an estimate of A⁻¹."""
        value = spread / self.gain_at(1.0) ** 2
        return value if self.scaling is None else self.scaling[:, None] * value * self.scaling


def _column(start: Array | None) -> Array | None:
    """A start (d,) as (d, 1)."""
    return None if start is None else start[:, None]
