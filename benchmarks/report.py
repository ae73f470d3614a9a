"""The tables of a run, for the terminal and for docs/benchmarks.md: every number comes from the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.markdown import duration, short, table

Results = dict[str, Any]

ABOUT = """\
# Benchmarks

Made by `make bench` from `benchmarks/results.json`{runs}; no number on this page is copied by hand.

**What is compared.** One device, dx = −(A x − b) dt + √(2T) dW from x(0) = 0, read {readings} times, {spacing:g} τ
apart, after {burn_in:g} τ of burn-in; `solve` is the average of the readings, `inv` their covariance. A is a Wishart
matrix XXᵀ/n. Everyone gets the same A, b, T and readings in float64, and the same number of threads ({threads}) on
{processor}. Times are medians of {rounds} rounds in which everyone takes a turn, after a call that compiles. The
ratio is of CPU times; wall times include whatever else the machine was doing. Preparing A is inside the clock for
everyone. T is ½ for `solve` and 1 for `inv`, the values built into thermox.

**What it means.** On a digital computer LAPACK wins: the floors below solve the same system faster and to full
precision, and none of these simulators is a way to solve equations quickly. They answer what a thermodynamic device
would return. Ours is faster at that because it draws windows from their law: the average and the last state are
jointly Gaussian with moments that are scalar functions of A, so `solve` costs two normal vectors and those functions,
however many readings the window has, where thermox computes {readings} states and the others {steps} time steps.
The functions come from an eigendecomposition or, where the spectrum is narrow, from a polynomial in A. The covariance
of correlated readings has no such short law: `inv` draws every reading, but in the eigenbasis, where the modes are
independent and drawing a reading costs d operations instead of d².

**Is it the same law?** Every estimate is set against the closed form of the exact window. *z* is in standard errors:
a handful beyond ±2 and hardly one beyond ±3 where the law is right. *Error / law* is the error over the error the law
predicts, 1 where the law is right. Euler's rule with its step of 0.1 τ keeps the mean and multiplies a mode's variance
by 2/(2 − 0.1 λ), which shows in its covariances.

Rows marked * ran fewer readings, and their time is scaled up: a stepper's cost is linear in device time.
"""


def page(results: Results) -> str:
    """Everything as one Markdown page."""
    windows, machine = results["windows"], results["machine"]
    first = windows[0]
    about = ABOUT.format(
        readings=f"{first['readings']:,}",
        steps=f"{10 * first['readings']:,}",
        spacing=first["spacing"],
        burn_in=first["burn_in"],
        rounds=first["rounds"],
        threads=machine["threads"],
        processor=machine["processor"],
        runs=results.get("runs", ", in one run"),
    )
    return "\n".join([about, tables(results), _versions(machine)])


def tables(results: Results) -> str:
    """All tables, each under its heading."""
    sections = [
        ("Targets", _targets(results["targets"])),
        *((_window_title(window), _window(window)) for window in results["windows"]),
        ("How each one is called", _methods(results["windows"][0])),
        ("The floor: SciPy on the same matrices", _floors(results["floors"])),
        ("Solving to a tolerance of 1e-10", _to_tolerance(results["to_tolerance"])),
        ("Repeated calls to a prepared device", _prepared(results["prepared"])),
        ("Systems that are not positive definite", _general(results["general"])),
        ("Imperfect devices", _imperfect(results["imperfect"])),
        ("Functions that a 2 × 2 solve goes through", _calls(results["calls"])),
        ("Import time", _imports(results["import"])),
        ("Covariance with the non-normal drift [[1, 5], [0, 2]], noise √2 dW", _covariances(results["covariances"])),
        ("Exponential of [[−1, 4], [0, −1.2]]", _exponentials(results["exponentials"])),
    ]
    return "\n".join(f"## {title}\n\n{body}\n" for title, body in sections)


def _targets(targets: Sequence[Results]) -> str:
    rows = ([t["name"], t["bound"], short(t["measured"]), "yes" if t["met"] else "no"] for t in targets)
    return table(["aim", "bound", "measured", "met"], rows)


def _window_title(window: Results) -> str:
    return f"`{window['task']}`, d = {window['d']}, condition number {short(window['condition'])}"


def _window(window: Results) -> str:
    def row(entry: Results) -> list[str]:
        whole = entry["readings_run"] == window["readings"]
        return [
            entry["name"] + ("" if whole else " *"),
            f"{entry['readings_run']:,}",
            duration(entry["cpu_s"]),
            duration(entry["wall_s"]),
            short(entry["ratio"]),
            f"{entry['z']:+.1f}",
            f"{entry['error_over_law']:.3f}",
        ]

    header = ["who", "readings run", "CPU time", "wall time", "ratio", "z", "error / law"]
    return f"{table(header, map(row, window['rows']))}\n\nOurs ran on: {window['engine']}."


def _methods(window: Results) -> str:
    return table(["who", "call"], ([row["name"], row["method"]] for row in window["rows"]))


def _floors(floors: Sequence[Results]) -> str:
    names = [row["name"] for row in floors[0]["rows"]]
    rows = ([str(floor["d"]), *(duration(row["cpu_s"]) for row in floor["rows"])] for floor in floors)
    return table(["d", *names], rows)


def _to_tolerance(cases: Sequence[Results]) -> str:
    rows = (
        [str(case["d"]), row["name"], duration(row["cpu_s"]), duration(row["wall_s"]), f"{row['residual']:.1e}", ratio]
        for case in cases
        for row, ratio in zip(case["rows"], (f"{case['ratio']:.2f}", "1"), strict=True)
    )
    return table(["d", "who", "CPU time", "wall time", "‖b − A x‖/‖b‖", "ratio to SciPy"], rows)


def _prepared(cases: Sequence[Results]) -> str:
    header = [
        "call",
        "d",
        "CPU time",
        "runs",
        "floor of these runs",
        "ratio",
        "SciPy, factor at hand",
        "ratio",
        "residual",
    ]
    rows = (
        [
            f"`{case['name']}`",
            str(case["d"]),
            duration(case["cpu_s"]),
            f"{case['runs']:g}",
            duration(case["floor_s"]),
            f"{case['above_floor']:.2f}",
            duration(case["scipy_s"]),
            short(case["above_scipy"]),
            f"{case['residual']:.1e}",
        ]
        for case in cases
    )
    about = (
        "One more call to `tla.program(A)`, to rtol 1e-10. The floor is what its runs need at least: a solve with the "
        "factor, a product with A and a normal vector for each column and run. SciPy: `cho_solve` with the factor at "
        "hand, and `inv` for `inv()`."
    )
    return f"{about}\n\n{table(header, rows)}"


def _general(cases: Sequence[Results]) -> str:
    header = ["A", "d", "CPU time", "runs", "SciPy's solver", "its CPU time", "ratio", "error", "SciPy's error"]
    rows = (
        [
            case["name"],
            f"{case['d']:,}",
            duration(case["cpu_s"]),
            str(case["runs"] or ""),
            case["solver"],
            duration(case["scipy_s"]),
            short(case["ratio"]),
            f"{case['error']:.1e}",
            f"{case['scipy_error']:.1e}",
        ]
        for case in cases
    )
    about = (
        "`tla.solve(A, b)` as it comes: general A goes on to rounding, as direct solvers do, with A written each time. "
        "Errors are relative, against a solution refined with residuals in long double, in the units of the columns."
    )
    return f"{about}\n\n{table(header, rows)}"


def _imperfect(cases: Sequence[Results]) -> str:
    header = ["A", "d", "device", "CPU time", "wall time", "SciPy", "runs", "‖b − A x‖/‖b‖", "outcome"]
    rows = (
        [
            case["what"],
            f"{case['d']:,}",
            case["kind"],
            duration(case["cpu_s"]),
            duration(case["wall_s"]),
            duration(case["scipy_s"]),
            "" if case["runs"] is None else str(case["runs"]),
            "" if case["residual"] is None else f"{case['residual']:.1e}",
            case["outcome"],
        ]
        for case in cases
    )
    about = (
        "`tla.solve(A, b)` to rtol 1e-10 in at most 100 runs, A written each time: one call each. Dense A are Wishart "
        "matrices of the condition number 34, grids those of Poisson's equation (4,100 and 41,000). SciPy: its direct "
        "solver of the ideal A. A device without success has too little of A in its copy, and the call warns; a "
        "refusal says what to pass instead."
    )
    return f"{about}\n\n{table(header, rows)}"


def _calls(cases: dict[str, Results]) -> str:
    header = ["call", "functions of the package", "its files", "deepest", "all Python functions", "runs of the device"]
    keys = ("calls", "files", "depth", "every_call", "runs")
    return table(header, ([f"`{name}`", *(f"{case[key]:,}" for key in keys)] for name, case in cases.items()))


def _imports(imports: dict[str, Results]) -> str:
    rows = ([name, duration(times["cpu_s"]), duration(times["wall_s"])] for name, times in imports.items())
    return table(["import", "CPU time", "wall time"], rows)


def _covariances(cases: Sequence[Results]) -> str:
    errors = ["error, thermolinalg", "error, thermox"]
    rows = (
        [f"{case['t']:g}", *_matrices(case), f"{case['thermolinalg_error']:.1e}", f"{case['thermox_error']:.1e}"]
        for case in cases
    )
    return table(["t", *_WHOSE, *errors], rows)


def _exponentials(cases: Sequence[Results]) -> str:
    rows = (
        [
            f"{case['who']}, α = {case['alpha']:.3g}",
            f"{case['runs']} × {case['readings']:,}",
            _matrix(case["estimate"]),
            f"{case['error']:.1%} ± {case['bar']:.1%}",
        ]
        for case in cases
    )
    truth = ["truth", "", _matrix(cases[0]["truth"]), ""]
    return table(["who, shift", "runs × readings", "estimate", "error"], [truth, *rows])


_WHOSE = ["truth", "thermolinalg", "thermox"]


def _matrices(case: Results) -> list[str]:
    return [_matrix(case[whose]) for whose in _WHOSE]


def _versions(machine: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return f"Python {machine['python']}; {versions}.\n"


def _matrix(entries: Sequence[Sequence[float]]) -> str:
    return "[" + ", ".join("[" + ", ".join(f"{x:.4g}" for x in row) + "]" for row in entries) + "]"
