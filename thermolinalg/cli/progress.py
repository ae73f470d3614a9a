"""A live line on standard error while a device works, read off the device itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from thermolinalg._arrays import Array, namespace
from thermolinalg.devices import LangevinDevice, LangevinProgram, Reading, Schedule
from thermolinalg.operators import Operator

__all__ = ["WatchedDevice", "watched_device"]


@dataclass(frozen=True)
class WatchedDevice(LangevinDevice):
    """A `LangevinDevice` that tells of every load it averages.

    Parameters
    ----------
    law, loading, imperfections : optional
        As for `LangevinDevice`.
    tell : callable
        ``tell(share)`` gets the size of the load relative to the first one: that of the residual in a refinement.
    """

    tell: Callable[[float], None] = lambda share: None

    def program(self, operator: Operator, *, rng: np.random.Generator | None = None) -> LangevinProgram:
        return _WatchedProgram(self, operator, np.random.default_rng() if rng is None else rng)


class _WatchedProgram(LangevinProgram):
    device: WatchedDevice
    first: float | None = None

    def average(self, b: Array, schedule: Schedule, **options: Any) -> Reading:
        size = float(namespace(b).linalg.vector_norm(b))
        if self.first is None:
            self.first = size
        self.device.tell(size / self.first if self.first > 0 else 1.0)
        return super().average(b, schedule, **options)


@contextmanager
def watched_device(what: str, rtol: float | None) -> Iterator[WatchedDevice]:
    """A device whose progress towards a residual of `rtol` is shown while it works; None shows that it works.

    Parameters
    ----------
    what : str
        What is being done.
    rtol : float, optional

    Yields
    ------
    WatchedDevice
    """
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None if rtol is None else 1.0)

        def tell(share: float) -> None:
            if rtol is not None and 0 < share < 1:
                done = math.log(share) / math.log(max(rtol, 1e-16)) if rtol < 1 else 1.0
                progress.update(task, completed=min(done, 1.0), description=f"{what}, residual {share:.0e}")

        yield WatchedDevice(tell=tell)
