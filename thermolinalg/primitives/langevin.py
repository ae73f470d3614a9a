"""The device as an iterative solver, in the exact shape of `scipy.sparse.linalg.cg`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, as_array, column_norms, dtype_name, is_torch, namespace, to_numpy
from thermolinalg._autograd import detached
from thermolinalg._progress import seen_as, showing
from thermolinalg._validation import as_count, as_rng, checked_array
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._gradients import of_solution
from thermolinalg.primitives._preconditioner import applied, approximate_inverse, as_map, direction_of, shortens
from thermolinalg.primitives._rhs import RightHandSide, in_precision_of, read_rhs
from thermolinalg.primitives._tolerance import MAXITER, Tolerance
from thermolinalg.primitives.solver import Solver

__all__ = ["langevin"]


def langevin(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    callback: Callable[..., Any] | None = None,
    assume_a: str | None = None,
    device: Device | None = None,
    schedule: Schedule | None = None,
    progress: bool = False,
    rng: Any = None,
) -> tuple[Array, int]:
    r"""Solve A x = b iteratively on a simulated thermodynamic device, in the shape of `scipy.sparse.linalg.cg`.

    Each iteration is one run of the device: it loads the residual r = b − A x, rescaled to full range, and its time
    average :math:`z \sim N(A^{-1} r, (2T/T_w) A^{-2})` is the next direction of flexible conjugate gradients.
    It stops when ‖b − A x‖ ≤ max(rtol ‖b‖, atol) holds for the true residual.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        Symmetric (Hermitian) positive definite. Anything else is held in the skew embedding; a LinearOperator
        is tested for symmetry by two products and then needs ``rmatvec``, or not more than 1024 rows: it is formed
        from its products.
    b : array_like, shape (d,), (d, 1) or (d, k)
        Right-hand side; more than one column is an extension of SciPy's contract.
    x0 : array_like, shape of b, or 'Mb', optional
        Starting guess, not overwritten; 'Mb' starts from ``M @ b``. Default: zero.
    rtol, atol : float, optional
        Tolerances of the true residual, column by column.
    maxiter : int, optional
        Runs of the device at most. Default: 100.
    M : array_like, sparse array or LinearOperator, shape (d, d), optional
        Approximation of A⁻¹, symmetric positive definite, such as pyamg's ``aspreconditioner()``: the runs of an ideal
        device are then simulated by preconditioned solves with a perturbed load. For an A that is not symmetric or of
        128 rows at most, and on any other device, ``M @ r`` is searched digitally beside the device's directions.
    callback : callable, optional
        Called after each run as ``callback(xk)``; as ``callback(intermediate_result=info)`` where its parameter has
        that name, with an `Info` of `x`, `residual_norm` and `n_runs`. StopIteration ends the iteration cleanly.
    assume_a : str, optional
        As in `thermolinalg.solve`; 'sym' takes the word of a LinearOperator that has no ``rmatvec``.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    schedule : Schedule, optional
        Timetable of each run. Default: long enough to leave one tenth of the residual.
    progress : bool, optional
        Whether to show a progress bar at once; long work shows one anyway.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Returns
    -------
    x : array
        Shape (d,) for b of shape (d,) or (d, 1), as in SciPy; else (d, k). In the namespace of the input; the dtype
        is that of ``A @ b``.
    info : int
        0 if every column converged, else the number of runs done.

    Raises
    ------
    LinAlgError
        A is symmetric but singular or not positive definite; the message holds the evidence.
    ValueError
        Shapes that do not fit, NaN or infinity, invalid tolerances; M is not symmetric positive definite.
    TypeError
        Object, masked or matrix input.

    See Also
    --------
    thermolinalg.solve : The same to 1e-10, with a report.

    Notes
    -----
    ``scipy.optimize.newton_krylov(F, x, method=langevin)`` solves its Newton steps on the device. Its Jacobians are
    known by differences only: where they are not symmetric they are formed, which takes as many evaluations of F as
    there are unknowns.

    References
    ----------
    Y. Notay, Flexible conjugate gradients, SIAM J. Sci. Comput. 22, 1444 (2000), doi:10.1137/S1064827599362314.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg import langevin
    >>> A = np.array([[4.0, 1.0], [1.0, 3.0]])
    >>> x, info = langevin(A, np.array([1.0, 2.0]))
    >>> info
    0
    >>> np.allclose(A @ x, [1.0, 2.0], rtol=1e-4)
    True
    """
    read = read_matrix(in_precision_of(A, b), assume_a=assume_a, gradients=True)
    rhs = read_rhs(read, detached(b))
    preconditioner = None if M is None else as_map(M, rhs.size, is_complex="complex" in dtype_name(rhs.block))
    short = preconditioner is not None and shortens(preconditioner, read, device)
    prepared = Solver(read, device, as_rng(rng), approximate_inverse(M, read) if short else None)
    maxiter, schedule = MAXITER if maxiter is None else as_count(maxiter, "maxiter"), as_schedule(schedule)
    target = _target(rhs.block, _tolerance(rtol, "rtol"), _tolerance(atol, "atol"))
    start = _start(x0, preconditioner, rhs)
    if 0 in rhs.block.shape:
        return _as_scipy(rhs.block), 0
    with showing(progress, callback), seen_as(lambda x: _as_scipy(x[:, None] if rhs.is_vector else x)):
        x, info = prepared.refined(
            rhs,
            Tolerance(0.0, target, math.inf),
            maxiter=maxiter,
            schedule=schedule,
            rng=prepared.rng,
            x0=start,
            preconditioner=None if preconditioner is None or short else direction_of(preconditioner, rhs.block),
            quiet=True,
        )
    # The residual is all that is asked for, however little that may say about x where A is ill-conditioned.
    converged = info.success or bool(np.all(info.residual_norm <= to_numpy(target)))
    x = of_solution(x, prepared, read.graph, b if is_torch(b) else rhs.given, prepared.rng)
    return _as_scipy(x[:, None] if rhs.is_vector else x), 0 if converged else info.n_runs


def _as_scipy(x: Array) -> Array:
    """One column is a vector, whatever the shape of b was."""
    return x[:, 0] if x.shape[1] == 1 else x


def _tolerance(value: Any, name: str) -> float:
    """A number ≥ 0 or infinity; everything else is a ValueError, as in SciPy."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number >= 0:
        raise ValueError(f"{name} must be a number ≥ 0, got {value!r}")
    return number


def _target(b: Array, rtol: float, atol: float) -> Array:
    """max(rtol ‖b‖, atol), column by column; zero is the solution where b vanishes."""
    xp = namespace(b)
    sizes = column_norms(b)
    relative = rtol * sizes if math.isfinite(rtol) else xp.full_like(sizes, math.inf)
    return xp.maximum(relative, xp.full_like(sizes, atol))


def _start(x0: Any, M: LinearOperator | None, rhs: RightHandSide) -> Array | None:
    """The starting guess as a block of its own; zero where b vanishes, since zero is the solution there."""
    if x0 is None:
        return None
    xp = namespace(rhs.block)
    if isinstance(x0, str):
        if x0 != "Mb":
            raise ValueError(f"x0 must be an array or 'Mb', got {x0!r}")
        x = rhs.block if M is None else applied(M, rhs.block)
    else:
        x = checked_array(x0, "x0", ndim=(1, 2))
        x = x[:, None] if x.ndim == 1 else x
        if x.shape != rhs.block.shape:
            raise ValueError(f"x0 has shape {tuple(x0.shape)}, b {tuple(rhs.block.shape)}; they must be the same")
        if "complex" in dtype_name(x) and "complex" not in dtype_name(rhs.block):
            raise ValueError("x0 is complex although A and b are real; pass x0.real, or a complex b")
    vanishes = xp.all(rhs.block == 0, axis=0)
    return xp.where(~vanishes, as_array(x, rhs.block), xp.zeros_like(rhs.block))
