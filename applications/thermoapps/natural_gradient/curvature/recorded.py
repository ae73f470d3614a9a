"""What a recorded pass leaves, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.repetition import Pass
from thermoapps.natural_gradient.layers import Use

__all__ = ["Record", "Recorded", "flattened"]

Record = tuple[list[Use], Pass | None]


class Recorded(NamedTuple):
    """What one recorded pass gives.

    Attributes
    ----------
    rows : CurvatureFactor
        The curvature: `CurvatureRows`, or products in their place.
    gradient : Tensor, shape (N,)
        Gradient of the mean loss.
    loss : Tensor
        The mean loss, a scalar.

    See Also
    --------
    curvature_rows, CurvatureRows, Recorder : Rows of the curvature.
    """

    rows: CurvatureFactor
    gradient: Tensor
    loss: Tensor


def flattened(slopes: Sequence[Tensor | None], parameters: Sequence[Tensor]) -> Tensor:
    """The derivatives with respect to all parameters as one dense vector, zero where there are none.

    Parameters
    ----------
    slopes : sequence of (Tensor or None)
    parameters : sequence of Tensor

    Returns
    -------
    Tensor, shape (N,)
    """
    pairs = zip(slopes, parameters, strict=True)
    dense = [p.detach().new_zeros(p.shape) if slope is None else slope.to_dense() for slope, p in pairs]
    return torch.cat([slope.reshape(-1) for slope in dense])
