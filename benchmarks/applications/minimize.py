"""Minima of smooth functions beside SciPy's methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
from scipy.special import expit

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.minimize import newton


def logistic() -> tuple[dict[str, Any], np.ndarray]:
    """The penalised likelihood of 20,000 rows, by its sum."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20_000, 20)) * np.geomspace(0.1, 10, 20)
    y = np.where(rng.random(len(X)) < expit(X.sum(axis=1) / 10), 1.0, -1.0)

    def hess(w: np.ndarray) -> np.ndarray:
        p = expit(X @ w)
        return (X.T * (p * (1 - p))) @ X + np.eye(w.size)

    return {
        "fun": lambda w: np.logaddexp(0, -y * (X @ w)).sum() + w @ w / 2,
        "jac": lambda w: w - X.T @ (y * expit(-y * (X @ w))),
        "hess": hess,
    }, np.zeros(20)


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Logistic regression and Rosenbrock's function."""
    functions = {"fun": rosen, "jac": rosen_der, "hess": rosen_hess}
    problems = {
        "logistic regression, n = 20": logistic(),
        "Rosenbrock, n = 2": (functions, np.array([-1.2, 1.0])),
        "Rosenbrock, n = 100": (functions, np.full(100, 1.3)),
    }
    results = {}
    for title, (parts, x0) in problems.items():
        for name, options in {"trust-ncg": {"gtol": 1e-6}, "Newton-CG": {"xtol": 1e-8}}.items():
            results[f"{title}, {name}"] = beside(
                lambda: minimize(**parts, x0=x0, method=newton, options={"rng": 0}).x,
                lambda: minimize(**parts, x0=x0, method=name, options=options).x,
                lambda a, b: np.max(abs(a - b)),
            ) | {"beside": f"SciPy, {name}"}
    return results


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return rows(results)
