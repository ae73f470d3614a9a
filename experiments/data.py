"""Images of digits and the networks that learn them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Part = tuple[Tensor, Tensor]
"""Images (n, 1, side, side) and labels (n,)."""


@dataclass(frozen=True)
class Data:
    """Images standardised by the statistics of the training images, with their labels."""

    name: str
    train: Part
    test: Part

    def first(self, count: int) -> Part:
        """The first training data; files of MNIST are in random order already."""
        x, y = self.train
        return x[:count], y[:count]

    def last(self, count: int) -> Part:
        """The last training data, on which settings are compared; the test data are left alone."""
        x, y = self.train
        return x[-count:], y[-count:]


@lru_cache(maxsize=1)
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


def two_convolutions(side: int) -> nn.Sequential:
    """An ordinary small network, two convolutions and two dense layers: 20 522 parameters for 28 × 28 images."""
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


def one_convolution(side: int, channels: int = 8, outputs: int = 10) -> nn.Sequential:
    """One convolution and two dense layers: 43 706 parameters for 28 × 28 images, about the size of the paper's."""
    convolution = nn.Sequential(nn.Conv2d(1, channels, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    dense = nn.Linear(_width(convolution, side), 4 * channels), nn.ReLU(), nn.Linear(4 * channels, outputs)
    return nn.Sequential(*convolution, *dense)


def _width(convolutions: nn.Module, side: int) -> int:
    with torch.no_grad():
        return int(convolutions(torch.zeros(1, 1, side, side)).shape[1])


NETWORKS: dict[str, Callable[[int], nn.Sequential]] = {
    "two convolutions": two_convolutions,
    "one convolution": one_convolution,
}
