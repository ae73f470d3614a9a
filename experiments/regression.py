"""A second task, with a squared loss: the output of a power plant by four readings of the weather.

Every method gets the same search, then several seeds. For batches of 8 to 512 rows: how near directions of a batch are
to those of all rows, and what TNGD gains over Adam from the same number of rows seen, each with the best of the same
number of rates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from statistics import mean
from time import process_time
from typing import Any

import numpy as np
import torch
from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from methods import METHODS, Method
from torch import Tensor, nn
from torch.optim import Optimizer
from training import stepped, train_all

from thermoapps.natural_gradient import ConjugateGradient, LevenbergMarquardt, NaturalGradient, Woodbury, curvature_rows

TEST, HELD, TRAIN, SEARCH_SEED = 1_500, 1_000, 3_000, 100
BATCHES = (8, 32, 128, 512)
RATES = (0.5, 1.0, 2.0)
"""Factors of the rate that suits the search's batch."""


@dataclass(frozen=True)
class Fit:
    """One network, trained once; `judge` on rows kept back instead of those of the test."""

    method: str
    settings: dict[str, float]
    epochs: int
    seed: int
    batch: int = 64
    judge: bool = False
    points: int = 10

    @property
    def key(self) -> str:
        """All of it, as text."""
        return json.dumps(asdict(self), sort_keys=True)


@lru_cache(maxsize=1)
def rows_of(folder: Path | None) -> tuple[Tensor, Tensor, str]:
    """Readings (n, 4) and outputs (n, 1), standardised, in an order drawn once; a made-up surface without the file."""
    path = None if folder is None else folder / "regression" / "power-plant.txt.gz"
    draws = np.random.default_rng(0)
    if path is not None and path.is_file():
        table, name = draws.permutation(np.loadtxt(path)), "power plant"
    else:
        x = draws.standard_normal((TEST + HELD + 600, 4))
        y = np.sin(x[:, :1] + x[:, 1:2] * x[:, 2:3]) + 0.1 * draws.standard_normal((len(x), 1))
        table, name = np.hstack([x, y]), "a made-up surface"
    known = table[TEST:]
    table = (table - known.mean(0)) / known.std(0)
    return torch.tensor(table[:, :-1], dtype=torch.float32), torch.tensor(table[:, -1:], dtype=torch.float32), name


def split(folder: Path | None, judge: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What trains and what judges: with `judge`, both without the rows of the test."""
    x, y, _ = rows_of(folder)
    begin, end = (TEST, TEST + HELD) if judge else (0, TEST)
    known = slice(TEST + HELD, TEST + HELD + TRAIN)
    return x[known], y[known], x[begin:end], y[begin:end]


def network() -> nn.Sequential:
    """Two hidden layers of 50 units: 2 851 parameters."""
    return nn.Sequential(nn.Linear(4, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, 1))


def _levenberg_marquardt(model: nn.Module, _: int, lr: float, smallest: float, **options: Any) -> Optimizer:
    return NaturalGradient(model, lr, LevenbergMarquardt(initial=1.0, smallest=smallest), **options)


LEVENBERG = Method(_levenberg_marquardt, {"lr": (0.03, 1.0), "smallest": (1e-3, 1.0)}, "#7a5230")
FITTERS = {
    name: METHODS[name] for name in ("TNGD", "TNGD, short", "NGD (Woodbury)", "K-FAC", "Adam", "SGD", "TNGD–Adam")
} | {"Levenberg–Marquardt": LEVENBERG}
DIGITAL = {"Adam", "SGD"}


def fit(run: Fit, folder: Path | None) -> dict[str, list[float]]:
    """What a run showed each time it was looked at: steps, processor seconds, mean loss, loss on what judges."""
    torch.set_num_threads(1)
    x, y, judge_x, judge_y = split(folder, run.judge)
    torch.manual_seed(run.seed)
    model = network()
    options = {} if run.method in DIGITAL else {"loss": "mse"}
    optimizer = FITTERS[run.method].make(model, run.seed, **run.settings, **options)
    steps = len(y) // run.batch * run.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps)))
    marks = set(np.unique(np.linspace(0, steps, run.points + 1).astype(int))[1:].tolist())
    history: dict[str, list[float]] = {name: [] for name in ("step", "seconds", "loss", "test_loss")}
    losses, seconds = [], 0.0
    for step, index in enumerate(_batches(len(y), run), start=1):
        began = process_time()
        if not (losses and math.isnan(losses[-1])):
            losses.append(_step(model, optimizer, x[index], y[index]))
            schedule.step()
        seconds += process_time() - began
        if step in marks:
            with torch.no_grad():
                judged = float(nn.functional.mse_loss(model.eval()(judge_x), judge_y))
            model.train()
            judged = math.nan if math.isnan(losses[-1]) else judged
            for name, value in zip(history, (step, seconds, float(np.mean(losses)), judged), strict=True):
                history[name].append(value)
            losses = losses[-1:] if math.isnan(losses[-1]) else []
    return history


def _batches(count: int, run: Fit) -> Iterable[Tensor]:
    shuffle = torch.Generator().manual_seed(run.seed)
    for _ in range(run.epochs):
        yield from torch.randperm(count, generator=shuffle)[: count // run.batch * run.batch].view(-1, run.batch)


def _step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    optimizer.zero_grad()
    if isinstance(optimizer, NaturalGradient) and optimizer.damping.judges:
        judged = optimizer.step(lambda: (model(x), y))
        return math.nan if judged is None else judged.item()
    if isinstance(optimizer, NaturalGradient):
        return stepped(optimizer, optimizer.backward(model(x), y))
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    return stepped(optimizer, loss)


# -- what is asked -------------------------------------------------------------------------------------------------


def compare(given: Any, kept: Path) -> dict[str, Any]:
    """The search of every method, and its winner with several seeds."""
    found = {}
    for name, method in FITTERS.items():
        points = method.points(given.runs)
        tried = made([Fit(name, point, given.epochs, SEARCH_SEED, judge=True) for point in points], given, kept)
        losses = [history["test_loss"][-1] for history in tried]
        best = points[int(np.argmin([loss if math.isfinite(loss) else math.inf for loss in losses]))]
        runs = made([Fit(name, best, given.epochs, seed) for seed in SEEDS[: given.seeds]], given, kept)
        print(name, best, [run["test_loss"][-1] for run in runs], flush=True)
        found[name] = {"settings": best, "tried": losses, "runs": runs}
    return found


def gains(given: Any, winners: dict[str, dict[str, float]], kept: Path) -> list[dict[str, Any]]:
    """For every batch the test losses of TNGD and Adam, each at the best of its rates."""
    found = []
    for batch in (int(part) for part in given.batches.split(",") if part):
        row: dict[str, Any] = {"batch": batch}
        for name, rate in (("TNGD, short", "rate"), ("Adam", "lr")):
            settings = winners[name]
            points = [settings | {rate: settings[rate] * factor} for factor in RATES]
            tried = made(
                [Fit(name, p, given.short, SEARCH_SEED, batch, judge=True, points=1) for p in points], given, kept
            )
            losses = [history["test_loss"][-1] for history in tried]
            best = int(np.argmin([loss if math.isfinite(loss) else math.inf for loss in losses]))
            runs = made(
                [Fit(name, points[best], given.short, seed, batch, points=1) for seed in SEEDS[: given.seeds]],
                given,
                kept,
            )
            row[name] = {"factor": RATES[best], "test losses": [run["test_loss"][-1] for run in runs]}
        print(row, flush=True)
        found.append(row)
    return found


def cosines(
    folder: Path | None, damping: float, steps: Sequence[int] = (0, 100, 1000), draws: int = 20
) -> list[dict[str, Any]]:
    """Mean cosine of a batch's gradient, and natural gradient, with that of all rows, along a run of Adam."""
    x, y, *_ = split(folder, judge=False)
    torch.manual_seed(0)
    model = network()
    adam, shuffle = torch.optim.Adam(model.parameters(), 3e-3), torch.Generator().manual_seed(0)
    found = []
    for step in range(max(steps) + 1):
        if step in steps:
            _, gradient, _ = rows = curvature_rows(model, x, y, "mse")
            natural = ConjugateGradient(200, progress=0.0).direction(rows[0], gradient, damping)[0]
            for batch in BATCHES:
                pairs = []
                for _ in range(draws):
                    index = torch.randperm(len(y), generator=shuffle)[:batch]
                    part, slope, _ = curvature_rows(model, x[index], y[index], "mse")
                    pairs.append(
                        (_cosine(slope, gradient), _cosine(Woodbury().direction(part, slope, damping)[0], natural))
                    )
                found.append(
                    {
                        "step": step,
                        "batch": batch,
                        "gradient": mean(pair[0] for pair in pairs),
                        "natural gradient": mean(pair[1] for pair in pairs),
                    }
                )
        index = torch.randperm(len(y), generator=shuffle)[:64]
        adam.zero_grad()
        nn.functional.mse_loss(model(x[index]), y[index]).backward()
        adam.step()
    return found


def _cosine(one: Tensor, other: Tensor) -> float:
    return float(one @ other / (one.norm() * other.norm()))


def made(runs: Sequence[Fit], given: Any, kept: Path) -> list[dict[str, Any]]:
    """Histories of runs, made or found."""
    return train_all(runs, given.data, kept, given.workers, fit)


def draw(results: dict[str, Any], path: Path) -> None:
    """Test loss against steps; gain over Adam and cosines against the batch."""
    plt = pyplot()
    figure, (loss_ax, *gain_axes, cosine_ax) = plt.subplots(
        1, 2 + bool(results["gains"]), figsize=(14, 4.2), layout="constrained"
    )
    for name, found in results["methods"].items():
        shaded(loss_ax, found["runs"], "step", "test_loss", name, FITTERS[name].color)
    loss_ax.set(xlabel="steps", ylabel="test loss (variance 1)", yscale="log", ylim=(None, 0.2))
    loss_ax.legend(frameon=False, fontsize=8)
    for ax in gain_axes:
        sizes = [row["batch"] for row in results["gains"]]
        for name in ("TNGD, short", "Adam"):
            losses = np.array([row[name]["test losses"] for row in results["gains"]], dtype=float)
            ax.plot(sizes, np.median(losses, 1), marker="o", markersize=3, color=FITTERS[name].color, label=name)
            ax.fill_between(sizes, losses.min(1), losses.max(1), color=FITTERS[name].color, alpha=0.18, linewidth=0)
        ax.set(xscale="log", xlabel="rows of a batch", ylabel=f"test loss after {results['short epochs']} epochs")
        ax.legend(frameon=False, fontsize=8)
    for step, style in zip(sorted({row["step"] for row in results["cosines"]}), ("-", "--", ":"), strict=True):
        rows = [row for row in results["cosines"] if row["step"] == step]
        for name, color in (("gradient", "#8c8c8c"), ("natural gradient", "#1f4e9c")):
            cosine_ax.plot(
                [row["batch"] for row in rows],
                [row[name] for row in rows],
                style,
                color=color,
                marker="o",
                markersize=3,
                label=f"{name}, step {step}",
            )
    cosine_ax.set(xscale="log", xlabel="rows of a batch", ylabel="cosine with that of all rows", ylim=(0, 1.02))
    cosine_ax.legend(frameon=False, fontsize=7)
    figure.suptitle(f"{results['data']}, {results['training rows']} rows", x=0.01, ha="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, runs=8, epochs=4, short=2, damping=0.01, batches=",".join(map(str, BATCHES)))
    path = given.results / "regression.json"
    if not given.draw:
        kept = unfinished(path)
        found = compare(given, kept)
        winners = {name: entry["settings"] for name, entry in found.items()}
        name = rows_of(given.data)[2]
        write(
            {
                "data": name,
                "training rows": len(split(given.data, judge=False)[0]),
                "budget of each method": f"{given.runs} settings, {given.epochs} epochs, 1 seed",
                "epochs": given.epochs,
                "short epochs": given.short,
                "damping of the directions": given.damping,
                "methods": found,
                "gains": gains(given, winners, kept),
                "cosines": cosines(given.data, given.damping),
            },
            path,
        )
    draw(read(path), given.pictures / "experiments-regression.png")


if __name__ == "__main__":
    main()
