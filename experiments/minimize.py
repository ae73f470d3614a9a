"""Minima of smooth functions: Newton steps and natural gradients from a device beside SciPy's methods.

    python experiments/minimize.py

Three problems: logistic regression of 100,000 rows, a maximum-likelihood fit of a gamma distribution's regression, and
an elastic net as a problem with bounds; and Rosenbrock's function in 100 variables.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess
from scipy.special import digamma, expit, gammaln, polygamma

from thermoapps.minimize import natural_gradient, newton

Functions = dict[str, Callable[..., Any]]


def logistic(rows: int = 100_000, columns: int = 20, penalty: float = 1.0) -> tuple[Functions, np.ndarray]:
    """The penalised negative log-likelihood of a class, mean over the rows; features have sizes from 0.1 to 10."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns)) * np.geomspace(0.1, 10, columns)
    y = np.where(
        rng.random(rows) < expit(X @ (rng.standard_normal(columns) / np.geomspace(0.1, 10, columns))), 1.0, -1.0
    )

    def fun(w: np.ndarray) -> float:
        return float(np.mean(np.logaddexp(0, -y * (X @ w))) + penalty * w @ w / (2 * rows))

    def jac(w: np.ndarray) -> np.ndarray:
        return -X.T @ (y * expit(-y * (X @ w))) / rows + penalty * w / rows

    def hess(w: np.ndarray) -> np.ndarray:
        p = expit(X @ w)
        return (X.T * (p * (1 - p))) @ X / rows + penalty * np.eye(columns) / rows

    return {"fun": fun, "jac": jac, "hess": hess, "fisher": hess}, np.zeros(columns)


def gamma(rows: int = 2_000, columns: int = 4) -> tuple[Functions, np.ndarray]:
    """The negative log-likelihood of gamma variables of mean exp(x·b) and shape exp(a), as a function of (b, a)."""
    rng = np.random.default_rng(1)
    X = np.column_stack([np.ones(rows), rng.standard_normal((rows, columns - 1))])
    y = rng.gamma(3.0, np.exp(X @ np.linspace(1.0, -0.5, columns)) / 3.0)

    def fun(t: np.ndarray) -> float:
        score, k = X @ t[:-1], np.exp(t[-1])
        return float(rows * (gammaln(k) - k * t[-1]) - np.sum((k - 1) * np.log(y) - k * score - k * y * np.exp(-score)))

    def jac(t: np.ndarray) -> np.ndarray:
        score, k = X @ t[:-1], np.exp(t[-1])
        part = y * np.exp(-score)
        along = k * np.sum(digamma(k) - t[-1] - 1 - np.log(y) + score + part)
        return np.append(k * X.T @ (1 - part), along)

    def fisher(t: np.ndarray) -> np.ndarray:
        k = np.exp(t[-1])
        matrix = np.zeros((columns + 1, columns + 1))
        matrix[:-1, :-1], matrix[-1, -1] = k * X.T @ X, rows * k * (k * polygamma(1, k) - 1)
        return matrix

    def hess(t: np.ndarray) -> np.ndarray:
        score, k = X @ t[:-1], np.exp(t[-1])
        part, gradient = y * np.exp(-score), jac(t)
        matrix = np.empty((columns + 1, columns + 1))
        matrix[:-1, :-1] = k * (X.T * part) @ X
        matrix[-1, :-1] = matrix[:-1, -1] = gradient[:-1]
        matrix[-1, -1] = gradient[-1] + rows * k * (k * polygamma(1, k) - 1)
        return matrix

    return {"fun": fun, "jac": jac, "hess": hess, "fisher": fisher}, np.zeros(columns + 1)


def elastic_net(rows: int = 400, columns: int = 60) -> tuple[Functions, np.ndarray]:
    """½‖X(u − v) − y‖²/rows + α Σ(u + v) + ½ β (‖u‖² + ‖v‖²) over u, v ≥ 0: an elastic net of coefficients u − v."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((rows, columns)) + 0.5 * rng.standard_normal((rows, 1))
    y = X[:, :6] @ np.array([3.0, -2.0, 1.5, 1.0, -1.0, 0.5]) + rng.standard_normal(rows)
    alpha, beta = 0.1, 0.05
    double = np.hstack([X, -X])
    H = double.T @ double / rows + beta * np.eye(2 * columns)
    linear = alpha - double.T @ y / rows

    def fun(w: np.ndarray) -> float:
        return float(0.5 * w @ (H @ w) + linear @ w)

    return {"fun": fun, "jac": lambda w: H @ w + linear, "hess": lambda w: H, "fisher": lambda w: H}, np.zeros(
        2 * columns
    )


def rosenbrock(n: int = 100) -> tuple[Functions, np.ndarray]:
    """Rosenbrock's function from zero."""
    return {"fun": rosen, "jac": rosen_der, "hess": rosen_hess}, np.zeros(n)


PROBLEMS = {
    "logistic regression": (logistic, {}),
    "gamma regression": (gamma, {}),
    "elastic net": (elastic_net, {"bounds": (0, None)}),
    "Rosenbrock": (rosenbrock, {}),
}
METHODS = {"newton": newton, "natural gradient": natural_gradient}
THEIRS = {
    "trust-ncg": {"gtol": 1e-8},
    "Newton-CG": {"xtol": 1e-8},
    "L-BFGS-B": {"ftol": 1e-15, "gtol": 1e-8, "maxiter": 5000},
}


def one(functions: Functions, x0: np.ndarray, bounds: Any, name: str) -> dict[str, Any] | None:
    """What a method found from x0; None where it does not take such a problem."""
    parts = {key: value for key, value in functions.items() if key != "fisher"}
    given: dict[str, Any] = {"tol": 1e-8, "rng": 0}
    if bounds is not None and name in ("trust-ncg", "Newton-CG"):
        return None
    if name == "natural gradient":
        if "fisher" not in functions:
            return None
        given["fisher"] = functions["fisher"]
    if name in ("natural gradient", "L-BFGS-B"):
        parts.pop("hess")
    path: list[float] = []
    began = process_time()
    found = minimize(
        **parts,
        x0=x0,
        method=METHODS.get(name, name),
        bounds=None if bounds is None else [bounds] * x0.size,
        options=given if name in METHODS else THEIRS[name],
        callback=lambda x: path.append(float(functions["fun"](x))),
    )
    return {
        "success": bool(found.success),
        "seconds": process_time() - began,
        "iterations": int(found.nit),
        "evaluations": int(found.nfev),
        "fun": float(found.fun),
        "path": [float(functions["fun"](x0)), *path],
        "device time": found.get("device_time"),
    }


def compared(sizes: dict[str, dict[str, int]] | None = None) -> dict[str, Any]:
    """Every problem by every method that takes it; `excess` is above the least value that any found."""
    results: dict[str, Any] = {}
    for title, (make, extra) in PROBLEMS.items():
        functions, x0 = make(**(sizes or {}).get(title, {}))
        runs = {name: one(functions, x0, extra.get("bounds"), name) for name in (*METHODS, *THEIRS)}
        runs = {name: run for name, run in runs.items() if run is not None}
        least = min(run["fun"] for run in runs.values())
        for run in runs.values():
            run["excess"] = run["fun"] - least
            run["path"] = [value - least for value in run["path"]]
        results[title] = {"variables": x0.size, "least": least, "methods": runs}
    return results


def draw(results: dict[str, Any], path: Path) -> None:
    """How fast the function falls, problem by problem."""
    plt = pyplot()
    figure, axes = plt.subplots(1, len(PROBLEMS), figsize=(11, 3), layout="constrained")
    for ax, title in zip(axes, PROBLEMS, strict=True):
        for number, name in enumerate((*METHODS, *THEIRS)):
            run = results[title]["methods"].get(name)
            if run is not None:
                excess = np.maximum(run["path"], 1e-16 * max(1.0, abs(results[title]["least"])))
                ax.semilogy(np.arange(1, len(excess) + 1), excess, color=f"C{number}", label=name)
        ax.set(title=title, xlabel="iteration", xscale="log")
    axes[0].set_ylabel("above the minimum")
    axes[1].legend(fontsize=7)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "minimize.json"
    if not given.draw:
        write(compared(), path)
    draw(read(path), given.pictures / "minimize.png")


if __name__ == "__main__":
    main()
