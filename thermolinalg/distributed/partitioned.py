"""A symmetric A whose rows are shared out among ranks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, is_distributed
from thermolinalg._ranks import DistributedArray, Partition
from thermolinalg.distributed.halo import Halo
from thermolinalg.distributed.vectors import shared_rows
from thermolinalg.operators import Operator
from thermolinalg.operators._scaling import rounded_inverse_root

__all__ = ["Partitioned"]


class Partitioned(Operator):
    """What all operators on ranks share: their vectors, the halo of their products, and what they refuse.

    A subclass gives `_add_own` and `_add_ghosts`.

    Parameters
    ----------
    dtype : dtype
        float64 or float32.
    partition : Partition
        Of rows, and of the vectors.
    needed : ndarray of int, shape (g,)
        Rows of other ranks that a product needs here, ascending.

    See Also
    --------
    RowPartitioned, MatrixFreeRows, Stencil : Matrices whose rows are spread over ranks.
    """

    structure = "row-partitioned"

    def __init__(self, dtype: Any, partition: Partition, needed: np.ndarray) -> None:
        local = np.empty((partition.stop - partition.start, 0), dtype)
        super().__init__(local.dtype, (partition.rows, partition.rows), DistributedArray(local, partition))
        self.partition, self.halo = partition, Halo(partition, needed)

    def vector(self, rows: Any) -> DistributedArray:
        """The vector (n,) or block (n, k) whose rows (m, …) on this rank are these; to be called on all ranks."""
        return shared_rows(rows, self.partition.comm, self.partition)

    def apply(self, block: Array) -> Array:
        return self._product(block, None)

    def add_product(self, block: Array, total: Array) -> Array:
        return self._product(block, total)

    def extended_product(self, block: Array) -> Array | None:
        return self._product(block, None)

    def _product(self, block: Array, total: Array | None) -> Array:
        """total + A V; what needs no other rank is done while their rows are under way."""
        if not is_distributed(block) or block.partition != self.partition or block.axis != 0:
            raise TypeError(
                f"{self!r} multiplies vectors that lie on its ranks, as A.vector(rows of this rank) makes them; "
                "calls other than solve, langevin, sample, inv_diagonal and program make others, and take no such A"
            )
        return self._with_halo(block, total, self._add_own, self._add_ghosts)

    def _with_halo(
        self,
        block: DistributedArray,
        total: DistributedArray | None,
        own: Callable[[np.ndarray, np.ndarray], None],
        ghosts: Callable[[np.ndarray, np.ndarray], None],
    ) -> DistributedArray:
        """The sum of what the rows here and those of others give."""
        x = np.ascontiguousarray(block.local)
        if total is None:
            total = DistributedArray(np.zeros(x.shape, np.result_type(self.dtype, x.dtype)), self.partition)
        arrived = self.halo.start(x)
        own(x, total.local)
        others = arrived()
        if len(others):
            ghosts(others, total.local)
        return total

    def _add_own(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add to y (m, k) what the rows x (m, k) of this rank give."""
        raise NotImplementedError

    def _add_ghosts(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add to y (m, k) what the rows x (g, k) of other ranks give."""
        raise NotImplementedError

    def dense(self) -> Array:
        raise TypeError(
            f"this call needs the entries of A in one place, and the rows of {self!r} lie on "
            f"{self.partition.comm.size} rank(s); solve, langevin, sample, inv_diagonal and program need products only"
        )

    def gram(self) -> Array:
        return self.dense()

    def jacobi_scaling(self) -> Array | None:
        diagonal = self.diagonal()
        return None if diagonal is None else rounded_inverse_root(diagonal)
