"""What a call would do and why, before it runs: structure, engine, cost, spectrum and timetable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import as_array, dtype_name
from thermolinalg._validation import as_rng
from thermolinalg.devices import Device, LangevinProgram, Schedule
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Engine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._normal import device_for, through_normal_operator_if_needed
from thermolinalg.primitives._range import in_range
from thermolinalg.primitives._rhs import read_rhs
from thermolinalg.primitives._system import PRECISION, System

__all__ = ["EngineReport", "Explanation", "explain"]

TRAJECTORY_TIMES = 4.0
"""The trajectory that is priced runs for so many relaxation times of the slowest mode."""

TRAJECTORY_READINGS = 200
"""And is read so often."""


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
    through_normal_operator : bool
        Whether the device holds AᵀA because A is not.
    spectrum : tuple of float, optional
        Smallest and largest eigenvalue of what the device holds, after scaling into its range.
    rate : float
        Relaxation rate of its slowest mode, in 1/τ.
    solve, trajectory : EngineReport
        The engine of one default run, and of a short trajectory from rest; the latter is None, and costs are unknown,
        on devices other than `LangevinDevice`.
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
    through_normal_operator: bool
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
        if self.through_normal_operator:
            rows.append(("on the device", "the normal operator AᵀA, loaded with Aᵀb"))
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
    loadable = read_matrix(a, assume_a=assume_a, name="a")
    if 0 in loadable.shape:
        raise ValueError(f"a is empty, shape {loadable.shape}: there is nothing to explain")
    device = device_for(loadable, device)
    if b is None:
        load = "a standard normal b"
        b = as_array(np.random.default_rng(0).standard_normal(loadable.shape[0]), loadable.operator.like)
    else:
        load = "this b"
    rhs = read_rhs(loadable, b)
    scaled, rhs = in_range(loadable, rhs)

    def attempt(normal: bool) -> tuple[System, Schedule]:
        system = System(scaled, rhs.block, device, as_rng(0), normal)
        return system, system.program.timetable(system.load(), PRECISION)

    system, schedule = through_normal_operator_if_needed(loadable, attempt)
    spectrum, trajectory = None, None
    if isinstance(system.program, LangevinProgram):
        spectrum = system.program.interval()
        solve, trajectory = _engines(system.program, schedule, system.rhs.shape[1])
    else:
        told = system.program.describe()
        solve = EngineReport(told["engine"], told["reason"])
    return Explanation(
        shape=loadable.shape,
        dtype=dtype_name(rhs.block),
        structure=loadable.operator.structure,
        nonzeros=int(a.nnz) if scipy.sparse.issparse(a) else None,
        symmetric=loadable.symmetric,
        through_normal_operator=system.normal,
        spectrum=spectrum,
        rate=system.program.rate(),
        solve=solve,
        trajectory=trajectory,
        schedule=schedule,
        load=load,
    )


def _engines(program: LangevinProgram, schedule: Schedule, columns: int) -> tuple[EngineReport, EngineReport]:
    """The engines of one run of the schedule and of a trajectory from rest."""
    engines = _Pricing(program.effective)
    engines._built.update(program.engines._built)

    def report(law: LinearLaw, outputs: Sequence[str], columns: int) -> EngineReport:
        law = law.rescaled(program.factor)
        choice = engines.choose(law, outputs, columns)
        cost = choice.cost or choice.engine.cost(law, outputs)
        return EngineReport(choice.engine.name, choice.reason, cost.total(columns), cost.products, cost.memory)

    window = program.law.window(schedule.burn_in, schedule.duration, schedule.readings)
    spacing = TRAJECTORY_TIMES / program.rate() / TRAJECTORY_READINGS
    return report(window, ("average",), columns), report(program.law.step(spacing), ("state",), TRAJECTORY_READINGS)


class _Unbuilt:
    """The dense engine without its eigendecomposition: a name is all that is asked of it."""

    name = DenseEngine.name


class _Pricing(Engines):
    """Chooses as `Engines` does, but never starts an eigendecomposition."""

    def _build(self, key: str, build: Callable[[], Engine]) -> Engine:
        known = key != "eigh" or key in self._built
        return super()._build(key, build) if known else _Unbuilt()  # type: ignore[return-value]


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
