"""A live line on standard error while a device works, read off the device itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from thermolinalg._arrays import Array, namespace
from thermolinalg.devices import Device, LangevinDevice, Program, Reading, Schedule
from thermolinalg.operators import Operator

__all__ = ["WatchedDevice", "watched_device"]


class WatchedDevice:
    """Any device, which tells of every load that it averages; in all else it is that device.

    Parameters
    ----------
    device : Device
    tell : callable
        ``tell(share)`` gets the size of the load relative to the first one: that of the residual in a refinement.
    """

    def __init__(self, device: Device, tell: Callable[[float], None]) -> None:
        self._device, self._tell = device, tell

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> Program:
        """Write A; its loads are watched."""
        return cast(Program, _WatchedProgram(self._device.program(operator, rng=rng), self._tell))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def __repr__(self) -> str:
        return repr(self._device)


class _WatchedProgram:
    """A program that tells of its loads."""

    def __init__(self, program: Program, tell: Callable[[float], None]) -> None:
        self._program, self._tell = program, tell
        self._first: float | None = None

    def average(self, b: Array, schedule: Schedule, **options: Any) -> Reading:
        """As of the program."""
        size = float(namespace(b).linalg.vector_norm(b))
        if self._first is None:
            self._first = size
        self._tell(size / self._first if self._first > 0 else 1.0)
        return self._program.average(b, schedule, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)


@contextmanager
def watched_device(what: str, rtol: float | None, device: Device | None = None) -> Iterator[WatchedDevice]:
    """A device whose progress towards a residual of `rtol` is shown while it works; None shows that it works.

    Parameters
    ----------
    what : str
        What is being done.
    rtol : float, optional
    device : Device, optional
        Default: an ideal `LangevinDevice`.

    Yields
    ------
    WatchedDevice
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None if rtol is None else 1.0)

        def tell(share: float) -> None:
            if rtol is not None and 0 < share < 1:
                done = math.log(share) / math.log(max(rtol, 1e-16)) if rtol < 1 else 1.0
                progress.update(task, completed=min(done, 1.0), description=f"{what}, residual {share:.0e}")

        yield WatchedDevice(LangevinDevice() if device is None else device, tell)
