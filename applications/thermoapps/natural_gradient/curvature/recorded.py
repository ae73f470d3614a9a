"""What a recorded pass leaves, and what is made of it."""

from __future__ import annotations

from typing import NamedTuple

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
    """

    rows: CurvatureFactor
    gradient: Tensor
    loss: Tensor


def flattened(slope: Tensor | None, parameter: Tensor) -> Tensor:
    """A parameter's derivative as a dense vector, zero where there is none.

    Parameters
    ----------
    slope : Tensor, optional
    parameter : Tensor

    Returns
    -------
    Tensor, shape (entries,)
    """
    if slope is None:
        return parameter.detach().new_zeros(parameter.numel())
    return (slope.to_dense() if slope.is_sparse else slope).reshape(-1)
