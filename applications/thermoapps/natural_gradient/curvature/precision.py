"""In which precision curvature is computed, and how precise what it comes from can be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor

__all__ = ["is_finite", "spacing", "working_dtype"]


def is_finite(tensor: Tensor) -> bool:
    """Whether all entries are finite.

    Parameters
    ----------
    tensor : Tensor

    Returns
    -------
    bool

    Examples
    --------
    >>> is_finite(torch.tensor([3e38, 3e38])), is_finite(torch.tensor([float("nan")]))
    (True, False)
    """
    # A sum that is finite takes one quick pass; one that is not may have overflowed.
    return math.isfinite(float(tensor.sum())) or bool(tensor.isfinite().all())


def working_dtype(tensors: Iterable[Tensor]) -> torch.dtype:
    """The floating type that holds all of them and has single precision or more, in which rows and solvers work.

    Parameters
    ----------
    tensors : iterable of Tensor
        Parameters.

    Returns
    -------
    torch.dtype

    Examples
    --------
    >>> working_dtype([torch.zeros(1, dtype=torch.bfloat16)])
    torch.float32
    """
    return reduce(torch.promote_types, {tensor.dtype for tensor in tensors}, torch.float32)


def spacing(tensors: Iterable[Tensor]) -> float:
    """Relative spacing of the numbers of the least precise among them.

    Parameters
    ----------
    tensors : iterable of Tensor

    Returns
    -------
    float
    """
    return max(torch.finfo(dtype).eps for dtype in {tensor.dtype for tensor in tensors})
