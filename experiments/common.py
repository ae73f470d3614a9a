"""What all experiments share: data, networks, the training loop, and the writing of results and pictures."""

from __future__ import annotations

import argparse
import gzip
import json
import math
import os
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from tqdm import tqdm

from thermoapps.natural_gradient import NaturalGradient, RefusedStepWarning

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SEEDS = (0, 1, 2, 3, 4)

torch.set_num_threads(1)


# -- data -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Data:
    """Images of digits, standardised by the statistics of the training images, with their labels."""

    name: str
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    def first(self, count: int) -> tuple[Tensor, Tensor]:
        """The first training data; files of MNIST are in random order already."""
        x, y = self.train
        return x[:count], y[:count]

    def held_out(self, begin: int, count: int) -> tuple[Tensor, Tensor]:
        """Training data from `begin` on, on which settings are compared; the test data are left alone."""
        x, y = self.train
        return x[begin : begin + count], y[begin : begin + count]


def load_data(folder: Path | None) -> Data:
    """MNIST from ``folder/mnist`` (or `folder` itself), else the digits that come with scikit-learn."""
    for place in [] if folder is None else [folder / "mnist", folder]:
        if (place / "train-images-idx3-ubyte.gz").is_file():
            return _standardised("MNIST", _mnist(place, "train"), _mnist(place, "t10k"))
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x, y = images.reshape(-1, 8, 8)[order] / 16, labels[order]
    return _standardised("digits of scikit-learn", (x[:1500], y[:1500]), (x[1500:], y[1500:]))


def _mnist(place: Path, part: str) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(place / f"{part}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28) / 255
    with gzip.open(place / f"{part}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images, labels


def _standardised(name: str, train: tuple[Any, Any], test: tuple[Any, Any]) -> Data:
    mean, deviation = train[0].mean(), train[0].std()
    parts = [
        (torch.tensor((x - mean) / deviation, dtype=torch.float32)[:, None], torch.tensor(y, dtype=torch.long))
        for x, y in (train, test)
    ]
    return Data(name, parts[0], parts[1])


# -- networks ---------------------------------------------------------------------------------------------------------


def ordinary_cnn(side: int) -> nn.Sequential:
    """Two convolutions and two dense layers: 20 522 parameters for 28 × 28 images."""
    kernel, padding = (5, 0) if side == 28 else (3, 1)
    convolutions = nn.Sequential(
        nn.Conv2d(1, 8, kernel, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, kernel, padding=padding),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    return nn.Sequential(*convolutions, nn.Linear(_width(convolutions, side), 64), nn.ReLU(), nn.Linear(64, 10))


def one_convolution(side: int) -> nn.Sequential:
    """One convolution and two dense layers: 43 706 parameters for 28 × 28 images, about the size of the paper's."""
    convolution = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*convolution, nn.Linear(_width(convolution, side), 32), nn.ReLU(), nn.Linear(32, 10))


def _width(convolutions: nn.Module, side: int) -> int:
    with torch.no_grad():
        return int(convolutions(torch.zeros(1, 1, side, side)).shape[1])


# -- training ---------------------------------------------------------------------------------------------------------

Build = Callable[[nn.Module, int], Optimizer]
"""An optimiser for a model and a seed."""


def train(
    network: Callable[[int], nn.Module],
    build: Build,
    data: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    *,
    seed: int,
    epochs: int,
    batch: int = 32,
    points: int = 4,
    decay: bool = True,
    label: str = "",
) -> dict[str, Any]:
    """Train one network; `points` times in an epoch write down mean training loss, seconds and test accuracy.

    The rate falls to zero along a cosine when `decay`. Seconds are processor time of
    training, on one core, which other programs on the machine do not lengthen; testing is left out. A run that meets
    numbers that are not finite ends there, with None for the losses it did not reach.
    """
    torch.manual_seed(seed)
    x, y = data
    model = network(x.shape[-1])
    optimizer = build(model, seed)
    steps = len(y) // batch * epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + np.cos(np.pi * step / steps)) if decay else 1.0
    )
    shuffle = torch.Generator().manual_seed(seed)
    marks = set(np.unique(np.linspace(0, steps, epochs * points + 1).astype(int))[1:].tolist())
    history: dict[str, Any] = {"seed": seed, "step": [], "seconds": [], "loss": [], "accuracy": []}
    seconds, losses, step = 0.0, [], 0
    with tqdm(total=steps, desc=label, leave=False, disable=None) as bar:
        for _ in range(epochs):
            for index in torch.randperm(len(y), generator=shuffle)[: len(y) // batch * batch].view(-1, batch):
                began = process_time()
                if not (losses and math.isnan(losses[-1])):
                    losses.append(_step(model, optimizer, x[index], y[index]))
                    schedule.step()
                seconds += process_time() - began
                step += 1
                bar.update()
                if step in marks:
                    entry = (step, seconds, float(np.mean(losses)), accuracy(model, *test))
                    for name, value in zip(("step", "seconds", "loss", "accuracy"), entry, strict=True):
                        history[name].append(value)
                    losses = losses[-1:] if math.isnan(losses[-1]) else []
    if isinstance(optimizer, NaturalGradient):
        optimizer.close()
    return history


def _step(model: nn.Module, optimizer: Optimizer, x: Tensor, y: Tensor) -> float:
    """The loss before the step; NaN where the step could not be made."""
    optimizer.zero_grad()
    if isinstance(optimizer, NaturalGradient):
        loss = optimizer.backward(model(x), y)
    else:
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RefusedStepWarning)
        try:
            optimizer.step()
        except RefusedStepWarning:
            return math.nan
    return loss.item() if math.isfinite(loss.item()) else math.nan


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Share of images whose digit has the largest output."""
    model.eval()
    right = sum(int((model(a).argmax(1) == b).sum()) for a, b in zip(x.split(1000), y.split(1000), strict=True))
    model.train()
    return right / len(y)


# -- results and pictures ---------------------------------------------------------------------------------------------


def options(description: str | None, **extra: Any) -> argparse.Namespace:
    """Command line of an experiment: where data, results and pictures are, how many seeds, a quick look."""
    parser = argparse.ArgumentParser(description=description)
    default = os.environ.get("THERMOLINALG_DATA") or ROOT.parent / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder with MNIST in it; without: digits")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for numbers")
    parser.add_argument("--pictures", type=Path, default=ROOT / "docs" / "images", help="folder for pictures")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="number of seeds")
    for name, value in extra.items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value}")
    parser.add_argument("--draw", action="store_true", help="only draw again, from the results")
    return parser.parse_args()


def write(results: dict[str, Any], path: Path) -> None:
    """Results as JSON, with the machine they come from; what is not finite becomes null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = {
        "cores used": 1,
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    path.write_text(json.dumps(_plain({"machine": machine} | results), indent=1) + "\n", encoding="utf-8")


def read(path: Path) -> dict[str, Any]:
    """Results written before."""
    return json.loads(path.read_text(encoding="utf-8"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value


def pyplot() -> Any:
    """Matplotlib without a window."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3})
    return plt


def shaded(ax: Any, runs: Sequence[dict[str, Any]], x: str, y: str, label: str, color: Any) -> None:
    """Mean over seeds as a line, smallest to largest as a band."""
    values = np.array([run[y] for run in runs], dtype=float)
    along = np.mean([run[x] for run in runs], axis=0)
    ax.plot(along, values.mean(axis=0), color=color, label=label, marker="o", markersize=2.5, linewidth=1.4)
    ax.fill_between(along, values.min(axis=0), values.max(axis=0), color=color, alpha=0.18, linewidth=0)


def save(figure: Any, path: Path) -> None:
    """The picture as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
