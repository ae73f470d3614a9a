"""Curve fits and nonlinear least squares beside SciPy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import curve_fit, least_squares

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.least_squares import thermodynamic_curve_fit, thermodynamic_least_squares


def decay(t: Any, a: float, rate: float, c: float) -> Any:
    return a * np.exp(-rate * t) + c


def broyden(x: np.ndarray) -> np.ndarray:
    """Broyden's tridiagonal function."""
    padded = np.pad(x, 1)
    return (3 - 2 * x) * x - padded[:-2] - 2 * padded[2:] + 1


def broyden_jacobian(x: np.ndarray) -> np.ndarray:
    n = len(x)
    return np.diag(3 - 4 * x) - np.eye(n, k=-1) - 2 * np.eye(n, k=1)


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """A curve of three parameters, and Broyden's function of 10 and of 200 variables."""
    t = np.linspace(0, 5, 200)
    y = decay(t, 2.0, 1.0, 0.5) + 0.05 * np.random.default_rng(0).standard_normal(t.size)
    results = {
        "curve, 200 points, 3 parameters": beside(
            lambda: thermodynamic_curve_fit(decay, t, y, [1, 1, 1], rng=0).popt,
            lambda: curve_fit(decay, t, y, [1, 1, 1])[0],
            lambda a, b: np.max(abs(a / b - 1)),
        )
        | {"beside": "SciPy, curve_fit"}
    }
    for n in (10, 200):
        x0 = -np.ones(n)
        results[f"Broyden's function, n = {n}"] = beside(
            lambda: thermodynamic_least_squares(broyden, x0, broyden_jacobian, rng=0).x,
            lambda: least_squares(broyden, x0, broyden_jacobian).x,
            lambda a, b: np.max(abs(a - b)),
        ) | {"beside": "SciPy, least_squares"}
    return results


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return rows(results)
