"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.cross_entropy import CrossEntropy
from thermoapps.natural_gradient.losses.custom import CustomLoss
from thermoapps.natural_gradient.losses.elementwise import BCEWithLogits, MeanSquaredError, PoissonNLL
from thermoapps.natural_gradient.losses.modules import module_loss

__all__ = ["as_loss"]

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
        A loss; "cross_entropy", "mse", "bce_with_logits" or "poisson_nll"; one of torch's loss modules, such as
        ``nn.CrossEntropyLoss(label_smoothing=0.1)``; or a function as for `CustomLoss`.

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

    See Also
    --------
    CrossEntropy, BCEWithLogits, MeanSquaredError, PoissonNLL : Losses.

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
        return module_loss(loss)
    if callable(loss):
        return CustomLoss(loss)
    raise TypeError(f"loss must be a Loss, a name or a function of one datum, got {type(loss).__name__}")
