"""A matrix in a device whose parts are not alike: no longer a function of one symmetric matrix, and still linear."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg.devices.disturbed import Disturbance
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated, even
from thermolinalg.devices.node_laws import LARGEST, NodeLaws
from thermolinalg.devices.ranging import Ranged
from thermolinalg.devices.reading import REPLICAS, CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.systematic import implied_errors
from thermolinalg.laws import EQUILIBRIUM_TIMES, Overdamped, forgotten
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Operator, Sparse
from thermolinalg.simulation.averages import NodeNoise
from thermolinalg.simulation.covariances import sample_covariance, wishart_factor

__all__ = ["UnevenProgram"]

NEGLIGIBLE = 12.0
"""Relaxation times after which two readings count as uncorrelated in an error bar."""


EQUAL = (
    "leave out capacitors=, spread, correlation and correlation_time of noise=, stuck amplifiers, interference=, "
    "flicker=, warming=, clock=, shots=, drive_flicker= and couplings that are not symmetric, which "
    "Couplings(symmetric=True) are"
)
"""What makes a device one of equal parts."""


class UnevenProgram(Ranged):
    """A matrix in a `LangevinDevice` whose capacitors, noise sources or couplings are not alike, or that is disturbed.

    Its law is that of C ẋ = −(G x − b) + noise with all that `Imperfections` has. Averages over long windows are G⁻¹ of
    a load with noise on it, from one factor of G, sparse where A is; all else is exact from dense arrays. It has no
    drives, so that determinants need a device of equal parts. Loads, values and states of the methods are in the user's
    units; see `Loaded` for the device's.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A, symmetric.
    law : Overdamped
        As designed.
    loading : Equilibrated or AsWritten
        Of the `LangevinDevice` it was written into.
    imperfections : Imperfections
        Likewise.
    rng : numpy.random.Generator
        Draws this copy's imperfections.

    Raises
    ------
    ValueError
        More nodes than dense arrays can hold, and A is not sparse.

    See Also
    --------
    LangevinProgram, GeneralProgram, SkewProgram, LatticeProgram : Programs, what devices hold of A.
    """

    ideal = False
    undriven = f"one of unequal parts settles to another law than N(0, T H_s⁻¹) on its way; {EQUAL}"

    def __init__(
        self,
        operator: Operator,
        law: Overdamped,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        d = operator.shape[0]
        if d > LARGEST and not isinstance(operator, Sparse):
            raise ValueError(
                f"a device of unequal parts is simulated with dense arrays of up to {LARGEST} nodes, and A has {d}; "
                f"pass a sparse array, or {EQUAL}"
            )
        super().__init__(operator, loading, imperfections, rng)
        self.temperature, self.law = law.temperature, imperfections.heat(law)
        self.ledger = Ledger.of(operator)
        self._engines = Engines(even(self.effective))
        if isinstance(loading, Equilibrated) and d:
            with imperfections.blamed():
                largest = self._engines.largest_eigenvalue()
            self.factor = 1 / largest if largest > 0 else 1.0
        noise, capacitors = imperfections.noise, imperfections.capacitors
        normal = {name: imperfections.frozen(name, rng).standard_normal(d) for name in ("capacitors", "noise")}
        capacity = (1 + capacitors.known("error")) * np.exp(capacitors.known("mismatch") * normal["capacitors"])
        power = 2 * self.law.temperature * np.exp(noise.known("spread") * normal["noise"])
        self.stuck = imperfections.frozen("amplifiers", rng, lot=1).random(d) < imperfections.amplifiers.known("stuck")
        sources = NodeNoise(np.where(self.stuck, 0.0, power), noise.known("correlation"))
        self.laws = NodeLaws(self._couplings(), capacity, sources, self._lower, imperfections)
        self.disturbance = Disturbance(self.laws, self.stuck, imperfections, rng)

    # -- what it is ---------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of the symmetric part of A_dev."""
        return self._interval

    @cached_property
    def _interval(self) -> tuple[float, float]:
        """`interval`, found once."""
        if not self.operator.shape[0]:
            return 0.0, 0.0
        with self.imperfections.blamed():
            lower, upper = self._engines.interval()
        return self.factor * lower, self.factor * upper

    @property
    def condition(self) -> float:
        """Their ratio."""
        lower, upper = self.interval()
        return upper / lower if lower > 0 else math.inf

    @property
    def excess_kurtosis(self) -> float:
        """Of the readings in any direction, at most; 0 where the drive is Gaussian."""
        if self.laws.train is None or not self.operator.shape[0]:
            return 0.0
        return self.laws.train.excess(self.interval()[1] / float(self.laws.capacity.min()))

    @property
    def remembers(self) -> float:
        """Time in τ over which 1/f noise correlates readings, however fast the nodes forget; 0 without any."""
        parts = self.imperfections.flicker, self.imperfections.drive_flicker
        return max(0.0 if part.is_perfect else part.slowest for part in parts)

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ.

        Raises
        ------
        LinAlgError
            The copy never relaxes.
        """
        slowest = self.laws.slowest
        if slowest.real <= self.effective.rounding:
            raise np.linalg.LinAlgError(
                f"the copy of A that this device holds has the eigenvalue {slowest:.3g} in units of its largest and "
                "never relaxes: A is singular, or the device too imperfect for it"
            )
        return slowest.real

    def rate_above(self, value: float) -> float:
        """Relaxation rate of the slowest mode, in 1/τ, of those with an eigenvalue of S A S of `value` at least."""
        return self.laws.slowest_above(self.factor * value)

    def describe(self) -> dict[str, str]:
        """Engine and reason."""
        nodes = "averages over long windows from one factor of A"
        nodes = nodes if self.laws.large else "exact laws of all nodes"
        if tails := self.excess_kurtosis:
            nodes = f"{nodes}, driven by shots that leave an excess kurtosis of {tails:.2g} at most"
        if not self.imperfections.drive_flicker.is_perfect:
            nodes = f"{nodes}, with 1/f noise in their drive"
        return {"engine": "node process", "reason": f"parts that are not alike: {nodes}{self.told_lift()}"}

    # -- what it does with a load -------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the voltages, drawn from its law."""
        (d, k), count = b.shape, schedule.readings or 1
        instants = self.laws.instants_averaged(schedule, rng)
        draw = self.laws.averaging(schedule, instants, state=state and d <= LARGEST)

        def run() -> tuple[np.ndarray | None, Array, Array]:
            load, gain = self.load(b, rng=rng)
            end, average = draw(self._begun(start, gain, load), self._entering(load), rng)
            held, seen = self.disturbance.of_average(schedule, instants, k, rng)
            self.ledger.record(d, k, schedule.total, count)
            return None if end is None else end + held, self.convert(as_array(average + seen, b), rng, count), gain

        end, read, gain = self.within_range(run)
        seed = rng.bit_generator.random_raw()
        return Reading(
            value=self.to_user(read, gain),
            state=None if end is None or not state else self.to_user(as_array(end, b), gain),
            device_time=k * schedule.total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, np.random.default_rng(seed)),
            gain=gain,
            implied=lambda: implied_errors(self, self, read, gain, schedule, seed + 1),
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after `time`; infinity reads in equilibrium."""
        stationary = math.isinf(time)
        waited = Schedule.for_covariance(1, self.rate()).burn_in if stationary else time
        law = self.laws.drawn.stationary if stationary else self.laws.drawn.after(time)

        def run() -> tuple[np.ndarray, Array, Array]:
            load, gain = self.load(b, rng=rng)
            drawn = law.sample(self._begun(start, gain, load), self._entering(load), rng=rng)
            held, seen = self.disturbance.of_state(time, b.shape[1], rng)
            self.ledger.record(b.shape[0], b.shape[1], waited)
            return drawn + held, self.convert(as_array(drawn + seen, b), rng), gain

        end, read, gain = self.within_range(run)
        left = self.to_user(as_array(end, b), gain)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        return Reading(self.to_user(read, gain), b.shape[1] * waited, schedule, left, gain=gain)

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
        self.refuse_lifted()
        count, _ = schedule.grid()
        load, gain = self.load(b[:, None], None if temperature is None else self.gain_at(temperature), rng)
        column = None if start is None else start[:, None]
        entering = self._entering(load)
        times = self.laws.instants(schedule, rng)
        if self._independent(schedule):
            law = self.laws.drawn.stationary
            path = law.sample(np.zeros((b.shape[0], count)), np.repeat(entering, count, axis=1), rng=rng)
        else:
            path = self.laws.drawn.path(self._begun(column, gain, load)[:, 0], entering[:, 0], times, rng).T
        path = path + self.disturbance.of_readings(schedule, times, rng)
        self.ledger.record(b.shape[0], 1, schedule.total, count)
        read = self.unclipped(self.convert(as_array(path, b), rng))
        value = self.to_user(read, gain).T
        return Reading(value, schedule.total, schedule, state=value[-1], gain=gain, condition=self.condition)

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the sample covariance of the readings (d, d) over the temperature."""
        self.refuse_lifted()
        count, spacing = schedule.grid()
        if count < 2:
            raise ValueError("a covariance needs two readings at least; pass Schedule(..., readings=n)")
        d, independent, remembers = self.operator.shape[0], self._independent(schedule), self.laws.process.remembers
        normal = self.laws.drawn is self.laws.process and self.imperfections.outputs.is_perfect
        if independent and normal and self.disturbance.absent:
            spread = self._in_user_units(self._independent_covariance(count, rng))
            self.ledger.record(d, 1, schedule.total, count)
        else:
            unloaded = as_array(np.zeros(d), self.operator.like)
            spread = sample_covariance([self.readings(unloaded, schedule, rng=rng, temperature=1.0).value])
        lags = 0 if independent else min(count - 1, int(NEGLIGIBLE * max(1 / self.rate(), remembers) / spacing) + 1)
        return CovarianceReading(
            spread,
            schedule.total,
            schedule,
            None if independent else lambda lag: self._expected(lag * spacing),
            lags,
            remembers > 0,
            self.condition,
            self.spread_error,
            self.excess_kurtosis,
        )

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature, from independent readings in equilibrium."""
        reading = self.covariance(Schedule.for_covariance(readings, self.rate()), rng=rng)
        return replace(reading, value=reading.value.diagonal() + 0)

    @cached_property
    def spread_error(self) -> float | None:
        """Largest relative error of a variance that does not average out; None where the copy of A errs itself."""
        imperfections = self.imperfections
        changed = imperfections.rewrites or self.stuck.any() or not imperfections.warming.is_perfect
        if changed or imperfections.outputs.known("bits"):
            return None
        asked = self.temperature * np.linalg.inv(self.laws.process.G).diagonal()
        return float(abs(self._spread(0.0).diagonal() / asked - 1).max(initial=0.0))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _couplings(self) -> Any:
        """G (d, d), an array or a sparse array; stuck nodes stay at zero, so that nothing flows from or to them."""
        if isinstance(self.effective, Sparse):
            G = self.factor * self.effective.matrix.astype(np.float64)
            alive, dead = (scipy.sparse.diags_array(each.astype(float)) for each in (~self.stuck, self.stuck))
            return alive @ G @ alive + dead if self.stuck.any() else G
        G = self.factor * to_numpy(self.effective.dense()).astype(np.float64)
        G[self.stuck] = G[:, self.stuck] = 0.0
        G[self.stuck, self.stuck] = 1.0
        return G

    def _lower(self) -> float:
        """The smallest eigenvalue of the symmetric part of A_dev; 0 where rounding hides its sign."""
        lower = self.interval()[0]
        return lower if lower > self.effective.rounding else 0.0

    def _independent(self, schedule: Schedule) -> bool:
        """Whether readings are draws of the law in equilibrium."""
        process, (_, spacing) = self.laws.process, schedule.grid()
        apart = forgotten(self.rate() * min(schedule.burn_in, spacing))
        return apart and schedule.burn_in >= process.lasting and spacing >= EQUILIBRIUM_TIMES * process.remembers

    def _begun(self, start: Array | None, gain: Array, load: Array) -> np.ndarray:
        """Where the voltages start (d, k), in the device's units."""
        begun = self.started(start, gain)
        return np.zeros(load.shape) if begun is None else to_numpy(begun).astype(np.float64)

    def _entering(self, load: Array) -> np.ndarray:
        """The load (d, k) as the nodes see it: stuck ones see none."""
        return np.where(self.stuck[:, None], 0.0, to_numpy(load).astype(np.float64))

    def _replicas(self, schedule: Schedule, rng: np.random.Generator) -> Array:
        """Noise of further runs; it does not depend on the load."""
        d, like = self.operator.shape[0], self.operator.like
        load, zero = self.conversion_noise("inputs", rng), np.zeros((d, REPLICAS))
        instants = self.laws.instants_averaged(schedule, rng)
        _, average = self.laws.averaging(schedule, instants, state=False)(
            zero, zero if load is None else self._entering(load), rng
        )
        self.ledger.record(d, REPLICAS, schedule.total)
        average = average + self.disturbance.of_average(schedule, instants, REPLICAS, rng)[1]
        noise, read = as_array(average, like), self.conversion_noise("outputs", rng)
        noise = noise if read is None else noise + read / (schedule.readings or 1) ** 0.5
        return self.to_user(noise, 1.0)

    def _independent_covariance(self, count: int, rng: np.random.Generator) -> Array:
        """Sample covariance (d, d) of so many independent voltages, by its law."""
        (factor,) = wishart_factor(self.operator.shape[0], count - 1, self.operator.like, rng)
        draws = as_array(self.laws.process.stationary.root, factor) @ factor
        return draws @ draws.T / (count - 1)

    def _expected(self, lag: float) -> Array:
        """What the law expects of the covariance of readings a lag apart, as an estimate of A⁻¹."""
        spread = self._spread(lag)
        return self._in_user_units(as_array((spread + spread.T) / 2, self.operator.like))

    def _spread(self, lag: float) -> np.ndarray:
        """What the law expects of the covariance (d, d) of readings a lag apart."""
        noise = self.imperfections.outputs.known("noise") if lag == 0 else 0.0
        own = self.laws.autocovariance(lag) + noise**2 * np.eye(self.operator.shape[0])
        return np.asarray(own + self.disturbance.autocovariance(lag))

    def _in_user_units(self, spread: Array) -> Array:
        """A covariance of voltages as an estimate of A⁻¹."""
        value = spread / self.gain_at(1.0) ** 2
        return value if self.scaling is None else self.scaling[:, None] * value * self.scaling
