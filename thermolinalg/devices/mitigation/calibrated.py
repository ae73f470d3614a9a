"""Calibration: what a device makes of known loads tells its offsets, gains and couplings, which are then corrected."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, any_true, as_array, to_numpy
from thermolinalg._validation import as_count, as_positive, as_rng
from thermolinalg.devices.mitigation.wrapped import WrappedProgram
from thermolinalg.devices.protocols import Device, Program, checked_device
from thermolinalg.devices.reading import CovarianceReading, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Operator
from thermolinalg.operators.read import read_matrix

__all__ = ["Calibrated", "CalibratedProgram"]

TERMS = ("offsets", "gains", "couplings")

LARGEST = 0.5
"""‖E‖ up to which a response I + E is corrected by products with E."""

TURNS = 60
"""Of that fixed point: the last one is below rounding."""


@dataclass(frozen=True)
class Calibrated:
    """A device that is measured with known loads when a matrix is written, and whose readings are corrected for that.

    The loads A v of known v are read as (I + E) v + c/β, with the gain β of the load: c from a load of zero, E from the
    others. Readings y become z with z + E z = y − c/β, by products with E. What is fitted is said by `fit`:
    ``"offsets"`` is c alone; ``"gains"`` a diagonal E from loads of random signs; ``"couplings"`` all of E from d
    loads, and with it the δA that the device holds.

    It removes what is the same in each run: offsets, mismatch, rounding of the matrix, gain, drift so far. It cannot
    remove the rounding of loads and readings, which depends on them, nor clipping, nor drift after the calibration; and
    the noise of the calibration stays in all that follows, as `mitigation` in the error budget.

    Parameters
    ----------
    device : Device
        What is measured.
    fit : sequence of str, optional
        Of "offsets", "gains" and "couplings"; the last one includes the gains.
    relative : float, optional
        Residual of each calibration run relative to its load: its noise costs device time as its inverse square.
    probes : int, optional
        Loads of random signs behind the gains.

    Raises
    ------
    ValueError
        A term of another name, or a number that is not positive.

    See Also
    --------
    Ensemble, Averaged : Mitigation, devices around devices.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A, b = np.array([[2.0, 0.7], [0.7, 3.0]]), np.array([1.0, 2.0])
    >>> worn = tla.LangevinDevice(tla.Overdamped(1e-9), imperfections=tla.Imperfections(mismatch=0.05, offset=0.02))
    >>> errors = [
    ...     np.linalg.norm(tla.solve(A, b, refine=False, device=device, rng=0) - np.linalg.solve(A, b))
    ...     for device in (worn, Calibrated(worn))
    ... ]
    >>> bool(errors[1] < 0.1 * errors[0])
    True
    """

    device: Device
    fit: Sequence[str] = ("offsets", "couplings")
    relative: float = 1e-4
    probes: int = 32

    def __post_init__(self) -> None:
        checked_device(self.device)
        if not isinstance(self.fit, Collection) or isinstance(self.fit, str) or not set(self.fit) <= set(TERMS):
            raise ValueError(f"fit must be a sequence of 'offsets', 'gains', 'couplings', got {self.fit!r}")
        object.__setattr__(self, "fit", tuple(self.fit))
        as_positive(self.relative, "relative")
        as_count(self.probes, "probes")

    def program(self, A: Any, *, rng: Any = None) -> CalibratedProgram:
        """Write A into the device and calibrate it.

        Parameters
        ----------
        A : array_like or Operator, shape (d, d)
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        CalibratedProgram

        Raises
        ------
        LinAlgError
            The device errs by half of its readings, so that no correction of them would converge.
        """
        operator, rng = A if isinstance(A, Operator) else read_matrix(A).operator, as_rng(rng)
        return CalibratedProgram(self.device.program(operator, rng=rng), operator, self, rng)


class CalibratedProgram(WrappedProgram):
    """A matrix in a `Calibrated` device.

    Parameters
    ----------
    program : Program
    operator : Operator, shape (d, d)
        A.
    device : Calibrated
    rng : numpy.random.Generator
        Of the calibration runs.

    Attributes
    ----------
    offset, offset_error : ndarray, shape (d, 1)
        c and its standard error, in the user's units at gain 1.
    response, response_error : ndarray, shape (d, d) or (d, 1), or None
        E and its standard error; a column where only gains are fitted.
    """

    def __init__(self, program: Program, operator: Operator, device: Calibrated, rng: np.random.Generator) -> None:
        super().__init__(program)
        self.operator, self.device, d = operator, device, operator.shape[0]
        self.offset, self.offset_error = np.zeros((d, 1)), np.zeros((d, 1))
        self.response: np.ndarray | None = None
        self.response_error = np.zeros((d, 1))
        if "offsets" in device.fit:
            reading = self._read(np.zeros((d, 1)), rng)
            self.offset, self.offset_error = (
                _told(part * reading.gain) for part in (reading.value, reading.standard_error)
            )
        if "couplings" in device.fit:
            self._fit_couplings(rng)
        elif "gains" in device.fit:
            self._fit_gains(rng)

    def told(self) -> str:
        """What is corrected, and what is not."""
        return (
            f"calibrated for {' and '.join(self.device.fit) or 'nothing'}, which leaves the rounding of loads and "
            "readings, and the noise of the calibration"
        )

    @property
    def delta(self) -> np.ndarray:
        """The fitted δA (d, d): the device answers as A + δA would, −A (E − E² + …)."""
        d = self.operator.shape[0]
        if self.response is None or self.response.shape != (d, d):
            raise ValueError("δA is fitted where fit= has 'couplings'")
        return -_told(self.operator.apply(as_array(self._unresponded(self.response), self.operator.like)))

    # -- corrected readings -------------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule, return the corrected average; the state is as it is."""
        reading: Reading = self.program.average(b, schedule, rng=rng, start=start, state=state)
        value = self._corrected(reading.value, reading.gain)
        inner = reading.implied

        def left() -> dict[str, Array] | None:
            errors = {} if inner is None else inner()
            if errors is None or (self.response is not None and _changes(errors)):
                return None
            kept = {cause: self._stays(cause) * error for cause, error in errors.items()}
            return kept | {"mitigation": self._residual(value, reading.gain)}

        implied = None if inner is None and not getattr(self.program, "ideal", False) else left
        return replace(reading, value=value, implied=implied)

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b (d,), return the corrected readings (n, d)."""
        reading: Reading = self.program.readings(b, schedule, rng=rng, start=start, temperature=temperature)
        value = self._corrected(reading.value.T, reading.gain).T
        return replace(reading, value=value, state=value[-1])

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """The covariance of the readings (d, d), which is (I + E) A⁻¹, corrected."""
        reading: CovarianceReading = self.program.covariance(schedule, rng=rng)
        if self.response is None:
            return reading
        value = as_array(self._unresponded(_told(reading.value)), reading.value)
        return replace(reading, value=(value + value.T) / 2, systematic=None)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The corrected variance of each node (d,): of their whole covariance, where couplings are fitted."""
        if self.response is None:
            return super().variances(readings, rng=rng, progress=progress)
        found = self.covariance(Schedule.for_covariance(readings, self.rate()), rng=rng)
        return replace(found, value=found.value.diagonal() + 0, autocovariance=None, lags=0)

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (d, k) and return the corrected voltages after `time`; the state is as it is."""
        reading: Reading = self.program.settle(b, time, rng=rng, start=start)
        return replace(reading, value=self._corrected(reading.value, reading.gain))

    # -- the fit ------------------------------------------------------------------------------------------------------

    def _read(self, loads: np.ndarray, rng: np.random.Generator) -> Reading:
        """One averaged run for each load (d, k)."""
        load = as_array(loads, self.operator.like)
        reading: Reading = self.program.average(load, self.program.timetable(load, self.device.relative), rng=rng)
        return reading

    def _measured(self, v: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """What is read of the loads A v (d, k), without offsets, minus v; and its standard error."""
        reading = self._read(_told(self.operator.apply(as_array(v, self.operator.like))), rng)
        missed = _told(reading.value) - self.offset / np.asarray(_told(reading.gain)) - v
        return missed, _told(reading.standard_error)

    def _fit_couplings(self, rng: np.random.Generator) -> None:
        """E from one load for each node."""
        self.response, self.response_error = self._measured(np.eye(self.operator.shape[0]), rng)
        size = float(np.linalg.norm(self.response, 2)) if len(self.response) else 0.0
        if not size < LARGEST:
            raise np.linalg.LinAlgError(
                f"the device errs by {size:.3g} of its readings, too much to be calibrated: pass a device with smaller "
                "errors, or fit=('offsets',)"
            )

    def _fit_gains(self, rng: np.random.Generator) -> None:
        """A diagonal E by least squares from loads of random signs."""
        v = rng.choice([-1.0, 1.0], size=(self.operator.shape[0], self.device.probes))
        missed, _ = self._measured(v, rng)
        self.response = np.mean(missed * v, axis=1, keepdims=True)
        self.response_error = np.std(missed * v, axis=1, keepdims=True) / self.device.probes**0.5

    # -- the correction -----------------------------------------------------------------------------------------------

    def _corrected(self, y: Array, gain: Any) -> Array:
        """z (d, k) with z + E z = y − c/β."""
        return as_array(self._unresponded(_told(y) - self.offset / np.asarray(_told(gain))), y)

    def _unresponded(self, y: np.ndarray) -> np.ndarray:
        """z with z + E z = y, by products with E."""
        if self.response is None:
            return y
        if self.response.shape[1] == 1 != len(self.response):
            return np.asarray(y / (1 + self.response))
        z = y
        for _ in range(TURNS):
            z = y - self.response @ z
        return z

    def _stays(self, cause: str) -> float:
        """Share of an error of the device that is not corrected."""
        fitted = {"offset"} if "offsets" in self.device.fit else set[str]()
        if "couplings" in self.device.fit:
            fitted |= {"matrix", "mismatch", "drift"}
        return 0.0 if cause in fitted else 1.0

    def _residual(self, value: Array, gain: Any) -> Array:
        """One standard deviation (d, k) of what the noise of the calibration leaves."""
        y, error = _told(value), self.response_error
        spread = error**2 @ y**2 if error.shape == (len(y), len(y)) else (error * y) ** 2
        return as_array(np.sqrt(spread + (self.offset_error / np.asarray(_told(gain))) ** 2), value)


def _changes(errors: dict[str, Array]) -> bool:
    """Whether couplings change within a run, so that one of another length is corrected for what it does not have."""
    return "warming" in errors and any_true(errors["warming"] != 0)


def _told(x: Any) -> np.ndarray:
    """As an array of double precision."""
    return np.asarray(x if isinstance(x, float) else to_numpy(x), dtype=np.float64)
