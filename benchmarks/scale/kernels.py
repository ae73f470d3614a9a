"""``python -m benchmarks.scale.kernels``: one step of Chebyshev's recurrence on plane grids, in three ways.

y ← 2Ã x − y and part ← part + w y, for blocks of columns: with vectors that are scaled and shifted in passes of their
own; with ±2Ã held as arrays, as the package does; and as one loop that numba compiles, where numba is installed.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import confine, describe
from benchmarks.markdown import duration, table

RESULTS = Path(__file__).parent / "kernels.json"
SIZES, WIDTHS, TYPES = (10_000, 100_000, 1_000_000), (1, 2, 16), ("float64", "float32")
SMALL, SHIFT = 1e-6, 4.0
"""A scale so small that vectors stay in range however often a step is repeated; about the middle of the spectrum."""

ABOUT = """\
One step of the three-term recurrence by which products with A draw readings: y ← 2Ã x − y, and a multiple of it added
to the result, for a block of columns. Made by `python -m benchmarks.scale.kernels` on one thread of {processor} with
{versions}. *Passes* scales x, adds a SciPy product and subtracts the shift; *held* is what the package does: ±2Ã are
arrays of their own, and a step is one product added in place. *numba* is the whole step as one compiled loop over the
rows, with unsigned indices. It is not part of the package: beside *held* it gains up to a third for blocks of 16, twice
for blocks of two, which are rare, and nothing for single columns, and would take a compiler along. Grids are −Δ + 0.1
on a square with walls."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.kernels", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small problem, to see that it works; writes nothing")
    options = parser.parse_args()
    confine(1)
    results = {"machine": describe(1, ("numpy", "scipy", "numba")), "rows": []}
    for n in (2500,) if options.quick else SIZES:
        rows = [measured(n, width, dtype) for dtype in TYPES for width in WIDTHS]
        results["rows"] = [*results["rows"], *rows]  # type: ignore[misc]
        print(json.dumps(rows), flush=True)
    if not options.quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measured(n: int, width: int, dtype: str) -> dict[str, Any]:
    """Least seconds of a step."""
    import numpy as np

    from benchmarks.scale.clock import least
    from benchmarks.scale.problems import grid
    from thermolinalg._arrays import add_multiple, multiple
    from thermolinalg.matrix_functions._mapped import Mapped
    from thermolinalg.operators import Sparse

    A = Sparse(grid(n).astype(dtype))
    x = np.random.default_rng(0).standard_normal((A.shape[0], width)).astype(dtype)
    y, part, scaled = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
    held = Mapped(A, SHIFT - 2 / SMALL, SHIFT + 2 / SMALL)

    def by_passes() -> None:
        add_multiple(-SHIFT, multiple(SMALL, x, scaled), A.add_product(scaled, y))
        add_multiple(SMALL, y, part)

    calls: dict[str, Callable[[], Any]] = {
        "passes": by_passes,
        "held": lambda: add_multiple(SMALL, held.add(x, y, 1), part),
    }
    if (step := compiled(width)) is not None:
        starts, columns = A.matrix.indptr.view(np.uint32), A.matrix.indices.view(np.uint32)
        factors = [np.dtype(dtype).type(f) for f in (SMALL, -SHIFT * SMALL, SMALL)]
        blocks = [v.reshape(-1) if width == 1 else v for v in (x, y, part)]
        calls["numba"] = lambda: step(starts, columns, A.matrix.data, *blocks, *factors)
    for call in calls.values():
        call()
    return {"n": A.shape[0], "width": width, "dtype": dtype, "seconds": least(calls, rounds=5)}


def compiled(width: int) -> Callable[..., None] | None:
    """The step in one loop over the rows; None without numba."""
    try:
        from numba import njit
    except ImportError:
        return None

    def single(starts, columns, data, x, y, part, scale, shift, weight):  # type: ignore[no-untyped-def]
        for i in range(len(starts) - 1):
            total = y[i] + shift * x[i]
            for j in range(starts[i], starts[i + 1]):
                total += scale * data[j] * x[columns[j]]
            y[i] = total
            part[i] += weight * total

    def pairs(starts, columns, data, x, y, part, scale, shift, weight):  # type: ignore[no-untyped-def]
        for i in range(len(starts) - 1):
            first, second = y[i, 0] + shift * x[i, 0], y[i, 1] + shift * x[i, 1]
            for j in range(starts[i], starts[i + 1]):
                factor, column = scale * data[j], columns[j]
                first += factor * x[column, 0]
                second += factor * x[column, 1]
            y[i, 0], y[i, 1] = first, second
            part[i, 0] += weight * first
            part[i, 1] += weight * second

    def blocks(starts, columns, data, x, y, part, scale, shift, weight):  # type: ignore[no-untyped-def]
        width = x.shape[1]
        for i in range(len(starts) - 1):
            for m in range(width):
                y[i, m] += shift * x[i, m]
            for j in range(starts[i], starts[i + 1]):
                factor, column = scale * data[j], columns[j]
                for m in range(width):
                    y[i, m] += factor * x[column, m]
            for m in range(width):
                part[i, m] += weight * y[i, m]

    loop = {1: single, 2: pairs}.get(width, blocks)
    step: Callable[..., None] = njit(fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")(loop)
    return step


def section() -> str:
    """The section of the page; empty where nothing is measured."""
    if not RESULTS.exists():
        return ""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    machine = results["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    about = ABOUT.format(processor=machine["processor"], versions=versions)

    def cells(row: dict[str, Any]) -> list[str]:
        s = row["seconds"]
        gains = [f"{s['passes'] / s['held']:.2f}", f"{s['held'] / s['numba']:.2f}" if "numba" in s else ""]
        return [f"{row['n']:,}", row["dtype"], str(row["width"]), *(duration(s[key]) for key in s), *gains]

    header = ["n", "precision", "columns", "passes", "held", "numba", "passes / held", "held / numba"]
    return f"## One step of the recurrence\n\n{about}\n\n{table(header, map(cells, results['rows']))}\n"


if __name__ == "__main__":
    main()
