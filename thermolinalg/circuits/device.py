"""A circuit as a device: every run of it is a run of ngspice."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, to_numpy
from thermolinalg._validation import as_positive, as_rng
from thermolinalg.circuits.integrators import IntegratorArray
from thermolinalg.circuits.netlist import IDEAL, OpAmp, Transient
from thermolinalg.circuits.ngspice import find_ngspice, run_netlist
from thermolinalg.devices import CovarianceReading, LangevinDevice, Ledger, Reading, Schedule
from thermolinalg.devices.langevin_program import LangevinProgram
from thermolinalg.laws import EQUILIBRIUM_TIMES, Overdamped

__all__ = ["SpiceDevice", "SpiceProgram"]


@dataclass(frozen=True)
class SpiceDevice:
    """A device whose runs are transients of an `IntegratorArray` in ngspice, noise included.

    A is balanced and scaled into range as for `LangevinDevice`; the largest eigenvalue of what the resistors hold is 1,
    loads have full range, and τ is that of the circuit. Timetables and error bars are those of the circuit's law,
    readings are ngspice's: `rng` seeds its noise, but ngspice 39 draws other numbers in the next run all the same.

    Parameters
    ----------
    resistance : float
        Resistor of the largest coupling, Ω.
    capacitance : float
        Of the integrators, F.
    volts : float
        Voltage of full range, V.
    temperature : float
        T of the noise, relative to full range.
    series : str, optional
        Preferred values that the resistors come from; refinement corrects for what that changes.
    amplifier : OpAmp
        Of all nodes; refinement corrects for its offset and its finite gain too.
    steps : int
        Steps of the transient and of its noise in the time constant of the fastest mode. With 50, variances of the
        fastest mode are 1 % too small.

    Raises
    ------
    ValueError
        A parameter is not positive.

    See Also
    --------
    run_netlist : One netlist.
    IntegratorArray, CapacitorArray : The circuits it simulates.
    thermolinalg.LangevinDevice : The same law without a circuit.
    run_netlist, Transient : Netlists and what ngspice makes of them.

    Examples
    --------
    >>> import thermolinalg as tla
    >>> from thermolinalg.circuits import SpiceDevice
    >>> x = tla.solve([[2.0, 1.0], [1.0, 3.0]], [1.0, 2.0], device=SpiceDevice(), rng=0)  # doctest: +SKIP
    """

    resistance: float = 1e3
    capacitance: float = 1e-9
    volts: float = 0.1
    temperature: float = 1e-3
    series: str | None = None
    amplifier: OpAmp = IDEAL
    steps: int = 50

    def __post_init__(self) -> None:
        for name in ("resistance", "capacitance", "volts", "temperature", "steps"):
            as_positive(getattr(self, name), name)

    def program(self, A: Any, *, rng: Any = None) -> SpiceProgram:
        """Lay out the circuit that holds A.

        Parameters
        ----------
        A : array_like or Operator, shape (d, d)
            Real, symmetric positive definite; d of ten is a matter of seconds a run.
        rng : None, int or numpy.random.Generator, optional
            Not used: parts of one series are alike.

        Returns
        -------
        SpiceProgram

        Raises
        ------
        FileNotFoundError
            ngspice is not installed.
        TypeError
            A is not symmetric.
        """
        find_ngspice()
        twin = LangevinDevice(Overdamped(self.temperature)).program(A, rng=as_rng(rng))
        if not isinstance(twin, LangevinProgram):
            raise TypeError("the circuit holds symmetric A; other systems need assume_a='pos' or another device")
        return SpiceProgram(self, twin)


class SpiceProgram:
    """A matrix in the resistors of a circuit; see `Program` for its methods.

    Parameters
    ----------
    device : SpiceDevice
    twin : LangevinProgram
        The ideal device that the circuit realises: its scaling and its law.
    """

    def __init__(self, device: SpiceDevice, twin: LangevinProgram) -> None:
        self.device, self.twin, self.ledger = device, twin, Ledger.of(twin.operator)
        self.matrix = twin.factor * to_numpy(twin.effective.dense()).astype(float)

    def circuit(self, load: np.ndarray | None = None) -> IntegratorArray:
        """The circuit under a load (d,) in the device's units."""
        d = self.device
        return IntegratorArray(
            self.matrix, load, d.resistance, d.capacitance, d.volts, d.temperature, d.series, d.amplifier
        )

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.twin.rate()

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖."""
        return self.twin.timetable(b, relative)

    def describe(self) -> dict[str, str]:
        """Engine and reason."""
        return {"engine": "ngspice", "reason": "the circuit is integrated in time"}

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule column by column, and average over its window."""
        load, gain = self.twin.load(b)
        begun = self.twin.started(start, gain)
        values, ends = np.empty(load.shape), np.empty(load.shape)
        for j in range(load.shape[1]):
            first = None if begun is None else begun[:, j]
            values[:, j], ends[:, j] = self._window(load[:, j], schedule, first, rng)
        (d, k), n = load.shape, schedule.readings or 1
        self.ledger.record(d, k, schedule.total, n)
        law = self.twin.average(0 * b[:, :1], schedule, rng=rng)
        return Reading(
            value=self.twin.to_user(values, gain),
            state=self.twin.to_user(ends, gain) if state else None,
            device_time=load.shape[1] * schedule.total,
            schedule=schedule,
            replicas=law.replicas,
            gain=gain,
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after `time`; infinity reads in equilibrium."""
        waited = EQUILIBRIUM_TIMES / self.rate() if math.isinf(time) else time
        load, gain = self.twin.load(b)
        begun = self.twin.started(start, gain)
        values = np.zeros(load.shape) if begun is None else np.array(begun)
        if waited > 0:
            for j in range(load.shape[1]):
                first = None if begun is None else begun[:, j]
                values[:, j] = self._run(load[:, j], waited, rng, first).ends
        self.ledger.record(load.shape[0], load.shape[1], waited)
        value = self.twin.to_user(values, gain)
        return Reading(value, load.shape[1] * waited, Schedule(waited, readings=1, duration=max(waited, 1e-300)), value)

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,) and return all readings (n, d), with noise of that temperature if one is given."""
        given = None if temperature is None else self.twin.gain_at(temperature)
        load, gain = self.twin.load(b[:, None], given)
        begun = self.twin.started(None if start is None else start[:, None], gain)
        y = self._samples(load[:, 0], schedule, rng, None if begun is None else begun[:, 0])
        self.ledger.record(len(y.T), 1, schedule.total, len(y))
        return Reading(self.twin.to_user(y.T, gain).T, schedule.total, schedule)

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load, return the covariance of the readings (d, d) over the temperature."""
        x = self._unloaded(schedule, rng)
        return replace(self.twin.covariance(schedule, rng=rng), value=np.cov(x.T, ddof=1), systematic=None)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node (d,) over the temperature, from readings that have forgotten each other."""
        apart = EQUILIBRIUM_TIMES / self.rate()
        schedule = Schedule(apart, readings=readings, spacing=apart)
        x = self._unloaded(schedule, rng)
        return CovarianceReading(np.var(x, axis=0, ddof=1), schedule.total, schedule)

    # -- runs ---------------------------------------------------------------------------------------------------------

    def _unloaded(self, schedule: Schedule, rng: np.random.Generator) -> np.ndarray:
        """Readings (n, d) at temperature 1 in the user's units."""
        y = self._samples(np.zeros(len(self.matrix)), schedule, rng, None)
        self.ledger.record(len(y.T), 1, schedule.total, len(y))
        return to_numpy(self.twin.to_user(y.T, self.twin.gain_at(1.0)).T)

    def _window(
        self, load: np.ndarray, schedule: Schedule, start: np.ndarray | None, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Average and last voltages (d,), over full range."""
        if schedule.readings is not None:
            y = self._samples(load, schedule, rng, start)
            return y.mean(axis=0), y[-1]
        found = self._run(load, schedule.total, rng, start, window=(schedule.burn_in, schedule.total))
        return found.averages, found.ends

    def _samples(
        self, load: np.ndarray, schedule: Schedule, rng: np.random.Generator, start: np.ndarray | None
    ) -> np.ndarray:
        """Readings (n, d), over full range."""
        n, spacing = schedule.readings, schedule.spacing
        if n is None or spacing is None:
            raise ValueError("this schedule has no readings; pass Schedule(burn_in, readings=…, spacing=…)")
        times = schedule.burn_in + spacing * np.arange(n)
        found = self._run(load, float(times[-1]) + spacing, rng, start, spacing=spacing / 4)
        grid = spacing / 4 * np.arange(len(found.samples))
        return np.stack([np.interp(times, grid, column) for column in found.samples.T], axis=1)

    def _run(
        self,
        load: np.ndarray,
        time: float,
        rng: np.random.Generator,
        start: np.ndarray | None,
        window: tuple[float, float] | None = None,
        spacing: float | None = None,
    ) -> Any:
        """What is measured in a run of so many τ, over full range."""
        circuit = self.circuit(np.asarray(load))
        tau = circuit.time_constant
        seconds = None if window is None else (window[0] * tau, window[1] * tau)
        run = Transient(time * tau, tau / self.device.steps, seconds, seed=int(rng.integers(1, 2**31)))
        apart = None if spacing is None else spacing * tau
        found = run_netlist(
            lambda samples: circuit.netlist(run, start, samples=samples, spacing=apart),
            len(load),
            sampled=spacing is not None,
        )
        volts = self.device.volts
        return type(found)(found.averages / volts, found.ends / volts, found.samples / volts)
