"""What all data share, such as embeddings of positions or class tokens, seen where it is spread over them.

What ``embedding(arange(T))`` returns has no axis of data, and what comes back to it is a sum over them. At the sum with
something that has that axis, h + embedding(arange(T)), the same derivatives still stand datum by datum. Parameters that
a module adds or expands itself, beside the layers that it holds, are of the same kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from thermoapps.natural_gradient.curvature.graph import consumers, entrances
from thermoapps.natural_gradient.layers.spread import Spread
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["behind_addition", "spread_parameters"]


def behind_addition(outputs: Tensor, uses: Sequence[Use]) -> list[Use]:
    """The uses, with those of shared embeddings replaced by their part in the sum that gives each datum its own.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    uses : sequence of Use
        The recorded uses.

    Returns
    -------
    list of Use
    """
    shared = {id(use) for use in uses if type(use.module) is nn.Embedding and use.input.dim() == 1}
    if not shared:
        return list(uses)
    following = consumers(outputs.grad_fn)
    return [_spread(use, following, len(outputs)) if id(use) in shared else use for use in uses]


def _spread(use: Use, following: dict[Any, list[Any]], data: int) -> Use:
    """The use at the only place where it is added to what has an entry (n, T, …) for each datum; else itself."""
    output, node = use.outputs[0], use.edges[0].node
    while len(following.get(node, [])) == 1:
        (node,) = following[node]
        if node.name() == "AddBackward0" and node._saved_alpha == 1:
            if tuple(node._input_metadata[0].shape) != (data, *output.shape):
                return use
            indices = use.input[None]
            spread = output.expand(data, *output.shape)
            return replace(use, args=(indices,), kwargs={}, outputs=[spread], edges=[GradientEdge(node, 0)])
        if node.name() != "UnsqueezeBackward0":
            return use
    return use


def spread_parameters(
    outputs: Tensor, uses: Sequence[Use], owned: Mapping[nn.Module, Mapping[str, Tensor]]
) -> tuple[list[Use], dict[nn.Module, dict[str, Tensor]]]:
    """Give parameters that a module with layers of its own spreads over the data uses of their own.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    owned : mapping
        Each layer's own trained parameters.

    Returns
    -------
    uses : list of Use
        With further ones, of `Spread` in the place of a layer.
    owned : dict
        With these parameters as the stand-in's.
    """
    apart = {module: dict(own) for module, own in owned.items()}
    names = {use.module: use.name for use in uses}
    bare = {
        id(parameter): (module, role, parameter)
        for module, own in owned.items()
        for role, parameter in own.items()
        if role in module._parameters and _holds_layers(module)
    }
    found = list(uses)
    following = consumers(outputs.grad_fn) if bare else {}
    for which, nodes in entrances(following, bare).items():
        module, role, parameter = bare[which]
        if not all(_spreads(node, parameter, len(outputs)) for node in nodes):
            continue
        stand_in, name = Spread(), f"{names[module]}.{role}".lstrip(".")
        apart[stand_in] = {"weight": apart[module].pop(role)}
        like = next(use for use in uses if use.module is module)
        for node in nodes:
            seen = parameter.detach().expand(node._input_metadata[0].shape)
            edges = [GradientEdge(node, 0)]
            found.append(replace(like, name=name, module=stand_in, args=(), kwargs={}, outputs=[seen], edges=edges))
    return found, apart


def _holds_layers(module: nn.Module) -> bool:
    """Whether it is made of others, and no layer of torch's, whose parts are replayed together."""
    return next(module.children(), None) is not None and not type(module).__module__.startswith("torch.nn")


def _spreads(node: Any, parameter: Tensor, data: int) -> bool:
    """Whether a node gives each datum the same part of a parameter, unchanged."""
    if node.name() not in ("ExpandBackward0", "AddBackward0") or getattr(node, "_saved_alpha", 1) != 1:
        return False
    shape = tuple(node._input_metadata[0].shape)
    shared = parameter.dim() < len(shape) or parameter.shape[0] == 1
    return len(shape) > 0 and shape[0] == data and parameter.dim() <= len(shape) and shared
