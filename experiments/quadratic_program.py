"""The efficient frontier of a portfolio of forty assets: numbers and picture, in seconds."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from thermoapps.quadratic_program import Problem, Solution, solve_problem

ROOT = Path(__file__).resolve().parents[1]
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


def main() -> None:
    """Solve, write down, draw."""
    mean, covariance = market()
    solutions, goals, seconds = frontier()
    assert all(solution.found for solution in solutions)
    risk = [float(np.sqrt(2 * solution.obj)) for solution in solutions]
    gain = [float(mean @ solution.x) for solution in solutions]
    results = {
        "assets": ASSETS,
        "largest weight": LARGEST,
        "required return": goals,
        "return": gain,
        "risk": risk,
        "seconds": seconds,
        "device time": [solution.device_time for solution in solutions],
        "programs": [solution.programs for solution in solutions],
        "steps": [solution.iterations for solution in solutions],
    }
    (ROOT / "experiments" / "results" / "quadratic-program.json").write_text(json.dumps(results, indent=1) + "\n")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    left.plot(risk, gain, "o-", label="least risk for a return")
    left.plot(np.sqrt(np.diag(covariance)), mean, ".", color="0.6", label="single assets")
    left.set(xlabel="standard deviation of a year's return", ylabel="expected return of a year")
    left.set_ylim(top=0.14)
    left.legend(loc="upper right")
    weights = np.clip([solution.x for solution in solutions], 0, None)
    right.stackplot(risk_axis := np.arange(len(risk)), weights[:, weights.max(0) > 1e-6].T)
    right.set(xlabel="portfolio along the frontier", ylabel="weights", xlim=(0, risk_axis[-1]), ylim=(0, 1))
    right.set_xticks(range(0, len(risk), 3))
    figure.savefig(ROOT / "docs" / "images" / "quadratic-program.png", dpi=130)


if __name__ == "__main__":
    main()
