"""Fit and prediction of Gaussian processes beside scikit-learn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.gaussian_process import ThermodynamicGPRegressor

FIXED: dict[str, Any] = {"alpha": 0.01, "optimizer": None}


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """N = 200 and 1000 points: the fit of given hyperparameters, and means and deviations at 100 others."""
    results = {}
    for n in (200, 1000):
        rng = np.random.default_rng(0)
        X, Z = rng.uniform(0, 10, (n, 2)), rng.uniform(0, 10, (100, 2))
        y = np.sin(X).sum(axis=1) + 0.1 * rng.standard_normal(n)
        ours = ThermodynamicGPRegressor(RBF(1.0), random_state=0, **FIXED)
        theirs = GaussianProcessRegressor(RBF(1.0), **FIXED)
        results[f"fit, N = {n}"] = beside(
            lambda: ours.fit(X, y).predict(Z),
            lambda: theirs.fit(X, y).predict(Z),
            lambda a, b: np.max(abs(a - b)),
        )
        results[f"predict with deviations, N = {n}"] = beside(
            lambda: ours.predict(Z, return_std=True)[1],
            lambda: theirs.predict(Z, return_std=True)[1],
            lambda a, b: np.max(abs(a / b - 1)),
        )
    return {name: one | {"beside": "scikit-learn"} for name, one in results.items()}


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return "Fits end with the means at 100 points. Deviations differ relatively.\n\n" + rows(results)
