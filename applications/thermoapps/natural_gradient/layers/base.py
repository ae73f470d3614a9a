"""What the rows of any layer can do, and rows that are simply stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import torch
from torch import Tensor

__all__ = ["BUDGET", "DenseRows", "LayerRows", "add_gram"]

BUDGET = 1 << 24
"""Numbers that an intermediate block may hold."""

BANDS, NARROW = 4, 64
"""Bands in which symmetric products are formed: each saves some of the work above the diagonal, and costs a call, which
rows of fewer numbers than `NARROW` are not worth."""

Selection = slice | Tensor


class LayerRows(ABC):
    """Rows SᵀJ of one layer: derivatives of the outputs with respect to its parameters, weighted by the root S.

    Axes are named once for all layers: v, w columns of the root S; n, m data; t, s positions within a datum;
    o, i outputs and inputs of the layer; k columns of a block of vectors.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        The trained parameters by their name within the layer.
    columns, data : int
        Lengths of the axes v and n.
    """

    def __init__(self, name: str, parameters: Mapping[str, Tensor], columns: int, data: int) -> None:
        self.name, self.parameters = name, dict(parameters)
        self.columns, self.data = columns, data

    @property
    def numbers(self) -> int:
        """Numbers that a product holds for each column of a block, beside its result."""
        return 1

    @abstractmethod
    def apply(self, tangents: Mapping[str, Tensor]) -> Tensor:
        """R V (v, n, k) for one tangent (shape of the parameter, k) by each name."""

    @abstractmethod
    def apply_transposed(self, weights: Tensor) -> dict[str, Tensor]:
        """Rᵀ U, one (shape of the parameter, k) by each name, for weights (v, n, k)."""

    @abstractmethod
    def instantiate(self, role: str, index: Selection) -> Tensor:
        """The rows themselves (v, n, entries) for the entries ``parameter[index]``, flattened."""

    def support(self, role: str) -> Tensor | None:
        """Indices along the parameter's first axis beyond which the rows vanish, or None if they never do."""
        return None

    def role_of(self, parameter: Tensor) -> str | None:
        """Name under which this layer holds the parameter, or None."""
        return next((role for role, own in self.parameters.items() if own is parameter), None)

    def gram_with(self, other: LayerRows, dtype: torch.dtype) -> Tensor:
        """R R'ᵀ (v n, w m) over the parameters that both layers share, instantiating both in blocks."""
        anchor = next(iter(self.parameters.values()))
        total = torch.zeros(self.columns * self.data, other.columns * other.data, dtype=dtype, device=anchor.device)
        for role, parameter in self.parameters.items():
            role_of_other = other.role_of(parameter)
            if role_of_other is None:
                continue
            support = self.support(role)
            support = other.support(role_of_other) if support is None else support
            for index in _blocks(parameter, support, max(total.shape)):
                left = self.instantiate(role, index).flatten(0, 1).to(dtype)
                if other is self:
                    add_gram(total, left)
                else:
                    total.addmm_(left, other.instantiate(role_of_other, index).flatten(0, 1).to(dtype).T)
        return total

    @abstractmethod
    def joined(self, others: Sequence[Self]) -> LayerRows:
        """Rows of these columns of the root and of those that follow."""

    def dense(self) -> DenseRows:
        """The same rows, stored."""
        return DenseRows(
            self.name,
            self.parameters,
            {role: self.instantiate(role, slice(None)) for role in self.parameters},
        )


class DenseRows(LayerRows):
    """Stored rows of a layer with few parameters.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        The trained parameters.
    rows : mapping of str to Tensor
        Rows (v, n, entries) by each name.
    """

    def __init__(self, name: str, parameters: Mapping[str, Tensor], rows: Mapping[str, Tensor]) -> None:
        columns, data = next(iter(rows.values())).shape[:2]
        super().__init__(name, parameters, columns, data)
        self.rows = {role: rows[role].reshape(columns, data, -1) for role in parameters}

    def joined(self, others: Sequence[Self]) -> DenseRows:
        parts = [self, *others]
        rows = {role: torch.cat([part.rows[role] for part in parts]) for role in self.parameters}
        return DenseRows(self.name, self.parameters, rows)

    def apply(self, tangents: Mapping[str, Tensor]) -> Tensor:
        products = [rows.flatten(0, 1) @ tangents[role].reshape(rows.shape[2], -1) for role, rows in self.rows.items()]
        return torch.stack(products).sum(0).reshape(self.columns, self.data, -1)

    def apply_transposed(self, weights: Tensor) -> dict[str, Tensor]:
        flat = weights.flatten(0, 1)
        return {
            role: (rows.flatten(0, 1).T @ flat).reshape(*self.parameters[role].shape, -1)
            for role, rows in self.rows.items()
        }

    def instantiate(self, role: str, index: Selection) -> Tensor:
        rows = self.rows[role]
        length = self.parameters[role].shape[0] if self.parameters[role].dim() else 1
        chosen: Tensor = rows.reshape(self.columns, self.data, length, -1)[:, :, index]
        return chosen.flatten(2)


def add_gram(total: Tensor, rows: Tensor) -> None:
    """Add R Rᵀ to a symmetric matrix in place, band by band: above the diagonal it is mirrored, not computed.

    Parameters
    ----------
    total : Tensor, shape (r, r)
        Symmetric.
    rows : Tensor, shape (r, k)
        R.
    """
    bands = BANDS if rows.shape[1] >= NARROW else 1
    length = max(1, -(-len(rows) // bands))
    for start in range(0, len(rows), length):
        band, stop = slice(start, start + length), start + length
        total[band, :stop].addmm_(rows[band], rows[:stop].T)
        total[:start, band] = total[band, :start].T


def _blocks(parameter: Tensor, support: Tensor | None, rows: int) -> Iterator[Selection]:
    """Pieces of the parameter's first axis such that rows × entries stay within the budget."""
    length = parameter.shape[0] if parameter.dim() else 1
    step = max(1, BUDGET * length // (rows * max(parameter.numel(), 1)))
    if support is not None:
        yield from torch.split(support, step)
        return
    for start in range(0, length, step):
        yield slice(start, start + step)
