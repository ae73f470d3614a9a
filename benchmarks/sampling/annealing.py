"""Maximum cuts: Langevin cells, simulated annealing, tabu search and simulated bifurcation with the same seconds."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable
from itertools import chain, repeat
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import scipy.sparse as sp

GRAPHS = ("G6", "G11", "G14", "G22")
SEEDS = (0, 1, 2)
BUDGET = 3.0
READS = 16
EFFORTS = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
"""Shares of a whole call that every method starts with, so that a first answer does not wait for one."""


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


def _methods(W: sp.csr_array, seed: int) -> dict[str, Callable[[float], float]]:
    """For each method a call that starts anew, with a share of a whole call's effort, and returns the lowest ½ sᵀWs."""
    import dimod
    import simulated_bifurcation
    import torch
    from dwave.samplers import SimulatedAnnealingSampler, TabuSampler

    from thermoapps.annealing import Bifurcation, Ising

    upper, n = sp.coo_array(sp.triu(W, 1)), W.shape[0]
    vectors = (np.zeros(n), (upper.row, upper.col, upper.data), 0.0, "SPIN")
    model = dimod.BinaryQuadraticModel.from_numpy_vectors(*vectors)
    ising, dense = Ising(W), torch.as_tensor(W.toarray(), dtype=torch.float32)
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    settings = {"domain": "spin", "max_steps": 1000, "mode": "discrete", "verbose": False, "early_stopping": False}

    def cells(share: float) -> float:
        method, start = (
            Bifurcation(steps=round(4000 * share)),
            rng.choice([-1.0, 1.0], (n, max(1, round(READS * share)))),
        )
        return float(ising.energies(method.run(ising, start, rng)).min())

    def annealing(share: float) -> float:
        sweeps, fresh = round(4000 * share), int(rng.integers(2**31))
        return float(SimulatedAnnealingSampler().sample(model, num_sweeps=sweeps, seed=fresh).first.energy)

    def tabu(share: float) -> float:
        fresh = int(rng.integers(2**31))
        return float(TabuSampler().sample(model, timeout=round(500 * share), seed=fresh).first.energy)

    def bifurcation(share: float) -> float:
        agents = max(1, round(32 * share))  # fewer steps end far worse
        return float(simulated_bifurcation.minimize(dense, agents=agents, **settings)[1]) / 2

    return {
        "Langevin cells": cells,
        "simulated annealing": annealing,
        "tabu search": tabu,
        "simulated bifurcation": bifurcation,
    }


def _spend(call: Callable[[float], float], total: float, best: float) -> dict[str, float | None]:
    """The gap in % after the budget, and when 99 % was reached."""
    lowest, reached, began = np.inf, None, process_time()
    for share in chain(EFFORTS, repeat(1.0)):
        lowest = min(lowest, call(share))
        gap, spent = 100 * (1 - (total / 4 - lowest / 2) / best), process_time() - began
        if reached is None and gap <= 1:
            reached = spent
        if spent >= BUDGET:
            break
    return {"gap": gap, "seconds to 99 %": reached}
