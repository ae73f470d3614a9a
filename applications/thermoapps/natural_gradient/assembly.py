"""From recorded uses to the rows of every layer: who owns which parameter, and what to do where there is no rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.backward import at_once, columns_backward, unclaimed_parameters
from thermoapps.natural_gradient.layers import LayerRows, UnsupportedLayerError, Use, generic_rows, rule_for
from thermoapps.natural_gradient.roots import HessianRoot

__all__ = ["Owned", "layer_rows", "owned_parameters", "unclaimed_reasons"]

GATHERED = 8
"""Passes' worth of cotangents that are gathered where a single one is small."""

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
    layers = [
        _Layer([use for use in uses if use.module is module], parameters, outputs.shape[0])
        for module, parameters in kept.items()
        if parameters
    ]
    for _ in columns_backward(outputs, uses, root):
        for layer in layers:
            layer.take()
    found = [layer.rows() for layer in layers]
    failed = {which: reason for layer in layers for which, reason in layer.failed.items()}
    if failed:
        refused |= failed
        return layer_rows(outputs, uses, root, owned, refused)
    return [rows for rows in found if rows is not None]


class _Layer:
    """Cotangents of one layer's uses, gathered until they are worth a call of the layer's rule."""

    def __init__(self, uses: Sequence[Use], parameters: Mapping[str, Tensor], data: int) -> None:
        self.uses, self.parameters, self.data = uses, parameters, data
        self.rule = rule_for(uses[0].module, parameters)
        # The uses themselves, or several for each where the layer saw each datum as several in a row.
        self.pieces = {id(use): use.pieces(data) for use in uses}
        self.failed: dict[int, str] = {}
        self._waiting: list[dict[int, list[Tensor]]] = []
        self._numbers = 0
        self._parts: list[LayerRows] = []

    def take(self) -> None:
        """Gather what the uses hold of some columns."""
        reached = {id(use): use.cotangents for use in self.uses if use.cotangents}
        if not reached:
            return
        self._waiting.append(reached)
        self._numbers += sum(c.numel() for cotangents in reached.values() for c in cotangents)
        # Many numbers are best used while they are in the cache, few all at once; a layer that has to be replayed is
        # replayed once, for all columns.
        enough = at_once(self.uses[0].outputs[0].device) * (1 if len(self._waiting) == 1 else GATHERED)
        if self._numbers >= enough and self.rule is not generic_rows:
            self._form()

    def rows(self) -> LayerRows | None:
        """The layer's rows for all columns; None if the outputs do not depend on it, or it has no rule (`failed`)."""
        if self._waiting:
            try:
                self._form()
            except UnsupportedLayerError as error:
                if self.rule is not generic_rows:
                    raise
                self.failed = dict.fromkeys(map(id, self.parameters.values()), str(error))
        if not self._parts or self.failed:
            return None
        first, *following = self._parts
        return first.joined(following) if following else first

    def _form(self) -> None:
        reached = []
        for use in self.uses:
            groups = [waiting[id(use)] for waiting in self._waiting if id(use) in waiting]
            if not groups:
                continue
            use.cotangents = [_of_all_columns(parts) for parts in zip(*groups, strict=True)]
            pieces = self.pieces[id(use)]
            for start, piece in enumerate(pieces):
                piece.cotangents = [cotangents[:, start :: len(pieces)] for cotangents in use.cotangents]
                reached.append(piece)
        self._waiting, self._numbers = [], 0
        self._parts.append(self.rule(reached, self.parameters))


def _of_all_columns(groups: Sequence[Tensor]) -> Tensor:
    """Cotangents (v, n, …) of several groups of columns as one, each datum's columns side by side in memory."""
    return groups[0] if len(groups) == 1 else torch.cat([c.transpose(0, 1) for c in groups], 1).transpose(0, 1)
