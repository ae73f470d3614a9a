"""The training race of ``thermolinalg demo``: TNGD, exact natural gradients and Adam on small images of digits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from thermoapps.natural_gradient.optimizer import NaturalGradient
from thermoapps.natural_gradient.tngd import TNGD
from thermolinalg.files import replacing

__all__ = ["Racer", "race"]

BATCH, HELD_OUT = 32, 360
LR, DAMPING, TIME, ADAM_LR = 0.1, 0.01, 50.0, 0.01
COLORS = {"TNGD": "#D55E00", "NGD": "#0072B2", "Adam": "#555555"}

Batch = tuple[Tensor, Tensor]


@dataclass
class Racer:
    """One network in training, and what has been seen of it.

    Parameters
    ----------
    name : str
    model : nn.Module
    optimizer : Optimizer
    seconds : float
        Of training so far.
    losses : list of float
        Before each step.
    checks : list of (int, float, float)
        Steps, seconds and accuracy on held-out images.
    """

    name: str
    model: nn.Module
    optimizer: Optimizer
    seconds: float = 0.0
    losses: list[float] = field(default_factory=list)
    checks: list[tuple[int, float, float]] = field(default_factory=list)

    def step(self, x: Tensor, y: Tensor) -> None:
        """One step on a batch."""
        began = perf_counter()
        self.optimizer.zero_grad()
        if isinstance(self.optimizer, NaturalGradient):
            loss = self.optimizer.backward(self.model(x), y)
        else:
            loss = nn.functional.cross_entropy(self.model(x), y)
            loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.losses.append(loss.item())
        self.seconds += perf_counter() - began

    @torch.no_grad()
    def check(self, x: Tensor, y: Tensor) -> None:
        """Note the accuracy on held-out images."""
        accuracy = float((self.model.eval()(x).argmax(1) == y).float().mean())
        self.model.train()
        self.checks.append((len(self.losses), self.seconds, accuracy))


def race(output: Path | None = None, seed: int = 0, *, seconds: float = 30.0, epochs: int = 16) -> list[Racer]:
    """Train three equal networks on the same batches in turns, show how they fare, and draw their curves.

    Parameters
    ----------
    output : Path, optional
        Where the picture goes, in place of what is there; None draws none.
    seed : int
        Of the first weights and the order of the images.
    seconds, epochs : float, int
        The race ends with whichever is reached first.

    Returns
    -------
    list of Racer
        The three, after the race.

    Raises
    ------
    ImportError
        Scikit-learn, rich or Matplotlib is missing.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    train, held_out = _digits()
    racers = _line_up(seed)
    batches = len(train[1]) // BATCH
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # Matrices this small only wait for a second thread.
    shuffle = torch.Generator().manual_seed(seed)
    errors = Console(stderr=True)
    columns = (
        TextColumn("{task.description:>5}"),
        BarColumn(),
        TextColumn("{task.fields[shown]}"),
        TimeElapsedColumn(),
    )
    began = perf_counter()
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as progress:
        bars = [progress.add_task(racer.name, total=epochs * batches, shown="") for racer in racers]
        for step in range(epochs * batches):
            if step % batches == 0:
                order = torch.randperm(len(train[1]), generator=shuffle)
            index = order[step % batches * BATCH :][:BATCH]
            late = perf_counter() - began > seconds
            for racer, bar in zip(racers, bars, strict=True):
                racer.step(train[0][index], train[1][index])
                if late or len(racer.losses) in (5, 10, 20) or (step + 1) % (batches // 2) == 0:
                    racer.check(*held_out)
                    shown = f"loss {racer.losses[-1]:.3f}, accuracy {100 * racer.checks[-1][2]:.1f} %"
                    progress.update(bar, shown=shown)
                progress.advance(bar)
            if late:
                break
    torch.set_num_threads(threads)
    for racer in racers:
        if isinstance(racer.optimizer, NaturalGradient):
            racer.optimizer.close()
    console = Console()
    console.print(_table(racers))
    if output is not None:
        _draw(racers, output)
        console.print(f"Picture: {output}", highlight=False, markup=False)
    return racers


def _digits() -> tuple[Batch, Batch]:
    """Training and held-out images, 8 × 8, in random order."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise ImportError("the race needs scikit-learn") from error
    pixels, labels = load_digits(return_X_y=True)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(pixels / 16, dtype=torch.float32).view(-1, 1, 8, 8)[order]
    y = torch.tensor(labels, dtype=torch.long)[order]
    return (x[:-HELD_OUT], y[:-HELD_OUT]), (x[-HELD_OUT:], y[-HELD_OUT:])


def _line_up(seed: int) -> list[Racer]:
    """Three networks with the same weights, each with its optimiser."""
    racers = []
    for name in COLORS:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = nn.Sequential(
                nn.Conv2d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Linear(128, 32),
                nn.ReLU(),
                nn.Linear(32, 10),
            )
        optimizer: Optimizer
        if name == "TNGD":
            optimizer = TNGD(model, LR, DAMPING, time=TIME, rng=seed)
        elif name == "NGD":
            optimizer = NaturalGradient(model, LR, DAMPING)
        else:
            optimizer = torch.optim.Adam(model.parameters(), ADAM_LR)
        racers.append(Racer(name, model, optimizer))
    return racers


def _table(racers: list[Racer]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(
        title="Training race: 1437 images of digits, a small convolutional network",
        caption="seconds on this machine, TNGD's device simulated; accuracy on 360 other images",
        title_justify="left",
        title_style="bold",
        caption_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("optimiser")
    for name in ("steps", "seconds", "last losses", "accuracy", "steps to 95 %"):
        table.add_column(name, justify="right")
    for racer in racers:
        last = racer.losses[-20:]
        there = next((str(steps) for steps, _, accuracy in racer.checks if accuracy >= 0.95), "–")
        accuracy = f"{100 * racer.checks[-1][2]:.1f} %" if racer.checks else "–"
        numbers = (str(len(racer.losses)), f"{racer.seconds:.1f}", f"{sum(last) / len(last):.3f}", accuracy, there)
        table.add_row(racer.name, *numbers)
    return table


def _draw(racers: list[Racer], output: Path) -> None:
    """Loss and error against steps, error against seconds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12.5, 4), layout="constrained")
    loss, steps, seconds = figure.subplots(1, 3)
    for racer in racers:
        smooth = torch.tensor(racer.losses).unfold(0, min(10, len(racer.losses)), 1).mean(1)
        loss.plot(smooth, color=COLORS[racer.name], label=racer.name)
        count, time, accuracy = zip(*racer.checks, strict=True)
        errors = [100 * (1 - value) for value in accuracy]
        for ax, along in ((steps, count), (seconds, time)):
            ax.plot(along, errors, marker="o", markersize=3, color=COLORS[racer.name], label=racer.name)
    loss.set(xlabel="steps", ylabel="training loss, mean of 10 steps", yscale="log")
    steps.set(xlabel="steps", ylabel="error on held-out images (%)", yscale="log")
    seconds.set(xlabel="seconds, device simulated", xscale="log", yscale="log")
    loss.legend(frameon=False)
    figure.suptitle("Training race on digits", fontsize=14, fontweight="bold", x=0.01, ha="left")
    with replacing(output, force=True) as stream:
        figure.savefig(stream, format=output.suffix[1:].lower(), dpi=130)
