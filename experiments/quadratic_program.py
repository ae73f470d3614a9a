"""Quadratic programs: a portfolio's efficient frontier, and the problems of Maros and Mészáros beside Clarabel.

    python experiments/quadratic_program.py --data FOLDER

FOLDER holds qp/*.mat and qp/reference.csv; without it only the portfolio is made. Clarabel has to be installed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import clarabel
import numpy as np
import scipy.io
import scipy.sparse as sp
from common import least_seconds, options, pyplot, read, save, write
from scipy.sparse.linalg import splu

from thermoapps.quadratic_program import Problem, Solution, solve_problem

ASSETS, FACTORS, LARGEST = 40, 4, 0.15


def market() -> tuple[np.ndarray, np.ndarray]:
    """Expected returns and covariance of a made-up market: a few common factors and noise of each asset's own."""
    rng = np.random.default_rng(0)
    loadings = 0.1 * rng.standard_normal((ASSETS, FACTORS))
    own = rng.uniform(0.05, 0.3, ASSETS)
    return rng.uniform(0.0, 0.12, ASSETS), loadings @ loadings.T + np.diag(own**2)


def frontier(count: int = 20) -> tuple[list[Solution], list[float], float]:
    """Portfolios of least variance for rising returns, each started from the one before."""
    mean, covariance = market()
    most = float(np.sort(mean)[-7:][1:].sum() * LARGEST + np.sort(mean)[-7] * (1 - 6 * LARGEST))
    goals, solutions, began = list(np.linspace(0.058, 0.99 * most, count)), [], perf_counter()
    for goal in goals:
        rows = {"A": np.ones(ASSETS), "b": 1.0, "G": -mean, "h": -goal}
        problem = Problem(covariance, np.zeros(ASSETS), **rows, lb=np.zeros(ASSETS), ub=np.full(ASSETS, LARGEST))
        solutions.append(solve_problem(problem, initvals=solutions[-1] if solutions else None, rng=0))
    return solutions, [float(goal) for goal in goals], perf_counter() - began


def frontier_numbers() -> dict[str, Any]:
    """The frontier, and what it took."""
    mean, _ = market()
    solutions, goals, seconds = frontier()
    assert all(solution.found for solution in solutions)
    return {
        "assets": ASSETS,
        "largest weight": LARGEST,
        "required return": goals,
        "return": [float(mean @ solution.x) for solution in solutions],
        "risk": [float(np.sqrt(2 * solution.obj)) for solution in solutions],
        "weights": [solution.x.tolist() for solution in solutions],
        "seconds": seconds,
        "Clarabel, seconds": sum(least_seconds(digital_of(solution.problem)) for solution in solutions),
        "floor, seconds": sum(least_seconds(factorisation_of(solution.problem)) for solution in solutions),
        "device time": [solution.device_time for solution in solutions],
        "programs": [solution.programs for solution in solutions],
        "steps": [solution.iterations for solution in solutions],
    }


# -- beside a digital solver ------------------------------------------------------------------------------------------


def digital_of(problem: Problem) -> Callable[[], Any]:
    """Clarabel on the same problem, with its own tolerances."""
    sides = [(problem.lb, -1), (problem.ub, 1)]
    finite = [(np.flatnonzero(np.isfinite(limit)), limit, sign) for limit, sign in sides]
    identity = sp.eye_array(problem.n, format="csr")
    bounded = [sign * identity[where] for where, _, sign in finite]
    kept = np.isfinite(problem.h)
    C = sp.csc_matrix(sp.vstack([problem.A, problem.G[np.flatnonzero(kept)], *bounded]))
    d = np.concatenate([problem.b, problem.h[kept], *(sign * limit[where] for where, limit, sign in finite)])
    cones = [clarabel.ZeroConeT(len(problem.b)), clarabel.NonnegativeConeT(len(d) - len(problem.b))]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    P = sp.csc_matrix(sp.triu(problem.P))
    return lambda: clarabel.DefaultSolver(P, problem.q, C, d, cones, settings).solve()


def factorisation_of(problem: Problem) -> Callable[[], Any]:
    """One factorisation of a matrix as both sides meet in every step: P + I + CᵀC."""
    C, _, _ = problem.rows()
    matrix = sp.csc_array(problem.P + sp.eye_array(problem.n) + C.T @ C)
    return lambda: splu(matrix, "MMD_AT_PLUS_A")


def reference_problem(folder: Path, row: dict[str, str]) -> Problem:
    """A problem of the collection, without its constant."""
    data = scipy.io.loadmat(folder / f"{row['name']}.mat", spmatrix=False)
    P, C, q = sp.csr_array(data["Q"]), sp.csr_array(data["A"]), data["c"].ravel()
    below, above, lb, ub = (data[key].ravel().astype(float) for key in ("rl", "ru", "lb", "ub"))
    lb, ub = np.where(lb <= -1e20, -np.inf, lb), np.where(ub >= 1e20, np.inf, ub)
    same = below == above
    up, down = (np.flatnonzero(~same & (side < 1e20)) for side in (above, -below))
    G, h, equal = sp.vstack([C[up], -C[down]]), np.concatenate([above[up], -below[down]]), np.flatnonzero(same)
    return Problem(P, q, G, h, C[equal], below[equal], lb, ub)


def collection(folder: Path) -> list[dict[str, Any]]:
    """Every problem by both: objectives against the reference, seconds, device time."""
    rows = []
    with (folder / "reference.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            problem, reference = reference_problem(folder, row), float(row["reference_optimum"])
            constant, scale = float(row["constant_c0"]), abs(reference) if abs(reference) > 1e-12 else 1.0
            began = perf_counter()
            solution = solve_problem(problem, rng=0)
            seconds = perf_counter() - began
            digital = digital_of(problem)
            error = abs(solution.obj + constant - reference) / scale if solution.found else None
            rows.append(
                {
                    "name": row["name"],
                    "variables": problem.n,
                    "constraints": len(problem.h) + len(problem.b),
                    "status": solution.status,
                    "error of the objective": error,
                    "Clarabel's error": abs(digital().obj_val + constant - reference) / scale,
                    "simulation, seconds": seconds,
                    "Clarabel, seconds": least_seconds(digital),
                    "floor, seconds": least_seconds(factorisation_of(problem)),
                    "device time": solution.device_time,
                    "programs": solution.programs,
                    "steps": sum(solution.iterations.values()),
                }
            )
            print(f"{row['name']}: {solution.status}, {seconds:.2f} s", flush=True)
    return rows


def draw(results: dict[str, Any], path: Path) -> None:
    """Frontier and weights."""
    plt = pyplot()
    mean, covariance = market()
    risk, weights = results["risk"], np.clip(results["weights"], 0, None)
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(risk, results["return"], "o-", label="least risk for a return")
    left.plot(np.sqrt(np.diag(covariance)), mean, ".", color="0.6", label="single assets")
    left.set(xlabel="standard deviation of a year's return", ylabel="expected return of a year")
    left.set_ylim(top=0.14)
    left.legend(loc="upper right")
    right.stackplot(risk_axis := np.arange(len(risk)), weights[:, weights.max(0) > 1e-6].T)
    right.set(xlabel="portfolio along the frontier", ylabel="weights", xlim=(0, risk_axis[-1]), ylim=(0, 1))
    right.set_xticks(range(0, len(risk), 3))
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path, folder = given.results / "quadratic-program.json", Path(given.data) / "qp"
    if not given.draw:
        before = read(path) if path.is_file() else {}
        problems = collection(folder) if folder.is_dir() else before.get("collection")
        write({"frontier": frontier_numbers(), "collection": problems}, path)
    draw(read(path)["frontier"], given.pictures / "quadratic-program.png")


if __name__ == "__main__":
    main()
