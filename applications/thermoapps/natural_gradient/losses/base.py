"""What a loss is: value, gradient and a square root of the Hessian, all with respect to the outputs.

Every loss is the mean over its n data of what one datum loses. A root S of a datum's Hessian, S Sᵀ = H, is block
diagonal over the places of a datum that the loss treats one by one (positions of a sequence, single outputs), and
only these blocks are stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from thermoapps.natural_gradient.losses.roots import HessianRoot, Root

__all__ = ["Loss"]


class Loss(ABC):
    """A mean over data of a loss that is convex in the outputs.

    The first axis of outputs and targets counts the data.

    See Also
    --------
    as_loss, CrossEntropy, BCEWithLogits, MeanSquaredError : Losses.
    """

    @abstractmethod
    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a scalar."""

    @abstractmethod
    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Derivative of the loss with respect to the outputs, of their shape."""

    @abstractmethod
    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        """S with S Sᵀ = Hessian of what each datum loses (without the factor 1/n of the mean)."""

    def root_size(self, outputs: Tensor, targets: Tensor) -> tuple[int, int]:
        """Columns V of `hessian_root` and the numbers that it holds, or bounds of them, known before it is formed."""
        return outputs[0].numel(), outputs.numel()

    def product_root(self, outputs: Tensor, targets: Tensor) -> Root:
        """A root for products alone, which need not have the columns of `hessian_root`."""
        return self.hessian_root(outputs, targets)

    def root_coordinates(self, outputs: Tensor, targets: Tensor, root: HessianRoot) -> Tensor | None:
        """w (b, V) with S w the gradient of what each datum loses, or None: the rows of w then give the gradient.

        Entries that are not finite say that a gradient lies outside the range of S, to working precision.
        """
        return None

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        """Number n of data in the mean."""
        return outputs.shape[0]

    def scores(self, outputs: Tensor, targets: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        """Random vectors (samples, b, …) whose second moment is each datum's Hessian."""
        root = self.hessian_root(outputs, targets)
        shape = samples, outputs.shape[0], root.columns
        normal = torch.randn(shape, generator=generator, dtype=outputs.dtype, device=outputs.device)
        return torch.stack([root.times(vectors) for vectors in normal])
