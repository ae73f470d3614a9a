"""All measurements of one run, as a plain dictionary: what results.json holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.calls import small_solve
from benchmarks.floors import floors, to_tolerance
from benchmarks.general import System, convection_diffusion, general, graded, minimum_norm, random
from benchmarks.imperfect import BOUNDS, dense, poisson
from benchmarks.import_time import BASE, OURS, import_times
from benchmarks.machine import describe
from benchmarks.non_normal import covariances, exponentials
from benchmarks.peers.base import Peer
from benchmarks.peers.diffrax import Diffrax
from benchmarks.peers.euler_maruyama import EulerMaruyama
from benchmarks.peers.sdeint import Sdeint
from benchmarks.peers.thermolinalg import Thermolinalg, engine
from benchmarks.peers.thermox import Thermox
from benchmarks.peers.torchsde import TorchSDEEuler, TorchSDESRK
from benchmarks.prepared import QUESTIONS, QUICK, prepared
from benchmarks.problems import Window, inverse_window, solve_window
from benchmarks.windows import INVERSE, SOLVE, Task, compare

EXACT = (Thermolinalg(), Thermox())
EVERYONE = (*EXACT, EulerMaruyama(), Diffrax(), Sdeint(), TorchSDEEuler(), TorchSDESRK())
WORSE_ASPECT = 1.1  # condition number about 1.7e3 at d = 1000


def run(
    threads: int, *, quick: bool, tell: Callable[[str], object], only: str | None, earlier: dict[str, Any]
) -> dict[str, Any]:
    """Measure everything, or only one part over earlier results; `quick` keeps to small matrices and two rounds."""
    rounds = 2 if quick else 5
    small, large, largest = (30, 100, 200) if quick else (100, 1000, 2000)

    def window(task: Task, problem: Window, peers: Sequence[Peer]) -> dict[str, Any]:
        tell(f"  {task.name}, d = {problem.size}: {', '.join(peer.name for peer in peers)}")
        return {**compare(task, problem, peers, rounds), "engine": engine(task.name, problem)}

    measures: dict[str, Callable[[], Any]] = {
        "windows": lambda: [
            *(
                window(task, problem(d), EVERYONE)
                for d in (small, large)
                for task, problem in ((SOLVE, solve_window), (INVERSE, inverse_window))
            ),
            window(SOLVE, solve_window(large, WORSE_ASPECT), EXACT),
        ],
        "floors": lambda: [floors(d, rounds) for d in (small, large, largest)],
        "to_tolerance": lambda: [to_tolerance(d, rounds) for d in (large, largest)],
        "prepared": lambda: [prepared(question, rounds) for question in (QUICK if quick else QUESTIONS)],
        "general": lambda: [
            *(general(system(), rounds) for system in _systems(large, 60 if quick else 300)),
            minimum_norm(20 if quick else 70, rounds),
        ],
        "imperfect": lambda: [
            *(case for d in ((large,) if quick else BOUNDS) for case in dense(d)),
            *(case for side in ((30,) if quick else (100, 316)) for case in poisson(side)),
        ],
        "calls": small_solve,
        "import": lambda: import_times(3 * rounds),
        "covariances": covariances,
        "exponentials": exponentials,
    }
    if only is not None and only not in measures:
        raise ValueError(f"there is no part {only!r}; the parts are {', '.join(measures)}")
    results: dict[str, Any] = {"machine": describe(threads), "quick": quick}
    if only is not None:
        results = earlier | {"runs": ", in several runs"}
    for name in measures if only is None else [only]:
        tell(name)
        results[name] = measures[name]()
    return {**results, "targets": targets(results)}


def _systems(d: int, grid: int) -> Sequence[Callable[[], System]]:
    """General systems, made one at a time."""
    return (
        lambda: random(d, 1e3),
        lambda: random(d, 1e10),
        lambda: graded(d),
        lambda: convection_diffusion(grid),
    )


def targets(results: dict[str, Any]) -> list[dict[str, Any]]:
    """What the project aims at, against what this run measured at its large sizes."""
    solve, inv = results["windows"][2], results["windows"][3]
    imports, calls = results["import"], results["calls"]["solve(A, b)"]
    over = imports[OURS]["cpu_s"] - imports[BASE]["cpu_s"]
    return [
        _at_least(f"solve, window, d = {solve['d']}: times faster than thermox", 60.0, _thermox_ratio(solve)),
        _at_least(f"inv, window, d = {inv['d']}: times faster than thermox", 25.0, _thermox_ratio(inv)),
        *(
            _at_most(f"solve to rtol 1e-10, d = {case['d']}: times SciPy's time", bound, case["ratio"])
            for case, bound in zip(results["to_tolerance"], (3.0, 2.5), strict=True)
        ),
        *(
            _at_most(f"{case['name']} of a prepared device, d = {case['d']}: times {what}", bound, case[measured])
            for case in results["prepared"]
            for what, bound, measured in (("its floor", 1.5, "above_floor"), ("SciPy", case["aim"], "above_scipy"))
            if bound is not None
        ),
        *(
            _at_most(f"{case['name']}, d = {case['d']}: times SciPy's error", 100.0, case["excess"])
            for case in results["general"]
            if case["runs"]
        ),
        *(
            _at_most(f"{case['name']}, d = {case['d']}: times the time of cg", 50.0, case["ratio"])
            for case in results["general"]
            if not case["runs"]
        ),
        *(
            _at_most(f"dense solve on imperfect devices, d = {d}: CPU seconds at most", bound, slowest)
            for d, bound in BOUNDS.items()
            if (slowest := max((case["cpu_s"] for case in results["imperfect"] if case["d"] == d), default=0.0))
        ),
        _at_most("solve of a 2 × 2: calls of the package's functions", 150.0, calls["calls"]),
        _at_most("solve of a 2 × 2: files of the package", 10.0, calls["files"]),
        _at_most("solve of a 2 × 2: depth", 12.0, calls["depth"]),
        _at_most("import over NumPy and SciPy, CPU seconds", 0.35, over),
    ]


def _thermox_ratio(comparison: dict[str, Any]) -> float:
    return next(row["ratio"] for row in comparison["rows"] if row["name"] == Thermox.name)


def _at_least(name: str, bound: float, measured: float) -> dict[str, Any]:
    return {"name": name, "bound": f"≥ {bound:g}", "measured": measured, "met": measured >= bound}


def _at_most(name: str, bound: float, measured: float) -> dict[str, Any]:
    return {"name": name, "bound": f"≤ {bound:g}", "measured": measured, "met": measured <= bound}
