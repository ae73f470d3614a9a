"""Annealing: maximum cuts of Gset, QUBO of the OR-Library, and a circuit cut in two, beside digital samplers.

    python experiments/annealing.py --data FOLDER

FOLDER holds maxcut/, qubo/ and eda/ibm01. dimod, dwave-samplers and simulated-bifurcation have to be installed;
pymetis is one more peer where it is.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain, repeat
from pathlib import Path
from time import process_time
from typing import Any

import dimod
import numpy as np
import scipy.sparse as sp
import torch
from common import options, pyplot, read, save, write
from dwave.samplers import SimulatedAnnealingSampler, TabuSampler

from thermoapps.annealing import (
    Bifurcation,
    FiducciaMattheyses,
    GreedyDescent,
    Ising,
    LangevinSampler,
    bipartition,
    booked,
)
from thermoapps.chip_design import read_bookshelf
from thermolinalg.hardware import INTEGRATED

METHOD = Bifurcation(steps=4000, step=0.8)
HALVES = Bifurcation(steps=2000, gain=0.2)
READS = 16
SWEEPS = 400
EFFORTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of a whole call that every method starts with, so that a first answer does not wait for one."""

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


def callers(W: sp.csr_array, seed: int) -> dict[str, Callable[[float], float]]:
    """For each method a call that starts anew, with a share of a whole call's effort, and returns the lowest sᵀWs/2."""
    ising, model, dense = Ising(W), spins_model(W), torch.as_tensor(W.toarray(), dtype=torch.float32)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    import simulated_bifurcation as sb

    def ours(share: float) -> float:
        method, reads = partly(share)
        return float(ising.energies(method.run(ising, rng.choice([-1.0, 1.0], (ising.n, reads)), rng)).min())

    def annealing(share: float) -> float:
        given = {"num_sweeps": round(4000 * share), "seed": int(rng.integers(2**31))}
        return float(SimulatedAnnealingSampler().sample(model, **given).first.energy)

    def tabu(share: float) -> float:
        given = {"timeout": round(500 * share), "seed": int(rng.integers(2**31))}
        return float(TabuSampler().sample(model, **given).first.energy)

    def bifurcation(share: float) -> float:
        agents = max(1, round(share * 16_000 / len(dense)))  # of large graphs few; fewer steps end far worse
        given = {"domain": "spin", "agents": agents, "max_steps": 1000, "mode": "discrete", "verbose": False}
        return float(sb.minimize(dense, early_stopping=False, **given)[1]) / 2

    return dict(zip(NAMES, (ours, annealing, tabu, bifurcation), strict=True))


def partly(share: float) -> tuple[Bifurcation, int]:
    """Our method and its reads with a share of the steps, and of the reads."""
    return replace(METHOD, steps=max(1, round(METHOD.steps * share))), max(1, round(READS * share))


def efforts() -> Iterator[float]:
    """The share of a whole call that the first, the second, ... call takes."""
    return chain(EFFORTS, repeat(1.0))


def trace(call: Callable[[float], float], total: float, best: float, budget: float) -> list[tuple[float, float]]:
    """(seconds, gap to the best known cut in %) after each call, until the budget is spent."""
    lowest, found, began = np.inf, [], process_time()
    for share in efforts():
        lowest, spent = min(lowest, call(share)), process_time() - began
        found.append((spent, 100 * (1 - (total / 4 - lowest / 2) / best)))
        if spent >= budget:
            break
    return found


def told(runs: list[list[tuple[float, float]]], best: float) -> dict[str, Any]:
    """Medians over seeds: the cut, all seconds, and those until 99 % of the best known cut (none: never)."""
    reached = [next((t for t, gap in run if gap <= 1.0), np.inf) for run in runs]
    return {
        "cut": best * (1 - float(np.median([run[-1][1] for run in runs])) / 100),
        "cuts": [best * (1 - run[-1][1] / 100) for run in runs],
        "seconds": float(np.median([run[-1][0] for run in runs])),
        "seconds to 99 %": float(np.median(reached)) if np.isfinite(np.median(reached)) else None,
        "runs": runs,
    }


def maximum_cuts(folder: Path, budget: float, seeds: int, names: list[str]) -> list[dict[str, Any]]:
    """Every graph by every method with the same seconds and several seeds, and what ours cost a device."""
    rows = []
    for name, best in best_known(folder / "best_known.csv", "best_known_cut").items():
        if names and name not in names:
            continue
        W = graph(folder, name)
        row: dict[str, Any] = {"name": name, "spins": W.shape[0], "edges": W.nnz // 2, "best known": best}
        runs: dict[str, list[list[tuple[float, float]]]] = {method: [] for method in NAMES}
        for seed in range(seeds):
            for method, call in callers(W, seed).items():
                runs[method].append(trace(call, float(W.sum()), best, budget))
        row |= {method: told(found, best) for method, found in runs.items()}
        ledger = booked(Ising(W), METHOD, 0)
        for share, _ in zip(efforts(), runs[NAMES[0]][0], strict=False):
            method, reads = partly(share)
            ledger.record(d=W.shape[0], runs=reads, time_each=method.time)
        bill = INTEGRATED.bill(ledger)
        row |= {"device time": ledger.device_time, "seconds": bill.seconds, "joules": bill.known_joules}
        rows.append(row)
        print(name, {method: round(row[method]["cut"]) for method in NAMES}, best, flush=True)
    return rows


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


def annealed(W: sp.csr_array, sweeps: int, rng: np.random.Generator) -> np.ndarray:
    """Simulated annealing of single moves in plain Python; the balance is a penalty that two numbers hold."""
    n = W.shape[0]
    side = rng.permutation(np.resize([-1.0, 1.0], n))
    s, felt, total = side.tolist(), (W @ side).tolist(), float(side.sum())
    starts, neighbours, weights = W.indptr.tolist(), W.indices.tolist(), W.data.tolist()
    scale = float(np.median(W.sum(axis=1)))
    penalty = 20 * scale / n
    for temperature in scale * np.geomspace(1.0, 0.02, sweeps):
        allowed = (-temperature * np.log(rng.random(n))).tolist()
        for i in range(n):
            if 2 * s[i] * felt[i] + 2 * penalty * (1 - s[i] * total) < allowed[i]:
                s[i] = -s[i]
                total += 2 * s[i]
                for place in range(starts[i], starts[i + 1]):
                    felt[neighbours[place]] += 2 * weights[place] * s[i]
    return np.array(s)


def circuit(folder: Path) -> dict[str, Any]:
    """ibm01 in two halves: weight of cliques cut, nets cut, seconds."""
    W, nets = cliques(folder)

    def told(side: np.ndarray, seconds: float) -> dict[str, Any]:
        inside = nets @ (side > 0)
        cut = float((W.sum() - side @ (W @ side)) / 4)
        nets_cut = int(np.sum((inside > 0) & (inside < nets.sum(axis=1))))
        return {"cut": cut, "nets cut": nets_cut, "imbalance": abs(int(side.sum())), "seconds": seconds}

    result: dict[str, Any] = {"nodes": W.shape[0], "edges": W.nnz // 2}
    for name, polish in (("Langevin cells", None), ("Langevin cells, polished", FiducciaMattheyses())):
        began = process_time()
        found = bipartition(W, num_reads=4, method=HALVES, polish=polish, tolerance=0.02, rng=0)
        result[name] = told(found.side, process_time() - began)
    result["device time"] = found.device_time
    began = process_time()
    side = annealed(W, SWEEPS, np.random.default_rng(0))
    result["simulated annealing"] = told(side, process_time() - began)
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
    measured = [row["name"] for row in results["maximum cuts"]]
    names = [name for name in CURVES if name in measured] or measured[:1]
    figure, axes = plt.subplots(1, len(names), figsize=(9, 3.6), layout="constrained", squeeze=False)
    axes = axes[0]
    for ax, name in zip(axes, names, strict=True):
        for number, method in enumerate(NAMES):
            runs = next(row for row in results["maximum cuts"] if row["name"] == name)[method]["runs"]
            for seed, run in enumerate(runs):
                times, gaps = np.array(run).T
                label = method if not seed else None
                style = {"where": "post", "color": f"C{number}", "linewidth": 1.2, "marker": "o", "markersize": 3}
                ax.step(times, np.maximum(gaps, 0.003), label=label, **style)
        ax.axhline(1.0, color="0.6", linestyle=":", linewidth=1)
        ax.set(title=name, xscale="log", yscale="log", xlabel="seconds of one core")
        ax.xaxis.set_minor_formatter("")
        ax.set_xticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes[0].set_ylabel("gap to the best known cut, %")
    axes[0].legend(fontsize=8, loc="lower left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, budget=2.0, graphs="")
    path, folder = given.results / "annealing.json", Path(given.data)
    if not given.draw:
        chosen = given.graphs.split(",") if given.graphs else []
        results: dict[str, Any] = {"ibm01": circuit(folder / "eda" / "ibm01")}
        print(results, flush=True)
        results["QUBO"] = binary_problems(folder / "qubo")
        results["maximum cuts"] = maximum_cuts(folder / "maxcut", given.budget, min(given.seeds, 3), chosen)
        write(results, path)
    draw(read(path), given.pictures / "annealing.png")


if __name__ == "__main__":
    main()
