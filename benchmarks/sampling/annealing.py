"""Maximum cuts: Langevin cells, simulated annealing, tabu search and simulated bifurcation with the same seconds."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import scipy.sparse as sp

GRAPHS = ("G6", "G11", "G14", "G22")
SEEDS = (0, 1, 2)
BUDGET = 3.0
READS = 16


def measure(data: Path) -> dict[str, Any]:
    """Best cut of each method in three seconds of one core, for three seeds, and seconds to 99 % of the best known."""
    with (data / "maxcut" / "best_known.csv").open(encoding="utf-8") as file:
        known = {row["instance"]: float(row["best_known_cut"]) for row in csv.DictReader(file)}
    graphs = []
    for name in GRAPHS:
        W = _graph(data / "maxcut", name)
        graph: dict[str, Any] = {"name": name, "spins": W.shape[0], "edges": W.nnz // 2, "best known": known[name]}
        runs = [_methods(W, seed) for seed in SEEDS]
        for method in runs[0]:
            graph[method] = [_spend(calls[method], float(W.sum()), known[name]) for calls in runs]
        graphs.append(graph)
    return {"seconds": BUDGET, "seeds": len(SEEDS), "graphs": graphs}


def table(results: dict[str, Any]) -> str:
    """Gaps and times as Markdown."""
    graphs = results["graphs"]
    methods = [key for key, value in graphs[0].items() if isinstance(value, list)]
    head = ["graph", "spins", "edges", *methods]
    lines = [
        f"Maximum cuts of Gset in {results['seconds']:g} s of one core, {results['seeds']} seeds: mean gap to the best "
        "known cut, and median seconds until 99 % of it (– where a seed did not come there). Langevin cells are "
        "simulated in NumPy and SciPy, without the digital polish; the samplers of D-Wave are compiled.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for graph in graphs:
        cells = [graph["name"], str(graph["spins"]), str(graph["edges"])]
        for method in methods:
            gap = np.mean([run["gap"] for run in graph[method]])
            times = [run["seconds to 99 %"] for run in graph[method]]
            reached = "–" if None in times else f"{np.median(times):.2g} s"
            cells.append(f"{gap:.2f} %, {reached}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _graph(folder: Path, name: str) -> sp.csr_array:
    packed = folder / f"{name}.txt.gz"
    with gzip.open(packed, "rt") if packed.is_file() else (folder / f"{name}.txt").open() as file:
        words = file.read().split()
    n, entries = int(words[0]), np.array(words[2:], dtype=float).reshape(-1, 3)
    upper = sp.coo_array((entries[:, 2], tuple(entries[:, :2].T.astype(int) - 1)), shape=(n, n))
    return sp.csr_array(upper + upper.T)


def _methods(W: sp.csr_array, seed: int) -> dict[str, Callable[[], float]]:
    """For each method a call that starts anew and returns the lowest ½ sᵀWs."""
    import dimod
    import simulated_bifurcation
    import torch
    from dwave.samplers import SimulatedAnnealingSampler, TabuSampler

    from thermoapps.annealing import Bifurcation, Ising

    upper, n = sp.coo_array(sp.triu(W, 1)), W.shape[0]
    vectors = (np.zeros(n), (upper.row, upper.col, upper.data), 0.0, "SPIN")
    model = dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors)
    ising, dense, method = Ising(W), torch.as_tensor(W.toarray(), dtype=torch.float32), Bifurcation(steps=4000)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    settings = {"domain": "spin", "agents": 32, "max_steps": 1000, "mode": "discrete", "verbose": False}

    def fresh() -> int:
        return int(rng.integers(2**31))

    return {
        "Langevin cells": lambda: ising.energies(method.run(ising, rng.choice([-1.0, 1.0], (n, READS)), rng)).min(),
        "simulated annealing": lambda: (
            SimulatedAnnealingSampler().sample(model, num_sweeps=4000, seed=fresh()).first.energy
        ),
        "tabu search": lambda: TabuSampler().sample(model, timeout=500, seed=fresh()).first.energy,
        "simulated bifurcation": lambda: (
            float(simulated_bifurcation.minimize(dense, early_stopping=False, **settings)[1]) / 2
        ),
    }


def _spend(call: Callable[[], float], total: float, best: float) -> dict[str, float | None]:
    """The gap in % after the budget, and when 99 % was reached."""
    lowest, reached, began = np.inf, None, process_time()
    while not np.isfinite(lowest) or process_time() - began < BUDGET:
        lowest = min(lowest, float(call()))
        gap = 100 * (1 - (total / 4 - lowest / 2) / best)
        if reached is None and gap <= 1:
            reached = process_time() - began
    return {"gap": gap, "seconds to 99 %": reached}
