"""From recorded uses to the rows of every layer: who owns which parameter, and what to do where there is no rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.backward import columns_backward, unclaimed_parameters
from thermoapps.natural_gradient.layers import LayerRows, UnsupportedLayerError, Use, generic_rows, rule_for
from thermoapps.natural_gradient.roots import HessianRoot

__all__ = ["Owned", "layer_rows", "owned_parameters", "unclaimed_reasons"]

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
    pieces = {id(use): use.pieces(outputs.shape[0]) for use in uses if kept[use.module]}
    by_module: dict[nn.Module, list[Use]] = {}
    for use in uses:
        if kept[use.module]:
            by_module.setdefault(use.module, []).extend(pieces[id(use)])
    parts: dict[nn.Module, list[LayerRows]] = {module: [] for module in by_module}
    # A layer that has to be replayed is replayed once, for all columns.
    waiting: dict[int, list[list[Tensor]]] = {}
    for _ in columns_backward(outputs, uses, root):
        for use in uses:
            for start, piece in enumerate(pieces.get(id(use), [])):
                piece.cotangents = [c[:, start :: len(pieces[id(use)])] for c in use.cotangents]
        for module, own_uses in by_module.items():
            reached = [use for use in own_uses if use.cotangents]
            if not reached:
                continue
            rule = rule_for(module, kept[module])
            if rule is not generic_rows:
                parts[module].append(rule(reached, kept[module]))
                continue
            for use in reached:
                waiting.setdefault(id(use), []).append(use.cotangents)
    failed: dict[int, str] = {}
    for module, own_uses in by_module.items():
        replayed = [use for use in own_uses if id(use) in waiting]
        if not replayed:
            continue
        for use in replayed:
            use.cotangents = [torch.cat(columns) for columns in zip(*waiting.pop(id(use)), strict=True)]
        try:
            parts[module].append(generic_rows(replayed, kept[module]))
        except UnsupportedLayerError as error:
            failed |= dict.fromkeys(map(id, kept[module].values()), str(error))
    if failed:
        refused |= failed
        return layer_rows(outputs, uses, root, owned, refused)
    return [first.joined(following) if following else first for first, *following in filter(None, parts.values())]
