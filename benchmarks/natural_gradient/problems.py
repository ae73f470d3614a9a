"""The networks and batches on which everyone takes steps. Times hardly depend on what the images show."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

SIDE = 28
CONTRAST = 0.3
"""Standard deviation of the pixels, about that of handwritten digits."""

BATCH, CLASSES = 64, 10
"""The paper's b and d_z."""


@dataclass(frozen=True)
class Problem:
    """A network, and one batch for it.

    Parameters
    ----------
    network : nn.Module
    inputs : Tensor, shape (b, …)
    targets : Tensor, shape (b,)
        Classes.
    """

    network: nn.Module
    inputs: Tensor
    targets: Tensor

    @property
    def parameters(self) -> int:
        """N."""
        return sum(parameter.numel() for parameter in self.network.parameters())


def convolutional() -> Problem:
    """Two convolutions and two dense layers, about 40,000 parameters: the size of the paper's network."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (SIDE // 4) ** 2, 48),
        nn.ReLU(),
        nn.Linear(48, CLASSES),
    )
    return Problem(network, CONTRAST * torch.randn(BATCH, 1, SIDE, SIDE), torch.randint(0, CLASSES, (BATCH,)))


def dense(parameters: int, batch: int = BATCH, classes: int = CLASSES) -> Problem:
    """Three dense layers, as wide as brings the number of parameters close to what is asked for."""
    torch.manual_seed(0)
    pixels = SIDE**2
    fixed = pixels + classes
    width = max(1, round(((fixed**2 + 4 * parameters) ** 0.5 - fixed) / 2))
    network = nn.Sequential(
        nn.Linear(pixels, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)
    )
    return Problem(network, CONTRAST * torch.randn(batch, pixels), torch.randint(0, classes, (batch,)))
