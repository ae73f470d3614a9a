"""The tables and pictures of a run: every number comes from the results."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.markdown import duration, short, table
from benchmarks.scale import kernels, ranks_report

Results = dict[str, Any]
Rows = Sequence[Results]

ABOUT = """\
# Scale

Made by `make bench-scale` from `benchmarks/scale/results.json`; no number on this page is copied by hand. Parts are
measured one after the other, each in a process of its own{missing}.

**What is compared.** The simulated device on large sparse matrices and maps, on {threads} thread of {processor}. Times
are the least CPU times of a few rounds in which everyone takes a turn; on two threads they are wall times. Grids are
−Δ + 0.1 with walls, right-hand sides are white noise. Preparing A is inside the clock for everyone.

**What it means.** A digital solver is faster wherever it only has to solve: conjugate gradients, a sparse LU and LAPACK
win every row of this page, by the ratio that it states. What the ratio buys is the device's own answer: readings with
the right law, and error bars. It stays small because a run of the device need only be simulated to a part of its own
noise, so that a few dozen products with A draw what the device returns, however long its window is.
"""

MISSED = """\
**Where a bound is missed.** Over t = 10 τ the largest stable step takes no more than 40 to 60 products, about as many
as the polynomial of the law: there is nothing to gain but the variances, which such steps get wrong. A reading by
itself takes less time than its products one by one, since the recursion makes no copies. SciPy's product with a block
of 16 takes half of the time of 16 products while the block stays in the cache, and more beyond: that is the least that
a block can gain, and chunks of fewer columns gain less. A refinement takes three to five times the products of
conjugate gradients, which carry their directions along: each of its runs is drawn to a tenth of its noise in every
mode, softest ones too, and a quarter of all products tells the ends of the spectrum beforehand. At n = 10,000 a third
of its time is Python's. Maps known by their products take up to 40 more, which show that they are linear and symmetric
and balance their rows, and a few passes over vectors with every product, which protect those of the caller. With pyamg
a refinement applies M about three times as often as conjugate gradients do, which again carry their directions along.
The choice of an engine costs products and two small factors beside what the best one takes by itself. For links of
pages GMRES takes 15 products and a refinement 84: 42 of them look for the ends of the singular spectrum, which set
how long a run is and which GMRES does not ask for, and 9 tell whether Krylov spaces are short at all. A `solve` at
d = 10 is about nine runs. The same arithmetic as bare calls of NumPy, with nothing checked and nothing told, takes
0.2 ms; all else is Python's, some 2600 calls of which half are the runs. Fewer runs would each be longer: a tenth of
the contraction takes a hundred times the time of the device."""

MEMORY = """\
What a call adds at its peak to a process that holds A and b, in vectors of n numbers. The device holds a balanced copy
of A beside the user's."""

ACCELERATORS = """\
## Accelerators

Not measured: no accelerator was at hand. Tensors are simulated where they live, and every engine is tested to give for
them, on the host, the numbers that it gives for NumPy's arrays. `python -m benchmarks.scale.gpu` measures a dense
matrix of 10,000 rows, a stencil with n = 10⁷ known by its products and steps of `TNGD` beside Adam's on CUDA; it
refuses where there is none, and `--device cpu --dense 1000 --side 300 --width 128` tries it on the host.
"""

CONDITIONS = """\
`solve` to 1e-10 on grids without walls, whose smallest eigenvalue is the shift, with the engine that is chosen and with
each by itself; one that takes over 4 s is left out from there on. *Chosen / best* is 1 where the choice is right; what
it costs to choose, some products and the factors of two small parts, is in it."""

SHIFTED = """\
The state of those grids one relaxation time after a known one, drawn to a thousandth of its noise: by a polynomial, and
by a sum of shifted inverses whose factors are made in the first draw and serve all others. *Chosen* is for a single
draw; a program changes over when its products have cost what the factors do."""

READINGS = """\
A transition over t = 10 τ, drawn from its law, beside time stepping to the same time: with the largest stable step,
whose variances are off by orders of magnitude, and with a step of 0.1/λ_max, whose are off by 5 %. An equilibrium
reading to 1e-6 beside as many bare products with A, and a sixteenth of a block of 16."""

REAL = """\
`inv_diagonal` twice: read to 5 %, and from a factor by selected inversion, digitally. *z* is of the energies xᵀA x of
the samples, whose law is a chi-square. *Factor* is SciPy's sparse LU, or LAPACK's Cholesky for the dense kernel."""

DENSE = """\
A is XXᵀ/2d with X of d × 2d. *Raw* is the run that a call asks for by itself; the window has 10,000 readings, 1 τ
apart."""

CORRELATED = """\
`inv` as the covariance of readings 1 τ apart; *score* is the rms error over its standard error."""

PARTS = ("conditions", "shifted", "solves on two threads", "readings on two threads")
"""Those that an interrupted run leaves for last."""

GRAPHS = """\
For links of pages, I − 0.85 Pᵀ, which is not symmetric, GMRES stands in the place of conjugate gradients."""

PYAMG = """\
M is pyamg's smoothed aggregation; setting it up is not timed. Averages in equilibrium are then preconditioned solves
with a perturbed load."""


def page(results: Results) -> str:
    """Everything as one Markdown page."""
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    left = [part for part in PARTS if part not in results]
    missing = f"; not measured in this run: {', '.join(left)}" if left else ""
    about = ABOUT.format(threads=machine["threads"], processor=machine["processor"], missing=missing)
    growth = "![Growth of times with n](images/scale-growth.png)\n"
    if "conditions" in results:
        growth += "\n![Engines](images/scale-engines.png)\n"
    return "\n".join(
        [
            about,
            growth,
            tables(results),
            kernels.section(),
            ACCELERATORS,
            ranks_report.section(),
            f"Python {machine['python']}; {versions}.\n",
        ]
    )


def tables(results: Results) -> str:
    """All tables, each under its heading."""
    sections: list[tuple[str, str, Callable[[Any], str], str]] = [
        ("Solving on grids, beside conjugate gradients", "", _solves, "solves"),
        ("The same on two threads", "", _solves, "solves on two threads"),
        ("With a preconditioner", PYAMG, _preconditioned, "preconditioned"),
        ("Graphs, stencils and pages", GRAPHS, _graphs, "graphs"),
        ("Engines against the condition number", CONDITIONS, _conditions, "conditions"),
        ("Transitions by shifted inverses", SHIFTED, _shifted, "shifted"),
        ("Transitions and readings", READINGS, _readings, "readings"),
        ("Transitions and readings on two threads", "", _readings, "readings on two threads"),
        ("The diagonal of the inverse, and determinants", "", _estimates, "estimates"),
        ("Real matrices", REAL, _real, "real"),
        ("Dense, well conditioned", DENSE, _dense, "dense"),
        ("A million correlated readings", CORRELATED, _correlated, "correlated"),
        ("Memory", MEMORY, _memory, "memory"),
        ("Small systems beside LAPACK", "", _small, "small"),
    ]
    texts = [f"## Targets\n\n{_targets(results)}\n\n{MISSED}\n"]
    for title, about, told, part in sections:
        if part in results:  # a page of an unfinished run has what there is
            texts.append(f"## {title}\n\n" + "\n\n".join(filter(None, (about, told(results[part])))) + "\n")
    return "\n".join(texts)


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
        return [*cells, duration(one), f"{_one_of_16(row):.2f}"]

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
        return [
            f"{row['condition']:.0e}",
            row["engine"],
            str(row["runs"]),
            f"{row['error']:.0e}",
            duration(row["seconds"]),
            *(x if isinstance(x, str) else duration(x) for x in forced),
            f"{_regret(row):.2f}",
        ]

    return table(header, map(cells, rows))


def _shifted(rows: Rows) -> str:
    header = ["n", "κ", "degree", "by products", "poles", "first by factors", "further ones", "one of 16", "chosen"]
    cells = (
        [
            f"{r['n']:,}",
            f"{r['condition']:.0e}",
            str(r["degree"] or "> 100,000"),
            duration(r["seconds"]["polynomial"]) if "polynomial" in r["seconds"] else "",
            str(r["poles"]),
            duration(r["first"]),
            duration(r["seconds"]["one"]),
            duration(r["seconds"]["16"] / 16),
            r["chosen"],
        ]
        for r in rows
    )
    return table(header, cells)


def _graphs(rows: Rows) -> str:
    header = ["A", "product", "cg 1e-6", "langevin 1e-6", "ratio", "cg 1e-10", "solve 1e-10", "ratio"]
    header += ["raw run", "sample", "runs", "products of langevin / cg"]
    cells = (_solved(row, f"{row['name']}, n = {row['n']:,}") for row in rows)
    return table(header, cells)


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


def _real(rows: Rows) -> str:
    header = ["A", "n", "solve", "factor", "100 samples", "z", "`inv_diagonal`, 5 %", "rms error", "from a factor"]
    header += ["error", "`slogdet`", "error", "bar"]

    def cells(row: Results) -> list[str]:
        s = {name: duration(value) for name, value in row["seconds"].items()}
        z, rms, error = f"{row['energy_z']:+.1f}", f"{row['rms']:.1%}", f"{row['selected_error']:.0e}"
        logdet = [s["slogdet"], f"{row['error']:+.4f}", f"{row['bar']:.4f}"]
        name, n = row["name"], f"{row['n']:,}"
        return [name, n, s["solve"], s["factor"], s["samples"], z, s["diagonal"], rms, s["selected"], error, *logdet]

    return table(header, map(cells, rows)) if rows else "Not measured: the data were not there."


def _dense(rows: Rows) -> str:
    header = ["d", "Cholesky solve", "raw", "ratio", "window", "ratio", "solve 1e-10", "ratio", "engine of raw"]

    def cells(row: Results) -> list[str]:
        s, told = row["seconds"], []
        for name in ("raw", "window", "solve"):
            told += [duration(s[name]), f"{_of(s, name, 'cholesky'):.2f}"]
        return [f"{row['d']:,}", duration(s["cholesky"]), *told, row["engine"]]

    return table(header, map(cells, rows))


def _correlated(rows: Rows) -> str:
    cells = ([str(r["d"]), f"{r['readings']:,}", duration(r["seconds"]), f"{r['score']:.2f}"] for r in rows)
    return table(["d", "readings", "`inv`", "score"], cells)


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
    def worst(part: str, judged: Callable[[Results], float], **only: Any) -> list[float]:
        chosen = [row for row in results.get(part, ()) if all(row[key] == value for key, value in only.items())]
        return [judged(row) for row in chosen]

    def ratio(name: str, floor: str) -> Callable[[Results], float]:
        return lambda row: _of(row["seconds"], name, floor)

    def stepped(kind: str) -> Callable[[Results], float]:
        return lambda row: ratio("5 steps", "transition")(row) / 5 * row["steps"][kind]

    solves = results.get("solves", ())
    aims = [
        ("a transition beside steps of 2/λ_max", "≥ 25", worst("readings", stepped("stable"))),
        ("a transition beside steps of 0.1/λ_max", "≥ 25", worst("readings", stepped("0.1/λ_max"))),
        (
            "a reading to 1e-6, in the time of its products",
            "≤ 1.6",
            worst("readings", ratio("reading", "its products")),
        ),
        ("one of 16 readings, in single ones", "≤ 0.5", worst("readings", _one_of_16)),
        ("langevin to 1e-6, in conjugate gradients", "≤ 4", worst("solves", ratio("langevin", "cg 1e-6"))),
        ("solve to 1e-10, in conjugate gradients", "≤ 5", worst("solves", ratio("solve", "cg 1e-10"))),
        (
            "langevin with pyamg, in its conjugate gradients",
            "≤ 4",
            worst("preconditioned", ratio("langevin", "cg 1e-6")),
        ),
        ("growth of langevin with n, exponent", "≤ 1.15", [exponent(solves, "langevin")] if solves else []),
        ("growth of conjugate gradients", "", [exponent(solves, "cg 1e-6")] if solves else []),
        ("the choice of the engine, beside the best", "≤ 1.3", worst("conditions", _regret)),
        ("graphs and stencils, langevin in cg", "≤ 5", worst("graphs", ratio("langevin", "cg 1e-6"), krylov="cg")),
        ("links of pages, langevin in GMRES", "≤ 5", worst("graphs", ratio("langevin", "cg 1e-6"), krylov="gmres")),
        ("`inv_diagonal` to 5 %, seconds", "≤ 20", worst("estimates", lambda r: float(r["diagonal_s"]))),
        ("`slogdet`, errors in bars", "≤ 3", worst("estimates", lambda r: abs(r["error"]) / r["bar"])),
        ("real matrices: `inv_diagonal` to 5 %, seconds", "≤ 30", worst("real", lambda r: r["seconds"]["diagonal"])),
        ("real matrices: `inv_diagonal` by a factor, error", "≤ 0.01", worst("real", lambda r: r["selected_error"])),
        ("real matrices: `slogdet`, seconds", "≤ 60", worst("real", lambda r: r["seconds"]["slogdet"])),
        ("real matrices: `slogdet`, standard error", "≤ 0.1", worst("real", lambda r: float(r["bar"]))),
        ("dense: a raw run, in Cholesky solves", "≤ 1.5", worst("dense", ratio("raw", "cholesky"))),
        ("`inv` from 1e6 correlated readings, seconds", "≤ 1.5", worst("correlated", lambda r: r["seconds"], d=10)),
        ("`solve` at d = 10, milliseconds", "≤ 1", worst("small", lambda r: 1e3 * r["seconds"]["solve"], d=10)),
    ]
    rows = []
    for name, bound, values in aims:
        if not values:
            continue
        least, most, limit = min(values), max(values), float(bound[1:] or "nan")
        met = least >= limit if bound.startswith("≥") else most <= limit
        spread = short(least) if len(values) == 1 else f"{short(least)} … {short(most)}"
        rows.append([name, bound, spread, ("yes" if met else "no") if bound else ""])
    return table(["what", "bound", "measured", "met by all"], rows)


def _one_of_16(row: Results) -> float:
    """Time of a reading in a block of 16, beside one by itself."""
    return _of(row["seconds"], "16 readings", "reading") / 16


def _regret(row: Results) -> float:
    """Time of the chosen engine beside the best of those tried by themselves."""
    return float(row["seconds"]) / min(x for x in row["forced"].values() if not isinstance(x, str))


def pictures(results: Results, folder: Path) -> None:
    """Times against n, and against the condition number."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    from thermolinalg.plotting import CYCLE

    plane = [row for row in results.get("solves", ()) if row["dimensions"] == 2]
    figure, ax = plt.subplots(figsize=(6, 4), layout="constrained")
    labels = {"product": "one product", "cg 1e-6": "cg, 1e-6", "langevin": "langevin, 1e-6", "sample": "one sample"}
    for colour, (call, label) in zip(CYCLE, labels.items(), strict=False):
        ax.loglog([r["n"] for r in plane], [r["seconds"][call] for r in plane], "o-", color=colour, label=label)
    amg = [row for row in results.get("preconditioned", ()) if row["shift"] == 0.1]
    for colour, call in ((CYCLE[4], "cg 1e-6"), (CYCLE[5], "langevin")):
        times = [r["seconds"][call] for r in amg]
        ax.loglog([r["n"] for r in amg], times, "s--", color=colour, label=f"{call.split()[0]} with pyamg")
    ax.set(xlabel="unknowns n", ylabel="CPU seconds", title="−Δ + 0.1 on a square")
    ax.legend(frameon=False)
    figure.savefig(folder / "scale-growth.png", dpi=110)
    if "conditions" not in results:
        return
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
