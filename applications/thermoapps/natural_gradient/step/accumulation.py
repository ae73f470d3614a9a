"""Several backward passes before one step, as one large batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.precision import working_dtype
from thermoapps.natural_gradient.curvature.rows import joined

__all__ = ["Accumulated", "flat_gradient", "flat_values", "gradients_replaced", "write"]


class Accumulated:
    """Rows and mean loss of all data since the last step, and what they have given to ``.grad``."""

    def __init__(self) -> None:
        self.parts: list[CurvatureFactor] = []
        self.count = 0
        self.loss = 0.0
        self._given: dict[Tensor, Tensor] = {}

    def note(self, loss: Tensor, count: int) -> float:
        """Take the loss of so many data into the mean; returns their share of all."""
        self.count += count
        share = count / self.count
        self.loss += share * (float(loss) - self.loss) if share < 1 else float(loss)
        return share

    def add(
        self,
        rows: CurvatureFactor,
        loss: Tensor,
        mean: Tensor,
        leaves: Sequence[Tensor],
        scale: float,
        retain_graph: bool,
    ) -> None:
        """Take in one batch and go backward from its loss, so that the mean over all data is added to ``.grad``.

        What stands in ``.grad`` from elsewhere stays, and whatever else happens in a backward pass does. The mean loss
        is that of all processes.
        """
        share = self.note(mean, rows.count)
        self.parts.append(rows)
        for leaf, given in self._given.items():
            if leaf.grad is not None:
                leaf.grad.sub_(share * given)
            self._given[leaf] = (1 - share) * given
        before = {leaf: leaf.grad.clone() for leaf in leaves if leaf.grad is not None}
        torch.autograd.backward(loss, loss.new_tensor(share * scale), retain_graph=retain_graph or rows.keeps_graph)
        for leaf in leaves:
            if leaf.grad is not None:
                new = leaf.grad - before[leaf] if leaf in before else leaf.grad.clone()
                self._given[leaf] = self._given[leaf] + new if leaf in self._given else new

    @property
    def rows(self) -> CurvatureFactor:
        """The rows of all data."""
        return self.parts[0] if len(self.parts) == 1 else joined(self.parts)


def _split(flat: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """A flat vector (N,) in the shapes and types of the parameters."""
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(p).to(p) for part, p in zip(parts, parameters, strict=True)]


def flat_gradient(parameters: Sequence[Tensor]) -> Tensor:
    """What stands in ``.grad`` as one flat vector (N,), zero where there is nothing, in single precision or more."""
    dtype = working_dtype(parameters)
    return torch.cat([_dense_gradient(parameter).reshape(-1).to(dtype) for parameter in parameters])


def _dense_gradient(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        return torch.zeros_like(parameter, requires_grad=False)
    return parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad


def flat_values(parameters: Sequence[Tensor]) -> Tensor:
    """The parameters as one flat vector (N,), a copy, in single precision or more."""
    dtype = working_dtype(parameters)
    return torch.cat([parameter.detach().reshape(-1).to(dtype) for parameter in parameters])


def write(flat: Tensor, parameters: Sequence[Tensor]) -> None:
    """Give the parameters the values of a flat vector (N,)."""
    for part, parameter in zip(_split(flat, parameters), parameters, strict=True):
        parameter.data.copy_(part)


@contextmanager
def gradients_replaced(every: Iterable[Tensor], direction: Tensor, parameters: Sequence[Tensor]) -> Iterator[None]:
    """Within it ``.grad`` is the flat vector (N,) wherever a parameter has one, and None for all others of `every`."""
    kept = [(parameter, parameter.grad) for parameter in every]
    try:
        for parameter, _ in kept:
            parameter.grad = None
        unused = {id(parameter) for parameter, gradient in kept if gradient is None}
        for parameter, part in zip(parameters, _split(direction, parameters), strict=True):
            if id(parameter) not in unused:
                parameter.grad = part
        yield
    finally:
        for parameter, gradient in kept:
            parameter.grad = gradient
