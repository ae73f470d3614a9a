"""Least times of calls that take turns, and the memory that a call adds at its peak.

On one thread CPU time is the clock, which other work on the machine disturbs least; on more it is wall time.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

now = time.process_time if os.environ.get("OMP_NUM_THREADS", "1") == "1" else time.perf_counter

SHORTEST = 0.05
"""Seconds that a sample takes at least: shorter calls are repeated."""


LONG = 1.5
"""Seconds of a call from which on one sample has to do."""


def least(calls: Mapping[str, Callable[[], Any]], rounds: int = 3) -> dict[str, float]:
    """Least seconds of every call over some rounds in which all take a turn; long ones take one."""
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, call in calls.items():
            if best.get(name, 0.0) <= LONG:
                best[name] = min(best.get(name, float("inf")), _sample(call))
    return best


class TooLong(BaseException):
    """What takes longer than it may; no failure that a device would be tried again for."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """TooLong where what is inside takes more CPU time."""

    def stop(*_: object) -> None:
        raise TooLong(f"over {seconds} s")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def _sample(call: Callable[[], Any]) -> float:
    repeats, start = 0, now()
    while True:
        call()
        repeats += 1
        if (spent := now() - start) > SHORTEST:
            return spent / repeats


def peak_bytes() -> int:
    """Most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def held_bytes() -> int:
    """Memory that it holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
