"""Torch's own loss modules as losses: their value is what the module gives, with its weights and reduction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.cross_entropy import CrossEntropy
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["CrossEntropyModule", "ElementwiseModule", "module_loss"]

ELEMENTWISE = nn.MSELoss, nn.BCEWithLogitsLoss, nn.PoissonNLLLoss, nn.HuberLoss, nn.SmoothL1Loss, nn.SoftMarginLoss


class CrossEntropyModule(CrossEntropy):
    """``nn.CrossEntropyLoss`` with class weights, label smoothing and ignored targets; classes along axis 1.

    With weights ω and smoothing ε a position of target distribution y loses −Σ_c q_c log p_c with
    q_c = ω_c ((1 − ε) y_c + ε/C), whose Hessian is (Σ_c q_c)(diag(p) − p pᵀ).

    Parameters
    ----------
    module : nn.CrossEntropyLoss
        With reduction "mean" or "sum".

    Examples
    --------
    >>> import torch
    >>> loss = CrossEntropyModule(torch.nn.CrossEntropyLoss(label_smoothing=0.1))
    >>> loss.value(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """

    def __init__(self, module: nn.CrossEntropyLoss) -> None:
        super().__init__(class_dim=1, ignore_index=module.ignore_index)
        self.module = module

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        self._positions(outputs.detach(), targets)
        value: Tensor = self.module(outputs, targets if targets.is_floating_point() else targets.long())
        return value

    def _positions(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
        logits, labels, counted, n = super()._positions(outputs, targets)
        given = self.module.weight
        weights = logits.new_ones(logits.shape[2]) if given is None else given.to(logits)
        total: Tensor | float = n
        if not labels.is_floating_point():
            indices = labels.where(counted > 0, 0)
            total = (weights[indices] * counted).sum()
            labels = functional.one_hot(indices, logits.shape[2]).to(logits.dtype)
        else:
            counted = torch.ones_like(counted)
        smoothing = self.module.label_smoothing
        labels = weights * ((1 - smoothing) * labels + smoothing / logits.shape[2]) * counted[..., None]
        labels = labels * n if self.module.reduction == "sum" else labels * (n / total)
        return logits, labels, labels.sum(-1), n


class ElementwiseModule(Loss):
    """A module whose loss is a sum of functions of one output each, differentiated twice by autograd.

    Parameters
    ----------
    module : nn.Module
        Such as ``nn.BCEWithLogitsLoss(pos_weight=…)`` or ``nn.HuberLoss()``, with reduction "mean" or "sum".

    Examples
    --------
    >>> import torch
    >>> loss = ElementwiseModule(torch.nn.HuberLoss())
    >>> loss.gradient(torch.tensor([[0.5], [3.0]]), torch.zeros(2, 1)).ravel()
    tensor([0.2500, 0.5000])
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if outputs.shape != targets.shape:
            raise ValueError(f"targets must have the outputs' shape {tuple(outputs.shape)}, got {tuple(targets.shape)}")
        value: Tensor = self.module(outputs, targets.to(outputs.dtype))
        return value

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self._derivatives(outputs, targets)[0]

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        curvature = self._derivatives(outputs, targets)[1] * len(outputs)
        if bool((curvature < 0).any()):
            raise ValueError(
                f"{type(self.module).__name__} has negative curvature ({float(curvature.min()):.3g}) for these "
                "targets; natural gradients need a loss that is convex in the outputs"
            )
        return HessianRoot(curvature.sqrt().reshape(len(outputs), -1, 1, 1), outputs.shape)

    def root_coordinates(self, outputs: Tensor, targets: Tensor, root: HessianRoot) -> Tensor:
        slope = self._derivatives(outputs, targets)[0].reshape(len(outputs), -1) * len(outputs)
        return torch.where(slope == 0, 0.0, slope / root.blocks.flatten(1))

    def _derivatives(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """First and second derivatives of the value with respect to each output."""
        with torch.enable_grad():
            z = outputs.detach().requires_grad_()
            (slope,) = torch.autograd.grad(self.value(z, targets), z, create_graph=True)
            (curvature,) = torch.autograd.grad(slope.sum(), z)
        return slope.detach(), curvature


def module_loss(module: nn.Module) -> Loss:
    """A loss from one of torch's loss modules.

    Parameters
    ----------
    module : nn.Module
        Cross-entropy, or one of the losses of single outputs.

    Returns
    -------
    Loss

    Raises
    ------
    TypeError
        Another module.
    ValueError
        A reduction other than "mean" and "sum", or rates in place of their logarithms.
    """
    if not isinstance(module, (nn.CrossEntropyLoss, *ELEMENTWISE)):
        accepted = ", ".join(kind.__name__ for kind in (nn.CrossEntropyLoss, *ELEMENTWISE))
        raise TypeError(
            f"loss must be a function of one datum, a Loss, a name or one of {accepted}; {type(module).__name__} has "
            "no curvature with respect to its outputs, or none that is known"
        )
    if module.reduction not in ("mean", "sum"):
        raise ValueError(f"a loss module must have reduction 'mean' or 'sum', got {module.reduction!r}")
    if isinstance(module, nn.PoissonNLLLoss) and not module.log_input:
        raise ValueError("PoissonNLLLoss must take logarithms of rates: set log_input=True")
    return CrossEntropyModule(module) if isinstance(module, nn.CrossEntropyLoss) else ElementwiseModule(module)
