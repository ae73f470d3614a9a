"""Quadratic programs solved: an array in the manner of qpsolvers, or everything that is known."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.active_set import ActiveSet, by_active_sets
from thermoapps.quadratic_program.guess import guessed
from thermoapps.quadratic_program.guests import to_qpsolvers
from thermoapps.quadratic_program.interior import by_interior_points
from thermoapps.quadratic_program.polishing import polished
from thermoapps.quadratic_program.problem import Problem, Vector
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.solution import Solution, conditions
from thermoapps.quadratic_program.splitting import by_splitting
from thermoapps.quadratic_program.state import State
from thermoapps.quadratic_program.watch import Limits
from thermolinalg import ThermodynamicWarning
from thermolinalg.devices import Device

__all__ = ["search", "solve_problem", "solve_qp"]


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
    callback: Callable[[Vector], Any] | None = None,
    progress: bool = False,
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
        the size of the objective; of the problem as given, and equilibrated.
    maxiter : int, optional
        Steps at most of each way that is gone; of active sets there are no more than 12 at first, of interior points
        60, and of splitting 400.
    time_limit : float, optional
        Seconds after which the last point is all there is; the status is then "not certified".
    callback : callable, optional
        ``callback(x)`` sees the point after each step; True ends the search as the time limit does.
    progress : bool, optional
        Whether to show a bar of the steps.
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
    found: Solution = solve_problem(
        problem,
        initvals=initvals,
        verbose=verbose,
        tol=tol,
        maxiter=maxiter,
        time_limit=time_limit,
        callback=callback,
        progress=progress,
        rng=rng,
        device=device,
    )
    return found.x


def solve_problem(
    problem: Any,
    *,
    initvals: Any = None,
    verbose: bool = False,
    tol: float = 1e-9,
    maxiter: int = 2000,
    time_limit: float = math.inf,
    callback: Callable[[Vector], Any] | None = None,
    progress: bool = False,
    rng: Any = None,
    device: Device | None = None,
) -> Any:
    r"""Solve a quadratic program by active sets or interior points; every linear system runs on the device.

    A few gradient steps guess which constraints are at a limit. The device holds the conditions of optimality of that
    active set, [[P, C_Jᵀ], [C_J, 0]], and says which set is next. Where that does not end, an interior-point method
    holds matrices of the same shape; where that does not either, operator splitting and polishing hold positive
    definite ones. What comes out is checked against the problem as given, digitally, and is returned as solved only if
    it passes.

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
        the size of the objective; of the problem as given, and equilibrated.
    maxiter : int, optional
        Steps at most of each way that is gone; of active sets there are no more than 12 at first, of interior points
        60, and of splitting 400.
    time_limit : float, optional
        Seconds after which the last point is all there is; the status is then "not certified".
    callback : callable, optional
        ``callback(x)`` sees the point after each step; True ends the search as the time limit does.
    progress : bool, optional
        Whether to show a bar of the steps.
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

    See Also
    --------
    QPDevice, solve_qp, cvxpy_solver, Problem : Quadratic programs and who solves them.

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
        given: dict[str, Any] = {"initvals": initvals, "verbose": verbose, "tol": tol, "maxiter": maxiter}
        given |= {"time_limit": time_limit, "callback": callback, "progress": progress, "rng": rng, "device": device}
        return to_qpsolvers(problem, lambda ours: solve_problem(ours, **given))
    limits = Limits(tol, maxiter, time_limit, callback, progress, verbose)
    if (problem.lb > problem.ub).any():
        return Solution(problem, "primal infeasible")
    scaled = Scaled.of(problem)
    return search(scaled, ActiveSet(device, np.random.default_rng(rng)), initvals, limits)


def search(problem: Scaled, active: ActiveSet, initvals: Any, limits: Limits) -> Solution:
    """One way after another, until one ends: active sets, interior points, splitting, and polishing what that leaves.

    Parameters
    ----------
    problem : Scaled
    active : ActiveSet
        Of this problem's matrices.
    initvals : array_like or Solution or None
        As `solve_problem`.
    limits : Limits

    Returns
    -------
    Solution
        Certified, or saying what was found instead; programs and device time are of this search.
    """
    x, v, warm = _start(problem, initvals)
    held, saddles = active.held, Programmed(active.held.device, active.held.rng, "sym")
    definite = Programmed(active.held.device, active.held.rng)
    programs, time, steps = held.programs, held.device_time, dict[str, int]()
    ways: dict[str, Callable[[State], State]] = {
        "active sets": lambda last: by_active_sets(active, problem, last.x, last.v, watch),
        "interior": lambda last: by_interior_points(problem, saddles, active, watch),
        "splitting": lambda last: by_splitting(problem, definite, x, v, watch),
        "polishing": lambda last: polished(problem, definite, last, watch),
    }
    state, refusal = State(x, v) if warm else State(*guessed(problem, x, v)), ""
    with limits.watch() as watch:
        for name, way in ways.items():
            try:
                state = way(state)
            except np.linalg.LinAlgError as error:
                refusal = str(error)
                break
            steps[name] = state.steps
            if state.status or watch.over:
                break
    solution = _solution(problem, state, limits.tol)
    solution.iterations = steps
    solution.programs = held.programs - programs + saddles.programs + definite.programs
    solution.device_time = held.device_time - time + saddles.device_time + definite.device_time
    if refusal and not solution.found:
        text = f"the device cannot hold a matrix of this problem ({refusal}); pass a finer one as device="
        warnings.warn(text, ThermodynamicWarning, stacklevel=3)
    if limits.verbose:
        residual = solution.residuals
        print(f"{solution.status}: objective {solution.obj}, steps {steps}, residuals {residual}")
    return solution


def _solution(problem: Scaled, state: State, tol: float) -> Solution:
    """A state in the user's units, between its bounds where that is no worse, and whether it is certified."""
    given, x, v = problem.problem, state.x, state.v
    reached = tol if state.status == "solved" else problem.excess(x, v)
    inside = np.clip(problem.x_to_user(x), given.lb, given.ub) / problem.D
    if not np.array_equal(inside, x) and problem.excess(inside, v) <= max(tol, reached):
        x = inside
    x, v = problem.x_to_user(x), problem.v_to_user(v)
    found = conditions(problem.cost, given.q, problem.rows, x, v)
    certified = reached <= tol and all(residual <= tol * (1 + size) for residual, size in found.values())
    status = state.status if state.certificate is not None else "solved" if certified else "not certified"
    residuals = {name: residual for name, (residual, _) in found.items()}
    solution = Solution(given, status, residuals=residuals, last=x)
    if status == "solved":
        m, p = len(given.h), len(given.b)
        solution.x, solution.obj = x, float(given.objective(x))
        solution.z, solution.y, solution.z_box = v[:m], v[m : m + p], v[m + p :]
    elif state.certificate is not None:
        primal = status == "primal infeasible"
        proof = problem.v_to_user(state.certificate) if primal else problem.x_to_user(state.certificate)
        solution.certificate = proof / np.abs(proof).max()
    return solution


def _start(problem: Scaled, initvals: Any) -> tuple[Vector, Vector, bool]:
    """First iterates, scaled, and whether they come with multipliers."""
    n = problem.problem.n
    x, v, warm = np.zeros(n), np.zeros(len(problem.rows[1])), False
    if isinstance(initvals, Solution):
        if initvals.x is not None and initvals.z is not None:
            assert initvals.y is not None
            assert initvals.z_box is not None
            x, v, warm = initvals.x, np.concatenate([initvals.z, initvals.y, initvals.z_box]), True
    elif initvals is not None:
        x = np.asarray(initvals, dtype=float)
    if x.shape != (n,) or v.shape != (len(problem.rows[1]),) or not np.isfinite(x).all():
        raise ValueError(f"initvals must be a finite vector of {n} entries, or a solution of such a problem")
    return *problem.from_user(x, v), warm
