"""Ours: the window drawn from its law, average and last state jointly, without a path."""

from __future__ import annotations

import thermolinalg as tla
from benchmarks.peers.base import Estimator, Peer
from benchmarks.problems import Window


class Thermolinalg(Peer):
    """Raw device calls, with the checks of the input and the standard error that every user gets."""

    name = "thermolinalg"
    method = "solve / inv(refine=False, schedule=Schedule(...)), A loaded as written"

    def solve(self, window: Window) -> Estimator:
        """See `Peer.solve`."""
        schedule, device = _schedule(window), _device(window)
        return lambda seed: tla.solve(window.A, window.b, refine=False, schedule=schedule, device=device, rng=seed)

    def inv(self, window: Window) -> Estimator:
        """See `Peer.inv`."""
        schedule, device = _schedule(window), _device(window)
        return lambda seed: tla.inv(window.A, refine=False, schedule=schedule, device=device, rng=seed)


def _schedule(window: Window) -> tla.Schedule:
    return tla.Schedule(burn_in=window.burn_in, readings=window.readings, spacing=window.spacing)


def _device(window: Window) -> tla.LangevinDevice:
    """No rescaling of A, so that the device's times are the window's."""
    return tla.LangevinDevice(temperature=window.temperature, loading=tla.AsWritten())
