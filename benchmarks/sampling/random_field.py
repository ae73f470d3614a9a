"""Conditioned random fields on the device beside a sparse factor: mean, draws, standard deviations, evidence."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

import thermolinalg as tla
from thermoapps.random_field import GaussianField, Grid

SIDES, RANGE, NOISE, DRAWS, RTOL = (50, 100, 200), 20.0, 0.1, 100, 0.05


def seconds(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    value = call()
    return value, time.process_time() - start


class Cholesky:
    """N(P⁻¹b, P⁻¹) from one sparse P = L Lᵀ by CHOLMOD: the digital standard, where scikit-sparse is installed."""

    name = "CHOLMOD"

    def __init__(self, P: Any) -> None:
        from sksparse.cholmod import cholesky

        self.factor = cholesky(sp.csc_matrix(P))

    def solve(self, b: np.ndarray) -> np.ndarray:
        return np.asarray(self.factor(b))

    def draws(self, mean: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        z = rng.standard_normal((len(mean), count))
        return mean + self.factor.apply_Pt(self.factor.solve_Lt(z, use_LDLt_decomposition=False)).T


class SymmetricLU:
    """The same from one sparse LU of P = L U, whose U is D Lᵀ."""

    name = "SuperLU"

    def __init__(self, P: Any) -> None:
        self.factor = splu(sp.csc_array(P), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        self.upper = sp.csr_array(self.factor.U)

    def solve(self, b: np.ndarray) -> np.ndarray:
        return np.asarray(self.factor.solve(b))

    def draws(self, mean: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
        pivots = np.sqrt(self.factor.U.diagonal())[:, None]
        z = pivots * rng.standard_normal((len(mean), count))
        return mean + sp.linalg.spsolve_triangular(self.upper, z, lower=False)[self.factor.perm_c].T


Factored = Cholesky if find_spec("sksparse") else SymmetricLU


def compared(side: int, alpha: int) -> dict[str, Any]:
    """The same field by both, on a square of side² nodes with data at one place in fifty."""
    grid, rng = Grid((side, side)), np.random.default_rng(side)
    field = GaussianField.from_matern(grid, range=RANGE, alpha=alpha)
    places = rng.random((grid.size // 50, 2)) * (side - 1)
    y = np.sin(places[:, 0] / RANGE) + NOISE * rng.standard_normal(len(places))
    posterior = field.condition(y, NOISE, at=places, rng=0)
    mean, ours = seconds(lambda: posterior.mean)
    draws, drawn = seconds(lambda: posterior.sample(DRAWS, rng=1))
    (deviation, error), spread = seconds(
        lambda: posterior.standard_deviation(method="readings", rtol=RTOL, rng=2, return_error=True)
    )
    P, H = posterior.precision, grid.interpolation(places)
    factored, theirs = seconds(lambda: Factored(P))
    digital, solved = seconds(lambda: factored.solve(H.T @ y / NOISE**2))
    theirs_drawn, sampled = seconds(lambda: factored.draws(digital, DRAWS, np.random.default_rng(3)))
    variance, selected = seconds(lambda: tla.inv_diagonal(P, method="factor", assume_a="pos"))
    exact = np.sqrt(variance)
    return {
        "nodes": grid.size,
        "alpha": alpha,
        "mean": ours,
        "mean, factor": theirs + solved,
        "draws": drawn,
        "draws, factor": sampled,
        "deviations, readings": spread,
        "deviations, selected inversion": selected,
        "difference of means, in deviations": float(np.max(np.abs(mean - digital) / exact)),
        "rms error of deviations, in bars": float(np.sqrt(np.mean(((deviation - exact) / error) ** 2))),
        "rms of draws, in deviations": float(np.sqrt(np.mean(((draws - digital) / exact) ** 2))),
        "rms of draws, factor": float(np.sqrt(np.mean(((theirs_drawn - digital) / exact) ** 2))),
    }


def measure(data: Path) -> dict[str, Any]:  # noqa: ARG001 - every part has the same signature
    """Fields of both orders, on grids that grow."""
    return {"digital": Factored.name, "grids": [compared(side, alpha) for alpha in (1, 2) for side in SIDES]}


def table(results: dict[str, Any]) -> str:
    """Markdown: seconds of both, and how far they agree."""
    head = (
        "Matérn fields on square grids, with data at one place in fifty: mean to rounding, "
        f"{DRAWS} draws, and standard deviations (readings to {100 * RTOL:.0f} %), in seconds of one core beside "
        f"{results['digital']} and selected inversion. The last columns are root mean squares that should be 1.\n\n"
        f"| nodes | α | mean | {results['digital']} | draws | {results['digital']} | deviations | selected inversion | "
        "errors in bars | draws in deviations |\n|---|---|---|---|---|---|---|---|---|---|\n"
    )
    keys = (
        "mean",
        "mean, factor",
        "draws",
        "draws, factor",
        "deviations, readings",
        "deviations, selected inversion",
        "rms error of deviations, in bars",
        "rms of draws, in deviations",
    )
    rows = [
        f"| {row['nodes']:,} | {row['alpha']} | " + " | ".join(f"{row[key]:.3g}" for key in keys) + " |"
        for row in results["grids"]
    ]
    return head + "\n".join(rows) + "\n"
