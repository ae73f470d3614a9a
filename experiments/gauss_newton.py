"""Exact Gauss–Newton steps and their options, one by one: momentum, a line search, damping that changes slowly.

    python experiments/gauss_newton.py --seeds 3

The abstract of Exact Gauss–Newton Optimization (EGN, arXiv:2405.14402) says that it generalises better than tuned SGD,
Adam and Gauss–Newton with conjugate gradients, or as well. Without its options it is the exact damped natural gradient.
Four regressions and two control tasks: every method gets the same number of settings, judged on rows kept back, then
several seeds. The control tasks have a known answer, the gain of the discrete Riccati equation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from control import PLANTS, BellmanResidual
from methods import FORGET, METHODS, Method
from torch import Tensor, nn
from torch.optim import Optimizer
from training import stepped, train_all

from thermoapps.natural_gradient import (
    Damping,
    ExactGaussNewton,
    FixedDamping,
    LevenbergMarquardt,
    LineSearch,
    NaturalGradient,
)

SEARCH_SEED, POINTS = 100, 10
SETS = {"concrete": "concrete.txt", "energy": "energy.txt", "yacht": "yacht.txt"}
"""Tables whose column after the last reading is the target."""
READINGS = {"concrete": 8, "energy": 8, "yacht": 6}


def _bounded(smallest: float) -> Damping:
    """Martens's rule, from 1 down to a bound."""
    return LevenbergMarquardt(initial=1.0, smallest=smallest)


def _slow(initial: float) -> Damping:
    """λ that changes by a hundredth, and no step is taken back."""
    return LevenbergMarquardt(initial, increase=1.01, decrease=0.99, acceptable=-math.inf, attempts=1)


def _egn(
    damped: Callable[[float], Damping],
    search: LineSearch | None,
    model: nn.Module,
    _: int,
    lr: float,
    damping: float,
    forget: float = 1.0,
) -> Optimizer:
    """Exact Gauss–Newton with a rule for λ and, maybe, a line search, whose longest step is the rate."""
    return NaturalGradient(model, lr, damped(damping), solver=ExactGaussNewton(1 - forget, search), loss="mse")


BOUNDS = {"lr": (0.1, 3.0), "damping": (0.01, 3.0)}
ADAM = replace(METHODS["Adam"], ranges={"lr": (1e-3, 0.3)} | FORGET)
"""With larger rates too: value functions have a way to go."""
FITTERS = {
    "SGD": METHODS["SGD"],
    "Adam": ADAM,
    "Adam, longer": ADAM,
    "NGD": Method(partial(_egn, FixedDamping, None), BOUNDS, "#1f4e9c"),
    "Levenberg–Marquardt": Method(partial(_egn, _bounded, None), BOUNDS, "#7a5230"),
    "EGN, momentum": Method(partial(_egn, FixedDamping, None), BOUNDS | FORGET, "#5aa9e6"),
    "EGN, line search": Method(partial(_egn, FixedDamping, LineSearch()), BOUNDS, "#2e8b57"),
    "EGN, damping": Method(partial(_egn, _slow, None), BOUNDS, "#d4a017"),
    "EGN, all three": Method(partial(_egn, _slow, LineSearch()), BOUNDS | FORGET, "#c1272d"),
}
LONGER = {"Adam, longer"}
"""What makes `longer` times as many steps as the others, for about their time."""


@dataclass(frozen=True)
class Task:
    """What is learned: rows that train, rows that judge settings, and the error by which the end is judged."""

    network: Callable[[], nn.Module]
    train: tuple[Tensor, Tensor]
    held: tuple[Tensor, Tensor]
    error: Callable[[nn.Module], float]


def task_of(name: str, folder: Path | None) -> Task:
    """A task by its name."""
    if name in PLANTS:
        return _control(name)
    if name == "diabetes":
        from sklearn.datasets import load_diabetes

        x, y = load_diabetes(return_X_y=True)
    else:
        table = np.loadtxt(Path(folder or "") / "regression" / SETS[name])
        x, y = table[:, : READINGS[name]], table[:, READINGS[name]]
    return _regression(x, y)


def tasks(folder: Path | None) -> list[str]:
    """Names of the tasks whose data are there."""
    there = [name for name, file in SETS.items() if folder is not None and (folder / "regression" / file).is_file()]
    return [*there, "diabetes", *PLANTS]


def _regression(x: np.ndarray, y: np.ndarray) -> Task:
    """Readings and targets, standardised; a fifth of the rows are the test, a fifth of the others judge settings."""
    order = np.random.default_rng(0).permutation(len(y))
    first, second = len(y) // 5, len(y) // 5 + (len(y) - len(y) // 5) // 5
    table = np.column_stack([x, y])[order]
    known = table[second:]
    rows = torch.tensor((table - known.mean(0)) / known.std(0), dtype=torch.float32)
    test, held, train = ((part[:, :-1], part[:, -1:]) for part in (rows[:first], rows[first:second], rows[second:]))

    def network() -> nn.Module:
        width = train[0].shape[1]
        return nn.Sequential(nn.Linear(width, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))

    return Task(network, train, held, lambda model: _loss(model, *test))


def _control(name: str) -> Task:
    """A value function by least squares of its Bellman residual; its error is that of its gain, relative."""
    plant = PLANTS[name]()
    best, (states, actions) = plant.best_gain(), plant.B.shape

    def error(model: nn.Module) -> float:
        return float(np.linalg.norm(model.gain() - best) / np.linalg.norm(best))

    network = partial(_double, BellmanResidual, states, actions)
    return Task(network, plant.transitions(1000, seed=1), plant.transitions(300, seed=2), error)


def _double(kind: Callable[..., nn.Module], *sizes: int) -> nn.Module:
    """A network in double precision."""
    return kind(*sizes).double()


@torch.no_grad()
def _loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float(nn.functional.mse_loss(model.eval()(x), y))


@dataclass(frozen=True)
class Trial:
    """One network, trained once; `judge` by the rows kept back instead of the error of the task."""

    task: str
    method: str
    settings: dict[str, float]
    steps: int
    seed: int
    batch: int
    judge: bool = False

    @property
    def key(self) -> str:
        """All of it, as text."""
        return json.dumps(asdict(self), sort_keys=True)


def fit(trial: Trial, folder: Path | None) -> dict[str, list[float]]:
    """What a trial showed each time it was looked at: steps, processor seconds, error; NaN from where it diverged."""
    torch.set_num_threads(1)
    task = task_of(trial.task, folder)
    x, y = task.train
    torch.manual_seed(trial.seed)
    model = task.network()
    optimizer = FITTERS[trial.method].make(model, trial.seed, **trial.settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / trial.steps))
    )
    marks = set(np.linspace(0, trial.steps, POINTS + 1).astype(int)[1:].tolist())
    history: dict[str, list[float]] = {name: [] for name in ("step", "seconds", "error")}
    loss, seconds = 0.0, 0.0
    for step, index in zip(range(1, trial.steps + 1), _batches(len(y), trial), strict=False):
        began = process_time()
        if math.isfinite(loss):
            loss = _step(model, optimizer, x[index], y[index])
            schedule.step()
        seconds += process_time() - began
        if step in marks:
            error = _loss(model, *task.held) if trial.judge else task.error(model)
            model.train()
            for name, value in zip(history, (step, seconds, error if math.isfinite(loss) else math.nan), strict=True):
                history[name].append(value)
    return history


def _batches(count: int, trial: Trial) -> Iterator[Tensor]:
    shuffle, size = torch.Generator().manual_seed(trial.seed), min(trial.batch, count)
    while True:
        yield from torch.randperm(count, generator=shuffle)[: count // size * size].view(-1, size)


def _step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    """The loss before the step; NaN where the step could not be made."""
    optimizer.zero_grad()
    if isinstance(optimizer, NaturalGradient):
        if optimizer.damping.judges or optimizer.solver.line_search is not None:
            return float(optimizer.step(lambda: (model(x), y)))
        return stepped(optimizer, optimizer.backward(model(x), y))
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    return stepped(optimizer, loss)


def compare(given: Any, kept: Path) -> dict[str, Any]:
    """For every task and method the settings tried, and runs of the best with several seeds."""
    found: dict[str, Any] = {}
    for task in given.tasks.split(";") if given.tasks else tasks(given.data):
        found[task] = {}
        for name, method in FITTERS.items():
            steps = given.steps * (given.longer if name in LONGER else 1)
            trial = partial(Trial, task, name, steps=steps, batch=given.batch)
            points = method.points(given.runs)
            tried = made([trial(settings=point, seed=SEARCH_SEED, judge=True) for point in points], given, kept)
            losses = [history["error"][-1] for history in tried]
            best = points[int(np.argmin([loss if math.isfinite(loss or math.nan) else math.inf for loss in losses]))]
            runs = made([trial(settings=best, seed=seed) for seed in SEEDS[: given.seeds]], given, kept)
            print(task, name, best, [run["error"][-1] for run in runs], f"{runs[0]['seconds'][-1]:.2f} s", flush=True)
            found[task][name] = {"settings": best, "tried": losses, "runs": runs}
    return found


def made(trials: Iterable[Trial], given: Any, kept: Path) -> list[dict[str, Any]]:
    """Histories of trials, made or found."""
    return train_all(list(trials), given.data, kept, given.workers, fit)


def draw(results: dict[str, Any], path: Path) -> None:
    """Error against processor seconds, task by task."""
    plt = pyplot()
    found = results["tasks"]
    columns = (len(found) + 1) // 2
    figure, axes = plt.subplots(2, columns, figsize=(2.9 * columns, 5.0), layout="constrained", squeeze=False)
    for ax, (task, methods) in zip(axes.flat, found.items(), strict=False):
        for name, method in methods.items():
            shaded(ax, method["runs"], "seconds", "error", name, FITTERS[name].color, "--" if name in LONGER else "-")
        ax.set(xscale="log", yscale="log", xlabel="processor seconds", title=task)
        ax.set_ylabel("error of the gain" if task in PLANTS else "test loss (variance 1)")
    for ax in list(axes.flat)[len(found) :]:
        ax.axis("off")
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, runs=6, steps=100, longer=5, batch=64, tasks="")
    path = given.results / "gauss-newton.json"
    if not given.draw:
        found = compare(given, unfinished(path))
        told = {
            "budget of each method": f"{given.runs} settings, {given.steps} steps, 1 seed",
            "steps": given.steps,
            "longer": given.longer,
            "batch": given.batch,
        }
        write(told | {"tasks": found}, path)
    draw(read(path), given.pictures / "experiments-gauss-newton.png")


if __name__ == "__main__":
    main()
