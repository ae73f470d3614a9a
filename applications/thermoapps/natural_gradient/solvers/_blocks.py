"""The rows of a network layer by layer, for solvers that take the curvature for block diagonal."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.layers import LayerRows
from thermoapps.natural_gradient.solvers.base import Rows

__all__ = ["LayerBlock", "layer_blocks"]


@dataclass(frozen=True)
class LayerBlock:
    """One layer, or several that share parameters.

    Parameters
    ----------
    name : str
        Qualified name of the first layer.
    rows : Rows
        Factor (r, p) of this block of the curvature matrix.
    index : Tensor, shape (p,)
        Where its parameters stand in flat vectors.
    layers : tuple of LayerRows
        One for each batch, or more for shared parameters; empty if the rows know of no layers.
    """

    name: str
    rows: Rows
    index: Tensor
    layers: tuple[LayerRows, ...] = ()


def layer_blocks(rows: Rows) -> list[LayerBlock]:
    """Blocks of all layers; parameters without rows are in none. Rows that know of no layers are one block.

    Parameters
    ----------
    rows : Rows

    Returns
    -------
    list of LayerBlock
    """
    if not isinstance(rows, CurvatureRows):
        return [LayerBlock("all", rows, torch.arange(rows.shape[1], device=rows.like.device))]
    sizes = [parameter.numel() for parameter in rows.parameters]
    places = torch.split(torch.arange(sum(sizes), device=rows.device), sizes)
    blocks = []
    for owned in _owned_together(rows.layers):
        held = [i for i, parameter in enumerate(rows.parameters) if id(parameter) in owned]
        batches = [
            Batch([layer for layer in batch.layers if _ids(layer) <= owned], batch.columns, batch.data)
            for batch in rows.batches
        ]
        layers = tuple(layer for batch in batches for layer in batch.layers)
        part = CurvatureRows(batches, [rows.parameters[i] for i in held], rows.count)
        blocks.append(LayerBlock(layers[0].name, part, torch.cat([places[i] for i in held]), layers))
    return blocks


def _ids(layer: LayerRows) -> set[int]:
    return {id(parameter) for parameter in layer.parameters.values()}


def _owned_together(layers: tuple[LayerRows, ...]) -> list[set[int]]:
    """Disjoint sets of parameters such that every layer's lie in one of them."""
    sets: list[set[int]] = []
    for layer in layers:
        joined = _ids(layer)
        apart = []
        for other in sets:
            if other & joined:
                joined |= other
            else:
                apart.append(other)
        sets = [*apart, joined]
    return sets
