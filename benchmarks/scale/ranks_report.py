"""What `benchmarks.scale.ranks` found, a model of it, and what that says of a billion unknowns."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from benchmarks.markdown import duration, table

RESULTS = Path(__file__).parent / "ranks.json"
CALLS = ("sample", "raw run", "langevin")
LATENCY, BANDWIDTH = 2e-6, 1e10
"""Of a message between nodes, in seconds and bytes a second: what the networks of clusters have."""

FEWEST, MOST = 100, 10_000

ABOUT = """\
`thermolinalg.distributed` holds the rows of one A on the ranks of MPI ([Across ranks](distributed.md)). Made by
`python -m benchmarks.scale.ranks` on {processor} with {versions}:
one rank and two, each a process of its own with one thread. Two cores had much other work: times are CPU times of a
rank outside of MPI, the larger of both ranks, and say what a rank computes and not how long it waits. Grids are
−Δ + 0.1 on a square with walls, `langevin` is to 1e-6. *Apart* is the largest distance of an answer of two ranks from
that of one, relative to its norm; memory is what a rank adds to its imports at its peak."""

START = """\
**Start it on a cluster.** mpi4py has to be built with the cluster's own MPI, and every rank runs the same script:

    module load openmpi
    MPICC=mpicc pip install --no-binary mpi4py mpi4py .
    OMP_NUM_THREADS=1 srun -n 256 python -m mpi4py script.py

`mpiexec -n 256` stands for `srun` where there is no Slurm; `pip install mpi4py mpich` is an MPI for one machine.
`-m mpi4py` ends all ranks when one fails, which would otherwise wait for it."""

MODEL = """\
**A model.** With P products with A, Z random vectors and I inner products a call, as counted, R ranks take about

    t = (P · s + Z · z) · n/R + I · r

where s is a product with A and the passes over vectors that go with it, z one normal number, and r one `MPI_Allreduce`
of a number, {reduction} between two ranks here. From the sample at n = {fitted:,} on one rank, s is {step:.1f} ns a
row, and z is {normal:.1f} ns. P and I depend on the condition number and not on n. *Model* is its first part, that of a
rank itself, over what was measured: too small where vectors leave the caches, too large where they stay in them."""

PAPER = """\
**On paper.** The same for n = 10⁹ in a plane, nothing of it measured: s, z and memory per row as above, a reduction
2 log₂ R messages of {latency:.0f} µs, and with every product two messages of √n numbers at {bandwidth:.0f} GB/s.
That ranks of one node share its memory, which slows s down, is not in it."""


def section() -> str:
    """The section of the page; empty where nothing is measured."""
    if not RESULTS.exists():
        return ""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    rows, machine = sorted(results["rows"], key=lambda row: int(row["n"])), results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    fitted = next(row for row in rows if row["n"] == 1_000_000)
    seconds, counts = fitted["rows 1"]["seconds"], fitted["rows 1"]["counts"]["sample"]
    normal = seconds["normals"] / fitted["n"]
    step = (seconds["sample"] / fitted["n"] - counts["draws"] * normal) / counts["products"]
    reduction = duration(min(row["rows 2"]["seconds"]["reduction"] for row in rows))
    model = MODEL.format(fitted=fitted["n"], step=1e9 * step, normal=1e9 * normal, reduction=reduction)
    paper = PAPER.format(latency=1e6 * LATENCY, bandwidth=1e-9 * BANDWIDTH)
    about = ABOUT.format(processor=machine["processor"], versions=versions)
    tables = [_measured(rows), _memory(rows[-1]), _model(rows, step, normal), _paper(rows[-1], step, normal)]
    parts = [about, tables[0], tables[1], START, model, tables[2], paper, tables[3]]
    return "## Across ranks\n\n" + "\n\n".join(parts) + "\n"


def _measured(rows: list[dict[str, Any]]) -> str:
    header = ["n"]
    for name in ("product", *CALLS):
        header += [f"{name}, 1 rank", "2 / 1"]

    def cells(row: dict[str, Any]) -> list[str]:
        one, two = (row[f"rows {ranks}"]["seconds"] for ranks in (1, 2))
        pairs = ([duration(one[name]), f"{two[name] / one[name]:.2f}"] for name in ("product", *CALLS))
        apart = max(row["apart"].values())
        return [f"{row['n']:,}", *(cell for pair in pairs for cell in pair), f"{apart:.0e}"]

    return table([*header, "apart"], map(cells, rows))


def _memory(row: dict[str, Any]) -> str:
    cells = (
        [
            f"{row['n']:,}",
            {"rows": "sparse rows", "stencil": "a stencil"}[kind],
            str(ranks),
            f"{row[f'{kind} {ranks}']['kilobytes'] / 1e3:.0f} MB",
            duration(row[f"{kind} {ranks}"]["seconds"]["product"]),
            duration(row[f"{kind} {ranks}"]["seconds"]["langevin"]),
        ]
        for kind in ("rows", "stencil")
        for ranks in (1, 2)
    )
    return table(["n", "A as", "ranks", "memory of a rank", "product", "langevin"], cells)


def modelled(told: dict[str, Any], call: str, n: float, ranks: int, step: float, normal: float) -> float:
    """Seconds of a call by the model, without those of MPI."""
    counts = told["counts"][call]
    return float((counts["products"] * step + counts["draws"] * normal) * n / ranks)


def _model(rows: list[dict[str, Any]], step: float, normal: float) -> str:
    header = ["n", "ranks", *(part for name in CALLS for part in (f"{name}: P, Z, I", "measured", "model"))]

    def cells(row: dict[str, Any], ranks: int) -> list[str]:
        told = row[f"rows {ranks}"]
        parts = [f"{row['n']:,}", str(ranks)]
        for call in CALLS:
            counts, seconds = told["counts"][call], told["seconds"][call]
            parts += [
                ", ".join(str(counts[key]) for key in ("products", "draws", "reductions")),
                duration(seconds),
                f"{modelled(told, call, row['n'], ranks, step, normal) / seconds:.2f}",
            ]
        return parts

    return table(header, (cells(row, ranks) for row in rows for ranks in (1, 2)))


def _paper(row: dict[str, Any], step: float, normal: float) -> str:
    n, told = 1e9, row["rows 2"]
    bytes_per_row = 2e3 * told["kilobytes"] / row["n"]

    def seconds(call: str, ranks: int) -> float:
        counts = told["counts"][call]
        halos = counts["products"] * 2 * (LATENCY + 8 * math.sqrt(n) / BANDWIDTH)
        return float(
            modelled(told, call, n, ranks, step, normal) + halos + counts["reductions"] * 2 * math.log2(ranks) * LATENCY
        )

    ranks, cells = FEWEST, []
    while ranks <= MOST:
        memory = f"{bytes_per_row * n / ranks / 1e9:.2g} GB"
        cells.append([f"{ranks:,}", memory, *(duration(seconds(call, ranks)) for call in CALLS)])
        ranks *= 10
    return table(["ranks", "memory of a rank", *CALLS], cells)
