"""Losses by name: elementwise ones, any function of one datum, and where the others are found."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from thermoapps.natural_gradient.cross_entropy import CrossEntropy
from thermoapps.natural_gradient.loss import Loss
from thermoapps.natural_gradient.roots import HessianRoot, semidefinite_root

__all__ = [
    "BCEWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "Loss",
    "MeanSquaredError",
    "PoissonNLL",
    "as_loss",
]


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
        slope = self._slope(outputs, _same_shape(outputs, targets)).flatten(1) / outputs[0].numel()
        return torch.where(slope == 0, 0.0, slope / root.blocks.flatten(1))


class MeanSquaredError(_Elementwise):
    """Mean of (z − y)² over data and outputs, as ``torch.nn.functional.mse_loss``; a datum's Hessian is 2/d_z I.

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


class CustomLoss(Loss):
    """Mean over data of any function of one datum that is twice differentiable and convex in its outputs.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` gives the loss of one datum as a scalar; output and target come without the
        axis of the data. It is differentiated by ``torch.func``, vectorised over the data.

    Examples
    --------
    >>> import torch
    >>> loss = CustomLoss(lambda z, y: torch.nn.functional.huber_loss(z, y))
    >>> loss.value(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1))
    tensor(1.3125)
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.function = function

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses: Tensor = torch.func.vmap(self.function)(outputs, targets)
        if losses.shape != outputs.shape[:1]:
            raise ValueError(
                f"a loss function must give a scalar for the outputs and target of one datum, got shape "
                f"{tuple(losses.shape[1:])}"
            )
        return losses.mean()

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        gradients: Tensor = torch.func.vmap(torch.func.grad(self.function))(outputs, targets)
        return gradients / outputs.shape[0]

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        d = outputs[0].numel()
        hessians: Tensor = torch.func.vmap(torch.func.jacrev(torch.func.grad(self.function)))(outputs, targets)
        root = semidefinite_root(hessians.reshape(-1, d, d))
        return HessianRoot(root[:, None], outputs.shape)


NAMED: dict[str, Callable[[], Loss]] = {
    "cross_entropy": CrossEntropy,
    "mse": MeanSquaredError,
    "bce_with_logits": BCEWithLogits,
    "poisson_nll": PoissonNLL,
}


def as_loss(loss: Loss | str | Callable[[Tensor, Tensor], Tensor]) -> Loss:
    """A loss by its name or from a function of one datum.

    Parameters
    ----------
    loss : Loss, str or callable
        A loss; "cross_entropy", "mse", "bce_with_logits" or "poisson_nll"; or a function as for `CustomLoss`.

    Returns
    -------
    Loss
        The loss itself, or the one of that name or function.

    Raises
    ------
    ValueError
        Unknown name.
    TypeError
        Neither loss, name nor function.

    Examples
    --------
    >>> type(as_loss("mse")).__name__
    'MeanSquaredError'
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str):
        if loss not in NAMED:
            raise ValueError(f"loss must be one of {', '.join(NAMED)}, a Loss or a function, got {loss!r}")
        return NAMED[loss]()
    if isinstance(loss, torch.nn.Module):
        raise TypeError(
            f"loss must be a function of one datum, a Loss or one of {', '.join(NAMED)}; "
            f"{type(loss).__name__} takes a mean over the batch"
        )
    if callable(loss):
        return CustomLoss(loss)
    raise TypeError(f"loss must be a Loss, a name or a function of one datum, got {type(loss).__name__}")


def _same_shape(outputs: Tensor, targets: Tensor) -> Tensor:
    """Targets in the dtype of the outputs, of the same shape: broadcasting would be a silent mistake."""
    if outputs.shape != targets.shape:
        raise ValueError(f"targets must have the outputs' shape {tuple(outputs.shape)}, got {tuple(targets.shape)}")
    return targets.to(outputs.dtype)
