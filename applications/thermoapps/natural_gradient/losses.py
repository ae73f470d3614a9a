"""Losses: value, gradient and square root of the Hessian with respect to the outputs.

Every loss is the mean over its n data of what one datum loses. A root S of a datum's Hessian, S Sᵀ = H, is block
diagonal over the places of a datum that the loss treats one by one (positions of a sequence, single outputs), and
only these blocks are stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from thermoapps.natural_gradient.roots import HessianRoot, categorical_root, semidefinite_root

__all__ = [
    "BCEWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "Loss",
    "MeanSquaredError",
    "PoissonNLL",
    "as_loss",
]


class Loss(ABC):
    """A mean over data of a loss that is convex in the outputs.

    The first axis of outputs and targets counts the data.
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

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        """Number n of data in the mean."""
        return outputs.shape[0]

    def scores(self, outputs: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
        """A random vector for each datum, of the outputs' shape, whose second moment is its Hessian."""
        root = self.hessian_root(outputs, targets)
        shape = outputs.shape[0], root.columns
        return root.times(torch.randn(shape, generator=generator, dtype=outputs.dtype, device=outputs.device))


class CrossEntropy(Loss):
    """Cross-entropy of logits with class indices or class probabilities.

    The mean is over all positions that are not ignored, as in ``torch.nn.functional.cross_entropy``; positions of
    one sequence belong to one datum. With p = softmax(z) the Hessian at a position is diag(p) − p pᵀ.

    Parameters
    ----------
    class_dim : int, optional
        Axis of the classes: the last by default, for outputs (b, C) or (b, T, C); 1 for outputs (b, C, T).
    ignore_index : int, optional
        Target of positions that do not count.
    columns : int, optional
        For large vocabularies: columns of the Hessian's root per position, those of the most probable classes.
        The part dropped has at most the norm of the next probability (`HessianRoot.dropped`).

    Examples
    --------
    >>> import torch
    >>> loss = CrossEntropy()
    >>> loss.value(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    >>> root = loss.hessian_root(torch.zeros(1, 4), torch.tensor([2])).blocks[0, 0]
    >>> root.shape
    torch.Size([4, 3])
    >>> torch.allclose(root @ root.T, torch.eye(4) / 4 - 1 / 16)
    True
    """

    def __init__(self, *, class_dim: int = -1, ignore_index: int = -100, columns: int | None = None) -> None:
        if columns is not None and columns < 1:
            raise ValueError(f"columns must be at least 1, got {columns}")
        self.class_dim, self.ignore_index, self.truncation = class_dim, ignore_index, columns

    def value(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits, labels, _, n = self._positions(outputs, targets)
        total = functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(0, 1), ignore_index=self.ignore_index, reduction="sum"
        )
        return total / n

    def gradient(self, outputs: Tensor, targets: Tensor) -> Tensor:
        logits, labels, weights, n = self._positions(outputs, targets)
        p = logits.softmax(-1) * weights[..., None]
        if labels.is_floating_point():
            p = p - labels
        else:
            p.scatter_add_(-1, labels.where(weights > 0, 0)[..., None], -weights[..., None])
        return self._like_outputs(p / n, outputs)

    def hessian_root(self, outputs: Tensor, targets: Tensor) -> HessianRoot:
        logits, _, weights, _ = self._positions(outputs, targets)
        shape = outputs.movedim(self.class_dim, -1).shape
        places = None
        counted = (weights > 0).sum(1)
        if int(counted.amin()) < weights.shape[1]:
            # Ignored positions give no columns, as far as the fullest datum permits.
            places = torch.sort(weights <= 0, dim=1, stable=True).indices[:, : int(counted.amax())]
            logits = logits.gather(1, places[..., None].expand(-1, -1, logits.shape[2]))
            weights = weights.gather(1, places)
        root, dropped = categorical_root(logits.softmax(-1), self.truncation)
        bound = float((dropped * weights).amax())
        return HessianRoot(root * weights.sqrt()[..., None, None], shape, self.class_dim, places, bound)

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        return self._positions(outputs, targets)[3]

    def scores(self, outputs: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
        logits, _, weights, _ = self._positions(outputs, targets)
        p = logits.softmax(-1)
        drawn = torch.multinomial(p.flatten(0, 1), 1, generator=generator).view(*weights.shape, 1)
        return self._like_outputs((p - torch.zeros_like(p).scatter_(-1, drawn, 1)) * weights.sqrt()[..., None], outputs)

    def _like_outputs(self, positions: Tensor, outputs: Tensor) -> Tensor:
        shape = outputs.movedim(self.class_dim, -1).shape
        return positions.reshape(shape).movedim(-1, self.class_dim)

    def _positions(self, outputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, int]:
        """Logits (b, T, C), labels (b, T) or (b, T, C), weight of each position (b, T) in the Hessian, and n."""
        if outputs.dim() < 2 or not -outputs.dim() <= self.class_dim < outputs.dim():
            raise ValueError(f"outputs must have an axis {self.class_dim} of classes, got shape {tuple(outputs.shape)}")
        if self.class_dim % outputs.dim() == 0:
            raise ValueError("class_dim must not be the first axis of outputs, which counts the data")
        last = outputs.movedim(self.class_dim, -1)
        if last.shape[-1] < 2:
            raise ValueError("outputs must have at least two classes; for one logit use BCEWithLogits")
        logits = last.reshape(last.shape[0], -1, last.shape[-1])
        if targets.is_floating_point():
            if targets.shape != outputs.shape:
                raise ValueError(
                    f"class probabilities must have the outputs' shape {tuple(outputs.shape)}, "
                    f"got targets of shape {tuple(targets.shape)}"
                )
            labels = targets.movedim(self.class_dim, -1).reshape(logits.shape).to(logits.dtype)
            return logits, labels, labels.sum(-1), logits.shape[0] * logits.shape[1]
        if targets.shape != last.shape[:-1]:
            raise ValueError(
                f"class indices for outputs of shape {tuple(outputs.shape)} must have shape "
                f"{tuple(last.shape[:-1])}, got {tuple(targets.shape)}; for classes along axis 1 use "
                "CrossEntropy(class_dim=1)"
            )
        labels = targets.reshape(logits.shape[:2]).long()
        weights = (labels != self.ignore_index).to(logits.dtype)
        n = int(weights.sum())
        if n == 0:
            raise ValueError("all targets equal ignore_index: there is nothing to take the mean over")
        return logits, labels, weights, n


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

    def scores(self, outputs: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
        p = outputs.sigmoid()
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

    def scores(self, outputs: Tensor, targets: Tensor, generator: torch.Generator | None) -> Tensor:
        rate = outputs.exp()
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
