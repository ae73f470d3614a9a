"""Any function of one datum as a loss, by automatic differentiation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.roots import HessianRoot, semidefinite_root

__all__ = ["CustomLoss"]


class CustomLoss(Loss):
    """Mean over data of any function of one datum that is twice differentiable and convex in its outputs.

    Parameters
    ----------
    function : callable
        ``function(output, target)`` gives the loss of one datum as a scalar; output and target come without the
        axis of the data. It is differentiated by ``torch.func``, vectorised over the data.

    See Also
    --------
    Loss, as_loss, CrossEntropy, BCEWithLogits : Losses.

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

    def root_size(self, outputs: Tensor, targets: Tensor) -> tuple[int, int]:
        return outputs[0].numel(), outputs.numel() * outputs[0].numel()

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        d = outputs[0].numel()
        hessians: Tensor = torch.func.vmap(torch.func.jacrev(torch.func.grad(self.function)))(outputs, targets)
        root = semidefinite_root(hessians.reshape(-1, d, d))
        return HessianRoot(root[:, None], outputs.shape)
