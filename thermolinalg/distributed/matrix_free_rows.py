"""A known by its products, each rank with its own rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, column_norms
from thermolinalg._ranks import DistributedArray, Partition, normal_rows
from thermolinalg._validation import as_count
from thermolinalg.distributed.mpi import as_communicator, together
from thermolinalg.distributed.partitioned import Partitioned
from thermolinalg.operators._checks import real

__all__ = ["MatrixFreeRows"]

MARGIN = 8.0
"""Rounding of an inner product uᵀA v in units of √n · eps · Σ|u_i||(A v)_i|, as for maps on one rank."""


class MatrixFreeRows(Partitioned):
    """A symmetric A of which every rank knows how to multiply its own rows, given some rows of other ranks.

    Parameters
    ----------
    product : callable
        ``product(own, ghosts)`` with the rows (m, k) of a block on this rank and those (g, k) of other ranks that it
        needs: the rows (m, k) of A times the block. It is called on all ranks together.
    rows : int
        m, on this rank.
    needed : array_like of int, shape (g,)
        The rows of other ranks, by their numbers among all, ascending.
    comm : mpi4py.MPI.Comm or Communicator, optional
        Default: all ranks that mpiexec started.
    dtype : dtype, optional
        float64 or float32.
    entries : float, optional
        Of this rank's rows, were they stored: what a product takes. Default: five a row.
    diagonal : array_like, shape (m,), optional
        Diagonal entries of these rows, by which unknowns of different units are balanced.

    Raises
    ------
    TypeError
        dtype is not real floating.
    ValueError
        A product does not fit, or products show that A is not symmetric; `needed` does not ascend, or names no row of
        another rank.

    See Also
    --------
    Stencil, Partitioned, RowPartitioned : Matrices whose rows are spread over ranks.

    Examples
    --------
    A chain whose ends are on other ranks:

    >>> from thermolinalg.distributed import MatrixFreeRows, Serial, rows_of
    >>> def product(own, ghosts):
    ...     y = 2.5 * own
    ...     y[1:] -= own[:-1]
    ...     y[:-1] -= own[1:]
    ...     return y
    >>> A = MatrixFreeRows(product, 100, [], Serial())
    >>> (A @ A.vector(np.ones(100))).local[:3]
    array([1.5, 0.5, 0.5])
    """

    structure = "matrix-free, row-partitioned"

    def __init__(
        self,
        product: Callable[[np.ndarray, np.ndarray], np.ndarray],
        rows: int,
        needed: Any,
        comm: Any = None,
        *,
        dtype: Any = np.float64,
        entries: float | None = None,
        diagonal: Any = None,
    ) -> None:
        communicator = as_communicator(comm)
        with together(communicator):
            kind = real(np.empty(0, dtype), "A").dtype
            if kind not in (np.float32, np.float64):
                raise TypeError(f"dtype must be float32 or float64, not {kind}")
            m, others = as_count(rows, "rows", minimum=0), np.asarray(needed, dtype=np.int64).ravel()
        partition = Partition.of(communicator, m)
        with together(communicator):
            strangers = (others >= 0) & (others < partition.rows)
            strangers &= (others < partition.start) | (others >= partition.stop)
            if not strangers.all() or (np.diff(others) <= 0).any():
                raise ValueError("needed must be numbers of rows on other ranks, ascending")
        super().__init__(kind, partition, others)
        self.product = product
        self.nnz = int(communicator.allreduce(np.array(5.0 * m if entries is None else float(entries)), "sum"))
        self._diagonal = None if diagonal is None else self.vector(diagonal)
        self._refuse_asymmetric()

    def extended_product(self, block: Array) -> Array | None:
        """None: nobody knows in which precision a stranger multiplies."""
        return None

    def _product(self, block: Array, total: Array | None) -> Array:
        zero = super()._product(block, None)
        return zero if total is None else np.add(total, zero, out=total)

    def _with_halo(self, block: DistributedArray, total: Any, own: Any, ghosts: Any) -> DistributedArray:
        x = np.ascontiguousarray(block.local)
        y = np.asarray(self.product(x, self.halo.start(x)()))
        if y.shape != x.shape:
            raise ValueError(f"product returned rows of shape {y.shape}, not {x.shape}")
        return DistributedArray(y.astype(np.result_type(self.dtype, x.dtype), copy=False), self.partition)

    def diagonal(self) -> Array | None:
        return self._diagonal

    def _refuse_asymmetric(self) -> None:
        """ValueError where uᵀA v and vᵀA u differ for random vectors, or a product has another shape."""
        like = DistributedArray(np.empty((self.partition.stop - self.partition.start, 0), self.dtype), self.partition)
        z = normal_rows(np.random.default_rng(self.shape[0]), (self.shape[0], 2), like)
        with together(self.partition.comm):
            y = self.apply(z)
        forward, bound = z.T @ y, abs(z).T @ abs(y)
        rounding = MARGIN * self.shape[0] ** 0.5 * float(np.finfo(self.dtype).eps) * (bound + bound.T)
        if not (abs(forward - forward.T) <= rounding).all():
            sizes = column_norms(z)[0] * column_norms(y)[1]
            apart = abs(forward[0, 1] - forward[1, 0]) / sizes
            raise ValueError(
                f"A is not symmetric: uᵀA v and vᵀA u differ by {apart:.2g} ‖u‖‖A v‖ for random u and v; on several "
                "ranks A has to be symmetric, and its products finite"
            )
