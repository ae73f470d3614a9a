"""Least squares and the pseudo-inverse on a device that holds the skew embedding: nothing is squared."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from thermolinalg._arrays import Array, eps, is_torch
from thermolinalg._autograd import detached, refuse_gradients, wants_gradients
from thermolinalg._progress import showing
from thermolinalg._validation import as_count, as_nonnegative, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._batches import batched
from thermolinalg.primitives._devices import as_device, as_schedule
from thermolinalg.primitives._gradients import Draw, of_least_squares, of_residues, of_singular_values, replayed
from thermolinalg.primitives._least_squares import Settings, least_squares
from thermolinalg.primitives._rhs import in_precision_of, read_rhs
from thermolinalg.primitives._tolerance import MAXITER, read_rtol

__all__ = ["lstsq"]


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
    callback: Callable[..., Any] | None = None,
    progress: bool = False,
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
    callback : callable, optional
        Called after each run with the iterate, ``callback(xk)``; as ``callback(intermediate_result=info)`` where its
        parameter has that name, with `x`, `residual_norm` and `n_runs`. StopIteration ends the call with what there is.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
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

    See Also
    --------
    pinv : The matrix that does it.
    solve : Square systems that are not singular.
    numpy.linalg.lstsq : By singular values.

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
    read = read_matrix(a, assume_a="gen", check_finite=check_finite, square=False, gradients=True, name="a")
    rhs = read_rhs(read, detached(b), check_finite=check_finite)
    if not is_torch(a):
        refuse_gradients(b, "b", "a as a dense tensor")
    generator = as_rng(rng)
    settings = Settings(
        read_rtol(rtol, refine=refine),
        as_nonnegative(atol, "atol"),
        as_count(maxiter, "maxiter"),
        refine,
        as_schedule(schedule),
        as_device(device),
        as_nonnegative(damp, "damp"),
    )
    cutoff = max(read.shape) * eps(rhs.block) if cond is None else as_nonnegative(cond, "cond")
    with showing(progress, callback):
        result, info = least_squares(read, rhs, cutoff, settings, generator)
    if wants_gradients(a, b):
        loads = b if is_torch(b) else rhs.given
        again = partial(_again, replayed(generator), cond=cond, rtol=rtol if refine else None, device=device)
        x = of_least_squares(result.x, again, a, loads, rank=result.rank, damp=settings.damp, exact=refine)
        result = result._replace(
            x=x, residues=of_residues(result.residues, a, x, loads), s=of_singular_values(result.s, a)
        )
    return (result, info) if return_info else result


def _again(draw: Draw, a: Array, b: Array, **options: Any) -> Array:
    """A⁺b of other right-hand sides, and of matrices of the same rank."""
    solve: Any = lstsq
    return solve(a, b, rng=draw(), **options).x
