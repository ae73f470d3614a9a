"""Curvature rows of each kind of layer: one file per kind, with the same few rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.convolution import convolution_rows
from thermoapps.natural_gradient.layers.embedding import EmbeddingRows, embedding_rows
from thermoapps.natural_gradient.layers.generic import generic_rows
from thermoapps.natural_gradient.layers.linear import LinearRows, linear_rows
from thermoapps.natural_gradient.layers.normalization import normalization_rows
from thermoapps.natural_gradient.layers.projection import Projection
from thermoapps.natural_gradient.layers.rectifier import rectifier_rows
from thermoapps.natural_gradient.layers.spread import Spread, spread_rows
from thermoapps.natural_gradient.layers.use import UnsupportedLayerError, Use

__all__ = [
    "DenseRows",
    "EmbeddingRows",
    "LayerRows",
    "LinearRows",
    "UnsupportedLayerError",
    "Use",
    "generic_rows",
    "keeps_factors",
    "rule_for",
]

Rule = Callable[[Sequence[Use], Mapping[str, Tensor]], LayerRows]

RULES: dict[Any, Rule] = {
    nn.Linear.forward: linear_rows,
    nn.Conv1d.forward: convolution_rows,
    nn.Conv2d.forward: convolution_rows,
    nn.Conv3d.forward: convolution_rows,
    nn.Embedding.forward: embedding_rows,
    nn.PReLU.forward: rectifier_rows,
    Spread.forward: spread_rows,
    Projection.forward: linear_rows,
    nn.LayerNorm.forward: normalization_rows,
    nn.RMSNorm.forward: normalization_rows,
    nn.GroupNorm.forward: normalization_rows,
    _BatchNorm.forward: normalization_rows,
    _InstanceNorm.forward: normalization_rows,
}
"""By the layer's own forward function: a subclass that overrides it is another kind of layer."""


def rule_for(module: nn.Module, parameters: Mapping[str, Tensor]) -> Rule:
    """How the rows of a layer are formed.

    Parameters
    ----------
    module : nn.Module
        The layer.
    parameters : mapping of str to Tensor
        Its trained parameters.

    Returns
    -------
    function
        The rule for this kind of layer, or the generic one.
    """
    rule = RULES.get(type(module).forward, generic_rows)
    return rule if parameters.keys() <= {"weight", "bias"} else generic_rows


def keeps_factors(rule: Rule) -> bool:
    """Whether the rows that a rule gives may be kept as inputs and cotangents, where these are shorter.

    Parameters
    ----------
    rule : function
        As from `rule_for`.

    Returns
    -------
    bool
    """
    return rule in (linear_rows, convolution_rows, embedding_rows)
