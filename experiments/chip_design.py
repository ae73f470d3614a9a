"""Power grid and placement benchmarks: numbers against SciPy's sparse direct solver, and the pictures of the docs."""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import scipy
import scipy.sparse as sp
from scipy.sparse.linalg import splu, spsolve

from thermoapps.chip_design import (
    Circuit,
    Placement,
    PowerGrid,
    QuadraticWirelength,
    Rows,
    Waveform,
    effective_resistance,
    global_placement,
    johnson_temperature,
    legal_placement,
    overlap,
    place_circuit,
    quadratic_placement,
    read_bookshelf,
    read_netlist,
    refine_placement,
    solve_grid,
    solve_transient,
    square_mesh,
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


def spent(function: Callable[[], Any]) -> tuple[Any, float]:
    """The value, and seconds of this process."""
    began = process_time()
    value = function()
    return value, process_time() - began


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


def mesh_beside_spsolve(side: int) -> dict[str, Any]:
    grid = PowerGrid.from_netlist(square_mesh(side, rng=0))
    matrix, current = grid.conductance.tocsc(), grid.from_sources + grid.from_loads
    spent: dict[str, list[float]] = {"device": [], "spsolve": []}
    for _ in range(3 if side < 200 else 1):
        began = process_time()
        solution = solve_grid(grid, rng=0)
        between = process_time()
        direct = spsolve(matrix, current)
        spent["device"].append(between - began)
        spent["spsolve"].append(process_time() - between)
    return {
        "nodes": side * side,
        "CPU seconds": min(spent["device"]),
        "CPU seconds of spsolve": min(spent["spsolve"]),
        "ratio": min(spent["device"]) / min(spent["spsolve"]),
        "worst node against spsolve (V)": float(abs(solution.voltages - grid.voltages(direct)).max()),
        "device runs": int(solution.info.n_runs),
    }


def transient(side: int, pictures: Path) -> dict[str, Any]:
    """A pulse of current in the middle of a mesh, beside implicit steps of the trapezoidal rule."""
    pulse = Waveform("pulse", (0.0, 0.2, 1e-9, 2e-10, 2e-10, 2e-9))
    netlist = square_mesh(side, load=pulse, capacitance=2e-12, rng=0)
    times = np.linspace(0.0, 8e-9, 81)
    began = process_time()
    solution = solve_transient(netlist, times, rng=0)
    spent = process_time() - began
    grid = PowerGrid.from_netlist(netlist)
    charge = 2e-12 * sp.eye_array(side * side, format="csc")

    def stepped(steps: int) -> tuple[np.ndarray, float]:
        h, began = times[-1] / steps, process_time()
        factor = splu((charge / h + grid.conductance / 2).tocsc())
        quiet, busy = (grid.from_sources + PowerGrid.from_netlist(netlist.at(t)).from_loads for t in (0.0, 2e-9))
        share = np.array([pulse(t) / 0.2 for t in h * np.arange(steps + 1)])
        kept = [spsolve(grid.conductance.tocsc(), quiet)]
        for part in (share[:-1] + share[1:]) / 2:
            moved = (charge / h - grid.conductance / 2) @ kept[-1]
            kept.append(factor.solve(moved + quiet + part * (busy - quiet)))
        return np.array([grid.voltages(state) for state in kept[:: steps // 80]]), process_time() - began

    runs = {str(steps): stepped(steps) for steps in (80, 800, 8000)}
    middle = solution.names.index(f"n1_{side // 2}_{side // 2}")
    draw_transient(
        times, solution.voltages[:, middle], runs["80"][0][:, middle], pictures / "chip-design-transient.png"
    )
    return {
        "nodes": side * side,
        "CPU seconds": spent,
        "trapezoidal rule": {
            steps: {
                "worst voltage against the exponential (V)": float(abs(v - solution.voltages).max()),
                "CPU seconds": s,
            }
            for steps, (v, s) in runs.items()
        },
    }


def macros(folder: Path) -> dict[str, Any]:
    circuit = read_bookshelf(folder, strict=False)
    energy = QuadraticWirelength.of(circuit)
    placed, seconds = best(lambda: quadratic_placement(circuit, rng=0))
    direct, direct_seconds = best(lambda: spsolve(energy.matrix.tocsc(), energy.load))
    rows = Rows(np.arange(106.0), np.full(106, -2.0), np.full(106, 106.0), 1.0)
    legal, legal_seconds = timed(lambda: place_circuit(circuit, rows, rng=0))
    return {
        "movable": len(energy.free),
        "wirelength of the quadratic optimum": wirelength(placed),
        "wirelength as given": wirelength(Placement(circuit, circuit.centre())),
        "wirelength without overlap": wirelength(legal),
        "seconds without overlap": legal_seconds,
        "worst cell against spsolve": float(abs(placed.centre[energy.free] - direct).max()),
        "seconds": seconds,
        "seconds of spsolve": direct_seconds,
        "device time (tau)": float(placed.info.device_time),
    }


def in_its_rows(circuit: Circuit) -> Circuit:
    """The cells of ibm01 as high as the rows of its file, and 132 where they are 5 wide; those in no net left out."""
    used = np.zeros(len(circuit.names), dtype=bool)
    used[circuit.pin_cell] = True
    number = np.cumsum(used) - 1
    return replace(
        circuit,
        names=[name for name, here in zip(circuit.names, used, strict=True) if here],
        size=np.stack([circuit.size[used, 0] * 26.4, np.full(used.sum(), 504.0)], axis=1),
        fixed=circuit.fixed[used],
        corner=circuit.corner[used],
        pin_cell=number[circuit.pin_cell],
        pin_offset=0 * circuit.pin_offset,
    )


def cells(folder: Path, pictures: Path) -> dict[str, Any]:
    circuit = in_its_rows(read_bookshelf(folder))
    rows = circuit.rows
    chance = legal_placement(global_placement(circuit, rows, rounds=0, rng=0), rows)
    rounds: list[Placement] = []
    spread, seconds = spent(lambda: global_placement(circuit, rows, callback=rounds.append, rng=0))
    legal, legal_seconds = spent(lambda: legal_placement(spread, rows))
    refined, refining_seconds = spent(lambda: refine_placement(legal, rows, rng=0))

    anchors = {"anchors": spread.centre, "anchor_weight": 0.02}
    relaxed, solve_seconds = spent(lambda: quadratic_placement(circuit, **anchors, rng=0))
    energy = QuadraticWirelength.of(circuit, **anchors)
    floor_seconds = spent(lambda: splu(energy.matrix.tocsc()))[1]
    direct, direct_seconds = spent(lambda: spsolve(energy.matrix.tocsc(), energy.load))

    shown = {f"round {count}": rounds[count - 1] for count in (10, 40)} | {"in rows": refined}
    draw_placements(circuit, shown, pictures / "chip-design-cells.png")
    return {
        "movable": len(energy.free),
        "width of the cells": float(circuit.size[:, 0].sum()),
        "rounds": len(rounds),
        "wirelength": {
            "random, in rows": wirelength(chance),
            "last round": wirelength(spread),
            "in rows": wirelength(legal),
            "refined": wirelength(refined),
        },
        "overlap": {"last round": overlap(spread), "refined": overlap(refined)},
        "CPU seconds of all rounds": seconds,
        "CPU seconds into rows": legal_seconds,
        "CPU seconds of refinement": refining_seconds,
        "one solve to 1e-10": {
            "worst cell against spsolve": float(abs(relaxed.centre[energy.free] - direct).max()),
            "CPU seconds": solve_seconds,
            "CPU seconds of spsolve": direct_seconds,
            "CPU seconds of the factorisation alone, splu": floor_seconds,
            "device time (tau)": float(relaxed.info.device_time),
        },
    }


def draw_transient(times: np.ndarray, exact: np.ndarray, stepped: np.ndarray, path: Path) -> None:
    plt = pyplot()
    figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
    ax.plot(1e9 * times, exact, label="e$^{-C^{-1}Gt}$, no steps")
    ax.plot(1e9 * times, stepped, ".", label="trapezoidal rule, 80 steps")
    ax.set(xlabel="time (ns)", ylabel="voltage in the middle (V)")
    ax.legend()
    save(figure, path)


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
    save(figure, path)


def draw_placements(circuit: Circuit, placements: dict[str, Placement], path: Path) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(1, len(placements), figsize=(10, 3.8), layout="constrained", sharex=True, sharey=True)
    colour = list(placements.values())[-1].centre[~circuit.fixed, 0]
    for ax, (title, placement) in zip(axes, placements.items(), strict=True):
        ax.scatter(*placement.centre[~circuit.fixed].T, c=colour, s=2, cmap="viridis", linewidths=0, rasterized=True)
        ax.scatter(*placement.centre[circuit.fixed].T, c="black", s=4, marker="s", linewidths=0)
        ax.set(aspect="equal", xticks=[], yticks=[], title=f"{title}: {wirelength(placement) / 1e6:.2f} million")
    save(figure, path)


def save(figure: Any, path: Path) -> None:
    """Write a picture in 64 colours, which take a third of the bytes."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=80)
    with replacing(path, force=True) as stream:
        Image.open(drawn).convert("RGB").quantize(64).save(stream, format="png", optimize=True)
    pyplot().close(figure)


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
        "meshes": [mesh_beside_spsolve(side) for side in (100, 316, 632)],
        "transient": transient(40, options.pictures),
        "placement apte": macros(eda / "apte"),
        "placement ibm01": cells(eda / "ibm01", options.pictures),
    }
    text = json.dumps(results, indent=1, default=float)
    with replacing(options.results / "chip-design.json", force=True) as stream:
        stream.write(f"{text}\n".encode())


if __name__ == "__main__":
    main()
