"""What a call would do and why, before it runs: structure, engine, cost, spectrum and timetable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
import scipy.sparse

from thermolinalg._arrays import as_array, dtype_name
from thermolinalg._autograd import detached
from thermolinalg._validation import as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.matrix_functions import Price
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._linear_solve import PRECISION
from thermolinalg.primitives._rhs import read_rhs
from thermolinalg.primitives.solver import Solver

__all__ = ["EngineReport", "Explanation", "engine_of_window", "explain"]

TRAJECTORY_TIMES = 4.0
"""The trajectory that is priced runs for so many relaxation times of the slowest mode."""

TRAJECTORY_READINGS = 200
"""And is read so often."""


HELD = {
    "negative": "−A",
    "stable": "A as the drift itself",
    "embedded": "the skew embedding [[αI, A], [−Aᵀ, αI]]",
    "normal": "the normal operator AᵀA, loaded with Aᵀb",
}
"""What stands in the device where it is not A itself."""


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
            declared.append(f"{_count(self.flops)} operations")
        if self.products:
            declared.append(f"{self.products} products with A" if self.products > 1 else "one product with A")
        if self.memory:
            declared.append(f"{_bytes(self.memory)} held")
        return "\n".join([self.name, f"because {self.reason}", *([", ".join(declared)] if declared else [])])


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; its text is meant to be read.

    Parameters
    ----------
    shape : tuple of int
        Of A.
    dtype : str
        Of the numbers the device is simulated in.
    structure : str
        'dense', 'sparse', 'matrix-free', 'low-rank', ….
    nonzeros : int, optional
        Stored entries of sparse A.
    symmetric : bool
        Whether A is symmetric (Hermitian).
    held : str
        How the device holds A: 'definite', 'negative', 'stable', 'embedded' or 'normal'.
    why : str
        Why so.
    spectrum : tuple of float, optional
        Smallest and largest eigenvalue (singular value, where A is embedded) of A in the balanced units of the device.
    rate : float
        Relaxation rate of its slowest mode, in 1/τ.
    solve, trajectory : EngineReport
        The engine of one default run, and of a short trajectory from rest; the latter is None, and costs are unknown,
        on devices that do not price their runs.
    schedule : Schedule
        Timetable of one default run.
    load : str
        The right-hand side that the timetable is for.
    """

    shape: tuple[int, int]
    dtype: str
    structure: str
    nonzeros: int | None
    symmetric: bool
    held: str
    why: str
    spectrum: tuple[float, float] | None
    rate: float
    solve: EngineReport
    trajectory: EngineReport | None
    schedule: Schedule
    load: str

    @property
    def condition(self) -> float | None:
        """Ratio of the ends of the spectrum on the device."""
        return None if self.spectrum is None else self.spectrum[1] / self.spectrum[0]

    def __str__(self) -> str:
        m, n = self.shape
        kind = ("symmetric" if self.symmetric else "not symmetric") + f" {self.structure}"
        filled = "" if self.nonzeros is None else f", {self.nonzeros} nonzeros ({self.nonzeros / (m * n):.2g} of all)"
        rows = [("matrix", f"{m} x {n}, {kind}, {self.dtype}{filled}")]
        if self.held != "definite":
            rows.append(("on the device", f"{HELD[self.held]}: {self.why}"))
        if self.spectrum is not None:
            low, high = self.spectrum
            rows.append(("spectrum", f"[{low:.3g}, {high:.3g}] on the device, condition {self.condition:.3g}"))
        rows.append(("relaxation", f"slowest mode forgets in {_count(1 / self.rate)} τ"))
        rows += [(f"{name} engine", str(r)) for name, r in (("solve", self.solve), ("path", self.trajectory)) if r]
        rows.append(
            ("timetable", f"burn in {_count(self.schedule.burn_in)} τ, average {_count(self.schedule.duration)} τ")
        )
        rows.append(("", f"set by: {self.schedule.bound}, for {self.load}"))
        return "\n".join(_row(name, text) for name, text in rows)

    __repr__ = __str__


def explain(a: Any, b: Any = None, *, assume_a: str | None = None, device: Device | None = None) -> Explanation:
    """Say what A is, which engine would run on it and why, and what a default solve would take.

    Nothing is solved. The cheapest engine that knows the ends of the spectrum is set up for it (one factorisation, or
    a few products with A); an eigendecomposition that only a trajectory would need is priced, not computed.

    Parameters
    ----------
    a : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        As for `solve`.
    b : array_like, shape (d,) or (d, k), optional
        Right-hand side whose timetable is asked for. Default: standard normal numbers, always the same.
    assume_a : str, optional
        As for `solve`.
    device : Device, optional
        Default: as for `solve`.

    Returns
    -------
    Explanation
        Its text, which is also its representation, is meant to be read; the numbers are attributes.

    Raises
    ------
    LinAlgError
        A default solve would refuse A: it is singular, or indefinite; the message holds the evidence.
    ValueError
        Wrong shape, an empty matrix, NaN or infinity.
    TypeError
        Object, masked or matrix input.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> told = tla.explain(np.diag(np.linspace(0.5, 1.0, 300)) + 0.5)
    >>> told.structure, told.symmetric, told.solve.name
    ('dense', True, 'factorised (Cholesky)')
    """
    read = read_matrix(a, assume_a=assume_a, gradients=True, name="a")
    if 0 in read.shape:
        raise ValueError(f"a is empty, shape {read.shape}: there is nothing to explain")
    return explained(Solver(read, device, as_rng(0)), b, scipy.sparse.issparse(a) and int(a.nnz))


def explained(prepared: Solver, b: Any, nonzeros: int | None) -> Explanation:
    """What a default solve on a prepared device would take."""
    read, held = prepared.read, prepared.held
    if b is None:
        load = "a standard normal b"
        b = as_array(np.random.default_rng(0).standard_normal(read.shape[0]), read.operator.like)
    else:
        load = "this b"
    block = read_rhs(read, detached(b)).block
    columns = prepared.outer(held, block).into(block)
    schedule = held.inverse.timetable(columns, PRECISION)
    solve, trajectory = engine_of_window(prepared, schedule, columns.shape[1]), _engine_of_path(prepared)
    condition = held.condition
    return Explanation(
        shape=read.shape,
        dtype=dtype_name(block),
        structure=read.operator.structure,
        nonzeros=nonzeros or None,
        symmetric=read.symmetric,
        held=held.kind,
        why=held.reason,
        spectrum=None if condition is None else (condition.smallest, condition.largest),
        rate=held.inverse.rate(),
        solve=solve,
        trajectory=trajectory,
        schedule=schedule,
        load=load,
    )


def engine_of_window(prepared: Solver, schedule: Schedule, columns: int) -> EngineReport:
    """The engine of one run of the schedule for so many loads, and what it declares to spend."""
    program = prepared.program
    if not hasattr(program, "price_window"):
        told = program.describe()
        return EngineReport(told["engine"], told["reason"])
    return _reported(cast(Priced, program).price_window(schedule, columns), columns)


def _engine_of_path(prepared: Solver) -> EngineReport | None:
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


def _count(number: float) -> str:
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


def _row(name: str, text: str) -> str:
    """Name on the left, lines of text on the right."""
    return f"{name:>17}  " + text.replace("\n", "\n" + " " * 19)
