"""Repeated questions to a prepared device, beside its own floor, and beside SciPy with its factor at hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as sla

import thermolinalg as tla
from benchmarks.problems import Array, wishart
from benchmarks.timing import interleaved

RTOL = 1e-10


@dataclass(frozen=True)
class Question:
    """What a prepared device is asked, again and again.

    Parameters
    ----------
    name : str
    d : int
        Size of A.
    columns : int
        Right-hand sides; 0 asks for the inverse.
    above_scipy : float, optional
        The ratio to SciPy's time that the project aims at.
    """

    name: str
    d: int
    columns: int
    above_scipy: float | None = None

    def load(self, rng: np.random.Generator) -> Array:
        """Right-hand sides (d,) or (d, k); the identity where the inverse is asked for."""
        if not self.columns:
            return np.eye(self.d)
        return rng.standard_normal(self.d if self.columns == 1 else (self.d, self.columns))


QUESTIONS = (
    Question("solve(b)", 10, 1),
    Question("solve(b)", 800, 1, 25.0),
    Question("solve(B), 4000 columns", 200, 4000, 45.0),
    Question("inv()", 1000, 0, 35.0),
)
QUICK = (Question("solve(b)", 10, 1), Question("solve(B), 40 columns", 60, 40), Question("inv()", 80, 0))


def prepared(question: Question, rounds: int) -> dict[str, Any]:
    """Seconds of one more call to a device that holds A, of SciPy for the same, and of what the runs need at least.

    A run cannot do with less than a solve with the factor it draws from, one product with A, for the residual, and one
    normal vector for each column.
    """
    rng = np.random.default_rng(question.d)
    A = wishart(question.d, 4.0, rng)
    B = question.load(rng)
    device, factor = tla.program(A, assume_a="pos", rng=0), sla.cho_factor(A)
    ask = _asked(device, question, B)
    before = device.ledger.runs
    ask(0)
    runs = (device.ledger.runs - before) / (B.size // question.d)  # of one column

    def run(_: int) -> tuple[Array, Array, Array]:
        return sla.cho_solve(factor, B, check_finite=False), A @ B, rng.standard_normal(B.shape)

    def scipy(_: int) -> Array:
        return sla.cho_solve(factor, B, check_finite=False) if question.columns else sla.inv(A, check_finite=False)

    timings = interleaved({"ours": ask, "run": run, "SciPy": scipy}, rounds)
    times = {name: timing.medians() for name, timing in timings.items()}
    ours, floor = times["ours"]["cpu_s"], runs * times["run"]["cpu_s"]
    residuals = [np.linalg.norm(B - A @ x) / np.linalg.norm(B) for x, _ in timings["ours"].returned]
    return {
        "name": question.name,
        "d": question.d,
        "rtol": RTOL,
        "runs": runs,
        "residual": float(max(residuals)),
        **times["ours"],
        "floor_s": floor,
        "scipy_s": times["SciPy"]["cpu_s"],
        "above_floor": ours / floor,
        "above_scipy": ours / times["SciPy"]["cpu_s"],
        "aim": question.above_scipy,
    }


def _asked(device: tla.PreparedDevice, question: Question, B: Array) -> Callable[[int], Any]:
    if question.columns:
        return lambda seed: device.solve(B, rtol=RTOL, rng=seed, return_info=True)
    return lambda seed: device.inv(rtol=RTOL, rng=seed, return_info=True)
