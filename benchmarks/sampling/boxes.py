"""Truncated Gaussians beside a Gibbs sampler, and bounded least squares beside SciPy's."""

from __future__ import annotations

from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import ndtr, ndtri

from thermoapps.bayesian import Chains
from thermoapps.boxes import TruncatedGaussian, thermodynamic_nnls

CASES = {"correlation 0.5": 0.5, "correlation 0.95": 0.95, "correlation 0.995": 0.995}
SIZE, CHAINS, DRAWS = 20, 32, 100


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - as every part has it
    """Effective draws a second of both samplers, and seconds and errors of nnls; nothing is read from `data`."""
    return {"samplers": [_samplers(name) for name in CASES], "nnls": [_least_squares(n) for n in (10, 40)]}


def table(results: dict[str, Any]) -> str:
    """The same as Markdown."""
    lines = [
        f"A Gaussian of {SIZE} coordinates in the positive orthant, neighbours correlated. Both samplers have {CHAINS} "
        "chains side by side in NumPy and the same number of readings; Gibbs draws each coordinate from its "
        "conditional law. Where Gibbs has few effective draws, its own error bar is too small.",
        "",
        "| | oscillators: effective draws | a second | Gibbs: the same | a second | difference of means, errors |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["samplers"]:
        ours, theirs = row["oscillators"], row["Gibbs"]
        lines.append(
            f"| {row['case']} | {ours['ess']:.0f} | {ours['ess'] / ours['seconds']:.0f} | {theirs['ess']:.0f} "
            f"| {theirs['ess'] / theirs['seconds']:.0f} | {row['difference']:.1f} |"
        )
    lines += [
        "",
        "Nonnegative least squares with twice as many rows as unknowns, beside `scipy.optimize.nnls`:",
        "",
        "| unknowns | largest difference of x | seconds | SciPy, seconds |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {row['unknowns']} | {row['difference']:.0e} | {row['seconds']:.2g} | {row['SciPy']:.1g} |"
        for row in results["nnls"]
    ]
    return "\n".join(lines)


def _samplers(case: str) -> dict[str, Any]:
    """Both on one truncated Gaussian."""
    covariance = CASES[case] ** np.abs(np.subtract.outer(np.arange(SIZE), np.arange(SIZE)))
    precision, mean = np.linalg.inv(covariance), np.linspace(-0.5, 1.0, SIZE)
    precision = (precision + precision.T) / 2
    gaussian, began = TruncatedGaussian(precision, mean, lower=0.0), process_time()
    walk = gaussian.walk(chains=CHAINS, rng=0)
    walk.draw(DRAWS)
    seconds = process_time() - began
    ours, began = walk.chains, process_time()
    theirs = _gibbs(precision, mean, np.random.default_rng(0))
    gibbs_seconds = process_time() - began
    error = np.hypot(ours.standard_error, theirs.standard_error)
    return {
        "case": case,
        "oscillators": {"ess": float(ours.ess.min()), "seconds": seconds},
        "Gibbs": {"ess": float(theirs.ess.min()), "seconds": gibbs_seconds},
        "difference": float(np.max(np.abs(ours.mean - theirs.mean) / error)),
    }


def _gibbs(A: np.ndarray, mean: np.ndarray, rng: np.random.Generator, burn_in: int = 50) -> Chains:
    """Coordinates in turn, from their conditional normals above zero, by inversion."""
    x, kept = np.ones((SIZE, CHAINS)), []
    for sweep in range(burn_in + DRAWS):
        for i in range(SIZE):
            spread = A[i, i] ** -0.5
            centre = x[i] - A[i] @ (x - mean[:, None]) / A[i, i]
            x[i] = np.maximum(centre - spread * ndtri(rng.random(CHAINS) * ndtr(centre / spread)), 0.0)
        if sweep >= burn_in:
            kept.append(x.T.copy())
    return Chains(np.stack(kept, axis=1))


def _least_squares(n: int) -> dict[str, Any]:
    """One problem by both."""
    rng = np.random.default_rng(n)
    A, b = rng.standard_normal((2 * n, n)), rng.standard_normal(2 * n)
    began = process_time()
    x, _ = thermodynamic_nnls(A, b, rng=0)
    seconds, began = process_time() - began, process_time()
    for _ in range(20):
        known, _ = nnls(A, b)
    digital = (process_time() - began) / 20
    return {"unknowns": n, "difference": float(np.abs(x - known).max()), "seconds": seconds, "SciPy": digital}
