"""Normalisations: y = γ x̂ + β entry by entry, with x̂ the input in normalised form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.frozen import takes_statistics
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["normalization_rows"]


def normalization_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows Σ_t B[v,n,t] x̂[n,t] for γ and Σ_t B[v,n,t] for β, which are short and therefore stored.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        The trained ones among ``weight`` γ and ``bias`` β.

    Returns
    -------
    LayerRows
    """
    shape = next(iter(parameters.values())).shape
    # γ belongs to the channels, on the axis after the data, or to the last axes.
    per_channel = not isinstance(uses[0].module, nn.LayerNorm | nn.RMSNorm)
    rows = dict.fromkeys(parameters, torch.zeros(()))
    for use in uses:
        for role in parameters:
            cotangents = use.cotangents[0]
            if role == "weight":
                cotangents = cotangents * use.derived(partial(_normalised, use.module))
            if per_channel:
                positions = tuple(range(3, cotangents.dim()))
            else:
                positions = tuple(range(2, cotangents.dim() - len(shape)))
            rows[role] = rows[role] + (cotangents.sum(positions) if positions else cotangents)
    return DenseRows.of_parts(uses[0].name, parameters, rows)


def _normalised(module: nn.Module, inputs: Tensor) -> Tensor:
    if isinstance(module, nn.LayerNorm):
        return functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    if isinstance(module, nn.RMSNorm):
        return functional.rms_norm(inputs, list(module.normalized_shape), eps=module.eps)
    if isinstance(module, nn.GroupNorm):
        return functional.group_norm(inputs, module.num_groups, eps=module.eps)
    assert isinstance(module, _BatchNorm | _InstanceNorm)
    if takes_statistics(module):
        return functional.batch_norm(inputs, None, None, training=True, eps=module.eps)
    if isinstance(module, _InstanceNorm) and (module.training or module.running_mean is None):
        return functional.instance_norm(inputs, eps=module.eps)
    assert module.running_mean is not None
    assert module.running_var is not None
    return functional.batch_norm(inputs, module.running_mean.to(inputs), module.running_var.to(inputs), eps=module.eps)
