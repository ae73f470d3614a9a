"""Readout averaging: the same run again and again, and the mean of what is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._validation import as_count, as_rng
from thermolinalg.devices.mitigation.wrapped import WrappedProgram
from thermolinalg.devices.protocols import Device, Program, checked_device
from thermolinalg.devices.reading import Reading
from thermolinalg.devices.schedule import Schedule

__all__ = ["Averaged", "AveragedProgram"]


@dataclass(frozen=True)
class Averaged:
    """A device whose averages are means of so many runs: what each run and each conversion draws falls as 1/√runs.

    That is thermal noise, noise of the converters, and their rounding where it is stochastic or dithered by noise of
    a step. It cannot remove what is the same in each run: errors of the couplings, offsets, rounding to the nearest
    level. Single readings, covariances and settled voltages are passed on as they are.

    Parameters
    ----------
    device : Device
        What is read.
    runs : int, optional
        How often.

    Raises
    ------
    ValueError
        `runs` is below 1.

    See Also
    --------
    Calibrated, Ensemble : Mitigation, devices around devices.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> device = Averaged(tla.LangevinDevice(), runs=100)
    >>> A, b = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])
    >>> x, info = tla.solve(A, b, refine=False, device=device, rng=0, return_info=True)
    >>> info.ledger.runs
    100
    """

    device: Device
    runs: int = 16

    def __post_init__(self) -> None:
        checked_device(self.device)
        as_count(self.runs, "runs")

    def program(self, A: Any, *, rng: Any = None) -> AveragedProgram:
        """Write A into the device.

        Parameters
        ----------
        A : array_like or Operator, shape (d, d)
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        AveragedProgram
        """
        return AveragedProgram(self.device.program(A, rng=as_rng(rng)), self.runs)


class AveragedProgram(WrappedProgram):
    """A matrix in an `Averaged` device.

    Parameters
    ----------
    program : Program
    runs : int
    """

    def __init__(self, program: Program, runs: int) -> None:
        super().__init__(program)
        self.runs = runs

    @property
    def ideal(self) -> bool:  # type: ignore[override]
        """Whether the device inside is."""
        return bool(getattr(self.program, "ideal", False))

    def told(self) -> str:
        """What is averaged, and what is not."""
        return f"averages are means of {self.runs} runs, which leave what is the same in each"

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b (d, k), run the schedule so many times, return the mean of the averages."""
        xp, k, n = namespace(b), b.shape[1], self.runs
        first: Reading = self.program.average(b, schedule, rng=rng, start=start, state=state)
        if n == 1:
            return first
        again = None if start is None else xp.concat([start] * (n - 1), axis=1)
        others = self.program.average(xp.concat([b] * (n - 1), axis=1), schedule, rng=rng, start=again).value
        total = first.value
        for i in range(n - 1):
            total = total + others[:, i * k : (i + 1) * k]
        noise = None if first.replicas is None else lambda: first.noise / n**0.5
        return replace(first, value=total / n, device_time=n * first.device_time, replicas=noise)
