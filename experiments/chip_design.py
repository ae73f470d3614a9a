"""Power grid and placement benchmarks: numbers against SciPy's sparse direct solver, and the pictures of the docs."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import scipy
from scipy.sparse.linalg import splu, spsolve

from thermoapps.chip_design import (
    Circuit,
    Placement,
    PowerGrid,
    QuadraticWirelength,
    effective_resistance,
    global_placement,
    johnson_temperature,
    legal_placement,
    overlap,
    quadratic_placement,
    read_bookshelf,
    read_netlist,
    rows_between_pads,
    solve_grid,
    wirelength,
)
from thermolinalg.files import replacing

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BANDWIDTH = 1e9


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    began = perf_counter()
    value = function()
    return value, perf_counter() - began


def best(function: Callable[[], Any], repeats: int = 5) -> tuple[Any, float]:
    runs = [timed(function) for _ in range(repeats)]
    return runs[0][0], min(seconds for _, seconds in runs)


def power_grid(file: Path, pictures: Path) -> dict[str, Any]:
    grid = PowerGrid.from_netlist(read_netlist(file))
    solution, seconds = best(lambda: solve_grid(grid, rng=0))
    current = grid.from_sources + grid.from_loads
    direct, direct_seconds = best(lambda: grid.voltages(spsolve(grid.conductance.tocsc(), current)))
    rtol = 0.05
    (resistance, info), noise_seconds = timed(lambda: effective_resistance(grid, rtol=rtol, rng=0))

    some = np.random.default_rng(0).choice(grid.conductance.shape[0], 200, replace=False)
    unit = np.zeros((grid.conductance.shape[0], len(some)))
    unit[some, np.arange(len(some))] = 1.0
    factor, floor_seconds = best(lambda: splu(grid.conductance.tocsc()))
    columns, column_seconds = timed(lambda: factor.solve(unit))
    truth = columns[some, np.arange(len(some))]
    estimated = np.zeros(grid.conductance.shape[0])
    estimated[grid.group[grid.group >= 0]] = resistance[grid.group >= 0]
    scores = (estimated[some] / truth - 1) / rtol

    draw_grid(grid, solution.drop, resistance, pictures / "chip-design-grid.png")
    return {
        "nodes": len(grid.names),
        "unknowns": grid.conductance.shape[0],
        "nonzeros": int(grid.conductance.nnz),
        "largest drop (V)": float(solution.drop.max()),
        "largest lift of ground (V)": float(-solution.drop.min()),
        "worst node against spsolve (V)": float(abs(solution.voltages - direct).max()),
        "seconds": seconds,
        "seconds of spsolve": direct_seconds,
        "seconds of the factorisation alone, splu": floor_seconds,
        "device time (tau)": float(solution.info.device_time),
        "device runs": int(solution.info.n_runs),
        "resistance": {
            "asked standard error": rtol,
            "root mean square error of 200 nodes, in standard errors": float(np.sqrt(np.mean(scores**2))),
            "largest (ohm)": float(resistance.max()),
            "largest thermal noise in 1 GHz at 300 K (V)": float(
                np.sqrt(johnson_temperature(BANDWIDTH) * resistance.max())
            ),
            "seconds": noise_seconds,
            "seconds of splu for all columns, from 200": column_seconds * len(estimated) / len(some),
            "device time (tau)": float(info.device_time),
        },
    }


def macros(folder: Path) -> dict[str, Any]:
    circuit = read_bookshelf(folder, strict=False)
    energy = QuadraticWirelength.of(circuit)
    placed, seconds = best(lambda: quadratic_placement(circuit, rng=0))
    direct, direct_seconds = best(lambda: spsolve(energy.matrix.tocsc(), energy.load))
    return {
        "movable": len(energy.free),
        "wirelength of the quadratic optimum": wirelength(placed),
        "wirelength as given": wirelength(Placement(circuit, circuit.centre())),
        "worst cell against spsolve": float(abs(placed.centre[energy.free] - direct).max()),
        "seconds": seconds,
        "seconds of spsolve": direct_seconds,
        "device time (tau)": float(placed.info.device_time),
    }


def cells(folder: Path, pictures: Path) -> dict[str, Any]:
    circuit = read_bookshelf(folder)
    rows = rows_between_pads(circuit)
    chance = legal_placement(global_placement(circuit, rows, weights=(), rng=0), rows)
    spread, seconds = timed(lambda: global_placement(circuit, rows, rng=0))
    legal, legal_seconds = timed(lambda: legal_placement(spread, rows))

    anchors = {"anchors": spread.centre, "anchor_weight": 0.02}
    relaxed, solve_seconds = timed(lambda: quadratic_placement(circuit, **anchors, rng=0))
    energy = QuadraticWirelength.of(circuit, **anchors)
    floor_seconds = timed(lambda: splu(energy.matrix.tocsc()))[1]
    direct, direct_seconds = timed(lambda: spsolve(energy.matrix.tocsc(), energy.load))

    draw_placements(circuit, {"springs and anchors": relaxed, "in rows": legal}, pictures / "chip-design-cells.png")
    return {
        "movable": len(energy.free),
        "nonzeros": int(energy.matrix.nnz),
        "wirelength": {
            "random, in rows": wirelength(chance),
            "relaxed towards the last spread places, anchor weight 0.02": wirelength(relaxed),
            "spread": wirelength(spread),
            "in rows": wirelength(legal),
        },
        "overlap": {"relaxed": overlap(relaxed), "spread": overlap(spread), "in rows": overlap(legal)},
        "seconds of all rounds": seconds,
        "seconds into rows": legal_seconds,
        "one solve to 1e-10": {
            "worst cell against spsolve": float(abs(relaxed.centre[energy.free] - direct).max()),
            "seconds": solve_seconds,
            "seconds of spsolve": direct_seconds,
            "seconds of the factorisation alone, splu": floor_seconds,
            "device time (tau)": float(relaxed.info.device_time),
        },
    }


def draw_grid(grid: PowerGrid, drop: np.ndarray, resistance: np.ndarray, path: Path) -> None:
    plt = pyplot()
    layer, x, y = grid.coordinates().T
    noise = 1e6 * np.sqrt(johnson_temperature(BANDWIDTH) * resistance)
    lower = layer == 1
    panels = (
        (lower, 1e3 * drop, "drop of the supply (mV)", "viridis"),
        (layer == 0, -1e3 * drop, "lift of ground (mV)", "viridis"),
        (lower, noise, "thermal noise in 1 GHz (µV)", "magma"),
    )
    figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    for ax, (shown, value, label, colours) in zip(axes, panels, strict=True):
        points = ax.scatter(x[shown], y[shown], c=value[shown], s=2, cmap=colours, linewidths=0, rasterized=True)
        figure.colorbar(points, ax=ax, label=label)
        ax.set(aspect="equal", xticks=[], yticks=[])
    with replacing(path, force=True) as stream:
        figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)


def draw_placements(circuit: Circuit, placements: dict[str, Placement], path: Path) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(1, len(placements), figsize=(8, 6), layout="constrained", sharex=True, sharey=True)
    colour = next(iter(placements.values())).centre[~circuit.fixed, 0]
    for ax, (title, placement) in zip(axes, placements.items(), strict=True):
        ax.scatter(*placement.centre[~circuit.fixed].T, c=colour, s=2, cmap="viridis", linewidths=0, rasterized=True)
        ax.scatter(*placement.centre[circuit.fixed].T, c="black", s=4, marker="s", linewidths=0)
        ax.set(aspect="equal", xticks=[], yticks=[], title=f"{title}: {wirelength(placement) / 1e6:.2f} million")
    with replacing(path, force=True) as stream:
        figure.savefig(stream, format="png", dpi=110)
    plt.close(figure)


def pyplot() -> Any:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    return plt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get("THERMOLINALG_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with the folder eda in it")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for numbers")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images", help="folder for pictures")
    options = parser.parse_args()
    for folder in (options.results, options.pictures):
        folder.mkdir(parents=True, exist_ok=True)
    eda = Path(options.data) / "eda"
    results = {
        "machine": {"processor": platform.machine(), "numpy": np.__version__, "scipy": scipy.__version__},
        "power grid ibmpg1": power_grid(eda / "ibmpg1.spice.gz", options.pictures),
        "placement apte": macros(eda / "apte"),
        "placement ibm01": cells(eda / "ibm01", options.pictures),
    }
    text = json.dumps(results, indent=1, default=float)
    with replacing(options.results / "chip-design.json", force=True) as stream:
        stream.write(f"{text}\n".encode())


if __name__ == "__main__":
    main()
