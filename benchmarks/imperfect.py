"""Solves on imperfect devices: presets and single imperfections, dense and sparse, beside SciPy's direct solver."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sps
import scipy.sparse.linalg as spla

import thermolinalg as tla
from benchmarks.problems import wishart
from thermolinalg.devices import (
    PCB2024,
    Amplifiers,
    Capacitors,
    Couplings,
    IntegratedCMOS,
    Noise,
    Pessimistic,
)

RTOL = 1e-10
BOUNDS = {1000: 5.0, 4096: 60.0}
"""CPU seconds of a dense solve that the project aims at."""

KINDS: Mapping[str, tla.Imperfections] = {
    "`PCB2024`": PCB2024(die=1),
    "`IntegratedCMOS`": IntegratedCMOS(die=1),
    "`Pessimistic`": Pessimistic(die=1),
    "mismatch 1 %": tla.Imperfections(mismatch=0.01, die=1),
    "gain 10⁴, bandwidth 60/τ": tla.Imperfections(amplifiers=Amplifiers(gain=1e4, bandwidth=60.0), die=1),
    "coloured noise, 0.05 τ": tla.Imperfections(noise=Noise(correlation_time=0.05), die=1),
    "capacitors, 5 %": tla.Imperfections(capacitors=Capacitors(mismatch=0.05), die=1),
    "couplings not symmetric, 0.3 %": tla.Imperfections(couplings=Couplings(mismatch=0.003, symmetric=False), die=1),
}


def dense(d: int) -> list[dict[str, Any]]:
    """Every kind with a Wishart matrix XXᵀ/n, n = 2d."""
    A = wishart(d, 2.0, np.random.default_rng(d))
    return _kinds("dense", A, lambda b: sla.solve(A, b, assume_a="pos"))


def poisson(side: int) -> list[dict[str, Any]]:
    """Every kind with −Δ on a square grid of so many nodes a side, sparse all the way."""
    line = sps.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    A = sps.csr_array(sps.kronsum(line, line))
    return _kinds("sparse grid", A, lambda b: spla.spsolve(A.tocsc(), b))


def _kinds(what: str, A: Any, direct: Any) -> list[dict[str, Any]]:
    """One solve on each device, and what became of it."""
    b = np.random.default_rng(1).standard_normal(A.shape[0])
    start = time.process_time()
    direct(b)
    scipy = time.process_time() - start
    return [
        {"what": what, "d": len(b), "kind": kind, "scipy_s": scipy} | _solved(A, b, imperfections)
        for kind, imperfections in KINDS.items()
    ]


def _solved(A: Any, b: np.ndarray, imperfections: tla.Imperfections) -> dict[str, Any]:
    """CPU and wall time, runs, and the true residual; a refusal by its first words."""
    cpu, wall = time.process_time(), time.perf_counter()
    found: dict[str, Any] = {"runs": None, "residual": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        try:
            x, info = tla.solve(
                A, b, rtol=RTOL, device=tla.LangevinDevice(imperfections=imperfections), rng=0, return_info=True
            )
        except (ValueError, np.linalg.LinAlgError) as refusal:
            found["outcome"] = f"refused: {str(refusal).partition(';')[0].partition(' by their')[0]}"
        else:
            residual = float(np.linalg.norm(b - A @ x) / np.linalg.norm(b))
            found = {"runs": info.n_runs, "residual": residual, "outcome": "solved" if info.success else "no success"}
    return found | {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
