"""Embeddings: linear layers whose inputs are unit vectors, known by their indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.layers.base import LayerRows, Selection, side_by_side
from thermoapps.natural_gradient.layers.factored import FactoredRows, positions, sums_of_columns, weighted_sums
from thermoapps.natural_gradient.layers.use import UnsupportedLayerError, Use

__all__ = ["EmbeddingRows", "embedding_rows"]


class EmbeddingRows(FactoredRows):
    """Rows Σ_t e[index[n,t]] ⊗ B[v,n,t]: zero but for the indices that the batch holds.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        ``weight`` (entries, o).
    indices : Tensor, shape (n, t)
        What was looked up.
    cotangents : Tensor, shape (v, n, t, o)
        B, zero where the padding entry was looked up.
    """

    def __init__(self, name: str, parameters: Mapping[str, Tensor], indices: Tensor, cotangents: Tensor) -> None:
        super().__init__(name, parameters, cotangents)
        self.indices = indices
        self.found: Tensor = torch.unique(indices)

    held = ("indices", "cotangents")

    def joined(self, others: Sequence[EmbeddingRows]) -> EmbeddingRows:
        cotangents = torch.cat([part.cotangents for part in [self, *others]])
        return EmbeddingRows(self.name, self.parameters, self.indices, cotangents)

    @property
    def fan_in(self) -> int:
        return len(self.found)

    def support(self, role: str) -> Tensor:
        return self.found

    def input_gram(self, other: EmbeddingRows, data: slice, dtype: torch.dtype) -> Tensor:
        return torch.eq(self.indices[data, :, None, None], other.indices).to(dtype)

    def apply(self, tangents: Mapping[str, Tensor]) -> Tensor:
        return weighted_sums(self.cotangents, tangents["weight"][self.indices])

    def apply_transposed(self, weights: Tensor) -> dict[str, Tensor]:
        change = sums_of_columns(weights, self.cotangents)
        products = change.new_zeros(*self.parameters["weight"].shape, weights.shape[2])
        return {"weight": products.index_add_(0, self.indices.flatten(), change.flatten(0, 1))}

    def instantiate(self, role: str, index: Selection) -> Tensor:
        entries = self.parameters["weight"].shape[0]
        chosen = torch.arange(entries, device=self.indices.device)[index]
        place = self.indices.new_full((entries,), len(chosen))
        place[chosen] = torch.arange(len(chosen), device=place.device)
        v, n, _, o = self.cotangents.shape
        # What is not asked for falls into one more entry, which is cut off.
        rows = self.cotangents.new_zeros(v, n, len(chosen) + 1, o)
        where = place[self.indices][None, :, :, None].expand_as(self.cotangents)
        return rows.scatter_add_(2, where, self.cotangents)[:, :, :-1].flatten(2)


def embedding_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows of an ``nn.Embedding``; the padding entry has none.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        Its weight.

    Returns
    -------
    LayerRows

    Raises
    ------
    UnsupportedLayerError
        The layer scales its gradients by frequency, so that they are no derivatives.
    """
    module, name = uses[0].module, uses[0].name
    assert isinstance(module, nn.Embedding)
    if module.scale_grad_by_freq:
        raise UnsupportedLayerError(f"layer {name!r} scales its gradients by frequency; set scale_grad_by_freq=False")
    indices = side_by_side([use.input.reshape(use.input.shape[0], -1) for use in uses], 1)
    cotangents = side_by_side([positions(use.cotangents[0], leading=2) for use in uses], 2)
    if module.padding_idx is not None:
        cotangents = cotangents * (indices != module.padding_idx)[..., None]
    return EmbeddingRows(name, parameters, indices, cotangents)
