"""One run of a device that starts from the state of the run before: what the device solvers share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from thermoapps.natural_gradient.solvers._written import written
from thermoapps.natural_gradient.solvers.base import Rows, SolverReport, State, as_column, begun
from thermolinalg import Schedule
from thermolinalg.devices import Device
from thermolinalg.operators import LowRankPlusIdentity

__all__ = ["DeviceRun", "spectrum_report"]

POWERS = 6
"""Products spent on the largest eigenvalue."""


@dataclass(frozen=True)
class DeviceRun:
    """A device that relaxes to the solution of (RᵀR + λI) x = g for a while, is read, and keeps its voltages.

    Parameters
    ----------
    device : Device
        The hardware, or its simulation.
    time : float
        Time before the first reading, in units of τ; infinity reads in equilibrium.
    delay : float
        Time for which the device goes on relaxing on the same problem after it was read, before the next one is
        written into it.
    readings : int
        Number of readings averaged.
    spacing : float
        Time between them, in units of τ.
    start : {"previous", "rest", "gradient"}
        As for `Thermodynamic`.
    rng : None, int, SeedSequence or numpy.random.Generator
        Begins the stream of random numbers.
    """

    device: Device
    time: float
    delay: float
    readings: int
    spacing: float
    start: str
    rng: Any

    def direction(
        self, rows: Rows, gradient: Tensor, damping: float, state: State | None, name: str
    ) -> tuple[Tensor, State, SolverReport]:
        """See `Solver.direction`."""
        load, rng = as_column(rows, gradient, damping), begun(self.rng, state)
        if state is None or "voltages" not in state or self.start == "gradient":
            start = 0 * load if self.start == "rest" else load
        else:
            start = state["voltages"].to(load)[:, None]
        device, factor = written(self.device, rows, rng)
        operator = LowRankPlusIdentity(factor, shift=damping, like=rows.like)
        program = device.program(operator, rng=rng)
        if self.readings == 1:
            reading = program.settle(load, self.time, rng=rng, start=start)
        else:
            schedule = Schedule(self.time, readings=self.readings, spacing=self.spacing)
            reading = program.average(load, schedule, rng=rng, start=start, state=True)
        device_time, voltages = reading.device_time, reading.state
        if self.delay:
            later = program.settle(load, self.delay, rng=rng, start=voltages)
            device_time, voltages = device_time + later.device_time, later.state
        if voltages is None:
            raise TypeError(f"{device!r} does not tell the voltages it ended with, from which the next run starts")
        left = {"voltages": voltages[:, 0], "rng": rng.bit_generator.state}
        return reading.value[:, 0].to(gradient), left, spectrum_report(name, operator, rows.shape, device_time)


def spectrum_report(
    name: str, operator: LowRankPlusIdentity, shape: tuple[int, int], device_time: float
) -> SolverReport:
    """What a run has learnt of the spectrum; where it needed none, the largest eigenvalue from a few products."""
    factor, (rows, size) = operator.factor, shape
    report = SolverReport(name, device_time=device_time)
    if factor.is_decomposed:
        values = factor.spectrum[0]
        report.rank = int((values > rows * torch.finfo(factor.like.dtype).eps * float(values[-1])).sum())
        report.largest_eigenvalue = operator.shift + float(values[-1])
        report.smallest_eigenvalue = operator.shift + (float(values[rows - size]) if rows >= size else 0.0)
    else:
        report.largest_eigenvalue = operator.shift + _largest(factor.gram_matrix)
        report.smallest_eigenvalue = operator.shift if rows < size else None
    return report


def _largest(gram: Tensor) -> float:
    """The largest eigenvalue of a Gram matrix by power iteration: from below, and good enough for a report."""
    vector = gram.sum(1)
    for _ in range(POWERS):
        vector = gram @ (vector / torch.linalg.vector_norm(vector).clamp(min=torch.finfo(gram.dtype).tiny))
    return float(torch.linalg.vector_norm(vector))
