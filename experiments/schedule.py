"""Choosing between an exact and an iterative solve at every step, by the condition number of the system.

    python experiments/schedule.py --seeds 3

Q-Newton (arXiv:2405.00252) schedules between a classical and a quantum linear solver by an estimate of the condition
number. Here `Scheduled` chooses between a Cholesky factorisation and conjugate gradients, and runs of either alone
stand beside it. What the same cost model says of a device, with the rate at which this core factorises, it is asked
afterwards: with its simulation in the loop seconds would mean nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from common import SEEDS, options, pyplot, read, save, unfinished, write
from data import load_data
from torch import nn
from training import stepped, train_all

from thermoapps.natural_gradient import (
    ConjugateGradient,
    CostModel,
    NaturalGradient,
    Scheduled,
    Solver,
    TimingModel,
    Woodbury,
)

SEARCH_SEED = 100
WAYS = {"Cholesky": "#1f4e9c", "conjugate gradients": "#5aa9e6", "schedule": "#c1272d"}
NO_DEVICE = TimingModel(time_constant=1.0)
"""Of a device that takes seconds, and is never the fastest way."""


@dataclass(frozen=True)
class Run:
    """One network, trained once in one way; `judge` on so many of the last training images, 0 for the test images."""

    way: str
    damping: float
    lr: float
    images: int
    epochs: int
    batch: int
    seed: int
    judge: int = 0

    @property
    def key(self) -> str:
        """All of it, as text."""
        return json.dumps(asdict(self), sort_keys=True)

    @property
    def solver(self) -> Solver:
        """What finds the directions."""
        if self.way == "Cholesky":
            return Woodbury()
        if self.way == "conjugate gradients":
            return ConjugateGradient(space="rows")
        return Scheduled(CostModel(timing=NO_DEVICE))  # At any rate of operations the choice is the same.


def network(side: int) -> nn.Sequential:
    """Two hidden layers of 30 units: 24 790 parameters for 28 × 28 images."""
    layers = nn.Linear(side**2, 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 10)
    return nn.Sequential(nn.Flatten(), *layers)


def fit(run: Run, folder: Path | None) -> dict[str, Any]:
    """What each step showed: its processor seconds, iterations, way and condition; at the end loss and accuracy.

    Seconds are those of the step alone, from the factors of the curvature on: its Gram matrix, the solve, the update.
    """
    torch.set_num_threads(1)
    data = load_data(folder)
    x, y = data.first(run.images)
    judge = data.last(run.judge) if run.judge else data.test
    torch.manual_seed(run.seed)
    model = network(x.shape[-1])
    optimizer = NaturalGradient(model, run.lr, run.damping, solver=run.solver)
    steps = len(y) // run.batch * run.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    shuffle = torch.Generator().manual_seed(run.seed)
    history: dict[str, list[Any]] = {name: [] for name in ("loss", "seconds", "iterations", "way", "condition")}
    for _ in range(run.epochs):
        for index in torch.randperm(len(y), generator=shuffle)[: len(y) // run.batch * run.batch].view(-1, run.batch):
            optimizer.zero_grad()
            loss = optimizer.backward(model(x[index]), y[index])
            began = process_time()
            made = stepped(optimizer, loss)
            seconds = process_time() - began
            schedule.step()
            if math.isnan(made):
                return history | {"test_loss": math.nan, "accuracy": math.nan}
            report = optimizer.report.solver
            found = re.match(r"(\w+): condition at most ([^,]+),", report.message)
            way, condition = (found[1], float(found[2])) if found else (report.solver, math.nan)
            for name, value in zip(history, (made, seconds, report.iterations, way, condition), strict=True):
                history[name].append(value)
    optimizer.close()
    with torch.no_grad():
        outputs = model.eval()(judge[0])
    accuracy = float((outputs.argmax(1) == judge[1]).float().mean())
    return history | {"test_loss": float(nn.functional.cross_entropy(outputs, judge[1])), "accuracy": accuracy}


def rate_of_factorisation(order: int) -> float:
    """Operations per second of this core's Cholesky factorisation, the fastest of a few."""
    matrix = torch.eye(order, dtype=torch.float64) + torch.full((order, order), 1 / order, dtype=torch.float64)
    times = []
    for _ in range(5):
        began = process_time()
        torch.linalg.cholesky(matrix)
        times.append(process_time() - began)
    return order**3 / 3 / min(times)


def compare(given: Any, kept: Path) -> list[dict[str, Any]]:
    """For every damping and way the best of the same rates, and several seeds with it."""
    rate = float(f"{rate_of_factorisation(9 * given.batch):.2g}")
    found = []
    for damping in (float(part) for part in given.dampings.split(",")):
        row: dict[str, Any] = {"damping": damping, "operations per second": rate, "ways": {}}
        for way in WAYS:
            sizes = {"batch": given.batch, "epochs": given.epochs}
            search = [
                Run(way, damping, lr, given.search, seed=SEARCH_SEED, judge=given.judge, **sizes)
                for lr in (float(part) for part in given.rates.split(","))
            ]
            tried = train_all(search, given.data, kept, given.workers, fit)
            losses = [run["test_loss"] if math.isfinite(run["test_loss"] or math.nan) else math.inf for run in tried]
            lr = search[losses.index(min(losses))].lr
            finals = [Run(way, damping, lr, given.images, seed=seed, **sizes) for seed in SEEDS[: given.seeds]]
            runs = train_all(finals, given.data, kept, given.workers, fit)
            row["ways"][way] = {"lr": lr, "runs": runs}
            print(damping, way, lr, [(run["test_loss"], median(run["seconds"])) for run in runs], flush=True)
        row["with a device"] = asked(row["ways"]["schedule"]["runs"], damping, given, rate)
        found.append(row)
    return found


def asked(runs: list[dict[str, Any]], damping: float, given: Any, rate: float) -> dict[str, Any]:
    """How often the cost model would choose each way if the paper's device were there, and its predicted seconds."""
    model = CostModel(operations_per_second=rate)
    parameters = sum(parameter.numel() for parameter in network(load_data(given.data).train[0].shape[-1]).parameters())
    costs = [
        model.seconds(rows=9 * given.batch, parameters=parameters, condition=condition, damping=damping)
        for run in runs
        for condition in run["condition"]
    ]
    chosen = Counter(min(cost, key=cost.__getitem__) for cost in costs)
    return {
        "chosen": dict(chosen),
        "predicted seconds": {name: median(cost[name] for cost in costs) for name in costs[0]},
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Condition against steps with the way chosen; time of a step and test loss against damping."""
    plt = pyplot()
    figure, (condition_ax, time_ax, loss_ax) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for row in results["rows"]:
        run = row["ways"]["schedule"]["runs"][0]
        steps = range(1, len(run["condition"]) + 1)
        (line,) = condition_ax.plot(steps, run["condition"], linewidth=0.8, label=f"λ = {row['damping']:g}")
        for way, marker in (("Woodbury", "s"), ("ConjugateGradient", "o")):
            places = [place for place, name in enumerate(run["way"]) if name == way]
            filled = line.get_color() if way == "Woodbury" else "white"
            condition_ax.plot(
                [place + 1 for place in places],
                [run["condition"][place] for place in places],
                marker,
                color=line.get_color(),
                markerfacecolor=filled,
                markersize=4,
            )
    condition_ax.set(xlabel="steps", ylabel="bound on the condition number", yscale="log")
    condition_ax.set_title("filled: Cholesky, open: conjugate gradients", loc="left", fontsize=9)
    condition_ax.legend(frameon=False, fontsize=8)
    dampings = [row["damping"] for row in results["rows"]]
    for way, color in WAYS.items():
        ways = [row["ways"][way]["runs"] for row in results["rows"]]
        times = [1e3 * median(mean_seconds(run) for run in runs) for runs in ways]
        time_ax.plot(dampings, times, marker="o", markersize=3, color=color, label=way)
        for damping, runs in zip(dampings, ways, strict=True):
            loss_ax.plot([damping] * len(runs), [run["test_loss"] for run in runs], ".", color=color)
        loss_ax.plot(dampings, [median(run["test_loss"] for run in runs) for runs in ways], color=color, label=way)
    time_ax.set(xscale="log", yscale="log", xlabel="damping λ", ylabel="milliseconds of a step, without its passes")
    loss_ax.set(xscale="log", xlabel="damping λ", ylabel="test loss")
    time_ax.legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def mean_seconds(run: dict[str, Any]) -> float:
    """Of a step."""
    return sum(run["seconds"]) / len(run["seconds"])


def main() -> None:
    given = options(
        __doc__,
        images=3_000,
        search=3_000,
        judge=2_000,
        epochs=1,
        batch=128,
        dampings="1,0.1,0.01,0.001",
        rates="0.1,0.2,0.4",
    )
    path = given.results / "schedule.json"
    if not given.draw:
        told = {"data": load_data(given.data).name, "images": given.images, "batch": given.batch, "rates": given.rates}
        write(told | {"rows": compare(given, unfinished(path))}, path)
    draw(read(path), given.pictures / "experiments-schedule.png")


if __name__ == "__main__":
    main()
