"""A matrix in a device of nonlinear nodes: its runs, stepped in time."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.ranging import LOWER, TRIES, Ranged
from thermolinalg.devices.reading import REPLICAS, CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import EQUILIBRIUM_TIMES, Overdamped
from thermolinalg.operators import Operator
from thermolinalg.simulation.nonlinear import Energy, Equation, Integrator, Network, chosen_step, simulate

__all__ = ["SaturatingProgram"]

FINE = 0.5
"""Distance in τ of the samples that stand for an integral: the average of the fastest mode scatters 1 % more by it."""

CHUNK = 512
"""Readings that are kept at once on the way to an average."""

CLEAR = 4.0
"""Standard deviations of the voltages that have to fit between their means and the rails."""


class Bent(Protocol):
    """What a program asks of its device."""

    @property
    def bend(self) -> Energy | None:
        """The energy that bends the nodes, or None."""
        ...

    @property
    def law(self) -> Overdamped:
        """As designed."""
        ...

    @property
    def loading(self) -> Equilibrated | AsWritten:
        """How A and b are brought into range."""
        ...

    @property
    def imperfections(self) -> Imperfections:
        """Linear ones."""
        ...

    @property
    def integrator(self) -> Integrator:
        """What steps the nodes."""
        ...

    @property
    def tolerance(self) -> float:
        """Relative error of variances that a step may make."""
        ...

    @property
    def limit(self) -> float:
        """Voltage ± up to which a node is linear."""
        ...

    @property
    def stop(self) -> float:
        """Voltage ± that no node gets beyond."""
        ...


class SaturatingProgram(Ranged):
    """A matrix in a `SaturatingDevice`; loads, values and states are in the user's units.

    Parameters
    ----------
    device : SaturatingDevice
        It was written into.
    operator : Operator, shape (d, d)
        The user's A, symmetric.
    rng : numpy.random.Generator
        Draws this copy's imperfections.

    See Also
    --------
    TiledProgram, UnevenProgram, LangevinProgram, GeneralProgram : Programs, what devices hold of A.
    """

    ideal = False

    def __init__(self, device: Bent, operator: Operator, rng: np.random.Generator) -> None:
        super().__init__(operator, device.loading, device.imperfections, rng)
        self.device, self.temperature = device, device.law.temperature
        self.law, self.ledger = device.imperfections.heat(device.law), Ledger.of(operator)
        written = to_numpy(self.effective.dense()).astype(float)
        values = np.linalg.eigvalsh((written + written.T) / 2) if len(written) else np.ones(1)
        if isinstance(device.loading, Equilibrated) and values[-1] > 0:
            self.factor = 1 / float(values[-1])
        self.matrix = self.factor * written
        self._ends = self.factor * float(values[0]), self.factor * float(values[-1])

    # -- what it is ---------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of the couplings, in 1/τ."""
        return self._ends

    def rate(self) -> float:
        """Relaxation rate of the slowest mode of small voltages, in 1/τ; LinAlgError where it never relaxes."""
        if self._ends[0] <= self.effective.rounding * self._ends[1]:
            raise np.linalg.LinAlgError(
                f"A is singular or not positive definite: on this device its spectrum is {self._ends[0]:.3g} to "
                f"{self._ends[1]:.3g}"
            )
        return self._ends[0]

    def describe(self) -> dict[str, str]:
        """Engine and reason."""
        name = type(self.device.integrator).__name__
        return {"engine": name, "reason": "its nodes are not linear: stepped in time" + self.told_lift()}

    # -- what it does with a load -------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the voltages."""
        (d, k), count = b.shape, schedule.readings or 1

        def run() -> tuple[np.ndarray, np.ndarray, Array, np.ndarray]:
            load, gain = self.load(b, rng=rng)
            begun = self.started(start, gain)
            mean, reach, end = self._averaged(_host(load), schedule, rng, None if begun is None else _host(begun))
            self.ledger.record(d, k, schedule.total, count)
            return mean, reach, gain, end

        mean, gain, end = self._within_rails(run)
        read = self.convert(as_array(mean, b), rng, count)
        seed = rng.bit_generator.random_raw()
        return Reading(
            value=self.to_user(read, gain),
            state=self.to_user(as_array(end, b), gain) if state else None,
            device_time=k * schedule.total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, np.random.default_rng(seed)),
            gain=gain,
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after `time`; infinity waits for equilibrium."""
        waited = EQUILIBRIUM_TIMES / self.rate() if math.isinf(time) else time
        load, gain = self.load(b, rng=rng)
        begun = self.started(start, gain)
        x = np.zeros(load.shape) if begun is None else self._inside(_host(begun))
        if waited > 0:
            x = simulate(
                self._equation(_host(load)), x, time=waited, step=self.step, rng=rng, integrator=self.device.integrator
            ).last
        self.ledger.record(b.shape[0], b.shape[1], waited)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        value = as_array(x, b)
        state = self.to_user(value, gain)
        return Reading(self.to_user(self.convert(value, rng), gain), b.shape[1] * waited, schedule, state)

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
        count, spacing = schedule.grid()
        load, gain = self.load(b[:, None], None if temperature is None else self.gain_at(temperature), rng)
        begun = self.started(None if start is None else start[:, None], gain)
        equation, x = self._equation(_host(load)), np.zeros((len(b), 1)) if begun is None else _host(begun)
        here: Any = self._inside(x)
        if schedule.burn_in > 0:
            here = simulate(
                equation, here, time=schedule.burn_in, step=self.step, rng=rng, integrator=self.device.integrator
            ).last
        path = here[:, 0][None]
        if count > 1:
            time = (count - 1) * spacing
            later = simulate(
                equation,
                here,
                time=time,
                readings=count - 1,
                step=self.step,
                rng=rng,
                integrator=self.device.integrator,
            )
            path = np.concatenate([path, later.x[:, :, 0]])
        self.ledger.record(len(b), 1, schedule.total, count)
        value = self.to_user(self.convert(as_array(path.T, b), rng), gain).T
        return Reading(value, schedule.total, schedule, state=value[-1])

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the covariance of the readings (d, d) over the temperature."""
        count, spacing = schedule.grid()
        if count < 2:
            raise ValueError("a covariance needs two readings at least; pass Schedule(..., readings=n)")
        x = self.readings(self._unloaded(), schedule, rng=rng, temperature=1.0).value
        spread = as_array(np.cov(to_numpy(x).T, ddof=1).reshape(x.shape[1], x.shape[1]), x)
        memory = min(count - 1, math.ceil(EQUILIBRIUM_TIMES / (self.rate() * spacing)))
        return CovarianceReading(spread, schedule.total, schedule, self._expected(spacing), memory)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature, from readings that have forgotten each other."""
        schedule = Schedule.for_covariance(readings, self.rate())
        x = to_numpy(self.readings(self._unloaded(), schedule, rng=rng, temperature=1.0).value)
        return CovarianceReading(as_array(x.var(axis=0, ddof=1), self.operator.like), schedule.total, schedule)

    # -- inside -------------------------------------------------------------------------------------------------------

    @cached_property
    def step(self) -> float:
        """Length of a time step, in τ, found by a pilot run at full range."""
        load = np.ones((len(self.matrix), 8))
        start = np.zeros_like(load)
        seed, device = np.random.default_rng(0), self.device
        equation = self._equation(load)
        return chosen_step(equation, start, integrator=device.integrator, tolerance=device.tolerance, rng=seed)

    def _equation(self, load: np.ndarray) -> Equation:
        """What the voltages do under loads (d, k)."""
        energy: Any = Network(self.matrix, load)
        energy = energy if self.device.bend is None else energy + self.device.bend
        return Equation(energy, self.law.temperature, -self.device.stop, self.device.stop)

    def _inside(self, x: np.ndarray) -> np.ndarray:
        """A start between the rails."""
        return np.asarray(np.clip(x, -self.device.stop, self.device.stop))

    def _averaged(
        self, load: np.ndarray, schedule: Schedule, rng: np.random.Generator, start: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Mean over the window (d, k), how far the voltages reach (d, k), and the last ones."""
        equation, here = self._equation(load), self._inside(np.zeros(load.shape) if start is None else start)
        if schedule.burn_in > 0:
            here = simulate(
                equation, here, time=schedule.burn_in, step=self.step, rng=rng, integrator=self.device.integrator
            ).last
        count = schedule.readings or max(1, math.ceil(schedule.duration / FINE))
        total, squares, done = np.zeros(load.shape), np.zeros(load.shape), 0
        while done < count:
            n = min(CHUNK, count - done)
            time = schedule.duration * n / count
            run = simulate(
                equation, here, time=time, readings=n, step=self.step, rng=rng, integrator=self.device.integrator
            )
            total, squares = total + run.x.sum(axis=0), squares + (run.x**2).sum(axis=0)
            here, done = run.last, done + n
        mean = total / count
        spread = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        # What holds a voltage back at a rail is a force that the couplings do not balance; a step may overshoot by it.
        held_back = self.step * abs(load - self.matrix @ mean)
        return mean, abs(mean) + CLEAR * spread + held_back, here

    def _within_rails(self, run: Any) -> tuple[np.ndarray, Array, np.ndarray]:
        """A run whose voltages keep clear of what bends them; a lower load where they do not."""
        limit = min(self.device.limit, self.imperfections.outputs.known("full_scale"))
        for _ in range(TRIES):
            mean, reach, gain, end = run()
            beyond = reach >= limit
            if not beyond.any():
                return mean, gain, end
            if isinstance(self.loading, AsWritten):
                self.ledger.clipped += int(beyond.sum())
                return mean, gain, end
            if (reach - abs(mean) >= limit).any() and (abs(mean) < limit / 4).all():
                break
            self.attenuation *= LOWER
            self.ledger.rescaled += 1
        raise ValueError(
            f"the noise of this device reaches ±{limit:g}, where its nodes stop or bend, whatever the load: pass a law "
            "of lower temperature, or a larger rail="
        )

    def _replicas(self, schedule: Schedule, rng: np.random.Generator) -> Array:
        """Noise of further runs, without a load: what bends the nodes makes it no larger."""
        d = len(self.matrix)
        noise, _, _ = self._averaged(np.zeros((d, REPLICAS)), schedule, rng, None)
        self.ledger.record(d, REPLICAS, schedule.total)
        read = self.conversion_noise("outputs", rng)
        value = as_array(noise, self.operator.like)
        return self.to_user(value if read is None else value + read / (schedule.readings or 1) ** 0.5, 1.0)

    def _expected(self, spacing: float) -> Any:
        """Autocovariance over the temperature of readings so far apart, as the linear law has it."""
        values, vectors = np.linalg.eigh((self.matrix + self.matrix.T) / 2)

        def expected(lag: float) -> Array:
            spread = (vectors * (np.exp(-values * lag * spacing) / values)) @ vectors.T * self.factor
            value = as_array(spread, self.operator.like)
            return value if self.scaling is None else self.scaling[:, None] * value * self.scaling

        return expected

    def _unloaded(self) -> Array:
        return as_array(np.zeros(len(self.matrix)), self.operator.like)


def _host(x: Array) -> np.ndarray:
    return to_numpy(x).astype(float)
