"""Least squares and the pseudo-inverse on a device that holds the skew embedding: nothing is squared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from thermolinalg._arrays import Array, as_array, column_norms, eps, namespace
from thermolinalg._info import Info
from thermolinalg._validation import as_count, as_nonnegative, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import ReadMatrix, read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._least_squares_problem import LeastSquaresProblem, squared
from thermolinalg.primitives._linear_solve import RAW_RTOL, solve_raw, solve_refined
from thermolinalg.primitives._report import once, scalar
from thermolinalg.primitives._rhs import RightHandSide, in_precision_of, read_rhs
from thermolinalg.primitives._tolerance import MAXITER, Tolerance, Wanted, read_rtol
from thermolinalg.systems.balance import share_of_one_run

__all__ = ["LstsqResult", "lstsq", "pinv"]


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


@batched(core=("matrix", "rhs"))
def lstsq(
    a: Any,
    b: Any,
    cond: float | None = None,
    overwrite_a: bool = False,  # noqa: ARG001 - SciPy's
    overwrite_b: bool = False,  # noqa: ARG001 - SciPy's
    check_finite: bool = True,
    lapack_driver: str | None = None,  # noqa: ARG001 - SciPy's
    *,
    damp: float = 0.0,
    rtol: float | None = None,
    atol: float = 0.0,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Minimum-norm solution of min ‖b − A x‖² + damp² ‖x‖² on a simulated thermodynamic device.

    The device holds the skew embedding [[αI, A], [−Aᵀ, αI]]: with the load (b, 0) its lower voltages relax to
    Aᵀ(AAᵀ + α²I)⁻¹b, which is the damped solution for α = damp, and without damping tends to the minimum-norm solution
    as residuals are sent back. Where A is an array, or min(m, n) ≤ 512, singular values, rank and null space are
    found digitally; else nothing is formed, rank is None, and singular values far below 1e-6 of the largest count as
    zero.

    Parameters
    ----------
    a : array_like, sparse array or LinearOperator, shape (m, n) or (..., m, n)
        Any matrix.
    b : array_like, shape (m,), (m, k) or batches thereof
        Right-hand sides.
    cond : float, optional
        Singular values up to cond × the largest count as zero. Default: max(m, n) × machine epsilon, as in NumPy.
    overwrite_a, overwrite_b : bool, optional
        Accepted for SciPy's sake; nothing is ever overwritten.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    lapack_driver : str, optional
        Accepted for SciPy's sake; no driver is used.
    damp : float, optional
        Damping, as that of `scipy.sparse.linalg.lsqr`: ridge regression with the penalty damp². Default: none.
    rtol, atol : float, optional
        The part of the true residual b − A x in the range of A is brought below rtol ‖b‖ + atol.
        Default rtol: 1e-10 in double precision, 1e-5 in single; 0.01 for a single run (``refine=False``).
    maxiter : int, optional
        Device runs at most.
    refine : bool, optional
        Whether to send residuals back to the device; without, one run as it is.
    schedule : Schedule, optional
        Timetable of each run.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info` beside the result.

    Returns
    -------
    LstsqResult
        (x, residues, rank, s) as `scipy.linalg.lstsq` returns them.
    info : Info
        Only with ``return_info=True``; its `residual_norm` is the part of the residual in the range of A.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity, negative tolerances.
    TypeError
        Object, masked or matrix input.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached; `info.success` is False.

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660, for the device; Å. Björck, Numerical Methods for Least
    Squares Problems, SIAM (1996), section 1.5, for the augmented system.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]])
    >>> x, residues, rank, s = tla.lstsq(A, np.array([1.0, 2.0, 4.0]))
    >>> np.round(x, 6), rank
    (array([0.833333, 1.5     ]), 2)
    >>> ridge = tla.lstsq(A, np.array([1.0, 2.0, 4.0]), damp=2.0).x
    >>> np.allclose(ridge, np.linalg.solve(A.T @ A + 4 * np.eye(2), A.T @ [1.0, 2.0, 4.0]))
    True
    """
    a = in_precision_of(a, b)
    read = read_matrix(a, assume_a="gen", check_finite=check_finite, square=False, name="a")
    rhs = read_rhs(read, b, check_finite=check_finite)
    generator = as_rng(rng)
    settings = _Settings(
        read_rtol(rtol, refine=refine),
        as_nonnegative(atol, "atol"),
        as_count(maxiter, "maxiter"),
        refine,
        as_schedule(schedule),
        as_device(device),
        as_nonnegative(damp, "damp"),
    )
    cutoff = max(read.shape) * eps(rhs.block) if cond is None else as_nonnegative(cond, "cond")
    result, info = _solve(read, rhs, cutoff, settings, generator)
    return (result, info) if return_info else result


def pinv(
    a: Any,
    *,
    atol: float | None = None,
    rtol: float | None = None,
    return_rank: bool = False,
    check_finite: bool = True,
    tol: float | None = None,
    maxiter: int = MAXITER,
    refine: bool = True,
    schedule: Schedule | None = None,
    device: Device | None = None,
    rng: Any = None,
    return_info: bool = False,
) -> Any:
    """Moore–Penrose pseudo-inverse of A on a simulated thermodynamic device.

    Least squares with the identity on the right; symmetric positive semidefinite A of any rank included.

    Parameters
    ----------
    a : array_like, sparse array or LinearOperator, shape (m, n) or (..., m, n)
        Any matrix.
    atol, rtol : float, optional
        Singular values up to atol + rtol × the largest count as zero. Default: max(m, n) × machine epsilon for rtol
        where atol is not given, as in `scipy.linalg.pinv`.
    return_rank : bool, optional
        Whether to return the rank, too.
    check_finite : bool, optional
        Whether to refuse NaN and infinity.
    tol : float, optional
        Tolerance of the refinement, column by column: the `rtol` of `lstsq`.
    maxiter : int, optional
        Device runs at most.
    refine : bool, optional
        Whether to send residuals back to the device.
    schedule : Schedule, optional
        Timetable of each run.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    return_info : bool, optional
        Whether to return an `Info`, last.

    Returns
    -------
    B : array, shape (n, m) or batches thereof
        The pseudo-inverse, in the namespace and dtype of the input.
    rank : int or None
        Only with ``return_rank=True``; as that of `lstsq`.
    info : Info
        Only with ``return_info=True``.

    Raises
    ------
    ValueError
        NaN or infinity, negative tolerances.
    TypeError
        Object, masked or matrix input.

    Warns
    -----
    ThermodynamicWarning
        The tolerance was not reached; `info.success` is False.

    See Also
    --------
    lstsq : the systems that are solved.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.array([[2.0, 0.0], [0.0, 0.0]])
    >>> np.allclose(tla.pinv(A), [[0.5, 0.0], [0.0, 0.0]])
    True
    """
    value, rank, info = _pinv(
        a,
        None if atol is None else as_nonnegative(atol, "atol"),
        None if rtol is None else as_nonnegative(rtol, "rtol"),
        check_finite,
        tol,
        (as_count(maxiter, "maxiter"), refine, as_schedule(schedule), as_device(device)),
        rng=rng,
    )
    extras = [rank] * return_rank + [info] * return_info
    return (value, *extras) if extras else value


class _Settings(NamedTuple):
    """How a least-squares problem is run."""

    rtol: float | None
    atol: float
    maxiter: int
    refine: bool
    schedule: Schedule | None
    device: Device
    damp: float = 0.0
    name: str = "rtol"


@batched(core=("matrix",))
def _pinv(
    a: Any,
    atol: float | None,
    rtol: float | None,
    check_finite: bool,
    tol: float | None,
    how: tuple[int, bool, Schedule | None, Device],
    *,
    rng: Any,
) -> tuple[Array, int | None, Info]:
    read = read_matrix(a, assume_a="gen", check_finite=check_finite, square=False, name="a")
    like = read.operator.like
    m, n = read.shape
    rhs = read_rhs(read, as_array(np.eye(m), like))
    tol = read_rtol(tol, refine=how[1], name="tol")
    if rtol is None:
        rtol = max(m, n) * eps(rhs.block) if atol is None else 0.0
    cutoff = rtol
    if atol:
        xp = namespace(like)
        largest = float(xp.max(xp.linalg.svdvals(read.operator.dense()))) if m and n else 1.0
        cutoff = rtol + (atol / largest if largest > 0 else 0.0)
    maxiter, refine, schedule, device = how
    settings = _Settings(tol, 0.0, maxiter, refine, schedule, device, name="tol")
    result, info = _solve(read, rhs, cutoff, settings, as_rng(rng))
    return result.x, result.rank, info


def _solve(
    read: ReadMatrix, rhs: RightHandSide, cutoff: float, settings: _Settings, rng: np.random.Generator
) -> tuple[LstsqResult, Info]:
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
    error = problem.subspace_error * (column_norms(abs(block)) + as_array(residual, abs(block)) / problem.softest)
    spread = error / block.shape[0] ** 0.5 * xp.ones_like(abs(block))
    spread = spread[:, 0] if x.ndim == 1 else spread

    def wider(name: str) -> Callable[[], Array]:
        return once(lambda: kept[name]() + spread)

    info.update(rounding=wider("rounding"), standard_error=wider("standard_error"))
