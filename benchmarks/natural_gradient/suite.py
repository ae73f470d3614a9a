"""All measurements of one run, as a plain dictionary: what natural_gradient.json holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import process_time
from typing import Any

import torch

from benchmarks.machine import describe
from benchmarks.natural_gradient.memory import peak
from benchmarks.natural_gradient.problems import Problem, convolutional, dense
from benchmarks.natural_gradient.products import posteriors_product
from benchmarks.natural_gradient.steps import (
    ADAM,
    CG,
    DAMPING,
    DENSE,
    EXACT,
    KRYLOV,
    SGD,
    STEPS,
    STORED,
    TIME,
    TIME_STEP,
    WOODBURY,
    Method,
    euler_maruyama,
    euler_maruyama_curvlinops,
    stepped,
)
from benchmarks.timing import Call, interleaved
from thermoapps.natural_gradient import EulerMaruyama, Recorder, Thermodynamic

PACKAGES = ("numpy", "torch", "posteriors", "curvlinops-for-pytorch")
Tell = Callable[[str], object]

SHORT, LONG = 5, 50
"""Products of shortened runs by time stepping."""


def run(threads: int, *, quick: bool, tell: Tell) -> dict[str, Any]:
    """Measure everything; `quick` keeps to small problems and two rounds, to see that all of it works."""
    torch.set_num_threads(threads)
    rounds = 2 if quick else 5
    sizes = [2e3, 3e3] if quick else [2e3, 3e3, 1e4, 1e5, 1e6, 1e7]
    batches = [16, 32] if quick else [16, 32, 64, 128, 256]
    classes = [10, 32] if quick else [10, 32, 100, 316, 1000]
    results: dict[str, Any] = {
        "machine": describe(threads, PACKAGES),
        "quick": quick,
        "settings": {"time": TIME, "time_step": TIME_STEP, "damping": DAMPING, "rounds": rounds},
    }
    tell("the paper's setting")
    results["paper"] = paper_setting(rounds, SHORT if quick else LONG)
    results["agreement"] = agreement()
    results["scaling"] = {
        "parameters": [
            _point(dense(round(n)), [SGD, ADAM, EXACT, WOODBURY, CG, DENSE, euler_maruyama(SHORT)], tell) for n in sizes
        ],
        "batch": [_point(dense(100_000, batch=b), [ADAM, EXACT, WOODBURY, CG], tell) for b in batches],
        "outputs": [_point(dense(100_000, 4, d), [ADAM, EXACT, WOODBURY, CG, KRYLOV], tell) for d in classes],
    }
    results["memory"] = [_memory(round(n), threads, tell) for n in sizes]
    every = [SGD, ADAM, EXACT, WOODBURY, CG, DENSE, KRYLOV, euler_maruyama()]
    results["complexity"] = {method.name: method.complexity for method in every}
    return {**results, "targets": targets(results["paper"]["steps"])}


def paper_setting(rounds: int, products: int) -> dict[str, Any]:
    """Steps on the paper's batch and network size, and what the parts of the exact one cost."""
    stepping = [euler_maruyama(products), euler_maruyama_curvlinops(products)]
    methods = [SGD, ADAM, EXACT, WOODBURY, CG, STORED, *stepping]
    problem = convolutional()
    times = _times(methods, convolutional, rounds)
    rows = len(problem.targets) * 9
    return {
        "parameters": problem.parameters,
        "batch": len(problem.targets),
        "outputs": 10,
        "rows": rows,
        "steps": times,
        "floors": {name: timing.medians() for name, timing in interleaved(_parts(problem), rounds).items()},
    }


def _parts(problem: Problem) -> dict[str, Call]:
    network, x, y = problem.network, problem.inputs, problem.targets
    recorder = Recorder(network)
    with recorder:
        outputs = network(x)
    rows = recorder.rows(outputs, y, "cross_entropy").rows
    gram, stored = rows.gram().double(), torch.randn(rows.shape)
    vector = torch.randn(rows.shape[1], 1)
    image = rows.apply(vector)
    return {
        "forward pass": lambda seed: network(x),
        "forward and backward pass": lambda seed: torch.nn.functional.cross_entropy(network(x), y).backward(),
        "gradient and rows of a recorded pass": lambda seed: recorder.rows(outputs, y, "cross_entropy"),
        "R Rᵀ": lambda seed: rows.gram(),
        "R v and Rᵀ u": lambda seed: (rows.apply(vector), rows.apply_transposed(image)),
        "eigh(R Rᵀ), float64": lambda seed: torch.linalg.eigh(gram),
        "J Jᵀ, one GEMM of a stored J": lambda seed: stored @ stored.T,
    }


def agreement() -> dict[str, Any]:
    """First directions, ‖difference‖/‖exact‖: the exact law, the law of Euler–Maruyama's steps, and all the steps."""
    problem = convolutional()
    recorder = Recorder(problem.network)
    with recorder:
        outputs = problem.network(problem.inputs)
    rows, gradient, _ = recorder.rows(outputs, problem.targets, "cross_entropy")
    exact = Thermodynamic(TIME).direction(rows, gradient, DAMPING)[0]
    law = EulerMaruyama(TIME, TIME_STEP).direction(rows, gradient, DAMPING)[0]
    start = process_time()
    run = torch.cat([part.flatten() for part in stepped(posteriors_product, STEPS, problem).values()])

    whole = process_time() - start

    def apart(one: torch.Tensor, other: torch.Tensor) -> float:
        return float((one - other).norm() / exact.norm())

    pairs = {
        "time stepping (posteriors) and its law": apart(run, law),
        "law of time stepping and exact law": apart(law, exact),
    }
    return {"pairs": pairs, "whole_run_cpu_s": whole}


def targets(steps: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """What the project aims at, against what this run measured."""
    exact = steps[EXACT.name]["cpu_s"]
    faster = steps[euler_maruyama().name]["cpu_s"] / exact
    slower = exact / steps[ADAM.name]["cpu_s"]
    return [
        {"name": "times faster than time stepping", "bound": "≥ 100", "measured": faster, "met": faster >= 100},
        {"name": "times an Adam step", "bound": "≤ 7", "measured": slower, "met": slower <= 7},
    ]


def _times(methods: Sequence[Method], problem: Callable[[], Problem], rounds: int) -> dict[str, dict[str, float]]:
    """Seconds of a step of each method, each on its own copy of the problem."""
    timings = interleaved({method.name: method.build(problem()) for method in methods}, rounds)
    return {m.name: {**timings[m.name].medians(1 / m.share), "share": m.share} for m in methods}


DENSE_LIMIT, WORK = 5_000, 4e9


def _point(problem: Problem, methods: Sequence[Method], tell: Tell) -> dict[str, Any]:
    b, d = len(problem.targets), problem.network[-1].out_features
    rows, n = b * (d - 1), problem.parameters
    tell(f"  N = {n}, b = {b}, d_z = {d}")
    used = [m for m in methods if m is not DENSE or n < DENSE_LIMIT]
    rounds = 3 if rows**3 + rows * n < WORK else 2
    times = _times(used, lambda: dense(n, b, d), rounds)
    return {"parameters": n, "batch": b, "outputs": d, "rows": rows, "steps": times}


MEMORY_LIMIT = 4e9


def _memory(parameters: int, threads: int, tell: Tell) -> dict[str, Any]:
    tell(f"  memory, N = {parameters}")
    methods = [ADAM, EXACT, WOODBURY, euler_maruyama(1)]
    found = {method.name: peak(method.name, parameters, threads) for method in methods}
    n, rows = found[EXACT.name]["parameters"], found[EXACT.name]["rows"]
    if 4 * rows * n < MEMORY_LIMIT / 4:
        found[STORED.name] = peak(STORED.name, parameters, threads)
    return {
        "parameters": n,
        "rows": rows,
        "stored_bytes": 4 * rows * n,
        "bytes": {name: one["bytes"] for name, one in found.items()},
    }
