"""Any other layer: its own rows by replaying it, datum by datum, on what it was called with."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations, product
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.use import UnsupportedLayerError, Use, tensors_in, with_tensors

__all__ = ["agree", "generic_rows", "untouched"]

AMBIGUOUS = 4
"""Inputs that are as long as there are data, beside the first, up to which all ways to take them are tried."""


def generic_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows of a layer of any kind, from vector–Jacobian products of the layer alone, vectorised over data.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        The layer's own trained parameters.

    Returns
    -------
    LayerRows

    Raises
    ------
    UnsupportedLayerError
        The layer cannot be replayed for single data: it draws random numbers, mixes data, or uses an operation that
        cannot be vectorised.
    """
    rows = dict.fromkeys(parameters, torch.zeros(()))
    for use in uses:
        use.check_unchanged()
        parts = _replayed(use, parameters)
        rows = {role: rows[role] + parts[role] for role in parameters}
    return DenseRows.of_parts(uses[0].name, parameters, rows)


def _replayed(use: Use, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rows (v, n, …) by each parameter's name, in the first way in which the outputs are those of the pass.

    Hooks that only look on must not see single data; those that change what a layer returns show in the outputs.
    """
    reasons = []
    for hooked, (carries, buffers_apart) in product((False, True), _ways(use)):
        try:
            with untouched(use.module, hooked):
                outputs, rows = _vectorised(use, parameters, carries, buffers_apart)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reasons.append(f"replaying it for single data fails: {error}")
            continue
        if all(agree(new, old) for new, old in zip(outputs, use.outputs, strict=True)):
            return rows
        reasons.append("replaying it for single data gives other outputs")
    raise UnsupportedLayerError(
        f"layer {use.name!r} ({type(use.module).__name__}) has no rule of its own, and {reasons[0]}"
    )


def _ways(use: Use) -> Iterator[tuple[list[bool], bool]]:
    """Which inputs hold an entry for each datum, and whether each datum has buffers of its own, likeliest first.

    All inputs do that are as long as there are data, or all but some besides the first: a mask may happen to be so
    long. Buffers that the layer changes in place need to be apart.
    """
    data = use.outputs[0].shape[0]
    fitting = [tensor.dim() > 0 and tensor.shape[0] == data for tensor in use.inputs]
    _, *others = {id(tensor): None for tensor, fits in zip(use.inputs, fitting, strict=True) if fits} or [None]
    for count in range(len(others) + 1 if len(others) <= AMBIGUOUS else 1):
        for shared in combinations(others, count):
            carries = [fits and id(tensor) not in shared for tensor, fits in zip(use.inputs, fitting, strict=True)]
            yield carries, False
    if any(True for _ in use.module.buffers()):
        yield fitting, True


def _vectorised(
    use: Use, parameters: Mapping[str, Tensor], carries: Sequence[bool], buffers_apart: bool
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Outputs (n, …) and rows (v, n, …) by each parameter's name."""
    data = use.outputs[0].shape[0]
    inputs = [_as_precise(tensor.detach(), use.dtype) for tensor in use.inputs]
    buffers = {name: buffer.detach() for name, buffer in use.module.named_buffers()}
    if buffers_apart:
        buffers = {name: buffer.repeat(data, *[1] * buffer.dim()) for name, buffer in buffers.items()}

    def one(
        tensors: list[Tensor], buffers: dict[str, Tensor], cotangents: list[Tensor]
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        single = iter(t.unsqueeze(0) if carried else t for t, carried in zip(tensors, carries, strict=True))
        args, kwargs = with_tensors((use.args, dict(use.kwargs)), lambda _: next(single))

        def forward(values: dict[str, Tensor]) -> list[Tensor]:
            copies = {name: buffer.clone() for name, buffer in buffers.items()}
            result = torch.func.functional_call(use.module, copies | values, args, kwargs)
            every = tensors_in(result)
            return [every[position].squeeze(0) for position in use.positions]

        values = {role: _as_precise(p.detach(), use.dtype) for role, p in parameters.items()}
        outputs, pull, *_ = torch.func.vjp(forward, values)
        return outputs, torch.func.vmap(pull)(cotangents)[0]

    places = [0 if carried else None for carried in carries], 0 if buffers_apart and buffers else None, 1
    batched = torch.func.vmap(one, in_dims=places, out_dims=(0, 1))
    # Fused attention has no rule for vectorisation; its plain form does.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        outputs, rows = batched(inputs, buffers, use.cotangents)
    return outputs, rows


@contextmanager
def untouched(module: nn.Module, hooked: bool) -> Iterator[None]:
    """Restore a module and all its parts, and what stands in their lists and dictionaries; hooks rest unless wanted."""
    holders: list[Any] = [part.__dict__ for part in module.modules()]
    holders += [value for holder in holders for value in holder.values() if isinstance(value, dict | list | set)]
    kept = [copy.copy(holder) for holder in holders]
    try:
        for part in () if hooked else module.modules():
            part._forward_hooks.clear()
        yield
    finally:
        for holder, content in zip(holders, kept, strict=True):
            holder.clear()
            if isinstance(holder, list):
                holder.extend(content)
            else:
                holder.update(content)


def _as_precise(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """Numbers in the precision of rows, which parameters or autocast may have reduced."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def agree(new: Tensor, old: Tensor) -> bool:
    """Whether outputs are the same to half their digits; not where they are not finite, whatever they are there."""
    tolerance = torch.finfo(old.dtype).eps ** 0.5
    return new.shape == old.shape and not bool(((new - old).abs() > tolerance * (1 + old.abs())).any())
