"""The pseudo-inverse: least squares with the identity on the right."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg._autograd import wants_gradients
from thermolinalg._info import Info
from thermolinalg._progress import showing
from thermolinalg._validation import as_count, as_nonnegative, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._gradients import Draw, of_pseudo_inverse, replayed
from thermolinalg.primitives._least_squares import Settings, least_squares
from thermolinalg.primitives._rhs import identity
from thermolinalg.primitives._tolerance import MAXITER, read_rtol

__all__ = ["pinv"]


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
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
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
    callback : callable, optional
        Called after each run with the iterate, ``callback(xk)``; as ``callback(intermediate_result=info)`` where its
        parameter has that name, with `x`, `residual_norm` and `n_runs`. StopIteration ends the call with what there is.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
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
    how = as_count(maxiter, "maxiter"), refine, as_schedule(schedule), as_device(device)
    cutoffs = (None if x is None else as_nonnegative(x, name) for x, name in ((atol, "atol"), (rtol, "rtol")))
    with showing(progress, callback):
        value, rank, info = _pinv(a, *cutoffs, check_finite, tol, how, rng=rng)
    extras = [rank] * return_rank + [info] * return_info
    return (value, *extras) if extras else value


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
    read = read_matrix(a, assume_a="gen", check_finite=check_finite, square=False, gradients=True, name="a")
    like = read.operator.like
    m, n = read.shape
    rhs = identity(read)
    tol = read_rtol(tol, refine=how[1], name="tol")
    if rtol is None:
        rtol = max(m, n) * eps(rhs.block) if atol is None else 0.0
    cutoff = rtol
    if atol:
        xp = namespace(like)
        largest = float(xp.max(xp.linalg.svdvals(read.operator.dense()))) if m and n else 1.0
        cutoff = rtol + (atol / largest if largest > 0 else 0.0)
    maxiter, refine, schedule, device = how
    settings = Settings(tol, 0.0, maxiter, refine, schedule, device, name="tol")
    result, info = least_squares(read, rhs, cutoff, settings, generator := as_rng(rng))
    value = result.x
    if wants_gradients(a):
        tolerances = {"atol": atol, "rtol": rtol, "tol": tol if refine else None, "device": device}
        value = of_pseudo_inverse(value, partial(_again, replayed(generator), **tolerances), a, exact=refine)
    return value, result.rank, info


def _again(draw: Draw, a: Array, **options: Any) -> Array:
    """The pseudo-inverse of a matrix of the same rank."""
    invert: Any = pinv
    return invert(a, rng=draw(), **options)
