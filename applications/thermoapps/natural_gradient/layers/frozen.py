"""Statistics of a batch that the curvature takes for constants, while gradients go through them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from thermoapps.natural_gradient.layers.use import UnsupportedLayerError

__all__ = ["NODE", "frozen_statistics", "takes_statistics", "with_frozen_statistics"]

NODE = "_EitherBackward"
"""Name of the nodes by which a graph that can be frozen is known."""

_frozen = ContextVar("frozen", default=False)


@contextmanager
def frozen_statistics() -> Iterator[None]:
    """Backward passes within take the statistics of batches for constants.

    Yields
    ------
    None
    """
    token = _frozen.set(True)
    try:
        yield
    finally:
        _frozen.reset(token)


class _Either(torch.autograd.Function):
    """The same values by two ways, of which a backward pass goes one."""

    @staticmethod
    def forward(exact: Tensor, frozen: Tensor) -> Tensor:
        return exact.view_as(exact)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return (None, slopes[0]) if _frozen.get() else (slopes[0], None)


def takes_statistics(module: nn.Module) -> bool:
    """Whether a layer normalises with the statistics of the batch it sees.

    Parameters
    ----------
    module : nn.Module

    Returns
    -------
    bool
    """
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)


def with_frozen_statistics(name: str, module: nn.Module, inputs: Tensor, output: Tensor) -> Tensor:
    """The output of batch normalisation with a way back past its statistics beside the one through them.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    module : nn.Module
        The layer.
    inputs, output : Tensor
        What it was called with, and what it returned.

    Returns
    -------
    Tensor

    Raises
    ------
    UnsupportedLayerError
        Its statistics are those of several processes.
    """
    assert isinstance(module, _BatchNorm)
    if isinstance(module, nn.SyncBatchNorm):
        raise UnsupportedLayerError(f"layer {name!r} shares statistics between processes; use BatchNorm or GroupNorm")
    seen = inputs.detach().to(torch.float64 if inputs.dtype == torch.float64 else torch.float32)
    axes = [axis for axis in range(seen.dim()) if axis != 1]
    variance, mean = torch.var_mean(seen, axes, correction=0)
    if module.weight is not None:
        variance, mean = variance.to(module.weight), mean.to(module.weight)
    frozen = functional.batch_norm(inputs, mean, variance, module.weight, module.bias, eps=module.eps)
    result: Tensor = _Either.apply(output, frozen)  # type: ignore[no-untyped-call]
    return result
