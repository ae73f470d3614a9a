"""Several backward passes before one step, as one large batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.recording import Recorded
from thermoapps.natural_gradient.curvature.rows import CurvatureRows

__all__ = ["Accumulated", "add_to_gradients", "flat_gradient", "flat_values", "gradients_replaced", "write"]


class Accumulated:
    """Rows, mean gradient and mean loss of all data since the last step."""

    def __init__(self) -> None:
        self.parts: list[CurvatureRows] = []
        self.count = 0
        self.loss = 0.0
        self.gradient: Tensor | None = None

    def add(self, recorded: Recorded) -> Tensor:
        """Take in one batch; returns by how much the mean gradient over all data has changed."""
        rows, gradient, loss = recorded
        self.parts.append(rows)
        self.count += rows.count
        if self.gradient is None:
            self.gradient, self.loss = gradient, float(loss)
            return gradient
        share = rows.count / self.count
        self.loss += share * (float(loss) - self.loss)
        change = share * (gradient - self.gradient)
        self.gradient = self.gradient + change
        return change

    @property
    def rows(self) -> CurvatureRows:
        """The rows of all data."""
        return self.parts[0] if len(self.parts) == 1 else CurvatureRows.stacked(self.parts)


def _split(flat: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """A flat vector (N,) in the shapes and types of the parameters."""
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(p).to(p) for part, p in zip(parts, parameters, strict=True)]


def add_to_gradients(flat: Tensor, parameters: Sequence[Tensor]) -> None:
    """Add a flat vector (N,) to what stands in ``.grad``."""
    for part, parameter in zip(_split(flat, parameters), parameters, strict=True):
        parameter.grad = part.clone() if parameter.grad is None else parameter.grad + part


def flat_gradient(parameters: Sequence[Tensor]) -> Tensor:
    """What stands in ``.grad`` as one flat vector (N,), zero where there is nothing."""
    return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])


def flat_values(parameters: Sequence[Tensor]) -> Tensor:
    """The parameters as one flat vector (N,), a copy."""
    return torch.cat([parameter.detach().reshape(-1) for parameter in parameters])


def write(flat: Tensor, parameters: Sequence[Tensor]) -> None:
    """Give the parameters the values of a flat vector (N,)."""
    for part, parameter in zip(_split(flat, parameters), parameters, strict=True):
        parameter.data.copy_(part)


@contextmanager
def gradients_replaced(every: Iterable[Tensor], direction: Tensor, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Within it ``.grad`` of the parameters is the flat vector (N,), and that of all others among `every` is None."""
    kept = [(parameter, parameter.grad) for parameter in every]
    try:
        for parameter, _ in kept:
            parameter.grad = None
        for parameter, part in zip(parameters, _split(direction, parameters), strict=True):
            parameter.grad = part
        yield
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
