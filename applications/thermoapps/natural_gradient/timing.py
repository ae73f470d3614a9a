"""What a step would take on hardware: the timing model of thermodynamic natural gradient descent's paper."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Protocol

from thermolinalg.devices import Ledger
from thermolinalg.hardware import PAPER, Hardware, Quantity

__all__ = ["DeviceTiming", "MeasuredStep", "Seconds", "StepTiming", "TimingModel"]


class Seconds(Protocol):
    """Measured seconds of the digital parts of a step."""

    forward: float
    rows: float
    update: float


class MeasuredStep(Protocol):
    """What the model asks of a step's report."""

    rows: int
    parameters: int
    device_time: float

    @property
    def timings(self) -> Seconds:
        """Measured seconds."""


@dataclass(frozen=True)
class DeviceTiming:
    """Seconds of the parts of one device run.

    Parameters
    ----------
    write_vector, write_matrix : float
        Conversion and transfer of the gradient and of the matrix elements.
    evolve : float
        Analog run.
    read : float
        Conversion and transfer of the direction.

    See Also
    --------
    StepTiming, TimingModel, Timings, CostModel : Time of a step.
    """

    write_vector: float
    write_matrix: float
    evolve: float
    read: float

    @property
    def total(self) -> float:
        """All parts, one after the other."""
        return self.write_vector + self.write_matrix + self.evolve + self.read


@dataclass(frozen=True)
class StepTiming:
    """Seconds of one step of hybrid training.

    Parameters
    ----------
    digital : float
        Measured on this machine: forward pass, gradient and curvature rows, update of the parameters.
    device : DeviceTiming
        Modelled.
    assumptions : tuple of str
        What the model takes for granted.

    See Also
    --------
    TimingModel, Timings, CostModel, DeviceTiming : Time of a step.
    """

    digital: float
    device: DeviceTiming
    assumptions: tuple[str, ...]

    @property
    def total(self) -> float:
        """Digital work and device run, one after the other."""
        return self.digital + self.device.total

    @property
    def overlapped(self) -> float:
        """The longer of the two: an asynchronous loop, in which the device runs while the next batch is computed."""
        return max(self.digital, self.device.total)


@dataclass(frozen=True)
class TimingModel:
    """Time of a device run from the resolution and speed of its link and its time constant.

    With p parameters and r curvature rows (b · d_z of batch and outputs in the paper), a run of t time constants takes

        (p + m) · bits/bandwidth + t · RC + p · bits/bandwidth

    where m = r (r + 2p) elements make the three arrays that hold the curvature in factors, or p² the full matrix.

    Parameters
    ----------
    bits : int
        Resolution of converters. Default 16 (paper).
    bandwidth : float
        Of the link, in bits per second. Default 50e9 (paper).
    time_constant : float
        RC in seconds. Default 1e-6 (paper).
    array : {"factors", "full"}
        How the curvature matrix is held.

    Raises
    ------
    ValueError
        A setting out of range.

    See Also
    --------
    Timings, CostModel, DeviceTiming, StepTiming : Time of a step.

    References
    ----------
    Donatella et al., Thermodynamic Natural Gradient Descent, arXiv:2405.13817, appendix on the analog implementation.

    Examples
    --------
    >>> timing = TimingModel(array="full").device(parameters=1000, rows=100, time=0.0)
    >>> round(timing.total, 6)  # loading the matrix dominates
    0.000321
    """

    bits: int = 16
    bandwidth: float = 50e9
    time_constant: float = 1e-6
    array: str = "factors"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "array":
                if value not in ("factors", "full"):
                    raise ValueError(f"array must be 'factors' or 'full', got {value!r}")
            elif not 0 < value < math.inf:
                raise ValueError(f"{field.name} must be positive and finite, got {value!r}")

    @property
    def hardware(self) -> Hardware:
        """The device as the core's cost model has it; the paper tells no energies."""
        told = "the timing model"
        return replace(
            PAPER,
            bits=Quantity(self.bits, "bit", told),
            link_rate=Quantity(self.bandwidth, "bit/s", told),
            conversion_rate=Quantity(self.bandwidth / self.bits, "Hz", f"{told}: the converters keep up with the link"),
            time_constant=Quantity(self.time_constant, "s", told),
        )

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the model takes for granted, in words."""
        return (
            f"{self.bits}-bit converters that keep up with the link, of {self.bandwidth:.3g} bit/s",
            f"RC = {self.time_constant:.3g} s, equal at all nodes",
            "the matrix is written anew for every run, in "
            + ("three arrays of r × r, r × p and p × r elements" if self.array == "factors" else "p × p elements"),
            "enough nodes for all parameters; no calibration, no settling of the elements, no queue on the link",
        )

    def device(self, parameters: int, rows: int, time: float) -> DeviceTiming:
        """Time of one run.

        Parameters
        ----------
        parameters : int
            p.
        rows : int
            r.
        time : float
            t in units of RC.

        Returns
        -------
        DeviceTiming
        """
        ledger = Ledger()
        ledger.write(rows * (rows + 2 * parameters) if self.array == "factors" else parameters**2)
        ledger.record(parameters, 1, time)
        write_matrix, write_vector, evolve, read = (item.total or 0.0 for item in self.hardware.bill(ledger).times)
        return DeviceTiming(write_vector, write_matrix, evolve, read)

    def step(self, report: MeasuredStep) -> StepTiming:
        """Time of a step that was made with this package: its digital part as measured, its device run as modelled.

        Parameters
        ----------
        report : StepReport
            Of a step whose solver ran on a device.

        Returns
        -------
        StepTiming
            What the simulation of the device took is left out.

        Raises
        ------
        ValueError
            The step's solver was digital.
        """
        if not report.device_time > 0:
            raise ValueError("this step did not run on a device: its solver was digital")
        timings = report.timings
        digital = timings.forward + timings.rows + timings.update
        return StepTiming(digital, self.device(report.parameters, report.rows, report.device_time), self.assumptions)
