"""Convolutions in one to three dimensions: linear layers on the patches under the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from thermoapps.natural_gradient.layers.base import DenseRows, LayerRows
from thermoapps.natural_gradient.layers.factored import side_by_side
from thermoapps.natural_gradient.layers.linear import matrix_rows
from thermoapps.natural_gradient.layers.use import Use

__all__ = ["convolution_rows", "patches"]

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
    inputs = side_by_side([use.derived(partial(patches, module)) for use in uses], 2)
    cotangents = side_by_side([use.cotangents[0].flatten(3) for use in uses], 3)
    if module.groups == 1:
        return matrix_rows(uses[0], parameters, inputs[:, 0], cotangents.transpose(2, 3))
    rows = {"bias": cotangents.sum(3)}
    if "weight" in parameters:
        grouped = cotangents.reshape(*cotangents.shape[:2], module.groups, -1, cotangents.shape[3])
        rows["weight"] = torch.einsum("vngot,ngti->vngoi", grouped, inputs)
    return DenseRows(uses[0].name, parameters, rows)


def patches(convolution: Convolution, inputs: Tensor) -> Tensor:
    """What lies under the kernel at each of its positions.

    Parameters
    ----------
    convolution : nn.Conv1d, nn.Conv2d or nn.Conv3d
        Its stride, padding (with its mode), dilation and groups are obeyed.
    inputs : Tensor, shape (n, channels, …)
        What the convolution was called with.

    Returns
    -------
    Tensor, shape (n, g, t, i)
        For each group g and position t of the kernel the channels times kernel entries, in the order of the weight.
    """
    kernel = tuple(convolution.kernel_size)
    mode = "constant" if convolution.padding_mode == "zeros" else convolution.padding_mode
    windows = functional.pad(inputs, _padding(convolution), mode)
    for axis, (size, stride, dilation) in enumerate(zip(kernel, convolution.stride, convolution.dilation, strict=True)):
        windows = windows.unfold(axis + 2, dilation * (size - 1) + 1, stride)[..., ::dilation]
    # Kernel entries before places: rows of an image then stay contiguous.
    dims = len(kernel)
    windows = windows.permute(0, 1, *range(2 + dims, 2 + 2 * dims), *range(2, 2 + dims))
    places = windows.shape[2 + dims :].numel()
    return windows.reshape(len(inputs), convolution.groups, -1, places).transpose(2, 3)


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
