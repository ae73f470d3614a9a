"""Annealing: maximum cuts of Gset, QUBO of the OR-Library, and a circuit cut in two, beside digital samplers.

    python experiments/annealing.py --data FOLDER

FOLDER holds maxcut/, qubo/ and eda/ibm01. dimod, dwave-samplers and simulated-bifurcation have to be installed;
pymetis is one more peer where it is.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import process_time
from typing import Any

import dimod
import numpy as np
import scipy.sparse as sp
import torch
from common import options, pyplot, read, save, write
from dwave.samplers import SimulatedAnnealingSampler, TabuSampler

from thermoapps.annealing import Bifurcation, GreedyDescent, Ising, LangevinSampler, bipartition, booked
from thermoapps.chip_design import read_bookshelf
from thermolinalg.hardware import INTEGRATED

METHOD = Bifurcation(steps=4000)
READS = 16
CURVES = ("G18", "G22")
NAMES = ("Langevin cells", "simulated annealing", "tabu search", "simulated bifurcation")


# -- problems ---------------------------------------------------------------------------------------------------------


def text(folder: Path, name: str) -> list[str]:
    """Words of a file, packed or not."""
    packed = folder / f"{name}.gz"
    with gzip.open(packed, "rt") if packed.is_file() else (folder / name).open() as file:
        return file.read().split()


def symmetric(words: list[str], n: int) -> sp.csr_array:
    """A symmetric array of its entries i j w, each given once."""
    entries = np.array(words, dtype=float).reshape(-1, 3)
    upper = sp.coo_array((entries[:, 2], tuple(entries[:, :2].T.astype(int) - 1)), shape=(n, n))
    return sp.csr_array(upper + upper.T - sp.diags_array(upper.diagonal()))


def graph(folder: Path, name: str) -> sp.csr_array:
    """Weights of a graph of Gset."""
    words = text(folder, f"{name}.txt")
    return symmetric(words[2:], int(words[0]))


def best_known(path: Path, column: str) -> dict[str, float]:
    """Best known values by instance."""
    with path.open(encoding="utf-8") as file:
        return {row["instance"]: float(row[column]) for row in csv.DictReader(file)}


def qubos(folder: Path) -> Iterator[tuple[str, sp.csr_array]]:
    """Matrices Q of minimum xᵀQx: the sets bqp are of a maximum, and have their sign reversed."""
    for name in ("bqp50", "bqp100"):
        words = text(folder, f"{name}.txt")
        at = 1
        for number in range(int(words[0])):
            n, entries = int(words[at]), int(words[at + 1])
            yield f"{name}-{number + 1}", -symmetric(words[at + 2 : at + 2 + 3 * entries], n)
            at += 2 + 3 * entries
    for path in sorted(folder.glob("*.sparse")):
        words = text(folder, path.name)
        yield path.stem, symmetric(words[2:], int(words[0]))


def spins_model(W: sp.csr_array) -> Any:
    """The energy ½ sᵀWs as dimod has it."""
    upper = sp.coo_array(sp.triu(W, 1))
    return dimod.BinaryQuadraticModel.from_numpy_vectors(
        np.zeros(W.shape[0]), (upper.row, upper.col, upper.data), 0.0, "SPIN"
    )


# -- maximum cuts, side by side ---------------------------------------------------------------------------------------


def callers(W: sp.csr_array, seed: int) -> dict[str, Callable[[], float]]:
    """For each method a call that starts anew and returns the lowest sᵀWs/2."""
    ising, model, dense = Ising(W), spins_model(W), torch.as_tensor(W.toarray(), dtype=torch.float32)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    import simulated_bifurcation as sb

    def ours() -> float:
        return float(ising.energies(METHOD.run(ising, rng.choice([-1.0, 1.0], (ising.n, READS)), rng)).min())

    def annealing() -> float:
        fresh = int(rng.integers(2**31))
        return float(SimulatedAnnealingSampler().sample(model, num_sweeps=4000, seed=fresh).first.energy)

    def tabu() -> float:
        return float(TabuSampler().sample(model, timeout=500, seed=int(rng.integers(2**31))).first.energy)

    def bifurcation() -> float:
        given = {"domain": "spin", "agents": 32, "max_steps": 1000, "mode": "discrete", "verbose": False}
        return float(sb.minimize(dense, early_stopping=False, **given)[1]) / 2

    return dict(zip(NAMES, (ours, annealing, tabu, bifurcation), strict=True))


def trace(call: Callable[[], float], total: float, best: float, budget: float) -> list[tuple[float, float]]:
    """(seconds, gap to the best known cut in %) after each call that was the best so far, until the budget is spent."""
    lowest, found, began = np.inf, [], process_time()
    while not found or process_time() - began < budget:
        lowest, spent = min(lowest, call()), process_time() - began
        found.append((spent, 100 * (1 - (total / 4 - lowest / 2) / best)))
    return found


def maximum_cuts(folder: Path, budget: float) -> list[dict[str, Any]]:
    """Every graph by every method with the same seconds, and what ours cost a device."""
    rows = []
    for name, best in best_known(folder / "best_known.csv", "best_known_cut").items():
        W = graph(folder, name)
        row: dict[str, Any] = {"name": name, "spins": W.shape[0], "edges": W.nnz // 2, "best known": best}
        for method, call in callers(W, 0).items():
            run = trace(call, float(W.sum()), best, budget)
            row[method] = {"cut": best * (1 - run[-1][1] / 100), "seconds": run[-1][0], "calls": len(run)}
            row[method]["seconds to 99 %"] = next((t for t, gap in run if gap <= 1.0), None)
        ledger = booked(Ising(W), METHOD, READS * row[NAMES[0]]["calls"])
        bill = INTEGRATED.bill(ledger)
        row |= {"device time": ledger.device_time, "seconds": bill.seconds, "joules": bill.known_joules}
        rows.append(row)
        print(name, {method: round(row[method]["cut"]) for method in NAMES}, best, flush=True)
    return rows


def curves(folder: Path, budget: float, seeds: int) -> dict[str, Any]:
    """Gaps along the way, of several seeds."""
    known, result = best_known(folder / "best_known.csv", "best_known_cut"), {}
    for name in CURVES:
        W = graph(folder, name)
        result[name] = {method: [] for method in NAMES}
        for seed in range(seeds):
            for method, call in callers(W, seed).items():
                result[name][method].append(trace(call, float(W.sum()), known[name], budget))
    return result


# -- QUBO and a circuit -----------------------------------------------------------------------------------------------


def binary_problems(folder: Path) -> list[dict[str, Any]]:
    """Every problem of the OR-Library and Biq Mac: energy as read, polished, and best known."""
    known, rows = best_known(folder / "best_known.csv", "minimum_of_minus_xQx_or_xQx"), []
    for name, Q in qubos(folder):
        upper = sp.coo_array(sp.triu(Q, 1))
        model = dimod.BinaryQuadraticModel.from_numpy_vectors(
            Q.diagonal(), (upper.row, upper.col, 2 * upper.data), 0.0, "BINARY"
        )
        began = process_time()
        found = LangevinSampler().sample(model, num_reads=64, num_sweeps=1000, polish=GreedyDescent(), seed=0)
        rows.append(
            {
                "name": name,
                "variables": Q.shape[0],
                "best known": known[name],
                "as read": float(found.record.raw_energy.min()),
                "polished": float(found.first.energy),
                "seconds": process_time() - began,
                "device time": found.info["device_time"],
            }
        )
    return rows


def cliques(folder: Path) -> tuple[sp.csr_array, sp.csr_array]:
    """The circuit's clique model, edges 1/(pins − 1), and its nets as rows of cells."""
    circuit = read_bookshelf(folder)
    pins = (np.ones(len(circuit.pin_net)), (circuit.pin_net, circuit.pin_cell))
    nets = sp.csr_array(sp.coo_array(pins, shape=(circuit.pin_net.max() + 1, len(circuit.names))))
    nets.data[:] = 1.0
    sizes = nets.sum(axis=1)
    weighted = sp.diags_array(1 / np.maximum(sizes - 1, 1)) @ nets
    W = sp.csr_array(nets.T @ weighted)
    return sp.csr_array(W - sp.diags_array(W.diagonal())), nets


def circuit(folder: Path) -> dict[str, Any]:
    """ibm01 in two halves: weight of cliques cut, nets cut, seconds."""
    W, nets = cliques(folder)

    def told(side: np.ndarray, seconds: float) -> dict[str, Any]:
        inside = nets @ (side > 0)
        cut = float((W.sum() - side @ (W @ side)) / 4)
        nets_cut = int(np.sum((inside > 0) & (inside < nets.sum(axis=1))))
        return {"cut": cut, "nets cut": nets_cut, "imbalance": abs(int(side.sum())), "seconds": seconds}

    began = process_time()
    found = bipartition(W, num_reads=8, method=Bifurcation(steps=4000), tolerance=0.02, rng=0)
    result = {"nodes": W.shape[0], "edges": W.nnz // 2, "Langevin cells": told(found.side, process_time() - began)}
    result["device time"] = found.device_time
    side = np.random.default_rng(0).permutation(np.resize([-1.0, 1.0], W.shape[0]))
    result["at random"] = told(side, 0.0)
    if find_spec("pymetis"):
        import pymetis

        weights = np.maximum(1, np.round(1000 * W.data)).astype(int)
        began = process_time()
        _, parts = pymetis.part_graph(2, xadj=W.indptr, adjncy=W.indices, eweights=weights)
        result["METIS"] = told(2.0 * np.array(parts) - 1, process_time() - began)
    return result


# -- the picture ------------------------------------------------------------------------------------------------------


def draw(results: dict[str, Any], path: Path) -> None:
    """Gap to the best known cut against time, each seed a line."""
    plt = pyplot()
    figure, axes = plt.subplots(1, len(CURVES), figsize=(9, 3.6), layout="constrained")
    for ax, name in zip(axes, CURVES, strict=True):
        for number, method in enumerate(NAMES):
            for seed, run in enumerate(results["curves"][name][method]):
                times, gaps = np.array(run).T
                label = method if not seed else None
                style = {"where": "post", "color": f"C{number}", "linewidth": 1.2, "marker": "o", "markersize": 3}
                ax.step(times, np.maximum(gaps, 0.003), label=label, **style)
        ax.axhline(1.0, color="0.6", linestyle=":", linewidth=1)
        ax.set(title=name, xscale="log", yscale="log", xlabel="seconds of one core")
        ax.xaxis.set_minor_formatter("")
        ax.set_xticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    axes[0].set_ylabel("gap to the best known cut, %")
    axes[0].legend(fontsize=8, loc="lower left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, budget=1.5)
    path, folder = given.results / "annealing.json", Path(given.data)
    if not given.draw:
        results = {
            "maximum cuts": maximum_cuts(folder / "maxcut", given.budget),
            "curves": curves(folder / "maxcut", given.budget, min(given.seeds, 3)),
            "QUBO": binary_problems(folder / "qubo"),
            "ibm01": circuit(folder / "eda" / "ibm01"),
        }
        write(results, path)
    draw(read(path), given.pictures / "annealing.png")


if __name__ == "__main__":
    main()
