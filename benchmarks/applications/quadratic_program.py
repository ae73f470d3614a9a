"""Quadratic programs beside Clarabel, and one after another beside OSQP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.quadratic_program import Problem, QPDevice, solve_problem


def random_problem(n: int, *, sparse: bool) -> Problem:
    """A strictly convex problem with a budget and bounds."""
    rng = np.random.default_rng(0)
    if sparse:
        F = sp.random_array((n, n), density=2 / n, rng=rng)
        P = sp.csc_array(F.T @ F + 0.1 * sp.eye_array(n))
    else:
        F = rng.standard_normal((n, n))
        P = F.T @ F + 0.1 * np.eye(n)
    return Problem(P, rng.standard_normal(n), A=np.ones((1, n)), b=[1.0], lb=np.zeros(n), ub=np.ones(n))


def of_clarabel(problem: Problem) -> Callable[[], Any]:
    """Clarabel on the same problem."""
    eye = sp.eye_array(problem.n)
    C = sp.csc_matrix(sp.vstack([problem.A, eye, -eye]))
    d = np.concatenate([problem.b, problem.ub, -problem.lb])
    cones = [clarabel.ZeroConeT(len(problem.b)), clarabel.NonnegativeConeT(2 * problem.n)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    P = sp.csc_matrix(sp.triu(problem.P))
    return lambda: clarabel.DefaultSolver(P, problem.q, C, d, cones, settings).solve().obj_val


def of_osqp(problem: Problem, costs: Iterator[np.ndarray]) -> Callable[[], Any]:
    """OSQP set up once, with another cost at each call."""
    import osqp

    C = sp.csc_matrix(sp.vstack([problem.A, sp.eye_array(problem.n)]))
    below, above = (np.concatenate([problem.b, side]) for side in (problem.lb, problem.ub))
    solver = osqp.OSQP()
    P = sp.csc_matrix(sp.triu(problem.P))
    solver.setup(P, problem.q, C, below, above, verbose=False, eps_abs=1e-9, eps_rel=1e-9)

    def again() -> float:
        solver.update(q=next(costs))
        return float(solver.solve().info.obj_val)

    return again


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Three variables, and a thousand sparse ones; alone, and with a cost that changes little from call to call."""
    results = {}
    for n in (3, 1000):
        problem = random_problem(n, sparse=n > 100)
        results[f"alone, n = {n}"] = beside(
            lambda: solve_problem(problem, rng=0).obj,
            of_clarabel(problem),
            lambda a, b: abs(a / b - 1),
        ) | {"beside": "Clarabel"}
        results[f"first of a device, n = {n}"] = beside(
            lambda: QPDevice(problem, rng=0).solve().obj,
            of_clarabel(problem),
            lambda a, b: abs(a / b - 1),
        ) | {"beside": "Clarabel"}
        device = QPDevice(problem, rng=0)
        device.solve()
        ours, theirs = ((problem.q * (1 + 1e-4 * k) for k in count(1)) for _ in range(2))
        results[f"another cost, n = {n}"] = beside(
            lambda: device.update(q=next(ours)).solve().obj, of_osqp(problem, theirs), lambda a, b: abs(a / b - 1)
        ) | {"beside": "OSQP, update"}
    return results


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return "Objectives differ relatively; Clarabel has its own tolerances, OSQP 1e-9 as ours.\n\n" + rows(results)
