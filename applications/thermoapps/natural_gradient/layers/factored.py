"""Rows that are sums over positions of an outer product: cotangent ⊗ input. They are never stored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor

from thermoapps.natural_gradient.layers.base import BUDGET, IN_CACHE, LayerRows, add_gram

__all__ = ["FactoredRows", "positions", "stored_rather", "sums_of_columns", "weighted_sums"]

SHORT = 1 << 13
"""Entries of a row that may be stored though its factors are fewer."""

FEW = 8
"""How many times fewer than positions the columns are for which rows are stored."""


class FactoredRows(LayerRows):
    """Rows R[v,n] = Σ_t B[v,n,t] ⊗ a[n,t] of a layer that is linear in its parameters.

    Their Gram matrix needs only the inner products of inputs and of cotangents,

        K[vn,wm] = Σ_ts (a[n,t]·a[m,s]) (B[v,n,t]·B[w,m,s]),

    which for one position is a Hadamard product of two small Gram matrices, and otherwise is contracted with one
    side first (C = Σ_s (a·a) B), so that T² bV numbers never exist at once. Where parameters are fewer than that is
    worth, the rows are instantiated in blocks instead; the cheaper way is taken for each pair of layers.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        The trained parameters.
    cotangents : Tensor, shape (v, n, t, o)
        B, derivatives of the outputs, weighted by the root, with respect to the layer's outputs.
    """

    def __init__(self, name: str, parameters: Mapping[str, Tensor], cotangents: Tensor) -> None:
        super().__init__(name, parameters, *cotangents.shape[:2])
        self.cotangents = cotangents

    @property
    def numbers(self) -> int:
        return self.cotangents[0].numel()

    @property
    @abstractmethod
    def fan_in(self) -> int:
        """Length of the inputs a[n,t], as far as the cost of instantiating goes."""

    @abstractmethod
    def input_gram(self, other: Self, data: slice, dtype: torch.dtype) -> Tensor:
        """Inner products (n, t, m, s) of the inputs of some data with all inputs of another batch."""

    def add_gram_with(self, other: LayerRows, total: Tensor) -> None:
        if not isinstance(other, type(self)) or not self._pairs_with(other):
            super().add_gram_with(other, total)
        elif self.cotangents.shape[2] == other.cotangents.shape[2] == 1:
            self._add_hadamard(other, total)
        elif self._instantiating_is_cheaper(other):
            super().add_gram_with(other, total)
        else:
            total += self._contraction(other, total.dtype)

    def _pairs_with(self, other: LayerRows) -> bool:
        """Whether the other layer holds the same parameters in the same way."""
        return self.parameters.keys() == other.parameters.keys() and all(
            other.parameters[role] is parameter for role, parameter in self.parameters.items()
        )

    def _instantiating_is_cheaper(self, other: Self) -> bool:
        (v, n, t, o), (w, m, s, _) = self.cotangents.shape, other.cotangents.shape
        contraction = n * m * t * s * (self.fan_in + w * o) + v * n * w * m * t * o
        instantiation = (v * n * t + w * m * s + v * n * w * m) * self.fan_in * o
        return instantiation < contraction

    def _add_hadamard(self, other: Self, total: Tensor) -> None:
        left, right = (layer.cotangents.flatten(0, 2).to(total.dtype) for layer in (self, other))
        inner = self.input_gram(other, slice(None), total.dtype)[:, 0, :, 0]
        if other is self:
            gram = total.new_zeros(total.shape)
            add_gram(gram, left)
        else:
            gram = left @ right.T
        shape = self.columns, self.data, other.columns, other.data
        total.view(shape).addcmul_(gram.view(shape), inner[:, None])

    def _contraction(self, other: Self, dtype: torch.dtype) -> Tensor:
        left, right = self.cotangents.to(dtype), other.cotangents.to(dtype)
        (v, n, t, o), (w, m, s, _) = left.shape, right.shape
        gram = left.new_empty(v, n, w, m)
        step = max(1, BUDGET // (t * m * (s + w * o)))
        for start in range(0, n, step):
            data = slice(start, start + step)
            inner = self.input_gram(other, data, left.dtype)
            folded = torch.einsum("ntms,wmso->ntowm", inner, right)
            gram[:, data] = torch.einsum("vnto,ntowm->vnwm", left[:, data], folded)
        return gram.reshape(v * n, w * m)


def stored_rather(i: int, o: int, t: int, columns: int) -> bool:
    """Whether rows of i · o entries are better stored than kept as their t inputs and cotangents.

    They are where they are shorter than the cotangents, where they are short and not much longer, and where there are
    few for many positions: then the Gram matrix and products with them cost less.

    Parameters
    ----------
    i, o, t : int
        Inputs, outputs and positions.
    columns : int
        Of the root, if known, else 0.

    Returns
    -------
    bool
    """
    few = 0 < FEW * columns <= t and columns * i * o <= IN_CACHE
    return i < t or (t > 1 and i <= 4 * t and i * o <= SHORT) or few


def positions(tensor: Tensor, leading: int) -> Tensor:
    """Gather all axes between the leading ones and the last into one axis of positions.

    Parameters
    ----------
    tensor : Tensor, shape (…, o)
        Inputs or cotangents.
    leading : int
        How many axes stay in front.

    Returns
    -------
    Tensor, shape (…, t, o)
    """
    return tensor.reshape(*tensor.shape[:leading], -1, tensor.shape[-1])


def weighted_sums(cotangents: Tensor, change: Tensor) -> Tensor:
    """Σ_to B[v,n,t,o] C[n,t,o,k]; for one vector elementwise, as products with single columns are slow in libraries.

    Parameters
    ----------
    cotangents : Tensor, shape (v, n, t, o)
        B.
    change : Tensor, shape (n, t, o, k)
        C.

    Returns
    -------
    Tensor, shape (v, n, k)
    """
    if change.shape[3] == 1 and cotangents.numel() <= BUDGET:
        return (cotangents * change[..., 0]).sum((2, 3))[..., None]
    return torch.einsum("vnto,ntok->vnk", cotangents, change)


def sums_of_columns(weights: Tensor, cotangents: Tensor) -> Tensor:
    """Σ_v u[v,n,k] B[v,n,t,o]; for one vector and cotangents that fit the cache elementwise.

    Parameters
    ----------
    weights : Tensor, shape (v, n, k)
        u.
    cotangents : Tensor, shape (v, n, t, o)
        B.

    Returns
    -------
    Tensor, shape (n, t, o, k)
    """
    if weights.shape[2] == 1 and cotangents.numel() <= 2 * IN_CACHE:
        return (weights[..., None] * cotangents).sum(0)[..., None]
    return torch.einsum("vnk,vnto->ntok", weights, cotangents)
