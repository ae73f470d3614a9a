"""Embeddings that all data share, such as those of positions, seen through the addition that spreads them.

What ``embedding(arange(T))`` returns has no axis of data, and what comes back to it is a sum over them. At the sum with
something that has that axis, h + embedding(arange(T)), the same derivatives still stand datum by datum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from thermoapps.natural_gradient.curvature.graph import consumers
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["behind_addition"]


def behind_addition(outputs: Tensor, uses: Sequence[Use]) -> list[Use]:
    """The uses, with those of shared embeddings replaced by their part in the sum that gives each datum its own.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    uses : sequence of Use
        The recorded uses.

    Returns
    -------
    list of Use
    """
    shared = {id(use) for use in uses if type(use.module) is nn.Embedding and use.input.dim() == 1}
    if not shared:
        return list(uses)
    following = consumers(outputs.grad_fn)
    return [_spread(use, following, len(outputs)) if id(use) in shared else use for use in uses]


def _spread(use: Use, following: dict[Any, list[Any]], data: int) -> Use:
    """The use at the only place where it is added to what has an entry (n, T, …) for each datum; else itself."""
    output, node = use.outputs[0], use.edges[0].node
    while len(following.get(node, [])) == 1:
        (node,) = following[node]
        if node.name() == "AddBackward0" and node._saved_alpha == 1:
            if tuple(node._input_metadata[0].shape) != (data, *output.shape):
                return use
            indices = use.input[None]
            spread = output.expand(data, *output.shape)
            return replace(use, args=(indices,), kwargs={}, outputs=[spread], edges=[GradientEdge(node, 0)])
        if node.name() != "UnsqueezeBackward0":
            return use
    return use
