"""What a call on a prepared device would take, before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from thermolinalg._arrays import standard_normal
from thermolinalg._autograd import detached
from thermolinalg.devices import Schedule
from thermolinalg.estimation.covariance import readings_for
from thermolinalg.matrix_functions import Price
from thermolinalg.primitives._linear_solve import PRECISION
from thermolinalg.primitives._rhs import identity, read_rhs
from thermolinalg.primitives._tolerance import LIMIT, default_rtol, read_rtol
from thermolinalg.primitives.solver import Solver

__all__ = ["CallPrice", "EngineReport", "counted", "engine_of_path", "price_of"]

CALLS = ("solve", "inv", "diagonal", "sample")

FINE = 1e-6
"""Relative residual at which the noise alone sets the length of a window, whatever A is."""

TRAJECTORY_TIMES = 4.0
"""The trajectory that is priced runs for so many relaxation times of the slowest mode."""

TRAJECTORY_READINGS = 200
"""And is read so often."""


class Priced(Protocol):
    """A program that says before a run what simulating it takes."""

    def price_window(self, schedule: Schedule, columns: int) -> Price:
        """Of the average over one window for so many loads."""
        ...

    def price_path(self, spacing: float, readings: int) -> Price | None:
        """Of a path of so many readings; None where it draws none."""
        ...


@dataclass(frozen=True)
class EngineReport:
    """An engine, why it was chosen, and what it declares to spend.

    Parameters
    ----------
    name : str
        Of the engine.
    reason : str
        Why `select` chose it.
    flops : float, optional
        Operations, set-up included; None where the engine declares none.
    products : int, optional
        Products with A of one column.
    memory : float, optional
        Bytes held.
    """

    name: str
    reason: str
    flops: float | None = None
    products: int | None = None
    memory: float | None = None

    def __str__(self) -> str:
        declared = []
        if self.flops is not None:
            declared.append(f"{counted(self.flops)} operations")
        if self.products:
            declared.append(f"{self.products} products with A" if self.products > 1 else "one product with A")
        if self.memory:
            declared.append(f"{_bytes(self.memory)} held")
        return "\n".join([self.name, f"because {self.reason}", *([", ".join(declared)] if declared else [])])


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
    engine = _engine_of_window(prepared, schedule, 1)
    return CallPrice(call, 1, 1, count, schedule.total, schedule, engine)


def _of_solves(prepared: Solver, call: str, b: Any, rtol: float | None) -> CallPrice:
    """Refined right-hand sides: runs from what one of them leaves."""
    read, held = prepared.read, prepared.held
    if call == "inv":
        block = identity(read).block
    else:
        if b is None:
            b = standard_normal(np.random.default_rng(0), (read.shape[0],), read.operator.like)
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
    engine = _engine_of_window(prepared, schedule, columns)
    readings = schedule.readings or 1
    return CallPrice(call, runs, columns, readings, runs * columns * schedule.total, schedule, engine)


def _engine_of_window(prepared: Solver, schedule: Schedule, columns: int) -> EngineReport:
    """The engine of one run of the schedule for so many loads, and what it declares to spend."""
    program = prepared.program
    if not hasattr(program, "price_window"):
        told = program.describe()
        return EngineReport(told["engine"], told["reason"])
    return _reported(cast(Priced, program).price_window(schedule, columns), columns)


def engine_of_path(prepared: Solver) -> EngineReport | None:
    """The same for a trajectory from rest; None where the device draws none, or does not price it."""
    program = prepared.program
    if not hasattr(program, "price_path"):
        return None
    spacing = TRAJECTORY_TIMES / program.rate() / TRAJECTORY_READINGS
    price = cast(Priced, program).price_path(spacing, TRAJECTORY_READINGS)
    return None if price is None else _reported(price, TRAJECTORY_READINGS)


def _reported(price: Price, columns: int) -> EngineReport:
    cost = price.cost
    if cost is None:
        return EngineReport(price.name, price.reason)
    return EngineReport(price.name, price.reason, cost.total(columns), cost.products, cost.memory)


def counted(number: float) -> str:
    """A number as people read it: 950, 12 thousand, 3.4 million, 5.6e+12."""
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e4, "thousand")):
        if size <= number < 1e12:
            return f"{number / (1e3 if name == 'thousand' else size):.3g} {name}"
    return f"{number:.3g}" if number < 1e3 or number >= 1e12 else f"{number:,.0f}"


def _bytes(number: float) -> str:
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if number >= size:
            return f"{number / size:.3g} {name}"
    return f"{number:.0f} bytes"
