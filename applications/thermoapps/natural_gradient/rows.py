"""The curvature of a batch as a low-rank factor: R with RᵀR the Gauss–Newton or Fisher matrix, by products only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import Tensor

from thermoapps.natural_gradient.layers import LayerRows

__all__ = ["CurvatureRows"]


class CurvatureRows:
    """Factor R (r, N) of the curvature matrix RᵀR = (1/n) Σ_n J_nᵀ H_n J_n of a mean over n data.

    With S_n S_nᵀ = H_n the Hessian of the loss with respect to the outputs of datum n and J_n their Jacobian with
    respect to the N parameters, the row of datum n and root column v is (1/√n) (S_nᵀ J_n)_v; rows are ordered by v
    first. Only what the layers saw and what reached them backward is held: products and the Gram matrix R Rᵀ come
    from these, as ``thermolinalg.operators.LowRankPlusIdentity`` asks for.

    Parameters
    ----------
    layers : sequence of LayerRows
        Rows of the layers, of one batch.
    parameters : sequence of Tensor
        The parameters in the order in which they are flattened, each row by row.
    columns, data : int
        Root columns of each datum, and data, that make r = columns × data rows.
    count : int
        n, number of terms in the mean.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import curvature_rows
    >>> model = torch.nn.Linear(3, 2, bias=False)
    >>> inputs, targets = torch.eye(3), torch.zeros(3, 2)
    >>> rows, gradient, loss = curvature_rows(model, inputs, targets, "mse")
    >>> rows.shape
    (6, 6)
    >>> torch.allclose(rows.gram(), torch.eye(6, dtype=torch.float64) / 3)
    True
    """

    def __init__(
        self, layers: Sequence[LayerRows], parameters: Sequence[Tensor], columns: int, data: int, count: int
    ) -> None:
        self.layers, self.parameters, self.count = tuple(layers), tuple(parameters), count
        self.columns, self.data = columns, data
        sizes = [parameter.numel() for parameter in self.parameters]
        ends = list(accumulate(sizes))
        self._slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._position = {id(parameter): index for index, parameter in enumerate(self.parameters)}
        self.shape = columns * data, ends[-1]

    @property
    def like(self) -> Tensor:
        """An empty tensor of the dtype and device of all vectors."""
        return self.parameters[0].detach().new_empty(0)

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of the parameters."""
        return self.parameters[0].dtype

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.parameters[0].device

    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        """R Rᵀ (r, r), summed over layers in double precision.

        Parameters
        ----------
        dtype : torch.dtype, optional
            Floating type of the products within a layer; by default that of the rows. In single precision the
            eigenvalues of R Rᵀ are known to about 1e-7 of the largest.

        Returns
        -------
        Tensor, shape (r, r)
            In double precision.
        """
        return self.gram_with(self, dtype) / self.count

    def gram_with(self, other: CurvatureRows, dtype: torch.dtype | None = None) -> Tensor:
        """√(n n') R R'ᵀ (r, r') with the rows of another batch, in double precision."""
        total = torch.zeros(self.shape[0], other.shape[0], dtype=torch.float64, device=self.device)
        for left in self.layers:
            for right in other.layers:
                if any(right.role_of(parameter) for parameter in left.parameters.values()):
                    total += left.gram_with(right, dtype or self.dtype)
        return total

    def apply(self, block: Tensor) -> Tensor:
        """R V (r, k) for a block of vectors V (N, k)."""
        self._check(block, self.shape[1])
        total = block.new_zeros(self.columns, self.data, block.shape[1])
        block = block.contiguous()
        for layer in self.layers:
            total += layer.apply({role: self._part(block, p) for role, p in layer.parameters.items()})
        rows: Tensor = total.flatten(0, 1) / self.count**0.5
        return rows

    def apply_transposed(self, block: Tensor) -> Tensor:
        """Rᵀ U (N, k) for a block of vectors U (r, k)."""
        self._check(block, self.shape[0])
        total = block.new_zeros(self.shape[1], block.shape[1])
        weights = block.reshape(self.columns, self.data, -1) / self.count**0.5
        for layer in self.layers:
            products = layer.apply_transposed(weights)
            for role, parameter in layer.parameters.items():
                self._part(total, parameter).add_(products[role])
        return total

    def matvec(self, vector: Tensor) -> Tensor:
        """R v (r,) for v (N,)."""
        return self.apply(vector[:, None])[:, 0]

    def rmatvec(self, vector: Tensor) -> Tensor:
        """Rᵀ u (N,) for u (r,)."""
        return self.apply_transposed(vector[:, None])[:, 0]

    def _part(self, block: Tensor, parameter: Tensor) -> Tensor:
        """The entries of one parameter in a block (N, k), as a view (shape of the parameter, k)."""
        chosen = block[self._slices[self._position[id(parameter)]]]
        return chosen.view(*parameter.shape, block.shape[1])

    def _check(self, block: Tensor, length: int) -> None:
        if block.dim() != 2 or block.shape[0] != length:
            raise ValueError(f"expected a block of vectors of shape ({length}, k), got {tuple(block.shape)}")
        if block.dtype != self.dtype or block.device != self.device:
            raise ValueError(f"expected vectors of {self.dtype} on {self.device}, got {block.dtype} on {block.device}")

    def __repr__(self) -> str:
        return f"<{self.shape[0]}x{self.shape[1]} curvature rows of {len(self.layers)} layers, {self.dtype}>"
