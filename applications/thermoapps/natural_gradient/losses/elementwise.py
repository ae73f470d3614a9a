"""Losses that are sums over single outputs: squared errors, logistic and Poisson losses."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["BCEWithLogits", "MeanSquaredError", "PoissonNLL"]


class _Elementwise(Loss):
    """A mean over data of the mean over a datum's outputs of a function ℓ(z, y) of one output."""

    @abstractmethod
    def _slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """∂ℓ/∂z."""

    @abstractmethod
    def _curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """∂²ℓ/∂z², at least zero."""

    @abstractmethod
    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The mean of ℓ."""

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._loss(outputs, _same_shape(outputs, targets))

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._slope(outputs, _same_shape(outputs, targets)) / outputs.numel()

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        curvature = self._curvature(outputs, _same_shape(outputs, targets)) / outputs[0].numel()
        return HessianRoot(curvature.sqrt().reshape(outputs.shape[0], -1, 1, 1), outputs.shape)

    def root_coordinates(self, outputs: Tensor, targets: Tensor, root: HessianRoot) -> Tensor:
        slope = self._slope(outputs, _same_shape(outputs, targets)).reshape(len(outputs), -1) / outputs[0].numel()
        return torch.where(slope == 0, 0.0, slope / root.blocks.flatten(1))


class MeanSquaredError(_Elementwise):
    """Mean of (z − y)² over data and outputs, as ``torch.nn.functional.mse_loss``; a datum's Hessian is 2/d_z I.

    See Also
    --------
    PoissonNLL, CustomLoss, Loss, as_loss : Losses.

    Examples
    --------
    >>> import torch
    >>> MeanSquaredError().value(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 0.0]]))
    tensor(2.5000)
    """

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.mse_loss(outputs, targets)

    def _slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return 2 * (outputs - targets)

    def _curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.full_like(outputs, 2.0)


class BCEWithLogits(_Elementwise):
    """Mean over data and outputs of the binary cross-entropy of logits; ℓ'' = p (1 − p) with p = sigmoid(z).

    See Also
    --------
    MeanSquaredError, PoissonNLL, CustomLoss, Loss : Losses.

    Examples
    --------
    >>> import torch
    >>> BCEWithLogits().value(torch.zeros(1, 2), torch.ones(1, 2))
    tensor(0.6931)
    """

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs, targets)

    def _slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.sigmoid() - targets

    def _curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        p = outputs.sigmoid()
        # 1 − p would lose p's small complement to rounding.
        return torch.mul(p, torch.sigmoid(-outputs))

    def scores(self, outputs: Tensor, targets: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        p = outputs.sigmoid().expand(samples, *outputs.shape)
        scale: float = outputs[0].numel() ** -0.5
        return scale * (p - torch.bernoulli(p, generator=generator))


class PoissonNLL(_Elementwise):
    """Mean over data and outputs of eᶻ − y z, for counts y whose log-rate is z; ℓ'' = eᶻ.

    See Also
    --------
    CustomLoss, Loss, as_loss, CrossEntropy : Losses.

    Examples
    --------
    >>> import torch
    >>> PoissonNLL().value(torch.zeros(1, 2), torch.tensor([[3.0, 0.0]]))
    tensor(1.)
    """

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.poisson_nll_loss(outputs, targets)

    def _slope(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.exp() - targets

    def _curvature(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.exp()

    def scores(self, outputs: Tensor, targets: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        rate = outputs.exp().expand(samples, *outputs.shape)
        scale: float = outputs[0].numel() ** -0.5
        return scale * (rate - torch.poisson(rate, generator=generator))


def _same_shape(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets in the dtype of the outputs, of the same shape: broadcasting would be a silent mistake."""
    if outputs.shape != targets.shape:
        raise ValueError(f"targets must have the outputs' shape {tuple(outputs.shape)}, got {tuple(targets.shape)}")
    return targets.to(outputs.dtype)
