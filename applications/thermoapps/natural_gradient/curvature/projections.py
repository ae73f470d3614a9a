"""Attention by its parts: its projections are linear layers, whatever stands between them.

Attention cannot be called again for single data where it draws random numbers. But its parameters act in products with
a weight and in additions of a bias only, and these stand in the graph, with what they were applied to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from thermoapps.natural_gradient.curvature.graph import consumers, entrances
from thermoapps.natural_gradient.layers.projection import Projection
from thermoapps.natural_gradient.layers.spread import Spread
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["with_projections"]

INPUTS = {"AddmmBackward0": "_saved_mat1", "MmBackward0": "_saved_self"}
"""Where products with a transposed weight keep what they are applied to."""


def with_projections(
    outputs: Tensor, uses: Sequence[Use], owned: Mapping[nn.Module, Mapping[str, Tensor]]
) -> tuple[list[Use], dict[nn.Module, dict[str, Tensor]]]:
    """Give the parameters of attention that act as linear layers do uses of their own.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    owned : mapping
        Each layer's own trained parameters.

    Returns
    -------
    uses : list of Use
        With further ones, of `Projection` and `Spread` in the place of a layer.
    owned : dict
        With these parameters as the stand-ins'.
    """
    found, apart = list(uses), {module: dict(own) for module, own in owned.items()}
    attention = {module: own for module, own in apart.items() if isinstance(module, nn.MultiheadAttention) and own}
    if not attention:
        return found, apart
    following = consumers(outputs.grad_fn)
    for module, own in attention.items():
        calls = [use for use in uses if use.module is module]
        for which, nodes in entrances(following, {id(parameter) for parameter in own.values()}).items():
            role, parameter = next((role, parameter) for role, parameter in own.items() if id(parameter) == which)
            stand_in: Projection | Spread
            if parameter.dim() == 2:
                stand_in, seen = Projection(parameter), [_projection(node, following, calls) for node in nodes]
            else:
                stand_in, seen = Spread(), [_offset(node, calls) for node in nodes]
            parts = [use for use in seen if use is not None]
            if len(parts) == len(seen):
                del own[role]
                apart[stand_in] = {"weight": parameter}
                found += [replace(use, name=f"{use.name}.{role}", module=stand_in) for use in parts]
    return found, apart


def _projection(entrance: Any, following: Mapping[Any, list[Any]], calls: Sequence[Use]) -> Use | None:
    """A use of a weight where its transpose enters one product."""
    if entrance.name() != "TBackward0" or len(following[entrance]) != 1:
        return None
    (node,) = following[entrance]
    if node.name() not in INPUTS or node.next_functions[-1][0] is not entrance:
        return None
    inputs = getattr(node, INPUTS[node.name()])
    return None if inputs is None else _standing_in(node, calls, inputs.detach())


def _offset(entrance: Any, calls: Sequence[Use]) -> Use | None:
    """A use of a bias where it is added to all positions."""
    if entrance.name() not in ("AddmmBackward0", "AddBackward0"):
        return None
    scale = entrance._saved_beta if entrance.name() == "AddmmBackward0" else entrance._saved_alpha
    return _standing_in(entrance, calls) if scale == 1 else None


def _standing_in(node: Any, calls: Sequence[Use], inputs: Tensor | None = None) -> Use | None:
    """A use with positions before data, as attention has them within, of a node (T n, o) or (T, n, o)."""
    *lead, width = node._input_metadata[0].shape
    rows = lead[0] * lead[1] if len(lead) == 2 else lead[0]
    for use in calls:
        module, output = use.module, use.outputs[0]
        assert isinstance(module, nn.MultiheadAttention)
        data = output.shape[0 if module.batch_first else 1]
        if output.dim() == 3 and rows % data == 0:
            shape = rows // data, data
            args = () if inputs is None else (inputs.view(*shape, -1),)
            made = output.new_empty(()).expand(*shape, width)
            return replace(
                use, args=args, kwargs={}, outputs=[made], positions=[0], edges=[GradientEdge(node, 0)]
            ).with_data_first()
    return None
