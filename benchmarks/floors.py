"""The floor: what the plain digital operations cost on the same matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sla

import thermolinalg as tla
from benchmarks.problems import solve_window
from benchmarks.timing import Call, interleaved

RTOL = 1e-10


def floors(d: int, rounds: int) -> dict[str, Any]:
    """Seconds of SciPy's factorisations and of one product A x at size d."""
    window = solve_window(d)
    A, b = window.A, window.b
    calls: dict[str, Call] = {
        "eigh, default driver": lambda seed: sla.eigh(A),
        'eigh, driver="evd"': lambda seed: sla.eigh(A, driver="evd"),
        "Cholesky": lambda seed: sla.cholesky(A, lower=True),
        'solve(assume_a="pos")': lambda seed: sla.solve(A, b, assume_a="pos"),
        "A @ x": lambda seed: A @ b,
    }
    rows = [{"name": name, **timing.medians()} for name, timing in interleaved(calls, rounds).items()]
    return {"d": d, "rows": rows}


def to_tolerance(d: int, rounds: int) -> dict[str, Any]:
    """`thermolinalg.solve` to rtol 1e-10 beside ``scipy.linalg.solve(assume_a="pos")``, with true residuals."""
    window = solve_window(d)
    A, b = window.A, window.b
    calls: dict[str, Call] = {
        "thermolinalg": lambda seed: tla.solve(A, b, rtol=RTOL, rng=seed),
        "SciPy": lambda seed: sla.solve(A, b, assume_a="pos"),
    }
    timings = interleaved(calls, rounds)
    rows = [
        {
            "name": name,
            **timing.medians(),
            "residual": max(float(np.linalg.norm(b - A @ x) / np.linalg.norm(b)) for x in timing.returned),
        }
        for name, timing in timings.items()
    ]
    return {"d": d, "rtol": RTOL, "rows": rows, "ratio": rows[0]["cpu_s"] / rows[1]["cpu_s"]}
