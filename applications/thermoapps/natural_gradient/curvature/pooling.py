"""Convolutions seen through the max pooling above them: most places of their outputs then never matter.

At the bottom of a network nothing needs the cotangents at a convolution's outputs but its own rows. With
y[n,o,c] = max over places of φ(z[n,o,t]) these are derivatives at the winning places w[n,o,c] alone, so that columns
need to travel back no further than to the pooled outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from thermoapps.natural_gradient.curvature.graph import consumers
from thermoapps.natural_gradient.layers.convolution import is_stored
from thermoapps.natural_gradient.layers.use import Pooling, Use

__all__ = ["behind_pooling"]

POOLINGS = (
    "MaxPool2DWithIndicesBackward0",
    "MaxPool3DWithIndicesBackward0",
    "AdaptiveMaxPool2DBackward0",
    "AdaptiveMaxPool3DBackward0",
)

ELEMENTWISE = {
    "ReluBackward0", "LeakyReluBackward0", "EluBackward0", "HardtanhBackward0", "GeluBackward0", "SiluBackward0",
    "MishBackward0", "TanhBackward0", "SigmoidBackward0", "SoftplusBackward0", "HardswishBackward0",
}  # fmt: skip


def behind_pooling(outputs: Tensor, uses: Sequence[Use]) -> list[Use]:
    """The uses, with those of convolutions at the bottom replaced by what max pooling left of them.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.

    Returns
    -------
    list of Use
        A replaced use has the outputs of the pooling in the place of its own, and its `pooling`.
    """
    calls = Counter(use.module for use in uses)
    bottom = {id(use) for use in uses if calls[use.module] == 1 and _at_the_bottom(use, outputs.shape[0])}
    if not bottom:
        return list(uses)
    following = consumers(outputs.grad_fn)
    return [_pooled(use, following) if id(use) in bottom else use for use in uses]


def _at_the_bottom(use: Use, data: int) -> bool:
    module = use.module
    if not isinstance(module, nn.Conv2d | nn.Conv3d) or module.groups > 1 or use.inputs[0].requires_grad:
        return False
    return use.outputs[0].shape[0] == data and is_stored(use)


def _pooled(use: Use, following: dict[Any, list[Any]]) -> Use:
    """What a pooling that is fed by this use alone, entry by entry, leaves of it; else the use itself."""
    node, (edge,) = use.edges[0].node, use.edges
    while len(following.get(node, [])) == 1:
        before, (node,) = node, following[node]
        if node.name() in POOLINGS:
            break
        if node.name() not in ELEMENTWISE:
            return use
    else:
        return use
    indices = node._saved_result1.flatten(2)
    slopes = None
    if before is not edge.node:
        ones = torch.ones_like(use.outputs[0])
        (slopes,) = torch.autograd.grad(GradientEdge(before, 0), edge, ones, retain_graph=True)
        slopes = slopes.flatten(2).gather(2, indices).to(use.dtype)
    outputs = use.outputs[0].new_empty(()).expand(node._saved_result1.shape)
    pooled = replace(use, outputs=[outputs], edges=[GradientEdge(node, 0)], pooling=Pooling(indices, slopes))
    pooled.versions = use.versions
    return pooled
