"""Training runs: what one is, how it goes, and many of them at once, kept as they end."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time
from typing import Any, Protocol

import numpy as np
import torch
from common import write_text
from data import NETWORKS, load_data
from joblib import Parallel, delayed
from methods import METHODS, Method
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from thermoapps.natural_gradient import NaturalGradient, RefusedStepWarning

SEEN = 2_000
"""Training images on which the accuracy is looked up."""


@dataclass(frozen=True)
class Run:
    """One network, trained once.

    Parameters
    ----------
    method : str
        By its name among the methods.
    settings : dict
        Of the method.
    images : int
        Number of training images, the first ones.
    judge : int
        Judge on so many of the last training images; 0 for the test images.
    network : str
        By its name.
    seed, epochs, batch : int
    points : int
        How often in an epoch the network is looked at.
    decay : bool
        Whether the rate falls to zero along a cosine.
    flat : float
        The share of the steps after which it begins to fall.
    averages : tuple of float
        Memories of running averages of the weights, each of which is judged too.
    warm : float
        The share of the steps in which the rate rises to its first value, from a tenth of it.
    shuffled : bool
        Whether every epoch has batches of its own; else they are those of the first one.
    """

    method: str
    settings: dict[str, float]
    images: int
    judge: int = 0
    network: str = "two convolutions"
    seed: int = 0
    epochs: int = 1
    batch: int = 64
    points: int = 4
    decay: bool = True
    flat: float = 0.0
    averages: tuple[float, ...] = ()
    warm: float = 0.0
    shuffled: bool = True

    def rate(self, share: float) -> float:
        """The rate after a share of the steps, relative to the first one."""
        if share < self.warm:
            return 0.1 + 0.9 * share / self.warm
        if not self.decay or share <= self.flat:
            return 1.0
        return 0.5 * (1 + math.cos(math.pi * (share - self.flat) / (1 - self.flat)))

    @property
    def key(self) -> str:
        """All of it, as text; what was added later only where it is used, so that earlier runs keep their names."""
        told = asdict(self)
        if not self.warm:
            del told["warm"]
        if self.shuffled:
            del told["shuffled"]
        return json.dumps(told, sort_keys=True)


def train(run: Run, folder: Path | None, methods: Mapping[str, Method] = METHODS) -> dict[str, list[float]]:
    """What a run of one of the methods showed each time it was looked at.

    Returns
    -------
    dict
        ``step``; ``seconds`` of training, processor time of one core, which other programs do not lengthen much;
        ``modelled``, the same with the device as the paper models it in the place of its simulation; mean training
        ``loss`` since the last look; ``accuracy`` and ``test_loss`` on the images that judge, and ``seen``, the
        accuracy on training images; for each average, under its `averaged_name`, the accuracy with it. A run that
        meets numbers that are not finite ends there, with NaN for the losses.
    """
    torch.set_num_threads(1)
    data = load_data(folder)
    x, y = data.first(run.images)
    judge = data.last(run.judge) if run.judge else data.test
    torch.manual_seed(run.seed)
    model = NETWORKS[run.network](x.shape[-1])
    averages = {
        averaged_name(memory): AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(memory))
        for memory in run.averages
    }
    optimizer = methods[run.method].build(run.settings)(model, run.seed)
    steps = len(y) // run.batch * run.epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: run.rate(step / steps))
    clock = Clock(optimizer)
    marks = set(np.unique(np.linspace(0, steps, run.epochs * run.points + 1).astype(int))[1:].tolist())
    names = ("step", "seconds", "modelled", "loss", "seen", "test_loss", "accuracy", *averages)
    history: dict[str, list[float]] = {name: [] for name in names}
    losses: list[float] = []
    for step, index in enumerate(_batches(len(y), run), start=1):
        if not (losses and math.isnan(losses[-1])):
            with clock:
                losses.append(_step(model, optimizer, x[index], y[index]))
                schedule.step()
                for average in averages.values():
                    average.update_parameters(model)
        if step in marks:
            seen = _judged(model, x[:SEEN], y[:SEEN])[1]
            averaged = [_judged(average, *judge)[1] for average in averages.values()]
            loss, accuracy = _judged(model, *judge)
            entry = (step, clock.seconds, clock.modelled, float(np.mean(losses)), seen, loss, accuracy, *averaged)
            for name, value in zip(names, entry, strict=True):
                history[name].append(value)
            losses = losses[-1:] if math.isnan(losses[-1]) else []
    if isinstance(optimizer, NaturalGradient):
        optimizer.close()
    return history


def averaged_name(memory: float) -> str:
    """Under which a history has the accuracy with weights averaged over about 1/(1 − memory) steps."""
    return f"accuracy, memory {memory:g}"


def _batches(count: int, run: Run) -> Iterable[Tensor]:
    shuffle = torch.Generator().manual_seed(run.seed)
    for epoch in range(run.epochs):
        if run.shuffled or not epoch:
            order = torch.randperm(count, generator=shuffle)
        yield from order[: count // run.batch * run.batch].view(-1, run.batch)


class Clock:
    """Processor seconds of an optimiser's steps, as they were and with its device as the paper models it."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.seconds = self.modelled = 0.0

    def __enter__(self) -> None:
        self._began = process_time()

    def __exit__(self, *_: object) -> None:
        taken = process_time() - self._began
        self.seconds += taken
        report = self.optimizer.report if isinstance(self.optimizer, NaturalGradient) else None
        if report is not None and (timing := report.hardware) is not None:
            simulated = report.timings.solve
            taken = taken * timing.digital / (timing.digital + simulated) + timing.device.total
        self.modelled += taken


def _step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    """The loss before the step; NaN where the step could not be made."""
    optimizer.zero_grad()
    if isinstance(optimizer, NaturalGradient):
        loss = optimizer.backward(model(x), y)
    else:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
    return stepped(optimizer, loss)


def stepped(optimizer: Optimizer, loss: Tensor) -> float:
    """Make a step; give the loss before it, or NaN where it could not be made."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RefusedStepWarning)
        try:
            optimizer.step()
        except RefusedStepWarning:
            return math.nan
    return loss.item() if math.isfinite(loss.item()) else math.nan


@torch.no_grad()
def _judged(model: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Mean loss, and the share of images whose digit has the largest output."""
    model.eval()
    outputs = torch.cat([model(part) for part in x.split(1000)])
    model.train()
    return float(nn.functional.cross_entropy(outputs, y)), float((outputs.argmax(1) == y).float().mean())


class Seeded(Protocol):
    """A run of any kind."""

    @property
    def seed(self) -> int:
        """Of its random numbers."""

    @property
    def key(self) -> str:
        """All of it, as text."""


def train_all(
    runs: Sequence[Seeded],
    folder: Path | None,
    kept: Path,
    workers: int,
    how: Callable[[Any, Path | None], dict[str, Any]] | None = None,
) -> list[dict[str, Any]]:
    """Histories of many runs, each with its seed, in order; `how` makes one, `train` unless something else is given.

    Every history is written to `kept` when its run ends, and not made again when an interrupted experiment is started
    once more; `write` removes the file when the experiment is complete.
    """
    found: dict[str, dict[str, Any]] = {}
    if kept.is_file():
        whole = [line for line in kept.read_text(encoding="utf-8").splitlines(keepends=True) if line[-1] == "\n"]
        write_text(kept, "".join(whole))  # without the line at which an experiment was killed
        found = dict(json.loads(line) for line in whole)
    missing = [run for run in {run.key: run for run in runs}.values() if run.key not in found]
    kept.parent.mkdir(parents=True, exist_ok=True)
    results = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(_named)(run, folder, how or train) for run in missing
    )
    with kept.open("a", encoding="utf-8") as file:
        for key, history in tqdm(results, total=len(missing), desc=kept.stem, disable=None):
            found[key] = history
            file.write(json.dumps([key, history]) + "\n")
            file.flush()
    return [{"seed": run.seed} | found[run.key] for run in runs]


def _named(run: Seeded, folder: Path | None, how: Callable[..., dict[str, Any]]) -> tuple[str, dict[str, Any]]:
    return run.key, how(run, folder)
