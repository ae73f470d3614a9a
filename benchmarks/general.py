"""Systems that are not positive definite, to rounding as direct solvers do, beside SciPy's solver of each kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sps
import scipy.sparse.linalg as spla

import thermolinalg as tla
from benchmarks.problems import Array
from benchmarks.timing import Timing, interleaved

GRADING = 1e12
CG_RTOL = 1e-10
WIND = 20.0
"""Times the width of the square: convection so many times as strong as diffusion."""


@dataclass(frozen=True, eq=False)
class System:
    """A x = b with the units in which errors of x are measured.

    Parameters
    ----------
    name : str
        What A is.
    matrix : array or sparse array, shape (d, d)
    units : ndarray, shape (d,)
        Of the unknowns: those of a column that is graded by 1e-6 are a million times as large.
    """

    name: str
    matrix: Any
    units: Array

    @property
    def load(self) -> Array:
        """The b of standard normal x in their units."""
        return np.asarray(self.matrix @ (self.units * np.random.default_rng(1).standard_normal(len(self.units))))

    def direct(self, b: Array) -> Array:
        """SciPy's direct solver."""
        return np.asarray(spla.spsolve(self.matrix, b) if sps.issparse(self.matrix) else sla.solve(self.matrix, b))

    def reference(self, b: Array) -> Array:
        """x beyond double precision: the direct solver's, refined with residuals in long double."""
        wide, high = self.matrix.astype(np.longdouble), b.astype(np.longdouble)
        x = np.zeros(len(b), dtype=np.longdouble)
        for _ in range(5):
            x = x + self.direct((high - wide @ x).astype(np.float64))
        return x

    def error(self, x: Array, truth: Array) -> float:
        """‖x − truth‖/‖truth‖ in the units of the unknowns."""
        return float(np.linalg.norm((x - truth) / self.units) / np.linalg.norm(truth / self.units))


def random(d: int, condition: float) -> System:
    """Singular values from 1 down to 1/condition between random bases."""
    rng = np.random.default_rng(d)
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    matrix = (left * np.geomspace(1.0, 1 / condition, d)) @ right
    return System(f"random, condition number {condition:.0e}", matrix, np.ones(d))


def graded(d: int) -> System:
    """Standard normal entries, times numbers from 1 to 1e-12 for each row and each column."""
    rng = np.random.default_rng(d)
    rows, columns = (rng.permutation(np.geomspace(1.0, 1 / GRADING, d)) for _ in range(2))
    matrix = rows[:, None] * rng.standard_normal((d, d)) * columns
    return System(f"random, rows and columns graded by {GRADING:.0e}", matrix, 1 / columns)


def convection_diffusion(n: int) -> System:
    """−Δu + w·∇u on n × n nodes of a square, by central differences."""
    one = sps.eye_array(n)
    diffusion = sps.diags_array([-np.ones(n - 1), 2 * np.ones(n), -np.ones(n - 1)], offsets=[-1, 0, 1])
    convection = sps.diags_array([-np.ones(n - 1), np.ones(n - 1)], offsets=[-1, 1])
    line = diffusion + WIND / (2 * (n + 1)) * convection
    return System(
        "sparse, convection and diffusion", (sps.kron(line, one) + sps.kron(one, line)).tocsc(), np.ones(n * n)
    )


def general(system: System, rounds: int) -> dict[str, Any]:
    """`thermolinalg.solve` beside SciPy's direct solver, with their errors."""
    # SciPy's solver does not balance a graded matrix before it judges its condition.
    warnings.filterwarnings("ignore", "An ill-conditioned matrix", sla.LinAlgWarning)
    A, b = system.matrix, system.load
    truth = system.reference(b)

    def ours(seed: int) -> tuple[Array, Any]:
        x, info = tla.solve(A, b, rng=seed, return_info=True)
        return x, info

    timings = interleaved({"ours": ours, "SciPy": lambda seed: (system.direct(b), None)}, rounds)
    solver = "spsolve" if sps.issparse(A) else "solve"
    errors = {who: max(system.error(x, truth) for x, _ in timing.returned) for who, timing in timings.items()}
    return {
        **_beside(system.name, len(b), solver, timings, errors),
        "runs": timings["ours"].returned[-1][1].n_runs,
    }


def minimum_norm(n: int, rounds: int) -> dict[str, Any]:
    """`thermolinalg.lstsq` of the Laplacian of an n × n grid without a boundary, beside conjugate gradients."""
    path = sps.diags_array([-np.ones(n - 1), [1.0, *2 * np.ones(n - 2), 1.0], -np.ones(n - 1)], offsets=[-1, 0, 1])
    A = (sps.kron(path, sps.eye_array(n)) + sps.kron(sps.eye_array(n), path)).tocsr()
    x = np.random.default_rng(n).standard_normal(n * n)
    truth = x - x.mean()  # constants are the null space
    b = A @ truth
    calls: dict[str, Callable[[int], Any]] = {
        "ours": lambda seed: tla.lstsq(A, b, rng=seed)[0],
        "SciPy": lambda seed: spla.cg(A, b, rtol=CG_RTOL)[0],
    }
    timings = interleaved(calls, rounds)
    errors = {
        who: float(max(np.linalg.norm(x - truth) for x in timing.returned) / np.linalg.norm(truth))
        for who, timing in timings.items()
    }
    solver = f"cg, rtol {CG_RTOL:.0e}"
    return {**_beside("lstsq, singular Laplacian of a grid", n * n, solver, timings, errors), "runs": None}


def _beside(name: str, d: int, solver: str, timings: dict[str, Timing], errors: dict[str, float]) -> dict[str, Any]:
    """What both took and erred by."""
    ours, scipy = (timings[who].medians() for who in ("ours", "SciPy"))
    return {
        "name": name,
        "d": d,
        "solver": solver,
        **ours,
        "scipy_s": scipy["cpu_s"],
        "ratio": ours["cpu_s"] / scipy["cpu_s"],
        "error": errors["ours"],
        "scipy_error": errors["SciPy"],
        "excess": errors["ours"] / errors["SciPy"],
    }
