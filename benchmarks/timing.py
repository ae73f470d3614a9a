"""Process CPU time and wall time, in interleaved rounds so that a drift of the machine hits everyone alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

SHORTEST = 0.5  # s; faster calls are repeated until a sample is this long, as warm as a loop that makes nothing else

Call = Callable[[int], Any]


@dataclass
class Timing:
    """Samples of one candidate: seconds per call, and what the first call of each round returned."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    returned: list[Any] = field(default_factory=list)

    def medians(self, scale: float = 1.0) -> dict[str, float]:
        """Median seconds, times the factor by which the run was shortened."""
        return {"cpu_s": scale * median(self.cpu), "wall_s": scale * median(self.wall)}


def interleaved(calls: Mapping[str, Call], rounds: int) -> dict[str, Timing]:
    """Time every call in `rounds` rounds, after one unmeasured call each to compile and to touch memory.

    Parameters
    ----------
    calls : mapping of str to callable
        By name; each takes a seed, different in every round.
    rounds : int

    Returns
    -------
    dict of str to Timing
    """
    repeats = {name: _repeats(call) for name, call in calls.items()}
    timings = {name: Timing() for name in calls}
    for seed in range(1, rounds + 1):
        for name, call in calls.items():
            wall, cpu = time.perf_counter(), time.process_time()
            first = call(seed)
            for _ in range(repeats[name] - 1):
                call(seed)
            timings[name].cpu.append((time.process_time() - cpu) / repeats[name])
            timings[name].wall.append((time.perf_counter() - wall) / repeats[name])
            timings[name].returned.append(first)
    return timings


def seconds(call: Call) -> float:
    """CPU seconds of a second call: the first one compiles."""
    call(0)
    start = time.process_time()
    call(0)
    return time.process_time() - start


def _repeats(call: Call) -> int:
    """How many calls one sample needs; also the warm-up."""
    call(0)
    start = time.perf_counter()
    call(0)
    return max(1, round(SHORTEST / max(time.perf_counter() - start, 1e-7)))
