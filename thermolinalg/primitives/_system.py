"""What solve, lstsq, inv and langevin share: the linear system as the device sees it, and the report."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, column_norms, dtype_name, eps, namespace, to_numpy
from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.devices import Device, Program, Reading, Schedule
from thermolinalg.estimation.refinement import Refinement, refine
from thermolinalg.operators import Dense, Normal, Operator, Sparse
from thermolinalg.operators.read import ReadMatrix, complexify, realify

__all__ = [
    "MAXITER",
    "RAW_RTOL",
    "System",
    "default_rtol",
    "gram_operator",
    "raw_report",
    "read_rtol",
    "refined_report",
    "rounding_shift",
    "solve_to_tolerance",
]

PRECISION = 0.1
"""Residual that one run leaves, relative to its load, where the error bar does not ask for a longer window."""

MAXITER = 100
"""Device runs before a refinement gives up."""


RAW_RTOL = 1e-2
"""Relative error of a single run where none is asked for."""


def default_rtol(like: Array) -> float:
    """1e-10 in double precision, 1e-5 in single."""
    return 1e-10 if eps(like) < 1e-10 else 1e-5


def read_rtol(rtol: Any, like: Array, *, refine: bool) -> float:
    """The tolerance of a refined or raw call, checked; what no run can reach, zero, is for refined ones only."""
    if rtol is None:
        return default_rtol(like) if refine else RAW_RTOL
    return as_nonnegative(rtol, "rtol") if refine else as_positive(rtol, "rtol")


@dataclass
class System:
    """A x = b in real form, on a device.

    Parameters
    ----------
    loadable : ReadMatrix
        The user's A.
    b : array, shape (m, k)
        The user's right-hand sides; complex where A or they are.
    device : Device
    rng : numpy.random.Generator
    normal : bool
        Whether the device holds AᵀA, loaded with Aᵀb.
    program : Program, optional
        A as it was programmed for an earlier system; default: program it now.
    """

    loadable: ReadMatrix
    b: Array
    device: Device
    rng: np.random.Generator
    normal: bool = False
    program: Program = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        self.is_complex = self.loadable.is_complex
        self.matrix = self.loadable.operator
        self.has_complex_rhs = not self.is_complex and "complex" in dtype_name(self.b)
        self.rhs = self.real_form(self.b)
        if self.program is None:
            held = gram_operator(self.matrix) if self.normal else self.matrix
            self.program = self.device.program(held, rng=self.rng)

    @property
    def definite(self) -> bool:
        """Whether what the device holds is symmetric positive definite."""
        return self.loadable.assume != "stable"

    def load(self) -> Array:
        """The right-hand side as it is loaded: b, or Aᵀb."""
        return self.matrix.apply_transposed(self.rhs) if self.normal else self.rhs

    def apply(self, block: Array) -> Array:
        """Product with what the device holds: A, or AᵀA by two products."""
        product = self.matrix.apply(block)
        return self.matrix.apply_transposed(product) if self.normal else product

    def residual(self, x: Array, low: Array | None = None) -> tuple[Array, Array]:
        """The residual to send back, and the norms of b − A x column by column.

        With `low` the residual is that of the unevaluated sum x + low, in extended precision where there is one.
        """
        r = self.rhs - self.matrix.apply(x)
        norms = column_norms(r)
        if low is not None:
            extended = self.matrix.extended_residual(self.rhs, x, low)
            r = r - self.matrix.apply(low) if extended is None else extended
        return (self.matrix.apply_transposed(r) if self.normal else r), norms

    def real_form(self, block: Array) -> Array:
        """The user's numbers as real ones: rows [Re; Im] where A is complex, columns [Re, Im] where only b is."""
        if self.is_complex:
            return realify(block)
        xp = namespace(block)
        return xp.concat([xp.real(block), xp.imag(block)], axis=1) if self.has_complex_rhs else block

    def real_tolerance(self, atol: float | Array) -> float | Array:
        """Tolerances for columns of the real form that keep those of the user's right-hand sides."""
        if not self.has_complex_rhs:
            return atol
        xp = namespace(self.rhs)
        atol = xp.zeros_like(self.rhs[0, : self.b.shape[1]]) + atol
        return xp.concat([atol, atol]) / 2**0.5

    def restore(self, x: Array) -> Array:
        """From the device's real form to the user's numbers."""
        if self.has_complex_rhs:
            half = x.shape[1] // 2
            return x[:, :half] + 1j * x[:, half:]
        return complexify(x) if self.is_complex else x

    def restore_error(self, error: Array) -> Array:
        """Standard errors of the user's numbers from those of the real form."""
        if self.has_complex_rhs:
            return abs(self.restore(error))
        if not self.is_complex:
            return error
        half = error.shape[0] // 2
        return (error[:half] ** 2 + error[half:] ** 2) ** 0.5

    def residual_norms(self, norms: Array) -> Any:
        """Residual norms of the user's right-hand sides, a number where there is one."""
        norms = to_numpy(norms)
        if self.has_complex_rhs:
            norms = np.hypot(*np.split(norms, 2))
        return norms if norms.shape[0] != 1 else float(norms[0])


def gram_operator(matrix: Operator) -> Operator:
    """AᵀA for a device: formed where A is an array, by products where it is not.

    A diagonal shift at rounding level keeps the factor of a nearly singular one alive; refinement removes its effect.
    """
    if isinstance(matrix, Dense):
        gram = matrix.matrix.T @ matrix.matrix
        xp = namespace(gram)
        shift = rounding_shift(gram) * xp.linalg.diagonal(gram)
        return Dense(gram + shift * xp.eye(gram.shape[0], dtype=gram.dtype, device=gram.device))
    if isinstance(matrix, Sparse):
        gram = (matrix.matrix.T @ matrix.matrix).tocsr()
        gram.setdiag(gram.diagonal() * (1 + rounding_shift(gram)))
        return Sparse(gram)
    return Normal(matrix)


def rounding_shift(gram: Array) -> float:
    """Share of its diagonal that keeps a Gram matrix, scaled to a unit diagonal, just above singular."""
    return float(2 * gram.shape[0] ** 1.5 * np.finfo(dtype_name(gram)).eps)


def solve_to_tolerance(
    system: System,
    x0: Array | None,
    rtol: float,
    atol: float | Array,
    maxiter: int,
    schedule: Schedule | None = None,
    preconditioner: Callable[[Array], Array] | None = None,
    callback: Callable[[Refinement], None] | None = None,
) -> Refinement:
    """Refine until ‖b − A x‖ ≤ rtol ‖b‖ + atol in every column.

    Parameters
    ----------
    system : System
    x0 : array, shape (n, k), optional
        Start in real form; default zero.
    rtol : float
    atol : float or array, shape (k,)
    maxiter : int
        Device runs at most.
    schedule : Schedule, optional
        Timetable of every run; default: chosen by the device for each load.
    preconditioner, callback : callable, optional
        See `thermolinalg.estimation.refine`.

    Returns
    -------
    Refinement
    """
    xp = namespace(system.rhs)
    sizes = xp.linalg.vector_norm(system.rhs, axis=0)
    target = rtol * sizes + system.real_tolerance(atol)
    if x0 is None:
        shape = (system.matrix.shape[1], system.rhs.shape[1])
        x0 = xp.zeros(shape, dtype=system.rhs.dtype, device=system.rhs.device)
        if bool(xp.all(sizes <= target)):
            return Refinement(x0, sizes, target)

    def timetable(r: Array) -> Schedule:
        return system.program.timetable(r, PRECISION) if schedule is None else schedule

    return refine(
        system.program,
        system.apply,
        system.residual,
        x0,
        target,
        timetable,
        system.rng,
        maxiter=maxiter,
        definite=system.definite,
        preconditioner=preconditioner,
        callback=callback,
    )


def refined_report(system: System, outcome: Refinement, rtol: float, shape: Callable[[Array], Array]) -> Info:
    """The information object of a refined solve; warns where it did not converge.

    `shape` brings a block (d, k) into the shape of the user's right-hand side.
    """
    norms, target = to_numpy(outcome.residual_norm), to_numpy(outcome.target)
    if outcome.converged:
        message = f"the true residual met its target in {outcome.n_runs} runs of the device"
    elif outcome.stopped:
        message = f"stopped by the callback after {outcome.n_runs} runs"
    else:
        worst = int(np.argmax(norms - target))
        message = (
            f"the true residual {norms[worst]:.3g} did not reach its target {target[worst]:.3g} in {outcome.n_runs} "
            f"runs of the device; pass a larger rtol= (now {rtol:g}), or a larger maxiter= if it was still falling"
        )
        warnings.warn(message, ThermodynamicWarning, stacklevel=4)
    info = Info(
        success=outcome.converged,
        status=0 if outcome.converged else max(outcome.n_runs, 1),
        message=message,
        n_runs=outcome.n_runs,
        n_matvec=outcome.n_matvec,
        residual_norm=system.residual_norms(outcome.residual_norm),
        standard_error=lambda: shape(system.restore_error(_refined_error(system, outcome))),
    )
    schedule = outcome.schedules[-1] if outcome.schedules else None
    return _with_device(info, system.program, schedule, outcome.reading)


def _refined_error(system: System, outcome: Refinement) -> Array:
    """One standard deviation of a refined x (real form).

    Earlier errors were sent back: what stays is noise like that of the last reading, less what the exact steps along
    the directions took of it. Its size is told by the true residual, its shape by further runs; rounding comes on top.
    """
    xp = namespace(outcome.x)
    if outcome.reading is None:
        return xp.zeros_like(outcome.x)
    noise = outcome.reading.noise
    images = system.apply(noise)
    sizes = column_norms(system.residual(outcome.x)[0])
    columns = []
    for column in range(outcome.x.shape[1]):
        errors, products = outcome.remaining(noise, images, column, system.definite)
        expected = xp.sqrt(xp.sum(products**2) / products.shape[1])
        size = sizes[column] / xp.where(expected > 0, expected, np.inf)
        rounding = eps(outcome.x) * outcome.x[:, column]
        columns.append(xp.sqrt(size**2 * xp.mean(errors**2, axis=1) + rounding**2))
    return xp.stack(columns, axis=1)


def raw_report(system: System, reading: Reading, shape: Callable[[Array], Array]) -> Info:
    """The information object of one uncorrected device run."""
    _, norms = system.residual(reading.value)
    info = Info(
        success=True,
        status=0,
        message="exactly what the device returned; pass refine=True to send the residual back to it",
        n_runs=1,
        n_matvec=1,
        residual_norm=system.residual_norms(norms),
        standard_error=lambda: shape(system.restore_error(reading.standard_error)),
    )
    return _with_device(info, system.program, reading.schedule, reading)


def _with_device(info: Info, program: Program, schedule: Schedule | None, reading: Reading | None) -> Info:
    """Add what concerns the device to a report."""
    info.update(program.describe(), schedule=schedule, ledger=program.ledger, device_time=program.ledger.device_time)
    if reading is not None and schedule is not None:
        rate = program.rate()
        info.update(
            degrees_of_freedom=reading.degrees_of_freedom,
            autocorrelation_time=1 / rate,
            effective_sample_size=max(1.0, schedule.duration * rate / 2),
        )
    return info
