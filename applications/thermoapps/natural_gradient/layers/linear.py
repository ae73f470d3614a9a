"""Linear layers: y = W a + b at every position. A low-rank adaptation (LoRA) is two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows, Selection, side_by_side
from thermoapps.natural_gradient.layers.factored import (
    FactoredRows,
    positions,
    stored_rather,
    sums_of_columns,
    weighted_sums,
)
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["LinearRows", "linear_rows"]


class LinearRows(FactoredRows):
    """Rows Σ_t B[v,n,t] ⊗ a[n,t] for a weight, and Σ_t B[v,n,t] for a bias.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        The trained ones among ``weight`` (o, …), which must be among them, and ``bias`` (o,).
    inputs : Tensor, shape (n, t, i)
        a; for a convolution the patches under the kernel.
    cotangents : Tensor, shape (v, n, t, o)
        B.
    """

    def __init__(self, name: str, parameters: Mapping[str, Tensor], inputs: Tensor, cotangents: Tensor) -> None:
        super().__init__(name, parameters, cotangents)
        self.inputs = inputs

    held = ("inputs", "cotangents")

    def of_role(self, role: str) -> LayerRows:
        if role != "weight":
            return super().of_role(role)
        return LinearRows(self.name, {role: self.parameters[role]}, self.inputs, self.cotangents)

    def joined(self, others: Sequence[LinearRows]) -> LinearRows:
        cotangents = torch.cat([part.cotangents for part in [self, *others]])
        return LinearRows(self.name, self.parameters, self.inputs, cotangents)

    @property
    def fan_in(self) -> int:
        return self.inputs.shape[2]

    def input_gram(self, other: LinearRows, data: slice, dtype: torch.dtype) -> Tensor:
        inner = torch.einsum("nti,msi->ntms", self.inputs[data].to(dtype), other.inputs.to(dtype))
        # A bias is the weight of one more input, which is 1.
        return inner.add_(1) if "bias" in self.parameters else inner

    def apply(self, tangents: Mapping[str, Tensor]) -> Tensor:
        weight = tangents["weight"]
        o, i = self.cotangents.shape[3], self.fan_in
        if weight.shape[-1] == 1:
            change = (self.inputs @ weight.reshape(o, i).T)[..., None]
        else:
            change = torch.einsum("nti,oik->ntok", self.inputs, weight.reshape(o, i, -1))
        if "bias" in self.parameters:
            change = change + tangents["bias"]
        return weighted_sums(self.cotangents, change)

    def apply_transposed(self, weights: Tensor) -> dict[str, Tensor]:
        change = sums_of_columns(weights, self.cotangents)
        shape = self.parameters["weight"].shape
        if change.shape[3] == 1:
            product = change.flatten(0, 1)[..., 0].T @ self.inputs.flatten(0, 1)
        else:
            product = torch.einsum("ntok,nti->oik", change, self.inputs)
        products = {"weight": product.reshape(*shape, -1)}
        if "bias" in self.parameters:
            products["bias"] = change.sum((0, 1))
        return products

    def instantiate(self, role: str, index: Selection) -> Tensor:
        chosen = self.cotangents[..., index]
        if role == "bias":
            return chosen.sum(2)
        return torch.einsum("vnto,nti->vnoi", chosen, self.inputs).flatten(2)


def linear_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows of an ``nn.Linear``, its uses side by side along the positions.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        Its trained parameters.

    Returns
    -------
    LayerRows
    """
    inputs = side_by_side([positions(use.input, leading=1) for use in uses], 1)
    cotangents = side_by_side([positions(use.cotangents[0], leading=2) for use in uses], 2)
    return matrix_rows(uses[0], parameters, inputs, cotangents)


def matrix_rows(use: Use, parameters: Mapping[str, Tensor], inputs: Tensor, cotangents: Tensor) -> LayerRows:
    """Rows of a layer with a weight matrix, stored where that is better.

    Parameters
    ----------
    use : Use
        A use of the layer.
    parameters : mapping of str to Tensor
        The trained ones among ``weight`` and ``bias``.
    inputs : Tensor, shape (n, t, i)
        Inputs or patches.
    cotangents : Tensor, shape (v, n, t, o)
        Weighted derivatives with respect to the layer's outputs.

    Returns
    -------
    LayerRows
    """
    if "weight" not in parameters:
        return DenseRows.of_parts(use.name, parameters, {"bias": cotangents.sum(2)})
    rows = LinearRows(use.name, parameters, inputs, cotangents)
    stored = stored_rather(inputs.shape[2], cotangents.shape[3], inputs.shape[1], use.columns) and not use.keep_factors
    return rows.dense() if stored else rows
