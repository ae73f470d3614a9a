"""Rectifiers with trained slopes: y = max(x, 0) + a min(x, 0)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["rectifier_rows"]


def rectifier_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows Σ_t B[v,n,t] min(x[n,t], 0) of an ``nn.PReLU``, whose slopes belong to the axis after the data, or to all.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        Its weight a, with one entry or one for each channel.

    Returns
    -------
    LayerRows
    """
    per_channel = parameters["weight"].numel() > 1
    parts = []
    for use in uses:
        changes = use.cotangents[0] * use.input.clamp_max(0)
        parts.append(changes.reshape(*changes.shape[: 3 if per_channel else 2], -1).sum(-1, keepdim=not per_channel))
    return DenseRows.of_parts(uses[0].name, parameters, {"weight": torch.stack(parts).sum(0)})
