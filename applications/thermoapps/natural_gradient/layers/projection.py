"""Linear layers within a layer, seen in the graph alone: the projections of attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["Offset", "Projection", "offset_rows"]


class Projection(nn.Module):
    """Stands for products with a weight.

    Parameters
    ----------
    weight : Tensor, shape (o, i)
        A parameter of another module.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = weight

    def forward(self) -> None:
        """Never called."""
        raise NotImplementedError("a projection is called by the layer that it is a part of")


class Offset(nn.Module):
    """Stands for additions of a bias to all positions."""

    def forward(self) -> None:
        """Never called."""
        raise NotImplementedError("a bias is no layer")


def offset_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows Σ_t B[v,n,t] of a bias.

    Parameters
    ----------
    uses : sequence of Use
        Of one bias.
    parameters : mapping of str to Tensor
        It, as ``bias``.

    Returns
    -------
    LayerRows
    """
    parts = [use.cotangents[0].sum(2) for use in uses]
    return DenseRows.of_parts(uses[0].name, parameters, {"bias": sum(parts[1:], start=parts[0])})
