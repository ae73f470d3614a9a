"""The curvature of a batch by products through the graph of its pass, without any rows: one vector at a time.

With u at the outputs of the model, g(u) = Jᵀu is what one backward pass gives, and it is linear in u, so that the
backward pass of *that* pass gives J v = ∂(g(u)·v)/∂u. A product with the curvature matrix is one of each, whatever the
number of outputs and whatever the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor, Together
from thermoapps.natural_gradient.layers import UnsupportedLayerError
from thermoapps.natural_gradient.layers.frozen import frozen_statistics
from thermoapps.natural_gradient.losses.roots import Root

__all__ = ["ProductRows"]


class ProductRows(CurvatureFactor):
    """Factor R (r, N) of the curvature matrix of one pass of a model, whose rows are never formed.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned, with its graph.
    root : Root
        S, of the Hessian of the loss of each datum.
    parameters : sequence of Tensor
        The parameters in the order in which they are flattened, each row by row.
    count : int
        n, number of terms in the mean.
    processes : Together, optional
        Several processes, each with rows of its own data.
    frozen : bool, optional
        Whether statistics of batches are taken for constants, so that the curvature is approximate.
    keeps_graph : bool, optional
        Whether the graph is that of a pass from which the loss goes backward too.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient.losses import MeanSquaredError
    >>> model = torch.nn.Linear(3, 2, bias=False)
    >>> outputs = model(torch.eye(3))
    >>> root = MeanSquaredError().hessian_root(outputs.detach(), torch.zeros(3, 2))
    >>> rows = ProductRows(outputs, root, list(model.parameters()), 3)
    >>> rows.rmatvec(rows.matvec(torch.ones(6)))  # RᵀR is a third of the identity
    tensor([0.3333, 0.3333, 0.3333, 0.3333, 0.3333, 0.3333])
    """

    formed = False

    def __init__(
        self,
        outputs: Tensor,
        root: Root,
        parameters: Sequence[Tensor],
        count: int,
        processes: Together | None = None,
        frozen: bool = False,
        keeps_graph: bool = True,
    ) -> None:
        super().__init__(outputs.shape[0] * root.columns, parameters, count, processes, frozen)
        self._outputs, self._root, self._keeps_graph = outputs, root, keeps_graph
        self._at_outputs = torch.zeros_like(outputs, requires_grad=True)
        with torch.enable_grad(), frozen_statistics():
            slopes = torch.autograd.grad(
                outputs, self.parameters, self._at_outputs, create_graph=True, allow_unused=True
            )
        # The outputs do not depend on the others.
        found = [(p, slope) for p, slope in zip(self.parameters, slopes, strict=True) if slope is not None]
        self._slopes = [(p, slope) for p, slope in found if slope.requires_grad]

    @property
    def keeps_graph(self) -> bool:
        return self._keeps_graph

    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        raise NotImplementedError("rows known by products only have no Gram matrix")

    def apply(self, block: Tensor) -> Tensor:
        self._check(block, self.shape[1])
        return torch.stack([self._forward(column) for column in block.unbind(1)], 1)

    def apply_transposed(self, block: Tensor) -> Tensor:
        self._check(block, self.shape[0])
        product = torch.stack([self._backward(column) for column in block.unbind(1)], 1)
        return product if self.processes is None else self.processes.total(product)

    def _forward(self, vector: Tensor) -> Tensor:
        """R v."""
        parts = self.by_parameter(vector)
        slopes = [slope for _, slope in self._slopes]
        changes = [parts[id(p)].to(slope) for p, slope in self._slopes]
        with _told():
            (change,) = torch.autograd.grad(slopes, self._at_outputs, changes, retain_graph=True)
        product: Tensor = self._root.transposed(change.to(self.dtype)).flatten() / self.count**0.5
        return product

    def _backward(self, vector: Tensor) -> Tensor:
        """Rᵀ u of this process."""
        scaled = vector.view(self._outputs.shape[0], -1) / self.count**0.5
        cotangent = self._root.times(scaled).to(self._outputs.dtype)
        with frozen_statistics(), _told():
            slopes = torch.autograd.grad(
                self._outputs, self.parameters, cotangent, retain_graph=True, materialize_grads=True
            )
        dense = (slope.to_dense() if slope.is_sparse else slope for slope in slopes)
        return torch.cat([slope.reshape(-1).to(self.dtype) for slope in dense])

    def __repr__(self) -> str:
        return f"<{self.shape[0]}x{self.shape[1]} curvature rows by products, {self.dtype}>"


@contextmanager
def _told() -> Iterator[None]:
    """Say what products need where autograd refuses them."""
    try:
        yield
    except RuntimeError as error:
        raise UnsupportedLayerError(
            f"products with the curvature go twice through the graph of the model's pass, which fails: {error} Call "
            "opt.backward in the place of loss.backward, leave out what has no second derivative, or take "
            "curvature='monte_carlo'"
        ) from error
