"""Cross-entropy, of single data and of sequences."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from thermoapps.natural_gradient.losses.base import Loss
from thermoapps.natural_gradient.losses.roots import (
    CategoricalRoot,
    HessianRoot,
    Root,
    categorical_coordinates,
    categorical_root,
)

__all__ = ["CrossEntropy"]


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

    See Also
    --------
    BCEWithLogits, MeanSquaredError, PoissonNLL, CustomLoss : Losses.

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

    def root_size(self, outputs: Tensor, targets: Tensor) -> tuple[int, int]:
        logits, _, weights, _ = self._positions(outputs, targets)
        places, classes = int((weights > 0).sum(1).amax()), logits.shape[2]
        columns = min(self.truncation or classes, classes - 1)
        return places * columns, len(logits) * places * classes * columns

    def product_root(self, outputs: Tensor, targets: Tensor) -> Root:
        if self.truncation is not None:
            return self.hessian_root(outputs, targets)
        logits, _, weights, _ = self._positions(outputs, targets)
        shape = outputs.movedim(self.class_dim, -1).shape
        return CategoricalRoot(logits.softmax(-1), weights, shape, self.class_dim)

    def root_coordinates(self, outputs: Tensor, targets: Tensor, root: HessianRoot) -> Tensor | None:
        logits, labels, weights, _ = self._positions(outputs, targets)
        if root.blocks.shape[3] < logits.shape[2] - 1:
            return None
        if not labels.is_floating_point():
            labels = functional.one_hot(labels.where(weights > 0, 0), logits.shape[2]).to(logits.dtype)
            labels = labels * weights[..., None]
        coordinates = categorical_coordinates(logits.softmax(-1), labels)
        coordinates = torch.where(weights[..., None] > 0, coordinates / weights[..., None].sqrt(), 0.0)
        if root.places is not None:
            coordinates = coordinates.gather(1, root.places[..., None].expand(-1, -1, coordinates.shape[2]))
        return coordinates.flatten(1)

    def count(self, outputs: Tensor, targets: Tensor) -> int:
        return self._positions(outputs, targets)[3]

    def scores(self, outputs: Tensor, targets: Tensor, samples: int, generator: torch.Generator | None) -> Tensor:
        logits, _, weights, _ = self._positions(outputs, targets)
        p = logits.softmax(-1)
        roots = weights.sqrt()[..., None]
        # Where a uniform number falls among the sums of probabilities: one number a draw, and not one for each class.
        sums = p.cumsum(-1, dtype=torch.float64)
        uniform = torch.rand(*weights.shape, samples, generator=generator, dtype=torch.float64, device=p.device)
        drawn = torch.searchsorted(sums, uniform * sums[..., -1:], right=True).clamp_(max=p.shape[-1] - 1)
        scores = (p * roots).expand(samples, *p.shape).clone()
        scores.scatter_add_(-1, drawn.movedim(-1, 0)[..., None], -roots.expand(samples, *roots.shape))
        return torch.stack([self._like_outputs(score, outputs) for score in scores])

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
