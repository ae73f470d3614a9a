"""Ridge and logistic regression beside scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.generalized_linear import ThermodynamicLogisticRegression
from thermoapps.least_squares import ThermodynamicRidge


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """10,000 rows of 20 and of 200 features."""
    results = {}
    for p in (20, 200):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((10_000, p))
        score = X @ rng.standard_normal(p) / np.sqrt(p)
        y, label = score + rng.standard_normal(len(X)), (score + rng.logistic(size=len(X)) > 0).astype(int)
        results[f"ridge, {p} features"] = beside(
            lambda: ThermodynamicRidge(random_state=0).fit(X, y).coef_,
            lambda: Ridge().fit(X, y).coef_,
            lambda a, b: np.max(abs(a - b)),
        )
        results[f"logistic, {p} features"] = beside(
            lambda: ThermodynamicLogisticRegression(random_state=0).fit(X, label).coef_,
            lambda: LogisticRegression(tol=1e-8, max_iter=1000).fit(X, label).coef_,
            lambda a, b: np.max(abs(a - b)),
        )
    return {name: one | {"beside": "scikit-learn"} for name, one in results.items()}


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return rows(results)
