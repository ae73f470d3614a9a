"""What a call on a prepared device would take, before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import as_array
from thermolinalg._autograd import detached
from thermolinalg.devices import Schedule
from thermolinalg.estimation.covariance import readings_for
from thermolinalg.primitives._linear_solve import PRECISION
from thermolinalg.primitives._rhs import identity, read_rhs
from thermolinalg.primitives._tolerance import LIMIT, default_rtol, read_rtol
from thermolinalg.primitives.explain import EngineReport, engine_of_window
from thermolinalg.primitives.solver import Solver

__all__ = ["CallPrice", "price_of"]

CALLS = ("solve", "inv", "diagonal", "sample")

FINE = 1e-6
"""Relative residual at which the noise alone sets the length of a window, whatever A is."""


@dataclass(frozen=True)
class CallPrice:
    """What a call would take.

    Parameters
    ----------
    call : str
        Its name.
    runs : int
        Device runs expected, of all columns at once.
    columns : int
        Loads side by side.
    readings : int
        Of each run; 1 for an integral over its window.
    device_time : float
        Of all runs and columns, in units of τ.
    schedule : Schedule
        Timetable of one run.
    engine : EngineReport
        What would simulate it, and what that declares to spend on one run.
    """

    call: str
    runs: int
    columns: int
    readings: int
    device_time: float
    schedule: Schedule
    engine: EngineReport


def price_of(prepared: Solver, call: str, b: Any = None, rtol: float | None = None) -> CallPrice:
    """Price a call; see `PreparedDevice.price`."""
    if call not in CALLS:
        raise ValueError(f"call must be one of {', '.join(map(repr, CALLS))}; got {call!r}")
    asked = read_rtol(rtol, refine=True)
    if call in ("solve", "inv"):
        return _of_solves(prepared, call, b, asked)
    rate, copies = prepared.held.inverse.rate(), 2 if prepared.read.is_complex else 1
    count = readings_for(asked or 1e-2, 1, copies=copies) if call == "diagonal" else 1
    schedule = Schedule.for_covariance(count, rate)
    engine = engine_of_window(prepared, schedule, 1)
    return CallPrice(call, 1, 1, count, schedule.total, schedule, engine)


def _of_solves(prepared: Solver, call: str, b: Any, rtol: float | None) -> CallPrice:
    """Refined right-hand sides: runs from what one of them leaves."""
    read, held = prepared.read, prepared.held
    if call == "inv":
        block = identity(read).block
    else:
        if b is None:
            b = as_array(np.random.default_rng(0).standard_normal(read.shape[0]), read.operator.like)
        block = read_rhs(read, detached(b)).block
    load = prepared.outer(held, block).into(block)
    schedule = held.inverse.timetable(load, PRECISION)
    alone = held.inverse.timetable(load, FINE).duration * (FINE / PRECISION) ** 2
    # A window longer than its noise asks for leaves less; an embedding leaves its bias whatever the noise.
    left = max(PRECISION * min(1.0, alone / schedule.duration) ** 0.5, held.inverse.bias, 1e-12)
    default = default_rtol(load) if held.kind == "definite" else LIMIT * np.finfo(float).eps
    target = default if rtol is None else max(rtol, LIMIT * np.finfo(float).eps)
    runs = max(1, math.ceil(math.log(target) / math.log(left)))
    columns = load.shape[1]
    engine = engine_of_window(prepared, schedule, columns)
    readings = schedule.readings or 1
    return CallPrice(call, runs, columns, readings, runs * columns * schedule.total, schedule, engine)
