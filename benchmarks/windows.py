"""Solve and invert from the same window, everyone in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.agreement import inverse_agreement, solution_agreement
from benchmarks.peers.base import Peer, Stepper
from benchmarks.problems import Array, Window
from benchmarks.timing import Call, interleaved, seconds

PER_RUN = 4.0  # CPU seconds; a stepper that needs longer runs fewer readings
TRIAL = 20  # readings


@dataclass(frozen=True)
class Task:
    """One question put to a window: which method of a peer answers it, and how the answer is judged."""

    name: str
    prepare: Callable[[Peer, Window], Call]
    agreement: Callable[[Window, Sequence[Array]], dict[str, float]]


SOLVE = Task("solve", lambda peer, window: peer.solve(window), solution_agreement)
INVERSE = Task("inv", lambda peer, window: peer.inv(window), inverse_agreement)


def compare(task: Task, window: Window, peers: Sequence[Peer], rounds: int) -> dict[str, Any]:
    """Every peer on one window; the first one is the yardstick of the ratios.

    Returns
    -------
    dict
        The window in words and a row for each peer: cpu_s, wall_s and ratio for the whole window, the readings
        that were run, and the agreement of the estimates with the law of those readings.
    """
    windows = {peer.name: _affordable(task, peer, window) for peer in peers}
    calls = {peer.name: task.prepare(peer, windows[peer.name]) for peer in peers}
    timings = interleaved(calls, rounds)
    rows = []
    for peer in peers:
        ran = windows[peer.name]
        rows.append(
            {
                "name": peer.name,
                "method": peer.method,
                **timings[peer.name].medians(scale=window.duration / ran.duration),
                "readings_run": ran.readings,
                **task.agreement(ran, timings[peer.name].returned),
            }
        )
    for row in rows:
        row["ratio"] = row["cpu_s"] / rows[0]["cpu_s"]
    return {
        "task": task.name,
        "d": window.size,
        "condition": float(np.linalg.cond(window.A)),
        "temperature": window.temperature,
        "readings": window.readings,
        "spacing": window.spacing,
        "burn_in": window.burn_in,
        "rounds": rounds,
        "rows": rows,
    }


def _affordable(task: Task, peer: Peer, window: Window) -> Window:
    """The whole window, or for a slow stepper a tenth or a hundredth of it: its cost is linear in device time."""
    if not isinstance(peer, Stepper):
        return window
    trial = window.shortened(TRIAL)
    rate = seconds(task.prepare(peer, trial)) / trial.duration
    for readings in (window.readings, window.readings // 10):
        shorter = window.shortened(readings)
        if rate * shorter.duration <= PER_RUN:
            return shorter
    return window.shortened(window.readings // 100)
