"""Least squares in the skew embedding: what `lstsq` and `pinv` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, as_array, column_norms, namespace
from thermolinalg._info import Info
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import ReadMatrix
from thermolinalg.primitives._least_squares_problem import LeastSquaresProblem, squared
from thermolinalg.primitives._linear_solve import RAW_RTOL, solve_raw, solve_refined
from thermolinalg.primitives._report import once, scalar
from thermolinalg.primitives._rhs import RightHandSide
from thermolinalg.primitives._tolerance import Tolerance, Wanted
from thermolinalg.systems.balance import share_of_one_run

__all__ = ["LstsqResult", "Settings", "least_squares"]


class LstsqResult(NamedTuple):
    """What `scipy.linalg.lstsq` returns, in its order.

    Parameters
    ----------
    x : array, shape (n,) or (n, k)
        Minimum-norm least-squares solution.
    residues : array, shape (), (k,) or (0,)
        ‖b − A x‖² for each column; empty where A does not have full column rank, where m ≤ n or where A is damped.
    rank : int or None
        Effective rank of A; None where A is sparse or known by its products and min(m, n) > 512.
    s : array, shape (min(m, n),)
        Singular values of A; empty where the rank is None.
    """

    x: Array
    residues: Array
    rank: int | None
    s: Array


class Settings(NamedTuple):
    """How a least-squares problem is run."""

    rtol: float | None
    atol: float
    maxiter: int
    refine: bool
    schedule: Schedule | None
    device: Device
    damp: float = 0.0
    name: str = "rtol"


def least_squares(
    read: ReadMatrix, rhs: RightHandSide, cutoff: float, settings: Settings, rng: np.random.Generator
) -> tuple[LstsqResult, Info]:
    """The minimum-norm solution of checked right-hand sides, and the report."""
    xp, like = namespace(rhs.block), read.operator.like
    none = namespace(like).zeros(0, dtype=like.dtype)
    if min(*read.shape, rhs.block.shape[1]) == 0:
        x, info = rhs.empty_solution()
        return LstsqResult(x, none, 0, none), info
    problem = LeastSquaresProblem(read, settings.device, rng, cutoff, settings.damp)
    s = problem.singular_values
    if problem.rank == 0:
        x, info = rhs.empty_solution()
        info["message"] = "A is zero: the minimum-norm solution is zero"
        return LstsqResult(x, none, 0, s), info
    outer = problem.outer(rhs.block)
    asked = RAW_RTOL if settings.rtol is None else settings.rtol
    held = problem.held if settings.refine else problem.hold(share_of_one_run(asked, read.shape[1]))
    equation = held.equation(outer.into(rhs.block))
    if settings.refine:
        tolerance = Tolerance.read(settings.rtol, settings.atol, equation.rhs, definite=False, name=settings.name)
        wanted = Wanted(tolerance, settings.maxiter, settings.schedule)
        z, info = solve_refined(held, equation, outer, wanted, rng, None, rhs.shaped)
    else:
        z, info = solve_raw(held, equation, outer, settings.rtol, settings.schedule, rng, rhs.shaped)
    x = rhs.shaped(outer.back(z))
    residual, in_range = problem.residuals(equation.rhs, z)
    info["residual_norm"] = scalar(outer.norms(in_range))
    if problem.subspace_error:
        _widen(info, problem, x, outer.norms(residual))
    residues = xp.zeros(0, dtype=like.dtype, device=like.device)
    m, n = read.shape
    if problem.rank == n < m and not settings.damp:
        residues = squared(np.asarray(outer.norms(residual)), like)
        residues = residues[0] if rhs.is_vector else residues
    return LstsqResult(x, residues, problem.rank, s), info


def _widen(info: Info, problem: LeastSquaresProblem, x: Array, residual: np.ndarray) -> None:
    """Add to an error bar what the rounding of a null space does: κ eps (‖x‖ + ‖r‖/σ), spread over the entries."""
    xp, kept = namespace(x), info.copy()
    block = x[:, None] if x.ndim == 1 else x
    with np.errstate(over="ignore"):
        seen = as_array(np.ldexp(residual, -problem.exponent), abs(block)) / problem.softest
    error = problem.subspace_error * (column_norms(abs(block)) + seen)
    spread = error / block.shape[0] ** 0.5 * xp.ones_like(abs(block))
    spread = spread[:, 0] if x.ndim == 1 else spread

    def wider(name: str) -> Callable[[], Array]:
        return once(lambda: kept[name]() + spread)

    info.update(rounding=wider("rounding"), standard_error=wider("standard_error"))
