"""The IR drop of power grids beside SciPy's sparse factorisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.linalg import spsolve

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.chip_design import PowerGrid, read_netlist, solve_grid, square_mesh


def measure(data: Path) -> dict[str, Any]:
    """Meshes of 900 to 100,000 nodes, and a grid of IBM's where its file is there."""
    sides = (30, 100, 316)
    grids = {f"mesh, {n * n:,} nodes": PowerGrid.from_netlist(square_mesh(n, rng=0)) for n in sides}
    file = data / "eda" / "ibmpg1.spice.gz"
    if file.is_file():
        grids["ibmpg1"] = PowerGrid.from_netlist(read_netlist(file))
    results = {}
    for name, grid in grids.items():
        matrix, current = grid.conductance.tocsc(), grid.from_sources + grid.from_loads
        results[name] = beside(
            lambda: solve_grid(grid, rng=0).voltages,
            lambda: grid.voltages(spsolve(matrix, current)),
            lambda a, b: np.max(abs(a - b)),
        ) | {"beside": "SciPy, spsolve"}
    return results


def table(results: dict[str, Any]) -> str:
    """Seconds and differences as Markdown."""
    return "Differences are in volt. Ours has two right-hand sides, sources and loads.\n\n" + rows(results)
