"""The curvature of a batch as a low-rank factor: R with RᵀR the Gauss–Newton or Fisher matrix, by products only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, combinations_with_replacement

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.factor import CurvatureFactor, JoinedFactor, Together
from thermoapps.natural_gradient.layers import LayerRows
from thermoapps.natural_gradient.layers.base import BUDGET, THIN, side_by_side

__all__ = ["Batch", "CurvatureRows", "joined"]


@dataclass(frozen=True)
class Batch:
    """Rows of one recorded pass: those of its layers, for so many root columns and data."""

    layers: list[LayerRows]
    columns: int
    data: int

    @property
    def length(self) -> int:
        """Number of rows."""
        return self.columns * self.data


class CurvatureRows(CurvatureFactor):
    """Factor R (r, N) of the curvature matrix RᵀR = (1/n) Σ_n J_nᵀ H_n J_n of a mean over n data, layer by layer.

    With S_n S_nᵀ = H_n the Hessian of the loss with respect to the outputs of datum n and J_n their Jacobian with
    respect to the N parameters, the row of datum n and root column v is (1/√n) (S_nᵀ J_n)_v; rows are ordered by v
    first (within each batch of several). Only what the layers saw and what reached them backward is held: products
    and the Gram matrix R Rᵀ come from these, as ``thermolinalg.operators.LowRankPlusIdentity`` asks for.

    Parameters
    ----------
    batches : sequence of Batch
        Rows of one or several passes, one below the other.
    parameters : sequence of Tensor
        The parameters in the order in which they are flattened, each row by row.
    count : int
        n, number of terms in the mean.
    processes : Together, optional
        Several processes that hold the same rows.
    frozen : bool, optional
        Whether statistics of batches were taken for constants, so that the curvature is approximate.

    See Also
    --------
    Recorder, Recorded, curvature_rows : Rows of the curvature.

    Examples
    --------
    >>> import torch
    >>> from thermoapps.natural_gradient import curvature_rows
    >>> model = torch.nn.Linear(3, 2, bias=False)
    >>> inputs, targets = torch.eye(3), torch.zeros(3, 2)
    >>> rows, gradient, loss = curvature_rows(model, inputs, targets, "mse")
    >>> rows.shape
    (6, 6)
    >>> torch.allclose(rows.gram(), torch.eye(6) / 3)
    True
    """

    def __init__(
        self,
        batches: Sequence[Batch],
        parameters: Sequence[Tensor],
        count: int,
        processes: Together | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__(sum(batch.length for batch in batches), parameters, count, processes, frozen)
        self.batches = tuple(batches)

    @classmethod
    def stacked(cls, parts: Sequence[CurvatureRows]) -> CurvatureRows:
        """Rows of several batches with the same parameters, as those of one large batch.

        Parameters
        ----------
        parts : sequence of CurvatureRows
            Rows of each batch; the mean over all their data is meant.

        Returns
        -------
        CurvatureRows

        Raises
        ------
        ValueError
            No parts, or parts with other parameters.
        """
        if not parts:
            raise ValueError("there are no rows to stack")
        first = parts[0].parameters
        if any([id(p) for p in part.parameters] != [id(p) for p in first] for part in parts):
            raise ValueError("rows can be stacked only if they are those of the same parameters in the same order")
        batches = [batch for part in parts for batch in part.batches]
        return cls(batches, first, sum(part.count for part in parts), parts[0].processes, parts[0].frozen)

    @property
    def layers(self) -> tuple[LayerRows, ...]:
        """Rows of each layer in each batch, without the factor 1/√n."""
        return tuple(layer for batch in self.batches for layer in batch.layers)

    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        """R Rᵀ (r, r).

        Parameters
        ----------
        dtype : torch.dtype, optional
            Floating type to compute in; by default that of the rows. In single precision the eigenvalues of R Rᵀ
            are known to about 1e-7 of the largest.

        Returns
        -------
        Tensor, shape (r, r)
        """
        total = torch.zeros(self.shape[0], self.shape[0], dtype=dtype or self.dtype, device=self.device)
        ends = list(accumulate(batch.length for batch in self.batches))
        places = [slice(end - batch.length, end) for end, batch in zip(ends, self.batches, strict=True)]
        for (i, upper), (j, lower) in combinations_with_replacement(enumerate(self.batches), 2):
            block = total[places[i], places[j]]
            holders = _holders(lower.layers)
            for left in self._own_share(upper.layers):
                sharing = {id(right): right for p in left.parameters.values() for right in holders.get(id(p), ())}
                for right in sharing.values():
                    left.add_gram_with(right, block)
            if i != j:
                total[places[j], places[i]] = block.T
        if self.processes is not None:
            self.processes.total(total)
        return total.div_(self.count)

    def _own_share(self, layers: Sequence[LayerRows]) -> Sequence[LayerRows]:
        """The layers whose part of a Gram matrix is left to this process."""
        return layers if self.processes is None else layers[self.processes.rank :: self.processes.size]

    def apply(self, block: Tensor) -> Tensor:
        """R V (r, k) for a block of vectors V (N, k)."""
        self._check(block, self.shape[1])
        # A few columns are best multiplied one by one, as they lie in memory.
        width = self._width if block.shape[1] > THIN else 1
        return side_by_side([self._apply(part.contiguous()) for part in torch.split(block, width, 1)], 1)

    def apply_transposed(self, block: Tensor) -> Tensor:
        """Rᵀ U (N, k) for a block of vectors U (r, k)."""
        self._check(block, self.shape[0])
        return side_by_side([self._apply_transposed(part) for part in torch.split(block, self._width, 1)], 1)

    @property
    def _width(self) -> int:
        """Columns of a block that are multiplied at a time."""
        return max(1, BUDGET // max((layer.numbers for layer in self.layers), default=1))

    def _apply(self, block: Tensor) -> Tensor:
        bands = []
        for batch in self.batches:
            total = block.new_zeros(batch.columns, batch.data, block.shape[1])
            for layer in batch.layers:
                total += layer.apply({role: self._part(block, p) for role, p in layer.parameters.items()})
            bands.append(total.flatten(0, 1))
        return side_by_side(bands, 0).div_(self.count**0.5)

    def _apply_transposed(self, block: Tensor) -> Tensor:
        parts: dict[int, Tensor] = {}
        bands = torch.split(block / self.count**0.5, [batch.length for batch in self.batches])
        for batch, band in zip(self.batches, bands, strict=True):
            weights = band.reshape(batch.columns, batch.data, -1)
            for layer in batch.layers:
                for role, change in layer.apply_transposed(weights).items():
                    which = id(layer.parameters[role])
                    parts[which] = parts[which] + change if which in parts else change
        width = block.shape[1]
        return torch.cat(
            [
                parts[id(p)].reshape(-1, width) if id(p) in parts else block.new_zeros(p.numel(), width)
                for p in self.parameters
            ]
        )

    def __repr__(self) -> str:
        return f"<{self.shape[0]}x{self.shape[1]} curvature rows of {len(self.layers)} layers, {self.dtype}>"


def _holders(layers: Sequence[LayerRows]) -> dict[int, list[LayerRows]]:
    """The layers that hold each parameter, by its id."""
    found: dict[int, list[LayerRows]] = {}
    for layer in layers:
        for parameter in layer.parameters.values():
            found.setdefault(id(parameter), []).append(layer)
    return found


def joined(parts: Sequence[CurvatureFactor]) -> CurvatureFactor:
    """Factors of several batches, one below the other, with a Gram matrix if all of them have one.

    Parameters
    ----------
    parts : sequence of CurvatureFactor
        Of the same parameters in the same order; the mean over all their data is meant.

    Returns
    -------
    CurvatureFactor
    """
    rows = [part for part in parts if isinstance(part, CurvatureRows)]
    return CurvatureRows.stacked(rows) if len(rows) == len(parts) else JoinedFactor(parts)
