"""From recorded uses to the rows of every layer: who owns which parameter, and what to do where there is no rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from thermoapps.natural_gradient.curvature.backward import at_once, columns_backward
from thermoapps.natural_gradient.curvature.graph import unclaimed_parameters
from thermoapps.natural_gradient.layers import LayerRows, UnsupportedLayerError, Use, generic_rows, rule_for
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["Owned", "layer_rows", "owned_parameters", "unclaimed_reasons"]

GATHERED = 4
"""How many times what is handled at once may be gathered of cotangents that come in smaller portions."""

Owned = Mapping[nn.Module, Mapping[str, Tensor]]


def owned_parameters(model: nn.Module, uses: Sequence[Use], parameters: Iterable[Tensor]) -> Owned:
    """Each layer's trained parameters, by their names within the layer.

    The parameters of a module that is never called itself, such as attention's ``out_proj``, belong to the nearest
    module around it that is recorded.

    Parameters
    ----------
    model : nn.Module
        The model.
    uses : sequence of Use
        The recorded uses.
    parameters : iterable of Tensor
        All trained parameters.

    Returns
    -------
    mapping of nn.Module to mapping of str to Tensor
    """
    trained = {id(parameter) for parameter in parameters}
    called = {use.name: use.module for use in uses}
    owned: dict[nn.Module, dict[str, Tensor]] = {use.module: {} for use in uses}
    for owner, module in model.named_modules():
        for role, parameter in module.named_parameters(recurse=False):
            if id(parameter) not in trained:
                continue
            around = owner
            while around and around not in called:
                around, _, child = around.rpartition(".")
                role = f"{child}.{role}"
            if around in called:
                owned[called[around]][role] = parameter
    return owned


def unclaimed_reasons(outputs: Tensor, uses: Sequence[Use], owned: Owned, names: Mapping[int, str]) -> dict[int, str]:
    """Why no layer's rows can cover a parameter, for those that act outside of every recorded use of their layer.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    owned : mapping
        Each layer's own trained parameters.
    names : mapping of int to str
        Qualified name of each trained parameter, by its id.

    Returns
    -------
    dict of int to str
        A message by each such parameter's id.
    """
    return {
        which: f"parameter {names[which]!r} acts where no call of its layer was seen (its tensor is used directly, "
        "the layer was compiled, or the outputs are not of the last pass alone)"
        for which in unclaimed_parameters(outputs, uses, owned, names.keys())
    }


def layer_rows(
    outputs: Tensor, uses: Sequence[Use], root: HessianRoot, owned: Owned, refused: dict[int, str]
) -> list[LayerRows]:
    """Rows of all layers but for the refused parameters, to which those are added that turn out to have no rule.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    root : HessianRoot
        S.
    owned : mapping
        Each layer's own trained parameters.
    refused : dict of int to str
        Reasons by the ids of parameters that no layer's rows cover.

    Returns
    -------
    list of LayerRows
    """
    kept = {
        module: {role: parameter for role, parameter in own.items() if id(parameter) not in refused}
        for module, own in owned.items()
    }
    layers = []
    for module, parameters in kept.items():
        own = {place: use for place, use in enumerate(uses) if use.module is module}
        if parameters:
            layers.append(_Layer(own, parameters, outputs.shape[0], root.columns))
    for found in columns_backward(outputs, uses, root):
        for layer in layers:
            layer.take(found)
    failed = {which: reason for layer in layers for which, reason in layer.failed.items()}
    if failed:
        refused |= failed
        return layer_rows(outputs, uses, root, owned, refused)
    parts = [layer.parts for layer in layers if layer.parts]
    return [first.joined(following) if following else first for first, *following in parts]


class _Layer:
    """One layer's uses, whose cotangents are gathered until they are worth a call of the layer's rule."""

    def __init__(self, uses: Mapping[int, Use], parameters: Mapping[str, Tensor], data: int, columns: int) -> None:
        self.places, self.uses, self.parameters, self.columns = list(uses), list(uses.values()), parameters, columns
        for use in self.uses:
            use.columns = columns
        self.rule = rule_for(self.uses[0].module, parameters)
        # The uses themselves, or several for each where the layer saw each datum as several in a row.
        self.pieces = [use.pieces(data) for use in self.uses]
        self.parts: list[LayerRows] = []
        self.failed: dict[int, str] = {}
        self._taken = self._filled = 0
        self._gathered: list[Tensor] = []
        self._outputs: list[int] = []

    def take(self, found: Sequence[Sequence[Tensor]]) -> None:
        """Take some columns, of which the cotangents of all uses are given."""
        self._outputs = [len(found[place]) for place in self.places]
        reached = [cotangents for place in self.places for cotangents in found[place]]
        if not reached:
            return
        size = len(reached[0])
        if not self._filled:
            room = self._room(reached)
            if room == size:
                self._form(reached)
                return
            # Each datum's columns side by side in memory.
            self._gathered = [c.new_empty(c.shape[1], room, *c.shape[2:]).transpose(0, 1) for c in reached]
        for gathered, cotangents in zip(self._gathered, reached, strict=True):
            gathered[self._filled : self._filled + size] = cotangents
        self._filled += size
        if self._filled == len(self._gathered[0]):
            self._form(self._gathered)

    def _room(self, reached: Sequence[Tensor]) -> int:
        """How many columns to gather: many numbers are best used while they are in the cache, few all at once."""
        left, size = self.columns - self._taken, len(reached[0])
        if self.rule is generic_rows:  # It replays the layer, once for all columns.
            return left
        numbers, enough = max(c.numel() for c in reached), at_once(reached[0].device)
        return min(left, size * (GATHERED * enough // numbers if numbers < enough else 1))

    def _form(self, gathered: Sequence[Tensor]) -> None:
        self._taken += len(gathered[0])
        self._filled, self._gathered = 0, []
        columns, reached = iter(gathered), []
        for outputs, pieces in zip(self._outputs, self.pieces, strict=True):
            cotangents = [next(columns) for _ in range(outputs)]
            for start, piece in enumerate(pieces):
                piece.cotangents = [c[:, start :: len(pieces)] for c in cotangents]
                reached += [piece] if cotangents else []
        try:
            self.parts.append(self.rule(reached, self.parameters))
        except UnsupportedLayerError as error:
            if self.rule is not generic_rows:
                raise
            self.failed = dict.fromkeys(map(id, self.parameters.values()), str(error))
        for piece in reached:
            piece.cotangents = []
