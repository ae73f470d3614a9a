"""Curvature by fewer columns: the Monte Carlo and the empirical Fisher matrix, as losses with another Hessian."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.named import as_loss
from thermoapps.natural_gradient.losses.roots import HessianRoot

__all__ = ["EmpiricalFisher", "MonteCarloFisher", "with_curvature"]


class _Replaced(Loss):
    """A loss whose Hessian is replaced."""

    def __init__(self, loss: Loss | str | Callable[[Tensor, Tensor], Tensor]) -> None:
        self.loss = as_loss(loss)

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss.value(outputs, targets)

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return self.loss.gradient(outputs, targets)

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        return self.loss.count(outputs, targets)


class MonteCarloFisher(_Replaced):
    """A loss with its Hessian estimated from targets drawn from the model itself: few columns, unbiased.

    For losses that are no negative log-likelihood it is a random sketch S ε with the same mean.

    Parameters
    ----------
    loss : Loss, str or callable
        The loss, as for `as_loss`.
    samples : int, optional
        Columns M of each datum.
    generator : torch.Generator, optional
        Source of randomness; by default torch's global one.

    See Also
    --------
    ExactGaussNewton, EmpiricalFisher : Curvatures.

    Examples
    --------
    >>> import torch
    >>> loss = MonteCarloFisher("cross_entropy", samples=2)
    >>> loss.hessian_root(torch.zeros(5, 100), torch.zeros(5, dtype=torch.int64)).columns
    2
    """

    def __init__(
        self,
        loss: Loss | str | Callable[[Tensor, Tensor], Tensor],
        samples: int = 1,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(loss)
        if samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        self.samples, self.generator = samples, generator

    def root_size(self, outputs: Tensor, targets: Tensor) -> tuple[int, int]:
        return self.samples, self.samples * outputs.numel()

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        drawn = self.loss.scores(outputs, targets, self.samples, self.generator)
        return _full_columns(drawn.movedim(0, -1) / self.samples**0.5)


class EmpiricalFisher(_Replaced):
    """A loss with its Hessian replaced by the outer product of each datum's own gradient: one column.

    Parameters
    ----------
    loss : Loss, str or callable
        The loss, as for `as_loss`.

    See Also
    --------
    MonteCarloFisher, ExactGaussNewton : Curvatures.

    Examples
    --------
    >>> import torch
    >>> EmpiricalFisher("mse").hessian_root(torch.ones(1, 2), torch.zeros(1, 2)).blocks.ravel()
    tensor([1., 1.])
    """

    def root_size(self, outputs: Tensor, targets: Tensor) -> tuple[int, int]:
        return 1, outputs.numel()

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        gradients = self.gradient(outputs, targets) * self.count(outputs, targets)
        return _full_columns(gradients[..., None])

    def root_coordinates(self, outputs: Tensor, targets: Tensor, root: HessianRoot) -> Tensor:
        return outputs.new_ones(outputs.shape[0], 1)


def _full_columns(columns: Tensor) -> HessianRoot:
    """Columns (b, …, r) that span all outputs of a datum."""
    return HessianRoot(columns.reshape(len(columns), 1, -1, columns.shape[-1]), columns.shape[:-1])


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
