"""Losses with another curvature, or with gradients multiplied by a factor as a GradScaler wants them."""

from __future__ import annotations

from torch import Tensor

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.fisher import EmpiricalFisher, MonteCarloFisher
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["ScaledLoss", "with_curvature"]


class ScaledLoss(Loss):
    """A loss whose gradient is multiplied by a factor; its value and Hessian, of order one anyway, are not.

    Parameters
    ----------
    loss : Loss
    factor : float
    """

    def __init__(self, loss: Loss, factor: float) -> None:
        self.loss, self.factor = loss, factor

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss.value(outputs, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.factor * self.loss.gradient(outputs, targets)

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        return self.loss.hessian_root(outputs, targets)

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        return self.loss.count(outputs, targets)


def with_curvature(loss: Loss, curvature: str) -> Loss:
    """The loss with a curvature chosen by name.

    Parameters
    ----------
    loss : Loss
    curvature : {"ggn", "monte_carlo", "empirical"}

    Returns
    -------
    Loss

    Raises
    ------
    ValueError
        Another name.
    """
    if curvature == "ggn":
        return loss
    if curvature == "monte_carlo":
        return MonteCarloFisher(loss)
    if curvature == "empirical":
        return EmpiricalFisher(loss)
    raise ValueError(f"curvature must be 'ggn', 'monte_carlo' or 'empirical', got {curvature!r}")
