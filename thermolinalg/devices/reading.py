"""What a device returns: averages, covariances, what it knows of its spectrum, and the account of what it did."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array, column_norms
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Operator

__all__ = ["REPLICAS", "CovarianceReading", "Ledger", "Reading", "Spectrum"]

REPLICAS = 32
"""Further runs of a schedule whose spread gives the error bar of a reading: more are sharper, and cost their time."""


@dataclass
class Ledger:
    """What the device was asked to do; digital work of the simulator is never counted here.

    `thermolinalg.hardware` turns it into seconds and joules.

    Parameters
    ----------
    programs : int
        Matrices written.
    runs : int
        Runs of a schedule; all columns of a block run side by side and count one by one.
    device_time : float
        In units of τ.
    values_in, values_out : int
        Numbers converted for loads and for readings.
    written : int, optional
        Couplings written, of all programs; None where a device does not tell.
    node_time : float
        Time of each run times its nodes, in units of τ.
    coupling_time : float, optional
        Time of each run times the couplings that stood in the device, in units of τ; None where a device does not tell.
    couplings : int, optional
        Of the matrix that stands in the device now.
    rescaled : int
        Runs that were repeated with a lower load because a reading reached the end of the converters' range.
    clipped : int
        Readings that were clipped there.

    See Also
    --------
    thermolinalg.hardware.Bill : The same in seconds and joules.

    Examples
    --------
    >>> ledger = Ledger()
    >>> ledger.write(couplings=9)
    >>> ledger.record(d=3, runs=2, time_each=10.0)
    >>> ledger.device_time, ledger.node_time, ledger.coupling_time
    (20.0, 60.0, 180.0)
    """

    programs: int = 0
    runs: int = 0
    device_time: float = 0.0
    values_in: int = 0
    values_out: int = 0
    written: int | None = 0
    node_time: float = 0.0
    coupling_time: float | None = 0.0
    couplings: int | None = None
    rescaled: int = 0
    clipped: int = 0

    @classmethod
    def of(cls, operator: Operator) -> Ledger:
        """Of a device that a matrix has just been written into."""
        ledger = cls()
        ledger.write(operator.couplings)
        return ledger

    def __post_init__(self) -> None:
        if self.programs and self.couplings is None and not self.written:
            self.written = self.coupling_time = None

    def write(self, couplings: int | None) -> None:
        """Add a matrix of so many couplings, None where that is not known; runs to come are with it."""
        self.programs += 1
        self.couplings = couplings
        self.written = _sum(self.written, couplings)

    def carry(self, earlier: Ledger) -> None:
        """Go on from an earlier ledger of the same device."""
        self.programs += earlier.programs
        self.runs += earlier.runs
        self.device_time += earlier.device_time
        self.values_in += earlier.values_in
        self.values_out += earlier.values_out
        self.written = _sum(self.written, earlier.written)
        self.node_time += earlier.node_time
        self.coupling_time = _sum(self.coupling_time, earlier.coupling_time)
        self.rescaled += earlier.rescaled
        self.clipped += earlier.clipped

    def record(self, d: int, runs: int, time_each: float, readings: int = 1) -> None:
        """Add so many runs of a d-node device."""
        self.runs += runs
        self.device_time += runs * time_each
        self.values_in += runs * d
        self.values_out += runs * d * readings
        self.node_time += runs * d * time_each
        self.coupling_time = _sum(
            self.coupling_time, None if self.couplings is None else runs * time_each * self.couplings
        )


@dataclass
class Reading:
    """What a device returns.

    Parameters
    ----------
    value : array, shape (d, k)
        The estimate in the user's units.
    device_time : float
        Time of the runs behind it, in units of τ.
    schedule : Schedule
        Timetable of each run.
    state : array, shape (d, k), optional
        Voltages at the end, in the user's units: pass it as `start` of the next run.
    replicas : callable, optional
        Draws the noise (d, r) of r further runs, in the user's units for gain 1, when an error bar is first asked for.
    gain : array, shape (k,), optional
        By how much each column was amplified to full range; its noise is smaller by this factor.
    condition : float, optional
        Condition number of the matrix as it is held, where it is known.
    implied : callable, optional
        Tells one standard deviation (d, k) of what the imperfections of the device make `value` miss whatever its
        noise, by cause, a dictionary from further runs; or None, where they do not tell it.

    See Also
    --------
    Correlated, CovarianceReading : What is read, and how.
    """

    value: Array
    device_time: float
    schedule: Schedule
    state: Array | None = None
    replicas: Callable[[], Array] | None = field(default=None, repr=False)
    gain: Array | float = 1.0
    condition: float | None = None
    implied: Callable[[], dict[str, Array] | None] | None = field(default=None, repr=False)

    @cached_property
    def noise(self) -> Array:
        """Noise of `REPLICAS` further runs, shape (d, r), before division by the gain."""
        if self.replicas is None:
            raise ValueError("this reading carries no error bar")
        return self.replicas()

    @cached_property
    def standard_error(self) -> Array:
        """One standard deviation of `value`, in its shape; its Student t has `degrees_of_freedom`."""
        root_mean_square = column_norms(self.noise.T) / self.noise.shape[1] ** 0.5
        return root_mean_square[:, None] / self.gain

    @cached_property
    def caused(self) -> dict[str, Array] | None:
        """What `implied` tells; None where it, or the device, tells nothing."""
        return (self.implied() or None) if self.implied is not None else None

    @property
    def degrees_of_freedom(self) -> int:
        """Degrees of freedom of the standard error."""
        return REPLICAS


@dataclass
class CovarianceReading:
    """The spread of a device's readings.

    Parameters
    ----------
    value : array, shape (d, d) or (d,)
        Sample covariance over the temperature, an estimate of A⁻¹, or its diagonal, in the user's units.
    device_time : float
        Time of the runs behind it, in units of τ.
    schedule : Schedule
        Timetable of the run.
    autocovariance : callable, optional
        ``autocovariance(m)`` is what the law of the device expects of the covariance (d, d) between a reading and the
        m-th one after it, in the units of `value`. None: the readings are independent.
    lags : int, optional
        Lags beyond which the autocovariance is negligible.
    monotone : bool, optional
        Whether it only decays, mode by mode, so that it may be summed from a few lags, fractions included.
    condition : float, optional
        Condition number of the matrix as it is held, where it is known.
    systematic : float, optional
        Largest relative error of `value` that does not average out: 0 for an ideal device, None where it is unknown.
    excess : float, optional
        Excess kurtosis of the readings in any direction, at most: 0 for those that are normal.

    See Also
    --------
    Reading, Correlated : What is read, and how.
    """

    value: Array
    device_time: float
    schedule: Schedule
    autocovariance: Callable[[float], Array] | None = field(default=None, repr=False)
    lags: int = 0
    monotone: bool = True
    condition: float | None = None
    systematic: float | None = None
    excess: float = 0.0


@dataclass(frozen=True)
class Spectrum:
    """What a device tells of the matrix H it holds before a determinant is measured.

    Parameters
    ----------
    order : int
        Number of eigenvalues, d.
    smallest, largest : float
        Ends of the spectrum of H, > 0.
    mean : float
        Mean eigenvalue, or some value between the ends: the known matrix aI to start from has a = `mean`.
    offset : float, optional
        log det A − log det H, where loading A scaled it.
    eigenvalues : ndarray, shape (d,) or (modes,), optional
        All of them, where reading them off is cheap, as for a simulator; or modes that stand for them all.
    multiplicity : ndarray, shape (modes,), optional
        How often each of `eigenvalues` counts, a fraction of times included; None: once.
    rounding : float, optional
        Bound on what the rounding of the eigenvalues moves log det H by.
    systematic : float, optional
        Largest error of log det H that does not average out: 0 for an ideal device, None where it is unknown.
    settles : bool, optional
        Whether the device settles to N(0, T H_s⁻¹) for every H_s on the way, as drives need.
    traces : tuple of float, optional
        tr H and tr H², where they are known and the device settles exactly.

    See Also
    --------
    Device, Program, Drivable, Sourced : Protocols of devices and what they hold.

    Examples
    --------
    >>> Spectrum(order=2, smallest=0.5, largest=2.0, mean=1.25).condition
    4.0
    """

    order: int
    smallest: float
    largest: float
    mean: float
    offset: float = 0.0
    eigenvalues: NDArray[np.float64] | None = field(default=None, repr=False)
    multiplicity: NDArray[np.float64] | None = field(default=None, repr=False)
    rounding: float = 0.0
    systematic: float | None = None
    settles: bool = True
    traces: tuple[float, float] | None = None

    @cached_property
    def modes(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Distinct eigenvalues and how often each counts: a low-rank A has few, whatever its size."""
        if self.eigenvalues is None:
            return None
        if self.multiplicity is not None:
            return self.eigenvalues, self.multiplicity
        values, counts = np.unique(self.eigenvalues, return_counts=True)
        return values, counts.astype(float)

    @property
    def condition(self) -> float:
        """Condition number of H."""
        return self.largest / self.smallest

    @property
    def start(self) -> float:
        """The a of the known matrix aI: the mean, kept between the ends."""
        return min(max(self.mean, self.smallest), self.largest)


def _sum(a: Any, b: Any) -> Any:
    """a + b; None where either is unknown."""
    return None if a is None or b is None else a + b
