"""Convolutions in one to three dimensions: linear layers on the patches under the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from thermoapps.natural_gradient.layers.base import IN_CACHE, DenseRows, LayerRows, side_by_side
from thermoapps.natural_gradient.layers.factored import stored_rather
from thermoapps.natural_gradient.layers.linear import matrix_rows
from thermoapps.natural_gradient.layers.use import Pooling, Use

__all__ = ["convolution_rows", "is_stored", "patches"]

WIDE = 32
"""Kernel entries from which products are faster with these side by side in memory, places apart."""

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d


def convolution_rows(uses: Sequence[Use], parameters: Mapping[str, Tensor]) -> LayerRows:
    """Rows of an ``nn.Conv1d``, ``nn.Conv2d`` or ``nn.Conv3d``; with groups they are stored.

    Parameters
    ----------
    uses : sequence of Use
        All uses of the layer in one forward pass.
    parameters : mapping of str to Tensor
        Its trained parameters.

    Returns
    -------
    LayerRows
    """
    module = uses[0].module
    assert isinstance(module, Convolution)
    if uses[0].pooling is not None:
        return _pooled(uses[0], uses[0].pooling, parameters)
    cotangents = side_by_side([use.cotangents[0].flatten(3) for use in uses], 3)
    if not is_stored(*uses):
        inputs = side_by_side([use.derived(partial(patches, module)) for use in uses], 2)
        return matrix_rows(uses[0], parameters, inputs[:, 0], cotangents.transpose(2, 3))
    return _stored(uses, module, parameters, cotangents)


def is_stored(*uses: Use) -> bool:
    """Whether the rows of a convolution are stored; with groups they always are.

    Parameters
    ----------
    *uses : Use
        All uses of the layer in one forward pass.

    Returns
    -------
    bool
    """
    module = uses[0].module
    assert isinstance(module, Convolution)
    if module.groups > 1:
        return True
    places = sum(use.outputs[0][0, 0].numel() for use in uses)
    return (
        stored_rather(module.weight[0].numel(), module.out_channels, places, uses[0].columns)
        and not uses[0].keep_factors
    )


def _stored(
    uses: Sequence[Use], module: Convolution, parameters: Mapping[str, Tensor], cotangents: Tensor
) -> DenseRows:
    """The rows themselves, for cotangents (v, n, o, t)."""
    parts, axes = {"bias": cotangents.sum(3)}, {}
    if "weight" in parameters:
        channels_last = module.weight[0].numel() >= WIDE
        inputs = side_by_side([use.derived(partial(patches, module, channels_last=channels_last)) for use in uses], 2)
        v, n, _, t = cotangents.shape
        grouped = cotangents.view(v, n, module.groups, -1, t)
        parts["weight"] = torch.einsum("vngot,ngti->vngoi", grouped, inputs)
        if channels_last:
            axes["weight"] = (0, *range(2, module.weight.dim()), 1)
    return DenseRows.of_parts(uses[0].name, parameters, {role: parts[role] for role in parameters}, axes)


def _pooled(use: Use, pooling: Pooling, parameters: Mapping[str, Tensor]) -> DenseRows:
    """Rows of a convolution whose outputs were pooled: what was under the kernel where the largest ones stood."""
    module, cotangents = use.module, use.cotangents[0].flatten(3)
    assert isinstance(module, Convolution)
    inputs = use.derived(partial(patches, module))[:, 0].mT if "weight" in parameters else None
    v, n, o, c = cotangents.shape
    entries = 0 if inputs is None else inputs.shape[1]
    rows = cotangents.new_empty(n, o, v, entries + 1)
    step = max(1, IN_CACHE // (o * c * (entries + 1)))
    for start in range(0, n, step):
        data = slice(start, start + step)
        places = pooling.indices[data, :, None]
        # A bias is the weight of one more input, which is 1.
        seen = torch.ones(*places.shape[:2], entries + 1, c, dtype=rows.dtype, device=rows.device)
        if inputs is not None:
            seen[:, :, :-1] = inputs[data, None].expand(-1, o, -1, -1).gather(3, places.expand(-1, -1, entries, -1))
        if pooling.slopes is not None:
            seen *= pooling.slopes[data, :, None]
        torch.matmul(cotangents[:, data].permute(1, 2, 0, 3), seen.mT, out=rows[data])
    rows = rows.permute(2, 0, 1, 3)
    parts = {"weight": rows[..., :-1], "bias": rows[..., -1]}
    return DenseRows.of_parts(use.name, parameters, {role: parts[role] for role in parameters})


def patches(convolution: Convolution, inputs: Tensor, *, channels_last: bool = False) -> Tensor:
    """What lies under the kernel at each of its positions.

    Parameters
    ----------
    convolution : nn.Conv1d, nn.Conv2d or nn.Conv3d
        Its stride, padding (with its mode), dilation and groups are obeyed.
    inputs : Tensor, shape (n, channels, …)
        What the convolution was called with.
    channels_last : bool, optional
        Order in memory and along i; see below.

    Returns
    -------
    Tensor, shape (n, g, t, i)
        For each group g and position t of the kernel the channels times kernel entries, in the order of the weight;
        neighbours along t are neighbours in memory. With `channels_last` kernel entries times channels, and
        neighbours along i.
    """
    kernel = tuple(convolution.kernel_size)
    mode = "constant" if convolution.padding_mode == "zeros" else convolution.padding_mode
    windows = functional.pad(inputs, _padding(convolution), mode)
    if channels_last:
        windows = windows.movedim(1, -1).contiguous().movedim(-1, 1)
    for axis, (size, stride, dilation) in enumerate(zip(kernel, convolution.stride, convolution.dilation, strict=True)):
        windows = windows.unfold(axis + 2, dilation * (size - 1) + 1, stride)[..., ::dilation]
    dims = len(kernel)
    n, channels, *rest = windows.shape
    windows = windows.reshape(n, convolution.groups, channels // convolution.groups, *rest)
    places, entries = range(3, 3 + dims), range(3 + dims, 3 + 2 * dims)
    if channels_last:
        windows = windows.permute(0, 1, *places, *entries, 2)
        return windows.flatten(2 + dims).flatten(2, 1 + dims)
    windows = windows.permute(0, 1, 2, *entries, *places)
    return windows.flatten(3 + dims).flatten(2, 2 + dims).transpose(2, 3)


def _padding(convolution: Convolution) -> list[int]:
    """Padding in the order of ``functional.pad``: last axis first, before and after."""
    amounts: list[int] = []
    for axis in reversed(range(len(convolution.kernel_size))):
        if convolution.padding == "same":
            total = convolution.dilation[axis] * (convolution.kernel_size[axis] - 1)
            amounts += [total // 2, total - total // 2]
        elif convolution.padding == "valid":
            amounts += [0, 0]
        else:
            amounts += [int(convolution.padding[axis])] * 2
    return amounts
