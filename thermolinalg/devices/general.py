"""The general linear device: a drift that need not be symmetric, driven by any noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, as_array, to_numpy
from thermolinalg._validation import as_nonnegative
from thermolinalg.devices import correlations
from thermolinalg.devices.reading import REPLICAS, CovarianceReading, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import EQUILIBRIUM_TIMES
from thermolinalg.operators import Dense, Operator, SkewEmbedding
from thermolinalg.simulation import LinearProcess, Transition
from thermolinalg.simulation.relaxation import Relaxation, relaxation_of

__all__ = ["GeneralDevice", "GeneralProgram"]


@dataclass(frozen=True)
class GeneralDevice:
    """A device whose couplings need not be symmetric: dx = −(A x − b) dt + sqrt(2T) dW for A with Re λ > 0.

    It relaxes to the mean A⁻¹b for every such A; the covariance solves A Σ + Σ Aᵀ = 2T I. Its noise may also be given
    any covariance, which makes it a solver of Lyapunov equations and a matrix exponential.

    Parameters
    ----------
    temperature : float, optional
        T ≥ 0 in the device's units.

    See Also
    --------
    LangevinDevice : Of a symmetric A.
    simulation.LinearProcess : Its law.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Dense
    >>> program = GeneralDevice().program(Dense(np.array([[1.0, 5.0], [0.0, 2.0]]), symmetric=False))
    >>> round(program.rate() * program.norm, 12)  # the slowest eigenvalue, in the user's units
    1.0
    """

    temperature: float = 1.0

    def __post_init__(self) -> None:
        as_nonnegative(self.temperature, "temperature")

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> GeneralProgram:
        """Write A into the device.

        Parameters
        ----------
        operator : Dense, shape (d, d)
            Any real matrix held as an array.
        rng : numpy.random.Generator, optional
            Accepted for the protocol's sake: this device is ideal.

        Returns
        -------
        GeneralProgram

        Raises
        ------
        TypeError
            A is not held as an array.
        """
        if isinstance(operator, SkewEmbedding):
            operator = Dense(operator.dense(), symmetric=False)
        if not isinstance(operator, Dense):
            raise TypeError(
                f"a general device holds dense arrays, not a {operator.structure} operator: pass A as a dense array, "
                "or assume_a='gen' to hold it in the skew embedding"
            )
        return GeneralProgram(self, operator)


class GeneralProgram:
    """A matrix written into a `GeneralDevice`: M = A/norm in the device's units of time, loads at full range.

    Parameters
    ----------
    device : GeneralDevice
        What it was written into.
    operator : Dense, shape (d, d)
        The user's A.

    Attributes
    ----------
    ideal : bool
        True: this device has no imperfections.
    norm : float
        ‖A‖₂, by which A was divided: one time constant τ of the device is 1/norm of the user's time units.

    See Also
    --------
    SkewProgram, LatticeProgram, SaturatingProgram, TiledProgram : Programs, what devices hold of A.
    """

    ideal = True

    def __init__(self, device: GeneralDevice, operator: Dense) -> None:
        self.device, self.operator = device, operator
        matrix = to_numpy(operator.matrix).astype(np.float64)
        _, exponent = math.frexp(np.abs(matrix).max(initial=0.0))
        whole = relaxation_of(np.ldexp(matrix, -exponent))
        norm = whole.norm or 1.0
        self._relaxation = whole.scaled(1 / norm)
        self.norm, self.drift = math.ldexp(norm, exponent), self._relaxation.M
        self.ledger = Ledger.of(operator)
        self._windows: dict[tuple[float | int | None, ...], Transition] = {}

    # -- what it is ---------------------------------------------------------------------------------------------------

    @cached_property
    def slowest(self) -> complex:
        """The eigenvalue of M with the smallest real part."""
        eigenvalues = self._relaxation.eigenvalues
        return complex(eigenvalues[np.argmin(eigenvalues.real)])

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, min Re λ, in 1/τ.

        Raises
        ------
        LinAlgError
            An eigenvalue with real part ≤ 0 to working precision: the device never relaxes.
        """
        if self.slowest.real <= len(self.drift) * np.finfo(self.operator.dtype).eps:
            raise np.linalg.LinAlgError(
                f"A has the eigenvalue {self.slowest * self.norm:.6g}, and a device relaxes only where all real parts "
                "are positive; a linear system can be held in the skew embedding: assume_a='gen'"
            )
        return self.slowest.real

    @cached_property
    def relaxation(self) -> Relaxation:
        """How M forgets; LinAlgError as `rate`."""
        self.rate()
        return self._relaxation

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖.

        The average of a window T_w misses A⁻¹b by A⁻¹ times white noise, as in a symmetric device, and by the
        difference of the states at its two ends over T_w, which counts where M is far from normal. Burn-in and window
        follow the time in which M forgets its start; transient growth makes it longer than the slowest eigenvalue.

        Parameters
        ----------
        b : array, shape (d, k)
        relative : float

        Returns
        -------
        Schedule
        """
        load, _ = self._load(b)
        squares = np.mean(load**2, axis=0)
        signal = float(np.min(squares, where=squares > 0, initial=1.0)) ** 0.5
        forgetting = EQUILIBRIUM_TIMES / self.relaxation.time
        schedule = Schedule.for_residual(relative, signal, self.device.temperature, forgetting)
        ends = math.sqrt(2.0) * self._spread / (relative * signal)
        return schedule if ends <= schedule.duration else replace(schedule, duration=ends, bound="ends of the window")

    def independent_readings(self, n: int) -> Schedule:
        """n readings so far apart that each has forgotten the one before.

        Parameters
        ----------
        n : int

        Returns
        -------
        Schedule
        """
        time = self.relaxation.time
        return Schedule(burn_in=time, readings=n, spacing=time, bound="independent readings")

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        return {"engine": "transition", "reason": "a general drift: exact Gaussian transitions by doubling"}

    # -- what it does with a load -------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the average of the voltages, drawn from its exact law."""
        load, gain = self._load(b)
        d = len(load)
        law = self._window(schedule, state)
        drawn = law.sample(self._start(start, gain, load.shape), load, rng=rng)
        self.ledger.record(d, load.shape[1], schedule.total, schedule.readings or 1)
        (child,) = rng.spawn(1)
        return Reading(
            value=as_array(drawn[-d:] / gain, b),
            state=as_array(drawn[:d] / gain, b) if state else None,
            device_time=load.shape[1] * schedule.total,
            schedule=schedule,
            replicas=lambda: as_array(self._replicas(schedule, child), b),
            gain=as_array(gain, b),
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the voltages after `time`; infinity reads in equilibrium."""
        load, gain = self._load(b)
        waited = self.relaxation.time if math.isinf(time) else time
        law = self._process.transition(waited)
        value = as_array(law.sample(self._start(start, gain, load.shape), load, rng=rng) / gain, b)
        self.ledger.record(len(load), load.shape[1], waited)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        return Reading(value, load.shape[1] * waited, schedule, value)

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
        if schedule.readings is None or schedule.spacing is None:
            raise ValueError("a trajectory needs schedule.readings; pass Schedule(..., readings=n)")
        load, gain = self._load(b[:, None])
        column = None if start is None else start[:, None]
        times = schedule.burn_in + schedule.spacing * np.arange(schedule.readings)
        heat = self.device.temperature if temperature is None else temperature * float(gain[0]) ** 2 / self.norm
        process = LinearProcess(self.drift, 2 * heat * np.eye(len(load)), load[:, 0])
        path = process.path(self._start(column, gain, load.shape)[:, 0], times, rng=rng)
        self.ledger.record(len(load), 1, schedule.total, schedule.readings)
        value = as_array(path / gain, b)
        return Reading(value, schedule.total, schedule, state=value[-1])

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Refused with TypeError: it is not A⁻¹ unless A is symmetric; `noise_covariance` reads what it is."""
        raise TypeError(
            "the covariance of a device with a general drift solves a Lyapunov equation and is not A⁻¹; use a "
            "LangevinDevice for symmetric A, or refine=True, which reads means"
        )

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """Refused with TypeError, as `covariance`."""
        return self.covariance(self.independent_readings(readings), rng=rng)

    # -- what it does with a noise of one's own -----------------------------------------------------------------------

    def noise_covariance(self, noise: Array, schedule: Schedule, *, rng: np.random.Generator) -> Array:
        """Sample covariance of independent readings under a noise of covariance D: estimates X, A X + X Aᵀ = D.

        The mean is known to be zero, so that n readings have n degrees of freedom.

        Parameters
        ----------
        noise : ndarray, shape (d, d)
            D per unit of the user's time, symmetric positive semidefinite.
        schedule : Schedule
            As `independent_readings`, or slower.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (d, d)

        Raises
        ------
        ValueError
            The schedule has no readings, or they are not independent.
        LinAlgError
            The device never settles.
        """
        return correlations.noise_covariance(self, noise, schedule, rng=rng)

    def lagged_covariance(self, noise: Array, lag: float, schedule: Schedule, *, rng: np.random.Generator) -> Array:
        """Average of x(t + lag) x(t)ᵀ over independent pairs: estimates e^{−A lag} X.

        Parameters
        ----------
        noise : ndarray, shape (d, d)
            D as in `noise_covariance`.
        lag : float
            In the user's units of time.
        schedule : Schedule
            Of the early readings; a pair takes its lag on top.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (d, d)

        Raises
        ------
        ValueError, LinAlgError
            As `noise_covariance`.
        """
        return correlations.lagged_covariance(self, noise, lag, schedule, rng=rng)

    # -- inside -------------------------------------------------------------------------------------------------------

    @cached_property
    def _process(self) -> LinearProcess:
        return LinearProcess(self.drift, 2 * self.device.temperature * np.eye(len(self.drift)))

    @cached_property
    def _spread(self) -> float:
        """Root mean square of the voltages in equilibrium."""
        return math.sqrt(float(np.trace(self.relaxation.covariance(self._process.D))) / len(self.drift))

    def _window(self, schedule: Schedule, state: bool) -> Transition:
        """Law of the average, after the state at the end where that is asked for; kept for the runs of a refinement."""
        window = (schedule.burn_in, schedule.duration, schedule.readings)
        if (*window, state) not in self._windows:
            law, d = self._process.window_law(*window), len(self.drift)
            average = Transition(law.decay[d:], law.covariance[d:, d:], law.response[d:])
            self._windows = {(*window, True): law, (*window, False): average}
        return self._windows[*window, state]

    def _load(self, b: Array) -> tuple[np.ndarray, np.ndarray]:
        """The load at full range, and the gains (k,): M y = load gives x = y/gain."""
        load = to_numpy(b).astype(np.float64) / self.norm
        largest = np.abs(load).max(axis=0, initial=0.0)
        gain = 1.0 / np.where(largest > 0, largest, 1.0)
        return load * gain, gain

    def _start(self, start: Array | None, gain: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return np.zeros(shape) if start is None else to_numpy(start).astype(np.float64) * gain

    def _replicas(self, schedule: Schedule, rng: np.random.Generator) -> np.ndarray:
        """Noise of further runs; it does not depend on the load."""
        d = len(self.drift)
        self.ledger.record(d, REPLICAS, schedule.total)
        return self._window(schedule, False).sample(np.zeros((d, REPLICAS)), rng=rng)
