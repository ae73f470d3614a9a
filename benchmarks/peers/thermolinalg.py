"""Ours: the average, or the covariance, of a window drawn from its law."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import thermolinalg as tla
from benchmarks.peers.base import Estimator, Peer
from benchmarks.problems import Window


class Thermolinalg(Peer):
    """Raw device calls, as a user makes them: the checks of the input are inside the clock."""

    name = "thermolinalg"
    method = "solve / inv(refine=False, schedule=Schedule(...)), A loaded as written"

    def solve(self, window: Window) -> Estimator:
        """See `Peer.solve`."""
        solve = _call("solve", window)
        return lambda seed: solve(rng=seed)

    def inv(self, window: Window) -> Estimator:
        """See `Peer.inv`."""
        inv = _call("inv", window)
        return lambda seed: inv(rng=seed)


def engine(task: str, window: Window) -> str:
    """Which engine draws the window, and why."""
    _, info = _call(task, window)(rng=0, return_info=True)
    return f"{info.engine} ({info.reason})"


def _call(task: str, window: Window) -> Callable[..., Any]:
    """A is loaded without rescaling, so that the device's times are the window's."""
    return partial(
        getattr(tla, task),
        *((window.A, window.b) if task == "solve" else (window.A,)),
        refine=False,
        schedule=tla.Schedule(burn_in=window.burn_in, readings=window.readings, spacing=window.spacing),
        device=tla.LangevinDevice(law=tla.Overdamped(window.temperature), loading=tla.AsWritten()),
    )
