"""Quadratic programs solved: an array in the manner of qpsolvers, or everything that is known."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.clock import Clock
from thermoapps.quadratic_program.guests import to_qpsolvers
from thermoapps.quadratic_program.polishing import polish
from thermoapps.quadratic_program.problem import Problem, Vector
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.solution import Solution, excess, residuals
from thermoapps.quadratic_program.splitting import State, split
from thermolinalg import ThermodynamicWarning
from thermolinalg.devices import Device

__all__ = ["solve_problem", "solve_qp"]

SPLITTING = 400
"""Most steps of operator splitting: what it has not found by then, polishing finds sooner."""


def solve_qp(
    P: Any,
    q: Any,
    G: Any = None,
    h: Any = None,
    A: Any = None,
    b: Any = None,
    lb: Any = None,
    ub: Any = None,
    *,
    initvals: Any = None,
    verbose: bool = False,
    tol: float = 1e-9,
    maxiter: int = 2000,
    time_limit: float = math.inf,
    rng: Any = None,
    device: Device | None = None,
) -> Vector | None:
    r"""Minimum of ½ xᵀPx + qᵀx with Gx ≤ h, Ax = b, lb ≤ x ≤ ub, or None, in the signature of qpsolvers.

    Parameters
    ----------
    P : array_like or sparse array, shape (n, n)
        Symmetric positive semidefinite.
    q : array_like, shape (n,)
        Linear cost.
    G : array_like or sparse array, shape (m, n), optional
        Inequalities.
    h : array_like, shape (m,), optional
        Their right-hand side.
    A : array_like or sparse array, shape (p, n), optional
        Equalities.
    b : array_like, shape (p,), optional
        Their right-hand side.
    lb, ub : array_like, shape (n,), optional
        Bounds; infinite entries are no bounds.
    initvals : array_like, shape (n,), optional
        Where to start.
    verbose : bool, optional
        Whether to print a line at the end.
    tol : float, optional
        Primal and dual residual relative to one plus the terms that cancel in them; duality gap relative to one plus
        the size of the objective.
    maxiter : int, optional
        Newton steps of polishing at most. Operator splitting, a start for it, gets no more than 400 steps.
    time_limit : float, optional
        Seconds after which the last point is all there is; the status is then "not certified".
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.

    Returns
    -------
    ndarray, shape (n,), or None
        None where the problem has no solution or none could be certified; `solve_problem` says which.

    Raises
    ------
    ValueError
        As `Problem`; `initvals` of another shape; tolerances or counts out of range.

    See Also
    --------
    solve_problem : Multipliers, residuals, certificates and the device's time besides.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.quadratic_program import solve_qp
    >>> x = solve_qp(np.eye(2), [-1.0, -3.0], A=[[1.0, 1.0]], b=[1.0], lb=[0.0, 0.0], rng=0)
    >>> np.round(x, 8) + 0.0
    array([0., 1.])
    """
    problem = Problem(P, q, G, h, A, b, lb, ub)
    options: dict[str, Any] = {"tol": tol, "maxiter": maxiter, "time_limit": time_limit, "rng": rng, "device": device}
    found: Solution = solve_problem(problem, initvals=initvals, verbose=verbose, **options)
    return found.x


def solve_problem(
    problem: Any,
    *,
    initvals: Any = None,
    verbose: bool = False,
    tol: float = 1e-9,
    maxiter: int = 2000,
    time_limit: float = math.inf,
    rng: Any = None,
    device: Device | None = None,
) -> Any:
    r"""Solve a quadratic program by operator splitting and polishing; every linear system runs on the device.

    Splitting holds one matrix, P + σI + CᵀρC, in the device for many right-hand sides. Polishing then holds one matrix
    for each active set that it tries. What comes out is checked against the problem as given, digitally, and is
    returned as solved only if it passes.

    Parameters
    ----------
    problem : Problem or qpsolvers.Problem
        What to solve.
    initvals : array_like, shape (n,), or Solution, optional
        Where to start; a solution brings its multipliers along.
    verbose : bool, optional
        Whether to print a line at the end.
    tol : float, optional
        Primal and dual residual relative to one plus the terms that cancel in them; duality gap relative to one plus
        the size of the objective.
    maxiter : int, optional
        Newton steps of polishing at most. Operator splitting, a start for it, gets no more than 400 steps.
    time_limit : float, optional
        Seconds after which the last point is all there is; the status is then "not certified".
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.

    Returns
    -------
    Solution or qpsolvers.Solution
        With `found`, `status`, the solution and its multipliers, or a certificate that there is none. To a problem of
        qpsolvers, a solution of qpsolvers, with ours in its ``extras["thermolinalg"]``.

    Raises
    ------
    ValueError
        `initvals` of another shape; tolerances or counts out of range.

    Warns
    -----
    ThermodynamicWarning
        The device cannot hold a matrix that the method needs; the status is "not certified".

    Examples
    --------
    >>> from thermoapps.quadratic_program import Problem, solve_problem
    >>> solution = solve_problem(Problem([[1.0]], [0.0], G=[[-1.0]], h=[-2.0]), rng=0)
    >>> solution.status, round(solution.obj, 6), solution.z.round(6)
    ('solved', 2.0, array([2.]))
    >>> solve_problem(Problem([[0.0]], [1.0]), rng=0).status
    'dual infeasible'
    """
    if not isinstance(problem, Problem):
        options = {"tol": tol, "maxiter": maxiter, "time_limit": time_limit, "rng": rng, "device": device}
        return to_qpsolvers(problem, lambda ours: solve_problem(ours, initvals=initvals, verbose=verbose, **options))
    if not 0 < tol < 1:
        raise ValueError(f"tol must lie between 0 and 1, got {tol}")
    if maxiter < 1:
        raise ValueError(f"maxiter must be at least 1, got {maxiter}")
    if not time_limit > 0:
        raise ValueError(f"time_limit must be positive, got {time_limit}")
    rows = problem.rows()
    if (problem.lb > problem.ub).any():
        return Solution(problem, "primal infeasible")
    scaled, programmed = Scaled.of(problem), Programmed(device, np.random.default_rng(rng))
    x, v = _start(problem, scaled, initvals)

    clock = Clock(time_limit)

    def reached(x: Vector, v: Vector) -> float:
        return excess(problem, rows, scaled.x_to_user(x), scaled.v_to_user(v))

    first = last = State(x, v)
    try:
        first = last = split(scaled, programmed, x, v, min(maxiter, SPLITTING), clock)
        if not first.status:
            last = polish(scaled, programmed, first, reached, tol, maxiter, clock)
    except np.linalg.LinAlgError as error:
        text = f"the device cannot hold a matrix of this problem ({error}); pass a finer one as device="
        warnings.warn(text, ThermodynamicWarning, stacklevel=2)
    x, v = scaled.x_to_user(last.x), scaled.v_to_user(last.v)
    status = last.status or ("solved" if reached(last.x, last.v) <= tol else "not certified")
    solution = Solution(
        problem,
        status,
        residuals=residuals(problem, rows, x, v),
        last=x,
        iterations={"splitting": first.steps, "newton": 0 if last is first else last.steps},
        programs=programmed.programs,
        device_time=programmed.device_time,
    )
    if status == "solved":
        m, p = len(problem.h), len(problem.b)
        solution.x, solution.obj = x, float(problem.objective(x))
        solution.z, solution.y, solution.z_box = v[:m], v[m : m + p], v[m + p :]
    elif last.certificate is not None:
        primal = status == "primal infeasible"
        proof = scaled.v_to_user(last.certificate) if primal else scaled.x_to_user(last.certificate)
        solution.certificate = proof / np.abs(proof).max()
    if verbose:
        steps, residual = solution.iterations, solution.residuals
        print(f"{status}: objective {solution.obj}, steps {steps}, residuals {residual}")
    return solution


def _start(problem: Problem, scaled: Scaled, initvals: Any) -> tuple[Vector, Vector]:
    """First iterates, scaled."""
    x, v = np.zeros(problem.n), np.zeros(scaled.n_rows)
    if isinstance(initvals, Solution):
        if initvals.x is not None and initvals.z is not None:
            assert initvals.y is not None
            assert initvals.z_box is not None
            x, v = initvals.x, np.concatenate([initvals.z, initvals.y, initvals.z_box])
    elif initvals is not None:
        x = np.asarray(initvals, dtype=float)
    if x.shape != (problem.n,) or v.shape != (scaled.n_rows,) or not np.isfinite(x).all():
        raise ValueError(f"initvals must be a finite vector of {problem.n} entries, or a solution of such a problem")
    return x / scaled.D, v[scaled.kept] * scaled.c / scaled.E
