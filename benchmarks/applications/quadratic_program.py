"""Quadratic programs beside Clarabel and OSQP: fresh ones, updates of one, a collection, and hard ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import clarabel
import numpy as np
import scipy.sparse as sp

from benchmarks.applications.programs import HARD, budget, maros_meszaros
from benchmarks.applications.side_by_side import beside, rows
from benchmarks.markdown import duration
from thermoapps.quadratic_program import Problem, QPDevice, solve_problem

SMALL = 1000
"""Variables of the largest problems of the collection that are measured."""

HARD_SIZE = 100
"""Variables of hard problems."""


COLLECTION = "Maros and Mészáros, all"


def of_clarabel(problem: Problem, tol: float | None = None) -> Callable[[], float]:
    """Clarabel on the same problem, with tolerances of its own by default."""
    eye = sp.eye_array(problem.n, format="csr")
    low, high = (np.flatnonzero(np.isfinite(side)) for side in (problem.lb, problem.ub))
    C = sp.csc_matrix(sp.vstack([problem.A, problem.G, eye[high], -eye[low]]))
    d = np.concatenate([problem.b, problem.h, problem.ub[high], -problem.lb[low]])
    cones = [clarabel.ZeroConeT(len(problem.b)), clarabel.NonnegativeConeT(len(d) - len(problem.b))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    if tol is not None:
        settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tol
    P = sp.csc_matrix(sp.triu(problem.P))
    return lambda: float(clarabel.DefaultSolver(P, problem.q, C, d, cones, settings).solve().obj_val)


def _osqp_set_up(problem: Problem) -> Any:
    """OSQP with the tolerances of ours."""
    import osqp

    C, below, above = problem.rows()
    solver = osqp.OSQP()
    P = sp.csc_matrix(sp.triu(problem.P))
    solver.setup(P, problem.q, sp.csc_matrix(C), below, above, verbose=False, eps_abs=1e-9, eps_rel=1e-9)
    return solver


def _solved_by_osqp(problem: Problem) -> float:
    """OSQP's objective, with its set-up."""
    return float(_osqp_set_up(problem).solve().info.obj_val)


def of_osqp(problem: Problem, costs: Iterator[np.ndarray]) -> Callable[[], float]:
    """OSQP set up once, with another cost at each call."""
    solver = _osqp_set_up(problem)

    def again() -> float:
        solver.update(q=next(costs))
        return float(solver.solve().info.obj_val)

    return again


def _solved(problem: Problem) -> Any:
    """Our objective."""
    return solve_problem(problem, rng=0).obj


def relatively(ours: float, theirs: float) -> float:
    """Difference of two objectives, in parts of one plus their size."""
    return abs(ours - theirs) / (1 + abs(theirs))


def measure(data: Path) -> dict[str, Any]:
    """Three variables, and a thousand sparse ones; problems of Maros and Mészáros; and one of every hard kind."""
    sides = {}
    for n in (3, 1000):
        problem = budget(n, np.random.default_rng(0))
        fresh = partial(_solved, problem)
        sides[f"fresh, n = {n}"] = beside(fresh, of_clarabel(problem), relatively) | {"beside": "Clarabel"}
        sides[f"fresh, n = {n}, beside OSQP"] = beside(fresh, partial(_solved_by_osqp, problem), relatively) | {
            "beside": "OSQP"
        }
        device = QPDevice(problem, rng=0)
        device.solve()
        ours, theirs = ((problem.q * (1 + 1e-4 * k) for k in count(1)) for _ in range(2))

        def again(device: QPDevice = device, costs: Iterator[np.ndarray] = ours) -> Any:
            return device.update(q=next(costs)).solve().obj

        sides[f"another cost, n = {n}"] = beside(again, of_osqp(problem, theirs), relatively) | {
            "beside": "OSQP, update"
        }
    for kind, make in HARD.items():
        problem = make(HARD_SIZE, np.random.default_rng(0))
        sides[f"{kind}, n = {problem.n}"] = beside(
            partial(_solved, problem),
            of_clarabel(problem),
            relatively,
        ) | {"beside": "Clarabel"}
    return sides | _collection(data / "qp")


def _collection(folder: Path) -> dict[str, Any]:
    """The small problems of the collection, each once by both, as one entry; none where there is no folder."""
    seconds, errors = {}, []
    for path in sorted(folder.glob("*.mat")):
        problem, reference, constant = maros_meszaros(folder, path.stem)
        if problem.n > SMALL:
            continue
        began = time.process_time()
        solution = solve_problem(problem, rng=0)
        between = time.process_time()
        of_clarabel(problem)()
        seconds[path.stem] = between - began, time.process_time() - between
        errors.append(relatively(solution.obj + constant, reference) if solution.found else np.inf)
    if not seconds:
        return {}
    longest = max(seconds, key=lambda name: seconds[name][0])
    ours, theirs = (sum(pair) for pair in zip(*seconds.values(), strict=True))
    entry = {"ours": ours, "theirs": theirs, "difference": max(errors), "beside": "Clarabel"}
    return {COLLECTION: entry | {"problems": len(seconds), "longest": longest, "longest time": seconds[longest][0]}}


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    text = (
        "Objectives differ in parts of one plus their size; Clarabel has its own tolerances, OSQP 1e-9 as ours. The\n"
        "hard kinds are those of `benchmarks/applications/programs.py`.\n\n" + rows(results)
    )
    if COLLECTION not in results:
        return text
    found = results[COLLECTION]
    return text + (
        f"\n\nMaros and Mészáros: {found['problems']} problems with no more than {SMALL} variables; the longest is "
        f"{found['longest']} with\n{duration(found['longest time'])}, and the difference is the largest from their "
        "reference optima.\n"
    )
