"""A factor R of the curvature matrix RᵀR by its products, however it is held, and several of them as one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.precision import working_dtype

__all__ = ["CurvatureFactor", "JoinedFactor", "Together"]


class Together(Protocol):
    """Processes that share the work."""

    size: int
    rank: int

    def total(self, tensor: Tensor) -> Tensor:
        """Sum over all processes, in place."""

    def agreed(self, tensor: Tensor) -> Tensor:
        """What the first process has, everywhere, in place."""


class CurvatureFactor(ABC):
    """Factor R (r, N) of the curvature matrix RᵀR = (1/n) Σ_n J_nᵀ H_n J_n of a mean over n data.

    Parameters
    ----------
    rows : int
        r.
    parameters : sequence of Tensor
        The parameters in the order in which they are flattened, each row by row.
    count : int
        n, number of terms in the mean.
    processes : Together, optional
        Several processes that work on it.
    frozen : bool, optional
        Whether statistics of batches were taken for constants, so that the curvature is approximate.

    Attributes
    ----------
    length : int
        r, or the rows of all processes together where each has its own.
    formed : bool
        Whether there are rows that a Gram matrix can be made of.
    """

    formed = True

    def __init__(
        self,
        rows: int,
        parameters: Sequence[Tensor],
        count: int,
        processes: Together | None = None,
        frozen: bool = False,
    ) -> None:
        self.parameters, self.count = tuple(parameters), count
        self.processes, self.frozen = processes, frozen
        sizes = [parameter.numel() for parameter in self.parameters]
        ends = list(accumulate(sizes))
        self._slices = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._position = {id(parameter): index for index, parameter in enumerate(self.parameters)}
        self.shape = rows, ends[-1]
        self.length = rows

    @property
    def like(self) -> Tensor:
        """An empty tensor of the dtype and device of all vectors."""
        return torch.empty(0, dtype=self.dtype, device=self.device)

    @property
    def dtype(self) -> torch.dtype:
        """Floating type of all vectors: that of the parameters, but single precision for halves."""
        return working_dtype(self.parameters)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.parameters[0].device

    @property
    def keeps_graph(self) -> bool:
        """Whether products go through the graph of the model's pass, which must not be freed before them."""
        return False

    @abstractmethod
    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        """R Rᵀ (r, r)."""

    @abstractmethod
    def apply(self, block: Tensor) -> Tensor:
        """R V (r, k) for a block of vectors V (N, k)."""

    @abstractmethod
    def apply_transposed(self, block: Tensor) -> Tensor:
        """Rᵀ U (N, k) for a block of vectors U (r, k)."""

    def by_parameter(self, vector: Tensor) -> dict[int, Tensor]:
        """The entries of a flat vector (N,) in the shape of each parameter, by its id."""
        return {id(p): self._part(vector[:, None], p)[..., 0] for p in self.parameters}

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


class JoinedFactor(CurvatureFactor):
    """Factors of several batches, at least one of which is known by products only, one below the other.

    Parameters
    ----------
    parts : sequence of CurvatureFactor
        Of the same parameters in the same order; the mean over all their data is meant.
    """

    formed = False

    def __init__(self, parts: Sequence[CurvatureFactor]) -> None:
        first, count = parts[0], sum(part.count for part in parts)
        rows, frozen = sum(part.shape[0] for part in parts), any(part.frozen for part in parts)
        super().__init__(rows, first.parameters, count, first.processes, frozen)
        self.parts, self.length = tuple(parts), sum(part.length for part in parts)
        self._weights = [(part.count / count) ** 0.5 for part in parts]

    @property
    def keeps_graph(self) -> bool:
        return any(part.keeps_graph for part in self.parts)

    def gram(self, dtype: torch.dtype | None = None) -> Tensor:
        raise NotImplementedError("rows known by products only have no Gram matrix")

    def apply(self, block: Tensor) -> Tensor:
        return torch.cat([w * part.apply(block) for w, part in zip(self._weights, self.parts, strict=True)])

    def apply_transposed(self, block: Tensor) -> Tensor:
        bands = torch.split(block, [part.shape[0] for part in self.parts])
        products = zip(self._weights, self.parts, bands, strict=True)
        return torch.stack([part.apply_transposed(w * band) for w, part, band in products]).sum(0)
