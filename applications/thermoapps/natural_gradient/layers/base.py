"""What the rows of any layer can do, and rows that are simply stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor

__all__ = ["BUDGET", "IN_CACHE", "THIN", "DenseRows", "LayerRows", "add_gram", "side_by_side", "thin_product"]

BUDGET = 1 << 24
"""Numbers that an intermediate block may hold."""

IN_CACHE = 1 << 18
"""Numbers that fit a processor's cache."""

BANDS, NARROW = 4, 64
"""Bands in which symmetric products are formed: each saves some of the work above the diagonal, and costs a call, which
rows of fewer numbers than `NARROW` are not worth."""

THIN = 3
"""Columns up to which products are taken column by column."""

Selection = slice | Tensor

_NONE: Mapping[str, tuple[int, ...]] = {}


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

    Attributes
    ----------
    held : tuple of str
        Names of the tensors that make the rows, which the constructor of each kind takes by them.
    """

    held: ClassVar[tuple[str, ...]]

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

    def add_gram_with(self, other: LayerRows, total: Tensor) -> None:
        """Add R R'ᵀ over the parameters that both layers share to total (v n, w m), in its precision.

        Both are instantiated in blocks, unless a kind of layer knows better.
        """
        for role, parameter in self.parameters.items():
            role_of_other = other.role_of(parameter)
            if role_of_other is None:
                continue
            support = self.support(role)
            support = other.support(role_of_other) if support is None else support
            for index in _blocks(parameter, support, max(total.shape)):
                left = self.instantiate(role, index).flatten(0, 1).to(total.dtype)
                if other is self:
                    add_gram(total, left)
                else:
                    total.addmm_(left, other.instantiate(role_of_other, index).flatten(0, 1).to(total.dtype).T)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors that make the rows, by name."""
        return {name: getattr(self, name) for name in self.held}

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        """Rows of the same layer, for other data, from tensors such as `tensors` gives."""
        constructor: Callable[..., Self] = type(self)
        return constructor(self.name, self.parameters, **tensors)

    @abstractmethod
    def joined(self, others: Sequence[Self]) -> LayerRows:
        """Rows of these columns of the root and of those that follow."""

    def of_role(self, role: str) -> LayerRows:
        """The rows of one of its parameters."""
        return DenseRows.of_parts(self.name, {role: self.parameters[role]}, {role: self.instantiate(role, slice(None))})

    def dense(self) -> DenseRows:
        """The same rows, stored."""
        parts = {role: self.instantiate(role, slice(None)) for role in self.parameters}
        return DenseRows.of_parts(self.name, self.parameters, parts)


class DenseRows(LayerRows):
    """Stored rows of a layer with few parameters, those of one parameter beside those of the next.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    parameters : mapping of str to Tensor
        The trained parameters.
    matrix : Tensor, shape (v, n, entries)
        The rows, for the entries of all parameters in order.
    axes : mapping of str to tuple of int, optional
        Order of a parameter's axes in which its entries stand, where that is not their own.
    """

    def __init__(
        self, name: str, parameters: Mapping[str, Tensor], matrix: Tensor, axes: Mapping[str, tuple[int, ...]] = _NONE
    ) -> None:
        super().__init__(name, parameters, *matrix.shape[:2])
        self.matrix, self.axes = matrix, dict(axes)
        self._sizes = [parameter.numel() for parameter in self.parameters.values()]

    @classmethod
    def of_parts(
        cls,
        name: str,
        parameters: Mapping[str, Tensor],
        parts: Mapping[str, Tensor],
        axes: Mapping[str, tuple[int, ...]] = _NONE,
    ) -> DenseRows:
        """Rows given as (v, n, …), with the entries in any shape, for each parameter by its name."""
        columns, data, *_ = next(iter(parts.values())).shape
        sizes = [parameter.numel() for parameter in parameters.values()]
        matrix = next(iter(parts.values())).new_empty(columns, data, sum(sizes))
        for role, place in zip(parameters, torch.split(matrix, sizes, 2), strict=True):
            place.view(parts[role].shape).copy_(parts[role])
        return cls(name, parameters, matrix, axes)

    held = ("matrix",)

    def with_tensors(self, tensors: Mapping[str, Tensor]) -> Self:
        return type(self)(self.name, self.parameters, tensors["matrix"], self.axes)

    def joined(self, others: Sequence[Self]) -> DenseRows:
        matrix = torch.cat([part.matrix for part in [self, *others]])
        return DenseRows(self.name, self.parameters, matrix, self.axes)

    def add_gram_with(self, other: LayerRows, total: Tensor) -> None:
        if other is not self or total.dtype != self.matrix.dtype:
            super().add_gram_with(other, total)
        else:
            add_gram(total, self.matrix.flatten(0, 1))

    def apply(self, tangents: Mapping[str, Tensor]) -> Tensor:
        parts = []
        for role in self.parameters:
            tangent = tangents[role]
            if role in self.axes:
                tangent = tangent.permute(*self.axes[role], -1)
            parts.append(tangent.reshape(-1, tangent.shape[-1]))
        return thin_product(self.matrix.flatten(0, 1), side_by_side(parts, 0)).view(self.columns, self.data, -1)

    def apply_transposed(self, weights: Tensor) -> dict[str, Tensor]:
        flat = thin_product(self.matrix.flatten(0, 1).T, weights.flatten(0, 1))
        split = zip(self.parameters, torch.split(flat, self._sizes), strict=True)
        return {role: self._in_shape(role, part, 0) for role, part in split}

    def instantiate(self, role: str, index: Selection) -> Tensor:
        part = torch.split(self.matrix, self._sizes, 2)[list(self.parameters).index(role)]
        shaped = self._in_shape(role, part[..., None], 2)[..., 0]
        if not self.parameters[role].dim():
            shaped = shaped[..., None]
        return shaped[:, :, index].flatten(2)

    def _in_shape(self, role: str, entries: Tensor, dim: int) -> Tensor:
        """Entries along an axis before the last, in the shape of the parameter."""
        shape = self.parameters[role].shape
        axes = self.axes.get(role, tuple(range(len(shape))))
        stored = entries.view(*entries.shape[:dim], *(shape[axis] for axis in axes), entries.shape[-1])
        back = [dim + axes.index(axis) for axis in range(len(shape))]
        return stored.permute(*range(dim), *back, -1)


def side_by_side(parts: Sequence[Tensor], axis: int) -> Tensor:
    """Concatenate along an axis, without a copy of a single part.

    Parameters
    ----------
    parts : sequence of Tensor
        Uses of a layer along its positions, say.
    axis : int

    Returns
    -------
    Tensor
    """
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), axis)


def thin_product(matrix: Tensor, block: Tensor) -> Tensor:
    """Product with a block of columns; a few of them one by one, which a processor's libraries are better at.

    Parameters
    ----------
    matrix : Tensor, shape (m, n)
    block : Tensor, shape (n, k)

    Returns
    -------
    Tensor, shape (m, k)
    """
    if not 1 < block.shape[1] <= THIN or matrix.device.type != "cpu":
        return matrix @ block
    return torch.stack([matrix @ column for column in block.unbind(1)], 1)


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
