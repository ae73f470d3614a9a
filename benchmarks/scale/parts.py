"""What is measured: each part returns plain rows, and runs in a process of its own."""

from __future__ import annotations

import gc
import os
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg, gmres, splu

import thermolinalg as tla
from benchmarks.scale import problems
from benchmarks.scale.clock import TooLong, at_most, held_bytes, least, now, peak_bytes
from benchmarks.scale.forced import ENGINES, Forcing
from thermolinalg.devices import AsWritten
from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.rational import RationalEngine
from thermolinalg.matrix_functions.select import SHARE, Engines
from thermolinalg.operators import Sparse

Rows = list[dict[str, Any]]
GRIDS = [(10_000, 2), (100_000, 2), (1_000_000, 2), (1_000_000, 3)]


class Counted(LinearOperator):  # type: ignore[misc]
    """A matrix that counts its products."""

    def __init__(self, matrix: Any) -> None:
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix, self.products = matrix, 0

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        self.products += 1
        return np.asarray(self.matrix @ x)

    _rmatvec = _matvec


def products_of(matrix: Any, call: Callable[[Any], Any]) -> int:
    """Products that a call takes."""
    counted = Counted(matrix)
    call(counted)
    return counted.products


def solves(quick: bool, grids: Sequence[tuple[int, int]] = GRIDS) -> Rows:
    """langevin, solve, a raw run and a sample on grids, beside conjugate gradients."""
    rows = []
    for n, dimensions in grids[:1] if quick else grids:
        A = problems.grid(n, dimensions)
        rows.append({"n": A.shape[0], "dimensions": dimensions, **beside_cg(A)})
    return rows


def beside_cg(A: Any) -> dict[str, Any]:
    """Seconds of the calls of this package and of conjugate gradients on one matrix or map."""
    b, infos = problems.load(A.shape[0]), []
    times = least(
        {
            "product": lambda: A @ b,
            "cg 1e-6": lambda: cg(A, b, rtol=1e-6),
            "cg 1e-10": lambda: cg(A, b, rtol=1e-10),
            "langevin": lambda: tla.langevin(A, b, rtol=1e-6, rng=0),
            "solve": lambda: infos.append(tla.solve(A, b, rng=0, return_info=True)[1]),
            "raw": lambda: tla.solve(A, b, refine=False, rng=0),
            "sample": lambda: tla.sample(A, 1, rng=0),
        }
    )
    info, counts = infos[0], {}
    if A.shape[0] <= 200_000:
        counts["cg"] = products_of(A, lambda a: cg(a, b, rtol=1e-6))
        counts["langevin"] = products_of(A, lambda a: tla.langevin(a, b, rtol=1e-6, rng=0))
    told = {"runs": info.n_runs, "engine": info.engine, "condition": info.condition, "success": bool(info.success)}
    return {"seconds": times, "products": counts, **told}


def preconditioned(quick: bool) -> Rows:
    """The same with pyamg's smoothed aggregation, for each the best of what pyamg offers: its set-up is not timed."""
    import pyamg

    rows = []
    for n, shift in [(10_000, 0.1)] if quick else [(10_000, 0.1), (100_000, 0.1), (100_000, 1e-4), (1_000_000, 0.1)]:
        A = problems.grid(n, shift=shift)
        b, M = problems.load(A.shape[0]), pyamg.smoothed_aggregation_solver(A).aspreconditioner()
        times = least(
            {
                "cg 1e-6": lambda A=A, b=b, M=M: cg(A, b, rtol=1e-6, M=M),
                "cg 1e-10": lambda A=A, b=b, M=M: cg(A, b, rtol=1e-10, M=M),
                "langevin": lambda A=A, b=b, M=M: tla.langevin(A, b, rtol=1e-6, M=M, rng=0),
                "solve": lambda A=A, b=b, M=M: tla.solve(A, b, M=M, rng=0),
                "raw": lambda A=A, b=b, M=M: tla.solve(A, b, M=M, refine=False, rng=0),
            },
            rounds=2,
        )
        rows.append({"n": A.shape[0], "shift": shift, "seconds": times})
    return rows


def readings(quick: bool, grids: Sequence[tuple[int, int]] = GRIDS) -> Rows:
    """A transition, an equilibrium reading to 1e-6 and a block of 16, beside their products and time stepping."""
    return [drawn(problems.grid(n, dimensions), dimensions) for n, dimensions in (grids[:1] if quick else grids)]


def drawn(A: Any, dimensions: int, duration: float = 10.0) -> dict[str, Any]:
    """Seconds of draws from the laws of one grid."""
    d, largest, rng = A.shape[0], 4.0 * dimensions + 0.1, np.random.default_rng(0)
    b, z, block = problems.load(d)[:, None], rng.standard_normal((d, 1)), rng.standard_normal((d, 16))
    program, h = tla.LangevinDevice(loading=AsWritten()).program(Sparse(A)), 0.1 / largest
    engine, law = ChebyshevEngine(Sparse(A), (0.1, largest), rtol=1e-6), Overdamped().stationary()

    def stepped() -> np.ndarray:
        x = np.zeros_like(b)
        for _ in range(5):
            x = x - h * (A @ x - b) + (2 * h) ** 0.5 * rng.standard_normal(b.shape)
        return x

    program.settle(b, duration, rng=rng)  # which finds the spectrum
    engine.apply(law, [None, None, z], ["state"])
    degree = engine.n_matvec
    times = least(
        {
            "transition": lambda: program.settle(b, duration, rng=rng),
            "5 steps": stepped,
            "reading": lambda: engine.apply(law, [None, None, z], ["state"]),
            "its products": lambda: [A @ z for _ in range(degree)],
            "16 readings": lambda: engine.apply(law, [None, None, block], ["state"]),
        }
    )
    steps = {"stable": duration * largest / 2, "0.1/λ_max": duration / h}
    return {"n": d, "dimensions": dimensions, "degree": degree, "seconds": times, "steps": steps}


def memory(quick: bool) -> Rows:
    """What a call adds to a process that holds A, at its peak, in vectors; each in a process of its own."""
    rows, (n, dimensions) = [], GRIDS[0] if quick else (1_000_000, 2)
    calls: dict[str, Callable[[Any, np.ndarray], Any]] = {
        "cg": lambda A, b: cg(A, b, rtol=1e-6),
        "langevin": lambda A, b: tla.langevin(A, b, rtol=1e-6, rng=0),
        "16 samples": lambda A, b: tla.sample(A, 16, rng=0),
    }
    for name, call in calls.items():
        reader, writer = os.pipe()
        if os.fork() == 0:
            A = problems.grid(n, dimensions)
            b = problems.load(A.shape[0])
            call(problems.grid(6400), problems.load(6400))  # what a first call loads is not of this one
            gc.collect()
            floor = held_bytes()
            call(A, b)
            added = (max(peak_bytes() - floor, 0)) / (8 * A.shape[0])
            own = (A.data.nbytes + A.indices.nbytes + A.indptr.nbytes) / (8 * A.shape[0])
            os.write(writer, f"{added} {own}".encode())
            os._exit(0)
        os.wait()
        added, own = map(float, os.read(reader, 100).split())
        rows.append({"call": name, "n": n, "vectors": added, "of_A": own})
    return rows


LIMIT = 4
"""Seconds after which an engine by itself is given up, for all larger condition numbers too."""


def conditions(quick: bool) -> Rows:
    """The engine that is chosen beside each engine by itself, on grids without walls of any condition number."""
    rows, beaten = [], dict[str, str]()
    for exponent in (2, 3) if quick else range(2, 9):
        A = problems.grid(4900 if quick else 10_000, shift=8 * 10.0**-exponent, walls=False)
        b = problems.load(A.shape[0])
        exact = splu(A.tocsc()).solve(b)
        x, info = tla.solve(A, b, rng=0, return_info=True)
        error = float(np.linalg.norm(x - exact) / np.linalg.norm(exact))
        row = {"condition": 10.0**exponent, "n": A.shape[0], "engine": info.engine, "runs": info.n_runs, "error": error}
        calls: dict[str, Callable[[], Any]] = {"chosen": partial(tla.solve, A, b, rng=0)}
        for engine in ENGINES:
            if engine not in beaten:
                calls[engine] = partial(tla.solve, A, b, device=Forcing(engine), rng=0)
                try:
                    with at_most(LIMIT), warnings.catch_warnings():
                        warnings.simplefilter("error", tla.ThermodynamicWarning)
                        calls[engine]()
                except tla.ThermodynamicWarning:
                    beaten[engine] = "misses 1e-10"
                except (np.linalg.LinAlgError, ValueError) as refusal:
                    beaten[engine] = type(refusal).__name__
                except TooLong as late:
                    beaten[engine] = str(late)
        times = least({name: call for name, call in calls.items() if name not in beaten}, rounds=4)
        forced = {name: times.get(name, beaten.get(name)) for name in ENGINES}
        rows.append({**row, "seconds": times["chosen"], "forced": forced})
    return rows


def shifted(quick: bool) -> Rows:
    """Transitions over a relaxation time by shifted factors and by a polynomial, on the same grids."""
    rows = []
    for n, exponent in [(2500, 6)] if quick else [(n, e) for n in (10_000, 40_000) for e in (4, 6, 8)]:
        A = problems.grid(n, shift=8 * 10.0**-exponent, walls=False)
        d, smallest, rng = A.shape[0], 8 * 10.0**-exponent, np.random.default_rng(0)
        law, ends = Overdamped().step(1 / smallest), (smallest, 8 + smallest)
        z, block = rng.standard_normal((d, 1)), rng.standard_normal((d, 16))
        polynomial = ChebyshevEngine(Sparse(A), ends, share=SHARE, max_degree=10**5)
        degree = polynomial.degree(law, ("state",)) or 0
        start = now()
        engine = RationalEngine(Sparse(A), ends, share=SHARE)
        engine.apply(law, [None, None, z], ["state"])
        spent = now() - start
        calls: dict[str, Callable[[], Any]] = {
            "one": lambda engine=engine, law=law, z=z: engine.apply(law, [None, None, z], ["state"]),
            "16": lambda engine=engine, law=law, block=block: engine.apply(law, [None, None, block], ["state"]),
        }
        if 0 < degree * d < 10**8 / 2:
            calls["polynomial"] = partial(polynomial.apply, law, [None, None, z], ["state"])
        choice = Engines(Sparse(A)).price(law, ("state",)).name
        poles = engine.cost(law, ("state",)).products
        told = {"poles": poles, "first": spent, "degree": degree, "chosen": choice}
        rows.append({"n": d, "condition": 10.0**exponent, "seconds": least(calls, rounds=2), **told})
    return rows


def small(quick: bool) -> Rows:
    """Small dense systems beside LAPACK."""
    rows = []
    for d in (2, 10) if quick else (2, 5, 10, 20, 50, 100, 200, 500):
        A, b = problems.dense(d), problems.load(d)
        times = least(
            {
                "solve": lambda A=A, b=b: tla.solve(A, b, rng=0),
                "LAPACK posv": lambda A=A, b=b: scipy.linalg.solve(A, b, assume_a="pos"),
                "inv": lambda A=A: tla.inv(A, rng=0),
                "LAPACK inv": lambda A=A: np.linalg.inv(A),
                "slogdet": lambda A=A: tla.slogdet(A, rng=0),
                "LAPACK slogdet": lambda A=A: np.linalg.slogdet(A),
                "sample": lambda A=A: tla.sample(A, 1, rng=0),
                "LAPACK sample": lambda A=A, b=b: scipy.linalg.solve_triangular(np.linalg.cholesky(A).T, b),
            }
        )
        rows.append({"d": d, "seconds": times})
    return rows


def graphs(quick: bool) -> Rows:
    """Graphs with hubs, a stencil by products and links of pages, beside the Krylov method for each."""
    cases: list[tuple[str, Any]] = []
    for n in (10_000,) if quick else (10_000, 100_000):
        cases += [("graph with hubs", problems.hubs(n)), ("the same, as a map", aslinearoperator(problems.hubs(n)))]
    for n in (27_000,) if quick else (100_000, 1_000_000):
        cases.append(("3-D stencil, as a map", problems.cube(n)))
    rows = [{"name": name, "n": A.shape[0], "krylov": "cg", **beside_cg(A)} for name, A in cases]
    for n in (10_000,) if quick else (10_000, 100_000):
        A = problems.page_rank(n)
        b = np.full(n, 0.15 / n)
        times = least(
            {
                "cg 1e-6": lambda A=A, b=b: gmres(A, b, rtol=1e-6),
                "cg 1e-10": lambda A=A, b=b: gmres(A, b, rtol=1e-10),
                "langevin": lambda A=A, b=b: tla.langevin(A, b, rtol=1e-6, rng=0),
                "solve": lambda A=A, b=b: tla.solve(A, b, rng=0),
                "raw": lambda A=A, b=b: tla.solve(A, b, refine=False, rng=0),
            }
        )
        info = tla.solve(A, b, rng=0, return_info=True)[1]
        told = {"runs": info.n_runs, "engine": info.engine, "condition": info.condition}
        rows.append({"name": "links of pages", "n": n, "krylov": "gmres", "seconds": times, **told})
    return rows


def estimates(quick: bool) -> Rows:
    """The diagonal of A⁻¹ and log det A of the plane grid, beside their exact values and what SciPy takes."""
    rows = []
    for n in (10_000,) if quick else (10_000, 100_000):
        A = problems.grid(n)
        side = round(A.shape[0] ** 0.5)
        angles = np.arange(1, side + 1) * np.pi / (side + 1)
        values = (2 - 2 * np.cos(angles))[:, None] + (2 - 2 * np.cos(angles)) + 0.1
        modes = np.sin(np.outer(np.arange(1, side + 1), angles)) ** 2 * 2 / (side + 1)
        exact = (modes @ (1 / values) @ modes.T).ravel()
        start = now()
        diagonal, info = tla.inv_diagonal(A, rtol=0.05, rng=0, return_info=True)
        spent = now() - start
        rms = float(np.sqrt(np.mean((diagonal / exact - 1) ** 2)))
        score = float(np.sqrt(np.mean(((diagonal - exact) / info.standard_error) ** 2)))
        row = {"n": A.shape[0], "diagonal_s": spent, "rms": rms, "score": score, "readings": info.schedule.readings}
        start = now()
        found, info = tla.slogdet(A, rng=0, return_info=True)
        row |= {"logdet_s": now() - start, "bar": float(info.standard_error)}
        row |= {"error": float(found.logabsdet - np.log(values).sum())}
        start = now()
        splu(A.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        rows.append({**row, "lu_s": now() - start})
    return rows


SAMPLES = 100
"""Of each real matrix."""


def real(quick: bool) -> Rows:
    """Real matrices: a solve, samples, the diagonal of the inverse and the determinant; none without the data."""
    folder = Path(os.environ.get("THERMOLINALG_DATA", "data"))
    if not folder.is_dir():
        return []
    rows = []
    for name, A in problems.real(folder):
        if quick and A.shape[0] > 2000:
            continue
        b = problems.load(A.shape[0])
        digital, own = (splu, A.tocsc()) if hasattr(A, "tocsc") else (scipy.linalg.cho_factor, A)
        seconds = least(
            {
                "solve": lambda A=A, b=b: tla.solve(A, b, rng=0),
                "factor": lambda digital=digital, own=own: digital(own),
                "samples": lambda A=A: tla.sample(A, SAMPLES, rng=0),
                "diagonal": lambda A=A: tla.inv_diagonal(A, rtol=0.05, rng=0),
                "selected": lambda A=A: tla.inv_diagonal(A, method="factor"),
                "slogdet": lambda A=A: tla.slogdet(A, rng=0),
            },
            rounds=2,
        )
        exact, digital_logdet = tla.inv_diagonal(A, method="factor"), _log_determinant(A)
        read = tla.inv_diagonal(A, rtol=0.05, rng=0)
        samples = tla.sample(A, SAMPLES, rng=0)
        some = np.random.default_rng(0).choice(A.shape[0], min(A.shape[0], 200), replace=False)
        unit = np.zeros((A.shape[0], len(some)))
        unit[some, np.arange(len(some))] = 1.0
        columns = splu(A.tocsc()).solve(unit) if hasattr(A, "tocsc") else np.linalg.solve(A, unit)
        found, info = tla.slogdet(A, rng=0, return_info=True)
        energies = np.einsum("ij,ji->i", samples, A @ samples.T)
        rows.append(
            {
                "name": name,
                "n": A.shape[0],
                "seconds": seconds,
                "residual": float(np.linalg.norm(A @ tla.solve(A, b, rng=0) - b) / np.linalg.norm(b)),
                # xᵀA x of a sample is a chi-square of n degrees of freedom.
                "energy_z": float((energies.mean() / A.shape[0] - 1) * np.sqrt(A.shape[0] * SAMPLES / 2)),
                "rms": float(np.sqrt(np.mean((read / exact - 1) ** 2))),
                "selected_error": float(abs(exact[some] / columns[some, np.arange(len(some))] - 1).max()),
                "bar": float(info.standard_error),
                "error": float(found.logabsdet) - digital_logdet,
            }
        )
    return rows


def _log_determinant(A: Any) -> float:
    """log det A by LAPACK, or by a sparse LU."""
    if hasattr(A, "tocsc"):
        return float(np.log(np.abs(splu(A.tocsc()).U.diagonal())).sum())
    return float(np.linalg.slogdet(A)[1])


def dense(quick: bool) -> Rows:
    """Large dense systems, well conditioned: raw windows and a solve, beside LAPACK's Cholesky solve."""
    rows = []
    for d in (500,) if quick else (5000, 10_000):
        X = np.random.default_rng(d).standard_normal((d, 2 * d))
        A, b = X @ X.T / (2 * d), problems.load(d)
        del X
        long = tla.Schedule(burn_in=100, readings=10_000, spacing=1.0)
        seconds = least(
            {
                "cholesky": lambda A=A, b=b: scipy.linalg.solve(A, b, assume_a="pos"),
                "raw": lambda A=A, b=b: tla.solve(A, b, refine=False, rng=0),
                "window": partial(tla.solve, A, b, refine=False, schedule=long, rng=0),
                "solve": lambda A=A, b=b: tla.solve(A, b, rng=0),
            },
            rounds=2,
        )
        engine = tla.solve(A, b, refine=False, rng=0, return_info=True)[1].engine
        rows.append({"d": d, "seconds": seconds, "engine": engine})
    return rows


def correlated(quick: bool) -> Rows:
    """`inv` from a million readings one time constant apart."""
    rows, count = [], 10_000 if quick else 1_000_000
    for d in (10, 50):
        A = problems.dense(d)
        schedule = tla.Schedule(burn_in=200, readings=count, spacing=1.0)
        seconds = least({"inv": lambda A=A, s=schedule: tla.inv(A, refine=False, schedule=s, rng=0)})["inv"]
        X, info = tla.inv(A, refine=False, schedule=schedule, rng=0, return_info=True)
        score = float(np.sqrt(np.mean(((X - np.linalg.inv(A)) / info.standard_error) ** 2)))
        rows.append({"d": d, "readings": count, "seconds": seconds, "score": score})
    return rows


PARTS: dict[str, Callable[[bool], Rows]] = {
    "solves": solves,
    "readings": readings,
    "solves on two threads": partial(solves, grids=GRIDS[1:3]),
    "readings on two threads": partial(readings, grids=GRIDS[1:3]),
    "preconditioned": preconditioned,
    "memory": memory,
    "conditions": conditions,
    "shifted": shifted,
    "small": small,
    "graphs": graphs,
    "estimates": estimates,
    "real": real,
    "dense": dense,
    "correlated": correlated,
}
