"""What a call would do and why, before it runs: structure, engine, cost, spectrum and timetable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import scipy.sparse

from thermolinalg._arrays import dtype_name, is_sparse_tensor
from thermolinalg._validation import as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._pricing import EngineReport, counted, engine_of_path, price_of
from thermolinalg.primitives.solver import Solver

__all__ = ["Explanation", "explain", "explained"]


COMPLEX = {"float32": "complex64", "float64": "complex128"}

HELD = {
    "negative": "−A",
    "stable": "A as the drift itself",
    "embedded": "the skew embedding [[αI, A], [−Aᵀ, αI]]",
    "normal": "the normal operator AᵀA, loaded with Aᵀb",
}
"""What stands in the device where it is not A itself."""


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
    runs : int
        Such runs expected of a default solve.
    device_time : float
        Of all of them and all loads, in units of τ.
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
    runs: int
    device_time: float
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
        rows.append(("relaxation", f"slowest mode forgets in {counted(1 / self.rate)} τ"))
        rows += [(f"{name} engine", str(r)) for name, r in (("solve", self.solve), ("path", self.trajectory)) if r]
        rows.append(
            ("timetable", f"burn in {counted(self.schedule.burn_in)} τ, average {counted(self.schedule.duration)} τ")
        )
        rows.append(("", f"set by: {self.schedule.bound}, for {self.load}"))
        rows.append(("a solve", f"about {self.runs} runs, {counted(self.device_time)} τ in all"))
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

    See Also
    --------
    plan : Time, energy and precision beside digital solvers.

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
    return explained(Solver(read, device, as_rng(0)), b, _stored_entries(a))


def _stored_entries(a: Any) -> int | None:
    """How many entries a sparse array or tensor stores; None for what is neither."""
    if scipy.sparse.issparse(a):
        return int(a.nnz)
    return int(a._nnz()) if is_sparse_tensor(a) else None


def explained(prepared: Solver, b: Any, nonzeros: int | None) -> Explanation:
    """What a default solve on a prepared device would take."""
    read, held = prepared.read, prepared.held
    precision = dtype_name(read.operator.like)
    price, condition = price_of(prepared, "solve", b), held.condition
    return Explanation(
        shape=read.shape,
        dtype=COMPLEX.get(precision, precision) if read.is_complex else precision,
        structure=read.operator.structure,
        nonzeros=nonzeros or None,
        symmetric=read.symmetric,
        held=held.kind,
        why=held.reason,
        spectrum=None if condition is None else (condition.smallest, condition.largest),
        rate=held.inverse.rate(),
        solve=price.engine,
        trajectory=engine_of_path(prepared),
        schedule=price.schedule,
        runs=price.runs,
        device_time=price.device_time,
        load="a standard normal b" if b is None else "this b",
    )


def _row(name: str, text: str) -> str:
    """Name on the left, lines of text on the right."""
    return f"{name:>17}  " + text.replace("\n", "\n" + " " * 19)
