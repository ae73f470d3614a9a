"""Square roots of loss Hessians: held as blocks, or known by their products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from thermoapps.natural_gradient.spectra import eigh

__all__ = [
    "CategoricalRoot",
    "HessianRoot",
    "Root",
    "categorical_coordinates",
    "categorical_root",
    "semidefinite_root",
]


class Root(Protocol):
    """A root S of each datum's Hessian by its products."""

    @property
    def columns(self) -> int:
        """Number V of columns."""

    def times(self, vectors: Tensor) -> Tensor:
        """S u for one vector u (b, V) per datum, in the shape of the outputs."""

    def transposed(self, changes: Tensor) -> Tensor:
        """Sᵀ z (b, V) for changes z of the outputs."""

    def regrouped(self, data: int) -> Root:
        """The same root where several data in a row are the places of one of so many data."""


@dataclass(frozen=True)
class HessianRoot:
    """A root S of each datum's Hessian, block diagonal over places of the datum: H = S Sᵀ.

    Column v = (p, r) of S is nonzero at place p only, so V = places × r columns serve all data at once.

    Parameters
    ----------
    blocks : Tensor, shape (b, places, d, r)
        The blocks.
    shape : torch.Size
        Shape (b, …) of the outputs with the d entries of a place last.
    class_dim : int, optional
        Axis of the outputs along which the d entries of a place lie.
    places : Tensor, shape (b, places), optional
        Where in the datum each block stands; by default all places in order.
    dropped : float, optional
        Bound of ‖H − S Sᵀ‖ where S was truncated.
    """

    blocks: Tensor
    shape: torch.Size
    class_dim: int = -1
    places: Tensor | None = None
    dropped: float = 0.0

    @property
    def columns(self) -> int:
        """Number V of columns."""
        return self.blocks.shape[1] * self.blocks.shape[3]

    def cotangents(self, start: int = 0, stop: int | None = None) -> Tensor:
        """Columns ``start`` to ``stop`` as (v, b, …), in the shape of the outputs."""
        chosen = torch.arange(start, self.columns if stop is None else stop, device=self.blocks.device)
        place, column = chosen // self.blocks.shape[3], chosen % self.blocks.shape[3]
        values = self.blocks.permute(1, 3, 0, 2)[place, column]
        scattered = self.blocks.new_zeros(len(chosen), *self._flat)
        data = torch.arange(self._flat[0], device=chosen.device)
        where = place[:, None].expand(-1, len(data)) if self.places is None else self.places[:, place].T
        scattered[torch.arange(len(chosen), device=chosen.device)[:, None], data, where] = values
        return self._as_outputs(scattered)

    def regrouped(self, data: int) -> HessianRoot:
        """The same root where several data in a row are the places of one of so many data."""
        b, _, d, r = self.blocks.shape
        each = b // data
        places = self.places
        if places is not None:
            offsets = torch.arange(each, device=places.device).repeat(data) * self._flat[1]
            places = (places + offsets[:, None]).reshape(data, -1)
        axis = self.class_dim if self.class_dim < 0 else self.class_dim + 1
        shape = torch.Size((data, each, *self.shape[1:]))
        return HessianRoot(self.blocks.reshape(data, -1, d, r), shape, axis, places, self.dropped)

    def times(self, vectors: Tensor) -> Tensor:
        """S u for one vector u (b, V) per datum, in the shape of the outputs."""
        b, places, _, r = self.blocks.shape
        products = torch.einsum("npdr,npr->npd", self.blocks, vectors.reshape(b, places, r))
        if self.places is not None:
            where = self.places[..., None].expand_as(products)
            products = products.new_zeros(self._flat).scatter_add_(1, where, products)
        return self._as_outputs(products)

    def transposed(self, changes: Tensor) -> Tensor:
        """Sᵀ z (b, V) for changes z of the outputs."""
        flat = changes.movedim(self.class_dim, -1).reshape(self._flat)
        if self.places is not None:
            flat = flat.gather(1, self.places[..., None].expand(-1, -1, flat.shape[2]))
        return torch.einsum("npdr,npd->npr", self.blocks, flat).flatten(1)

    @property
    def _flat(self) -> tuple[int, int, int]:
        d = self.blocks.shape[2]
        return self.shape[0], self.shape[1:].numel() // d, d

    def _as_outputs(self, values: Tensor) -> Tensor:
        """(…, b, places, d) in the shape (…, b, …) of the outputs."""
        lead = values.shape[:-3]
        axis = self.class_dim if self.class_dim < 0 else self.class_dim + len(lead)
        return values.reshape(*lead, *self.shape).movedim(-1, axis)


@dataclass(frozen=True)
class CategoricalRoot:
    """The root (diag(√p) − p √pᵀ) √ω of ω (diag(p) − p pᵀ) at each place, from p alone.

    It has a column for each class, one more than `categorical_root`, and takes no more memory than the outputs.

    Parameters
    ----------
    probabilities : Tensor, shape (b, places, d)
        p.
    weights : Tensor, shape (b, places)
        ω ≥ 0.
    shape : torch.Size
        Shape (b, …) of the outputs with the d entries of a place last.
    class_dim : int, optional
        Axis of the outputs along which the d entries of a place lie.

    Examples
    --------
    >>> root = CategoricalRoot(torch.full((1, 1, 4), 0.25), torch.ones(1, 1), torch.Size((1, 4)))
    >>> S = torch.stack([root.times(e[None])[0] for e in torch.eye(4)], 1)
    >>> torch.allclose(S @ S.T, torch.eye(4) / 4 - 1 / 16)
    True
    """

    probabilities: Tensor
    weights: Tensor
    shape: torch.Size
    class_dim: int = -1

    @property
    def columns(self) -> int:
        """Number V of columns."""
        return self.probabilities[0].numel()

    def times(self, vectors: Tensor) -> Tensor:
        """S u for one vector u (b, V) per datum, in the shape of the outputs."""
        scaled = self._scale * vectors.view_as(self.probabilities)
        result = scaled - self.probabilities * scaled.sum(-1, keepdim=True)
        return result.reshape(self.shape).movedim(-1, self.class_dim)

    def transposed(self, changes: Tensor) -> Tensor:
        """Sᵀ z (b, V) for changes z of the outputs."""
        flat = changes.movedim(self.class_dim, -1).reshape(self.probabilities.shape)
        mean = (self.probabilities * flat).sum(-1, keepdim=True)
        return (self._scale * (flat - mean)).flatten(1)

    @property
    def _scale(self) -> Tensor:
        return (self.probabilities * self.weights[..., None]).sqrt()

    def regrouped(self, data: int) -> CategoricalRoot:
        """The same root where several data in a row are the places of one of so many data."""
        places = self.probabilities.reshape(data, -1, self.probabilities.shape[2])
        axis = self.class_dim if self.class_dim < 0 else self.class_dim + 1
        shape = torch.Size((data, len(self.probabilities) // data, *self.shape[1:]))
        return CategoricalRoot(places, self.weights.reshape(data, -1), shape, axis)


def categorical_root(probabilities: Tensor, columns: int | None = None) -> tuple[Tensor, Tensor]:
    """A root of diag(p) − p pᵀ with one column less than classes.

    With the tails q_k = Σ_{j>k} p_j (q_0 = 1) the lower triangular

        L_kk = √(p_k q_k / q_{k−1}),    L_jk = −p_j √(p_k / (q_{k−1} q_k)),  j > k,

    is the Cholesky factor of the covariance of one categorical draw. Every term is a product of quantities that are
    summed without cancellation, so it keeps its relative accuracy as a probability goes to 0 or 1.

    Parameters
    ----------
    probabilities : Tensor, shape (…, d)
        p ≥ 0 with sum one.
    columns : int, optional
        Keep the columns of so many of the most probable classes. What is dropped is diag(p) − p pᵀ/q of the other
        classes, of total probability q; its norm is at most the largest of their probabilities.

    Returns
    -------
    root : Tensor, shape (…, d, columns)
        L, with d − 1 columns by default.
    dropped : Tensor, shape (…)
        Bound of the norm of (diag(p) − p pᵀ) − L Lᵀ: zero if nothing was dropped.
    """
    d = probabilities.shape[-1]
    kept = d - 1 if columns is None else min(columns, d - 1)
    truncated = kept < d - 1
    p, order = probabilities.sort(-1, descending=True) if truncated else (probabilities, None)
    tails = p.flip(-1).cumsum(-1).flip(-1)
    before, after = tails[..., :kept], tails[..., 1 : kept + 1]
    head = p[..., :kept]
    # p_j / q_k ≤ 1 even where both underflow.
    shares = p[..., :, None] / after[..., None, :].clamp_min(torch.finfo(p.dtype).tiny)
    scale = (head * (after / before.clamp_min(torch.finfo(p.dtype).tiny))).sqrt()
    root = torch.tril(-shares, diagonal=-1) * scale[..., None, :]
    root.diagonal(dim1=-2, dim2=-1).copy_(scale)
    if order is None:
        return root, p.new_zeros(p.shape[:-1])
    unsorted = torch.empty_like(root).scatter_(-2, order[..., None].expand_as(root), root)
    return unsorted, p[..., kept]


def categorical_coordinates(probabilities: Tensor, labels: Tensor) -> Tensor:
    """w with L w = (Σ_j y_j) p − y, the gradient of −Σ_j y_j log p_j, for the root L of `categorical_root`.

    Since (diag(p) − p pᵀ)(−y/p) is that gradient, w = −Lᵀ(y/p): with the tails of p and of y,

        w_k = (√(p_k/q_k) Σ_{j>k} y_j − √(q_k/p_k) y_k) / √q_{k−1},

    without cancellation where the model fits.

    Parameters
    ----------
    probabilities : Tensor, shape (…, d)
        p > 0 wherever a later or the same label counts.
    labels : Tensor, shape (…, d)
        y ≥ 0.

    Returns
    -------
    Tensor, shape (…, d − 1)
        Not finite where p has underflowed.
    """
    tails, later = (x.flip(-1).cumsum(-1).flip(-1) for x in (probabilities, labels))
    before, after = tails[..., :-1], tails[..., 1:]
    ratio = (probabilities[..., :-1] / after).sqrt()
    behind = torch.where(later[..., 1:] > 0, ratio * later[..., 1:], 0.0)
    here = torch.where(labels[..., :-1] > 0, labels[..., :-1] / ratio, 0.0)
    coordinates: Tensor = (behind - here) / before.sqrt()
    return coordinates


def semidefinite_root(hessian: Tensor) -> Tensor:
    """A root of symmetric positive semidefinite matrices from their eigenvalues.

    Parameters
    ----------
    hessian : Tensor, shape (…, d, d)
        Symmetric matrices.

    Returns
    -------
    Tensor, shape (…, d, d)
        S with S Sᵀ equal to them.

    Raises
    ------
    ValueError
        An eigenvalue is negative beyond rounding.
    """
    values, vectors = eigh((hessian + hessian.mT) / 2)
    largest = values.abs().amax(-1, keepdim=True)
    if bool((values < -8 * values.shape[-1] * torch.finfo(values.dtype).eps * largest).any()):
        raise ValueError(
            f"the Hessian of the loss with respect to the outputs has a negative eigenvalue "
            f"({float(values.min()):.3g}); natural gradients need a loss that is convex in the outputs"
        )
    root: Tensor = vectors * values.clamp_min(0).sqrt()[..., None, :]
    return root
