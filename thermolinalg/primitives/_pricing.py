"""What a call on a prepared device would take, before it runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from thermolinalg._arrays import Array, eps, standard_normal
from thermolinalg._autograd import detached
from thermolinalg.devices import Ledger, Schedule
from thermolinalg.estimation.covariance import readings_for
from thermolinalg.matrix_functions import Price
from thermolinalg.primitives._linear_solve import PRECISION, RAW_RTOL
from thermolinalg.primitives._rhs import identity, read_rhs
from thermolinalg.primitives._tolerance import LIMIT, default_rtol, read_rtol
from thermolinalg.primitives.solver import Solver
from thermolinalg.systems import Chain, DeviceInverse
from thermolinalg.systems.placed import Held

__all__ = ["CallPrice", "EngineReport", "block_of", "counted", "engine_of_path", "price_of"]

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
    ledger : Ledger
        What the call would book on a device that A is written into for it. Error bars, which are read when asked for,
        take further runs.
    """

    call: str
    runs: int
    columns: int
    readings: int
    device_time: float
    schedule: Schedule
    engine: EngineReport
    ledger: Ledger


def price_of(
    prepared: Solver, call: str, b: Any = None, rtol: float | None = None, *, refine: bool = True
) -> CallPrice:
    """Price a call; see `PreparedDevice.price`. Without `refine`, a solve is one run with a residual of `rtol`."""
    if call not in CALLS:
        raise ValueError(f"call must be one of {', '.join(map(repr, CALLS))}; got {call!r}")
    asked = read_rtol(rtol, refine=refine)
    if call == "solve" and not refine:
        return _of_one_run(prepared, b, RAW_RTOL if asked is None else asked)
    if call in ("solve", "inv"):
        return _of_solves(prepared, call, b, asked)
    rate, copies = prepared.held.inverse.rate(), 2 if prepared.read.is_complex else 1
    count = readings_for(asked or 1e-2, 1, copies=copies) if call == "diagonal" else 1
    schedule = Schedule.for_covariance(count, rate)
    engine = _engine_of_window(prepared, schedule, 1)
    ledger = _booked(prepared.held, prepared.held.matrix.shape[0], schedule, 1, count)
    return CallPrice(call, 1, 1, count, schedule.total, schedule, engine, ledger)


def _of_solves(prepared: Solver, call: str, b: Any, rtol: float | None) -> CallPrice:
    """Refined right-hand sides: runs from what one of them leaves."""
    read, held = prepared.read, prepared.held
    block = identity(read).block if call == "inv" else block_of(prepared, b)
    load = prepared.outer(held, block).into(block)
    schedule = held.inverse.timetable(load, PRECISION)
    alone = held.inverse.timetable(load, FINE).duration * (FINE / PRECISION) ** 2
    # A window longer than its noise asks for leaves less; an embedding leaves its bias whatever the noise.
    left = max(PRECISION * min(1.0, alone / schedule.duration) ** 0.5, held.inverse.bias, 1e-12)
    finest = LIMIT * eps(load)
    default = default_rtol(load) if held.kind == "definite" else finest
    target = default if rtol is None else max(rtol, finest)
    runs = max(1, math.ceil(math.log(target) / math.log(left)))
    return _of_runs(prepared, held, call, load, schedule, runs)


def _of_one_run(prepared: Solver, b: Any, rtol: float) -> CallPrice:
    """A single run, whose residual is not sent back."""
    held, block = prepared.held_for_one_run(rtol), block_of(prepared, b)
    load = prepared.outer(held, block).into(block)
    return _of_runs(prepared, held, "solve", load, held.inverse.timetable(load, rtol), 1)


def block_of(prepared: Solver, b: Any) -> Array:
    """The user's right-hand sides (m, k), or a standard normal one that is always the same."""
    read = prepared.read
    if b is None:
        b = standard_normal(np.random.default_rng(0), (read.shape[0],), read.operator.like)
    return read_rhs(read, detached(b)).block


def _of_runs(prepared: Solver, held: Held, call: str, load: Array, schedule: Schedule, runs: int) -> CallPrice:
    """So many runs of one schedule for the loads of an equation (m, k)."""
    columns, readings = load.shape[1], schedule.readings or 1
    engine = _engine_of_window(prepared, schedule, columns)
    systems = held.inverse.systems if isinstance(held.inverse, DeviceInverse) else Chain(())
    ledger = _booked(held, systems.into(load).shape[0], schedule, runs * columns, readings)
    return CallPrice(call, runs, columns, readings, ledger.device_time, schedule, engine, ledger)


def _booked(held: Held, nodes: int, schedule: Schedule, runs: int, readings: int) -> Ledger:
    """The ledger of a device that A is written into, after so many runs."""
    written = getattr(getattr(held.inverse, "program", None), "ledger", None)
    ledger = Ledger()
    ledger.write(None if written is None else written.couplings)
    ledger.record(nodes, runs, schedule.total, readings)
    return ledger


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
