"""The tables and pictures of a run: every number comes from the results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import duration, short, table

Results = dict[str, Any]
Rows = Sequence[Results]

ABOUT = """\
# Scale

Made by `make bench-scale` from `benchmarks/scale/results.json`, in one run; no number on this page is copied by hand.

**What is compared.** The simulated device on large sparse matrices and maps, on {threads} thread of {processor}. Times
are the least CPU times of a few rounds in which everyone takes a turn; on two threads they are wall times. Grids are
−Δ + 0.1 with walls, right-hand sides are white noise. Preparing A is inside the clock for everyone.

**What it means.** A digital solver is faster wherever it only has to solve: conjugate gradients, a sparse LU and LAPACK
win every row of this page, by the ratio that it states. What the ratio buys is the device's own answer: readings with
the right law, and error bars. It stays small because a run of the device need only be simulated to a part of its own
noise, so that a few dozen products with A draw what the device returns, however long its window is.
"""

MEMORY = """\
What a call adds at its peak to a process that holds A and b, in vectors of n numbers. The device holds a balanced copy
of A beside the user's."""

CONDITIONS = """\
`solve` to 1e-10 on grids without walls, whose smallest eigenvalue is the shift, with the engine that is chosen and with
each by itself; one that takes over 4 s is left out from there on. *Chosen / best* is 1 where the choice is right;
products are tried before a factor is made, which may cost as much again."""

READINGS = """\
A transition over t = 10 τ, drawn from its law, beside time stepping to the same time: with the largest stable step,
whose variances are off by orders of magnitude, and with a step of 0.1/λ_max, whose are off by 5 %. An equilibrium
reading to 1e-6 beside as many bare products with A, and a sixteenth of a block of 16."""

PYAMG = """\
M is pyamg's smoothed aggregation; setting it up is not timed. Averages in equilibrium are then preconditioned solves
with a perturbed load."""


def page(results: Results) -> str:
    """Everything as one Markdown page."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    about = ABOUT.format(threads=machine["threads"], processor=machine["processor"])
    growth = "![Growth of times with n](images/scale-growth.png)\n\n![Engines](images/scale-engines.png)\n"
    return "\n".join([about, growth, tables(results), f"Python {machine['python']}; {versions}.\n"])


def tables(results: Results) -> str:
    """All tables, each under its heading."""
    sections = [
        ("Targets", _targets(results)),
        ("Solving on grids, beside conjugate gradients", _solves(results["solves"])),
        ("The same on two threads", _solves(results["solves on two threads"])),
        ("Transitions and readings", f"{READINGS}\n\n{_readings(results['readings'])}"),
        ("Transitions and readings on two threads", _readings(results["readings on two threads"])),
        ("With a preconditioner", f"{PYAMG}\n\n{_preconditioned(results['preconditioned'])}"),
        ("Memory", f"{MEMORY}\n\n{_memory(results['memory'])}"),
        ("Engines against the condition number", f"{CONDITIONS}\n\n{_conditions(results['conditions'])}"),
        ("Graphs, stencils and pages", _graphs(results["graphs"])),
        ("The diagonal of the inverse, and determinants", _estimates(results["estimates"])),
        ("Small systems beside LAPACK", _small(results["small"])),
    ]
    return "\n".join(f"## {title}\n\n{body}\n" for title, body in sections)


def _of(seconds: dict[str, float], name: str, floor: str) -> float:
    return seconds[name] / seconds[floor]


def _case(row: Results) -> str:
    return f"{row['dimensions']}-D, n = {row['n']:,}"


def _solves(rows: Rows) -> str:
    header = ["grid", "product", "cg 1e-6", "langevin 1e-6", "ratio", "cg 1e-10", "solve 1e-10", "ratio"]
    header += ["raw run", "sample", "runs", "products of langevin / cg"]
    return table(header, (_solved(row, _case(row)) for row in rows))


def _solved(row: Results, name: str) -> list[str]:
    s, counts = row["seconds"], row.get("products") or {}
    return [
        name,
        *(duration(s[key]) if key in s else "" for key in ("product", "cg 1e-6", "langevin")),
        f"{_of(s, 'langevin', 'cg 1e-6'):.1f}",
        *(duration(s[key]) for key in ("cg 1e-10", "solve")),
        f"{_of(s, 'solve', 'cg 1e-10'):.1f}",
        *(duration(s[key]) if key in s else "" for key in ("raw", "sample")),
        str(row["runs"]),
        f"{counts['langevin']} / {counts['cg']}" if counts else "",
    ]


def _readings(rows: Rows) -> str:
    header = ["grid", "transition", "stepping, stable", "ratio", "stepping, 0.1/λ_max", "ratio"]
    header += ["reading 1e-6", "its products", "ratio", "one of 16", "share"]

    def cells(row: Results) -> list[str]:
        s, cells = row["seconds"], [_case(row), duration(row["seconds"]["transition"])]
        for kind in ("stable", "0.1/λ_max"):
            stepping = s["5 steps"] / 5 * row["steps"][kind]
            cells += [duration(stepping), f"{stepping / s['transition']:.1f}"]
        one = s["16 readings"] / 16
        cells += [duration(s["reading"]), duration(s["its products"]), f"{_of(s, 'reading', 'its products'):.2f}"]
        return [*cells, duration(one), f"{one / s['reading']:.2f}"]

    return table(header, map(cells, rows))


def _preconditioned(rows: Rows) -> str:
    header = ["grid", "cg 1e-6", "langevin 1e-6", "ratio", "cg 1e-10", "solve 1e-10", "ratio", "raw run"]

    def cells(row: Results) -> list[str]:
        s = row["seconds"]
        return [
            f"2-D + {row['shift']:g}, n = {row['n']:,}",
            *(duration(s[key]) for key in ("cg 1e-6", "langevin")),
            f"{_of(s, 'langevin', 'cg 1e-6'):.1f}",
            *(duration(s[key]) for key in ("cg 1e-10", "solve")),
            f"{_of(s, 'solve', 'cg 1e-10'):.1f}",
            duration(s["raw"]),
        ]

    return table(header, map(cells, rows))


def _memory(rows: Rows) -> str:
    cells = ([f"`{r['call']}`", f"{r['n']:,}", short(r["vectors"]), short(r["of_A"])] for r in rows)
    return table(["call", "n", "vectors added", "A itself, in vectors"], cells)


def _conditions(rows: Rows) -> str:
    names = list(rows[0]["forced"])
    header = ["κ", "chosen", "runs", "error", "time", *(f"{name} alone" for name in names), "chosen / best"]

    def cells(row: Results) -> list[str]:
        forced = [row["forced"][name] for name in names]
        times = [x for x in forced if not isinstance(x, str)]
        return [
            f"{row['condition']:.0e}",
            row["engine"],
            str(row["runs"]),
            f"{row['error']:.0e}",
            duration(row["seconds"]),
            *(x if isinstance(x, str) else duration(x) for x in forced),
            f"{row['seconds'] / min(times):.2f}" if times else "",
        ]

    return table(header, map(cells, rows))


def _graphs(rows: Rows) -> str:
    header = ["A", "product", "cg 1e-6", "langevin 1e-6", "ratio", "cg 1e-10", "solve 1e-10", "ratio"]
    header += ["raw run", "sample", "runs", "products of langevin / cg"]
    cells = (_solved(row, f"{row['name']}, n = {row['n']:,}") for row in rows)
    about = "For links of pages, I − 0.85 Pᵀ, which is not symmetric, GMRES stands in the place of conjugate gradients."
    return f"{about}\n\n{table(header, cells)}"


def _estimates(rows: Rows) -> str:
    header = ["n", "`inv_diagonal`, 5 %", "readings", "rms error", "error / bar", "`slogdet`", "error", "bar", "LU"]
    cells = (
        [
            f"{r['n']:,}",
            duration(r["diagonal_s"]),
            str(r["readings"]),
            f"{r['rms']:.1%}",
            f"{r['score']:.2f}",
            duration(r["logdet_s"]),
            f"{r['error']:.4f}",
            f"{r['bar']:.4f}",
            duration(r["lu_s"]),
        ]
        for r in rows
    )
    return table(header, cells)


def _small(rows: Rows) -> str:
    names = ["solve", "inv", "slogdet", "sample"]
    header = ["d", *(part for name in names for part in (f"`{name}`", f"LAPACK {name}"))]
    lapack = {"solve": "LAPACK posv"}

    def cells(row: Results) -> list[str]:
        s = row["seconds"]
        pairs = ((s[name], s[lapack.get(name, f"LAPACK {name}")]) for name in names)
        return [str(row["d"]), *(duration(x) for pair in pairs for x in pair)]

    return table(header, map(cells, rows))


def exponent(rows: Rows, call: str) -> float:
    """Growth of a time with n between the first and the last plane grid."""
    plane = [row for row in rows if row["dimensions"] == 2]
    first, last = plane[0], plane[-1]
    if first is last:
        return math.nan
    return math.log(last["seconds"][call] / first["seconds"][call]) / math.log(last["n"] / first["n"])


def _targets(results: Results) -> str:
    solves, readings = results["solves"], results["readings"]
    ratios = [(r["seconds"]["transition"], r["seconds"]["5 steps"] / 5, r["steps"]) for r in readings]
    worst = {
        "a transition beside stepping at the stable step, times": (
            "≥ 25",
            min(s * n["stable"] / t for t, s, n in ratios),
        ),
        "the same beside a step of 0.1/λ_max": ("≥ 25", min(s * n["0.1/λ_max"] / t for t, s, n in ratios)),
        "a reading to 1e-6, in the time of its products": (
            "≤ 1.6",
            max(_of(r["seconds"], "reading", "its products") for r in readings),
        ),
        "one of 16 readings, in single ones": (
            "≤ 0.5",
            max(_of(r["seconds"], "16 readings", "reading") / 16 for r in readings),
        ),
        "langevin to 1e-6, in conjugate gradients": (
            "≤ 4",
            max(_of(r["seconds"], "langevin", "cg 1e-6") for r in solves),
        ),
        "solve to 1e-10, in conjugate gradients": ("≤ 5", max(_of(r["seconds"], "solve", "cg 1e-10") for r in solves)),
        "langevin with pyamg, in pyamg's conjugate gradients": (
            "≤ 4",
            max(_of(r["seconds"], "langevin", "cg 1e-6") for r in results["preconditioned"]),
        ),
        "growth of langevin with n, exponent": ("≤ 1.15", exponent(solves, "langevin")),
        "the same of conjugate gradients": ("", exponent(solves, "cg 1e-6")),
        "graphs and stencils, in the Krylov method": (
            "≤ 5",
            max(_of(r["seconds"], "langevin", "cg 1e-6") for r in results["graphs"] if r["krylov"] == "cg"),
        ),
        "links of pages, in GMRES": (
            "≤ 5",
            max(_of(r["seconds"], "langevin", "cg 1e-6") for r in results["graphs"] if r["krylov"] == "gmres"),
        ),
        "`inv_diagonal` to 5 %, seconds": ("≤ 20", max(r["diagonal_s"] for r in results["estimates"])),
        "`slogdet`, errors in bars": ("≤ 3", max(abs(r["error"]) / r["bar"] for r in results["estimates"])),
    }

    def met(bound: str, value: float) -> str:
        if not bound:
            return ""
        limit = float(bound[1:])
        return "yes" if (value >= limit if bound[0] == "≥" else value <= limit) else "no"

    about = "The worst row of each table."
    rows = ([name, bound, short(value), met(bound, value)] for name, (bound, value) in worst.items())
    return f"{about}\n\n{table(['what', 'bound', 'measured', 'met'], rows)}"


def pictures(results: Results, folder: Path) -> None:
    """Times against n, and against the condition number."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from thermolinalg.plotting import CYCLE

    plane = [row for row in results["solves"] if row["dimensions"] == 2]
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    labels = {"product": "one product", "cg 1e-6": "cg, 1e-6", "langevin": "langevin, 1e-6", "sample": "one sample"}
    for colour, (call, label) in zip(CYCLE, labels.items(), strict=False):
        ax.loglog([r["n"] for r in plane], [r["seconds"][call] for r in plane], "o-", color=colour, label=label)
    amg = [row for row in results["preconditioned"] if row["shift"] == 0.1]
    for colour, call in ((CYCLE[4], "cg 1e-6"), (CYCLE[5], "langevin")):
        times = [r["seconds"][call] for r in amg]
        ax.loglog([r["n"] for r in amg], times, "s--", color=colour, label=f"{call.split()[0]} with pyamg")
    ax.set(xlabel="unknowns n", ylabel="CPU seconds", title="−Δ + 0.1 on a square")
    ax.legend(frameon=False)
    figure.savefig(folder / "scale-growth.png", dpi=110)
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    rows = results["conditions"]
    ax.loglog([r["condition"] for r in rows], [r["seconds"] for r in rows], "ko-", label="as chosen", zorder=3)
    for colour, name in zip(CYCLE, rows[0]["forced"], strict=False):
        known = [(r["condition"], r["forced"][name]) for r in rows if not isinstance(r["forced"][name], str)]
        if known:
            ax.loglog(*zip(*known, strict=True), "s--", color=colour, label=f"{name} alone")
    ax.set(xlabel="condition number κ", ylabel="CPU seconds", title=f"solve to 1e-10, n = {rows[0]['n']:,}")
    ax.legend(frameon=False)
    figure.savefig(folder / "scale-engines.png", dpi=110)
