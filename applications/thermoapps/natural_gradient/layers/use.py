"""One use of one layer in a recorded forward pass."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

__all__ = ["Pooling", "UnsupportedLayerError", "Use", "tensors_in", "with_tensors"]


ALIKE = {nn.Linear.forward, nn.Embedding.forward, nn.LayerNorm.forward, nn.RMSNorm.forward}
"""Forward functions of layers that treat all positions alike, whatever axes these lie along."""


class UnsupportedLayerError(NotImplementedError):
    """A layer whose curvature rows cannot be formed; the message names it and the remedies.

    See Also
    --------
    TooManyRowsError, RefusedStepWarning : How a step is refused.
    """


@dataclass(frozen=True)
class Pooling:
    """What max pooling made of a convolution's outputs.

    Parameters
    ----------
    indices : Tensor, shape (n, o, c)
        Places t whose entries were the largest.
    slopes : Tensor, shape (n, o, c), optional
        Derivatives of the pooled entries with respect to the convolution's outputs there; ones if left out.
    """

    indices: Tensor
    slopes: Tensor | None


@dataclass
class Use:
    """What a forward pass left of one call of one layer.

    Parameters
    ----------
    name : str
        Qualified name of the layer.
    module : nn.Module
        The layer.
    args, kwargs : tuple and mapping
        What it was called with.
    outputs : list of Tensor
        Its differentiable outputs, detached.
    positions : list of int
        Their positions among all tensors that it returned.
    edges : list of GradientEdge
        Where these outputs hang in the graph, before anything changes them in place.
    dtype : torch.dtype
        Floating type of its rows, even where it was called in a lower precision.
    keep_factors : bool
        Whether inputs and cotangents are wanted even where the rows themselves are shorter.
    columns : int
        Columns of the root, of which the cotangents are some at a time.
    pooling : Pooling, optional
        If given, outputs and cotangents are those of a pooling above the layer.
    turned : bool
        Whether inputs and outputs have been turned so that the data, which lay along the second axis, come first.
    cotangents : list of Tensor
        Derivatives with respect to these outputs (v, n, …) for the columns at hand, while a rule is called.
    """

    name: str
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    outputs: list[Tensor]
    positions: list[int]
    edges: list[GradientEdge]
    dtype: torch.dtype
    keep_factors: bool = False
    columns: int = 0
    pooling: Pooling | None = None
    turned: bool = False
    versions: list[int] = field(init=False)
    cotangents: list[Tensor] = field(default_factory=list)
    _derived: Tensor | None = None

    def __post_init__(self) -> None:
        self.versions = [tensor._version for tensor in self.inputs]

    @property
    def inputs(self) -> list[Tensor]:
        """All tensors among the arguments."""
        return tensors_in((self.args, dict(self.kwargs)))

    def check_unchanged(self) -> None:
        """Raise if the inputs have been modified since, as autograd itself does only where it needs them."""
        if [tensor._version for tensor in self.inputs] != self.versions:
            raise RuntimeError(
                f"the input of layer {self.name!r} was modified in place after the layer used it; "
                "write the operation that follows out of place"
            )

    @property
    def input(self) -> Tensor:
        """The first tensor among the arguments, detached, with as many data as the outputs."""
        self.check_unchanged()
        source = self.inputs[0].detach()
        if source.is_floating_point():
            source = source.to(self.dtype)
        data = self.outputs[0].shape[0]
        return source.expand(data, *source.shape[1:]) if source.shape[0] == 1 else source

    def can_be_turned(self, data: int) -> bool:
        """Whether so many data may lie along the second axis, of a layer that treats all axes but the last alike."""
        fits = all(tensor.dim() > 1 and tensor.shape[1] == data for tensor in [*self.outputs, *self.inputs])
        return fits and type(self.module).forward in ALIKE and all(output.dim() > 2 for output in self.outputs)

    def with_data_first(self) -> Use:
        """The use with its first two axes exchanged."""
        args, kwargs = with_tensors((self.args, dict(self.kwargs)), lambda tensor: tensor.transpose(0, 1))
        outputs = [output.transpose(0, 1) for output in self.outputs]
        turned = replace(self, args=args, kwargs=kwargs, outputs=outputs, turned=True)
        turned.versions = self.versions
        return turned

    def arranged(self, cotangents: Tensor) -> Tensor:
        """Cotangents (v, …) as they come from the graph, in the shape (v, n, …) of the outputs."""
        if not self.turned:
            return cotangents
        data, places, *rest = self.outputs[0].shape
        return cotangents.reshape(len(cotangents), places, data, *rest).transpose(1, 2)

    def pieces(self, data: int) -> list[Use]:
        """The use itself, or several where the layer saw each datum as several in a row, such as windows."""
        length = self.outputs[0].shape[0]
        if length == data:
            return [self]
        self.check_unchanged()
        step = length // data

        def piece(start: int) -> Use:
            def cut(tensor: Tensor) -> Tensor:
                return tensor[start::step] if tensor.dim() and tensor.shape[0] == length else tensor

            args, kwargs = with_tensors((self.args, dict(self.kwargs)), cut)
            return replace(self, args=args, kwargs=kwargs, outputs=[cut(output) for output in self.outputs])

        return [piece(start) for start in range(step)]

    def derived(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function makes of the input, computed once."""
        if self._derived is None:
            self._derived = function(self.input)
        return self._derived


def tensors_in(nested: Any) -> list[Tensor]:
    """All tensors of nested tuples, lists and mappings, in order.

    Parameters
    ----------
    nested : object
        Anything; objects of other kinds are passed over.

    Returns
    -------
    list of Tensor
    """
    if isinstance(nested, Tensor):
        return [nested]
    if isinstance(nested, Mapping):
        nested = nested.values()
    elif not isinstance(nested, (tuple, list)):
        return []
    return [tensor for part in nested for tensor in tensors_in(part)]


def with_tensors(nested: Any, function: Callable[[Tensor], Any]) -> Any:
    """Nested tuples, lists and mappings with a function applied to their tensors.

    Parameters
    ----------
    nested : object
        Anything; objects of other kinds are kept.
    function : callable
        What to make of each tensor.

    Returns
    -------
    object
    """
    if isinstance(nested, Tensor):
        return function(nested)
    if isinstance(nested, Mapping):
        copied = copy.copy(nested) if isinstance(nested, MutableMapping) else dict(nested)
        for key, part in nested.items():
            copied[key] = with_tensors(part, function)
        return copied
    if isinstance(nested, (tuple, list)):
        parts = [with_tensors(part, function) for part in nested]
        return type(nested)(*parts) if hasattr(nested, "_fields") else type(nested)(parts)
    return nested
