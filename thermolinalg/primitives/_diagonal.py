"""The diagonal of a covariance as a device reads it, in the units of the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._progress import told, watched
from thermolinalg.devices import Schedule
from thermolinalg.estimation.conditional import blocks, conditional_variances
from thermolinalg.estimation.health import EXAMINED, Examination, Health
from thermolinalg.matrix_functions.spectrum import LARGE
from thermolinalg.operators import Operator, Sparse
from thermolinalg.primitives._readings import admitted

__all__ = ["Found", "read_diagonal"]


@dataclass(frozen=True)
class Found:
    """A diagonal as it is read.

    Parameters
    ----------
    value, noise : array, shape (d,)
        In the units of the device; and its relative standard error.
    schedule : Schedule
    condition, systematic
        As those of a `CovarianceReading`.
    health : Health, optional
        Of a device that is not the package's own.
    stopped : int, optional
        Readings after which a callback ended the call.
    """

    value: Array
    noise: Array
    schedule: Schedule
    condition: float | None
    systematic: float | None
    health: Health | None = None
    stopped: int | None = None


def read_diagonal(
    program: Any, matrix: Operator, rtol: float, count: int, *, rng: np.random.Generator, rounds: int
) -> Found:
    """The diagonal by the spread of each node, or of its conditional mean where that takes fewer readings."""
    program.rate()  # which refuses what has no equilibrium
    d = matrix.shape[0]
    if isinstance(matrix, Sparse) and d >= LARGE and program.vouched and bool((matrix.diagonal() > 0).all()):
        # The spread of any number of readings costs as much as that of d.
        few = conditional_variances(program, matrix, rtol, min(count, d), rng=rng)
        if few is not None:
            condition = getattr(program, "condition", None)
            return Found(few.value, few.noise / few.value, few.schedule, condition, 0.0, stopped=few.stopped)
    if not program.vouched:
        return _examined(program, matrix, max(EXAMINED, count * _more_readings(program, rtol)), rng=rng)
    total, degrees, stopped = 0.0, 0, None
    each = max(2, math.ceil((count - 1) / rounds) + 1)
    while degrees < count - 1 and stopped is None:
        reading = program.variances(n := min(each, count - degrees), rng=rng)
        total, degrees = total + (n - 1) * reading.value, degrees + n - 1
        if told("diagonal", lambda: {"x": total / degrees, "n_readings": degrees + 1}):
            stopped = degrees + 1
    value = total / degrees
    noise = namespace(value).ones_like(value) * math.sqrt(2 / degrees)
    schedule = Schedule.for_covariance(degrees + 1, program.rate())
    return Found(value, noise, schedule, reading.condition, reading.systematic, stopped=stopped)


def _more_readings(program: Any, rtol: float) -> float:
    """How many times as many readings leave room for what a device errs by, whatever it reads, and for its tails."""
    certain, tails = admitted(program), 1 + _excess(program) / 2
    return tails if certain > rtol / 2 else tails * (rtol / (rtol - certain)) ** 2


def _excess(program: Any) -> float:
    """Excess kurtosis of the readings of a device, at most."""
    return float(getattr(program, "excess_kurtosis", 0.0))


def _examined(program: Any, matrix: Operator, asked: float, *, rng: np.random.Generator) -> Found:
    """The diagonal from so many readings, which are looked at."""
    count = math.ceil(asked)
    examination = Examination(matrix, centred=True, allowed=admitted(program))
    squares, sums, taken = 0.0, 0.0, 0

    def estimate() -> Array:
        return (squares - sums**2 / taken) / (taken - 1)

    stopped = None
    for reading in watched(blocks(program, matrix, count, rng), "block of readings"):
        x, xp = reading.value, namespace(reading.value)
        examination.take(x)
        squares, sums, taken = squares + xp.sum(x * x, axis=0), sums + xp.sum(x, axis=0), taken + len(x)
        if taken > 1 and told("diagonal", lambda: {"x": estimate(), "n_readings": taken}):
            stopped = taken
            break
    value, schedule = estimate(), Schedule.for_covariance(taken, program.rate())
    noise = namespace(value).ones_like(value) * math.sqrt((2 + _excess(program)) / (taken - 1))
    systematic = 0.0 if getattr(program, "ideal", False) else getattr(program, "spread_error", None)
    return Found(value, noise, schedule, reading.condition, systematic, examination.verdict(), stopped)
