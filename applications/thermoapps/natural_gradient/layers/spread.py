"""Parameters that are spread over the data by an addition or an expansion: class tokens, places, biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["Spread", "spread_rows"]


class Spread(nn.Module):
    """Stands for the places where a parameter becomes a part, the same one, of what each datum has."""

    def forward(self) -> None:
        """Never called."""
        raise NotImplementedError("a parameter is no layer")


def spread_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows that are the cotangents themselves, summed over the axes along which the parameter was spread.

    Parameters
    ----------
    uses : sequence of Use
        Of one parameter.
    parameters : mapping of str to Tensor
        It, as ``weight``.

    Returns
    -------
    LayerRows
    """
    weight = parameters["weight"]
    parts = [_summed(use.cotangents[0], weight) for use in uses]
    return DenseRows.of_parts(uses[0].name, parameters, {"weight": sum(parts[1:], start=parts[0])})


def _summed(cotangents: Tensor, weight: Tensor) -> Tensor:
    """Cotangents (v, n, …) in the shape (v, n, *weight)."""
    v, n, *rest = cotangents.shape
    shape = list(weight.shape)
    own = shape[len(shape) - len(rest) :] if len(shape) > len(rest) else [1] * (len(rest) - len(shape)) + shape
    axes = [2 + axis for axis, (long, short) in enumerate(zip(rest, own, strict=True)) if long != short]
    return (cotangents.sum(axes) if axes else cotangents).reshape(v, n, *shape)
