"""Ridge, Bayesian ridge, logistic and Poisson regression beside scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import BayesianRidge, LogisticRegression, PoissonRegressor, Ridge

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.generalized_linear import ThermodynamicLogisticRegression, ThermodynamicPoissonRegressor
from thermoapps.least_squares import ThermodynamicBayesianRidge, ThermodynamicRidge

LBFGS: dict[str, Any] = {"tol": 1e-8, "max_iter": 1000}
NEWTON = LBFGS | {"solver": "newton-cholesky"}
SMALL, WIDE = [(100, 4, 2), (150, 4, 3), (1000, 10, 4)], (100, 500, 2)
TALL = [(10_000, 20, 2), (10_000, 200, 2)]
BAYESIAN = [(250, 250), (200, 600), (1000, 250), (3000, 1000), (5000, 2000)]


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Samples by features, small, tall and wide; logistic regression beside two of scikit-learn's solvers."""
    results = {}
    for n, p in ((10_000, 20), (10_000, 200)):
        X, y, _ = samples(n, p)
        results[f"ridge, {n:,} × {p}"] = compared(
            "scikit-learn", ThermodynamicRidge(random_state=0).fit, Ridge().fit, X, y
        )
    for n, p in BAYESIAN:
        X, y, _ = samples(n, p, noise=0.3)
        ours, theirs = ThermodynamicBayesianRidge(random_state=0), BayesianRidge()
        results[f"Bayesian ridge, {n:,} × {p}"] = compared("scikit-learn", ours.fit, theirs.fit, X, y)
    for n, p, classes in (*SMALL, *TALL, WIDE):
        X, _, labels = samples(n, p, classes)
        logistic = ThermodynamicLogisticRegression(random_state=0)
        solvers = {"newton-cholesky": NEWTON} | ({"L-BFGS": LBFGS} if n > 1000 else {})
        for name, settings in solvers.items():
            told = f"logistic, {n:,} × {p}, {classes} classes" + (", beside L-BFGS" if settings is LBFGS else "")
            results[told] = compared(name, logistic.fit, LogisticRegression(**settings).fit, X, labels)
    for n, p in ((100, 4), (1000, 10), (10_000, 20), (100, 500)):
        X, y, _ = samples(n, p)
        counts = np.random.default_rng(1).poisson(np.exp(y / 2))
        ours = ThermodynamicPoissonRegressor(alpha=0.1, random_state=0)
        theirs = PoissonRegressor(alpha=0.1, **NEWTON)
        results[f"Poisson, {n:,} × {p}"] = compared("newton-cholesky", ours.fit, theirs.fit, X, counts)
    return results


def samples(n: int, p: int, classes: int = 2, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal features (n, p), noisy targets of a linear function, and labels of as many classes."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, p))
    scores = X @ rng.standard_normal((p, classes)) / np.sqrt(p)
    labels = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1)
    return X, scores[:, 0] + noise * rng.standard_normal(n), labels


def compared(name: str, ours: Any, theirs: Any, X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """Two fits of the same samples, by their coefficients."""
    found = beside(lambda: ours(X, y).coef_, lambda: theirs(X, y).coef_, lambda a, b: np.max(abs(a - b)))
    return {"beside": name} | found


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return f"""\
Samples × features. A solve has a fixed cost of a few milliseconds, for reading the matrix, choosing an engine and
scheduling the first runs, whatever its size; small regressions are five or six of those and little else. With more
features than samples ours works in the space of the rows. The couplings of a Bayesian ridge regression are written
once, and decomposed once for all its iterations.

{rows(results)}
"""
