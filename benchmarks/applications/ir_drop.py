"""The IR drop of power grids beside SciPy's sparse factorisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse.linalg import spsolve

from benchmarks.applications.side_by_side import beside, rows
from thermoapps.chip_design import Element, Netlist, PowerGrid, read_netlist, solve_grid


def mesh(side: int) -> PowerGrid:
    """A square mesh of wires, fed at its corners, with a load at every node."""
    rng = np.random.default_rng(0)
    names = [[f"n{i}_{j}" for j in range(side)] for i in range(side)]
    wires = [
        Element(f"r{way}{i}_{j}", names[i][j], names[i + di][j + dj], 1.0, 1)
        for way, di, dj in (("h", 0, 1), ("v", 1, 0))
        for i in range(side - di)
        for j in range(side - dj)
    ]
    corners = [names[i][j] for i in (0, -1) for j in (0, -1)]
    feeds = [Element(f"r{name}", "vdd", name, 0.1, 1) for name in corners]
    loads = [
        Element(f"i{name}", name, "0", float(amperes), 1)
        for line in names
        for name, amperes in zip(line, 1e-4 * rng.random(side), strict=True)
    ]
    return PowerGrid.from_netlist(Netlist(wires + feeds, [Element("v1", "vdd", "0", 1.0, 1)], loads))


def measure(data: Path) -> dict[str, Any]:
    """Meshes of 900 to 100,000 nodes, and a grid of IBM's where its file is there."""
    grids = {f"mesh, {side * side:,} nodes": mesh(side) for side in (30, 100, 316)}
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
