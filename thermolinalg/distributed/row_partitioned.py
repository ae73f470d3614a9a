"""A sparse A, each rank with its own rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array
from thermolinalg._ranks import DistributedArray, Partition
from thermolinalg._validation import checked_sparse
from thermolinalg.distributed.mpi import as_communicator, together
from thermolinalg.distributed.partitioned import Partitioned
from thermolinalg.operators import Sparse
from thermolinalg.operators._checks import real
from thermolinalg.operators._symmetry import ROUNDING, asymmetry

__all__ = ["RowPartitioned"]


class RowPartitioned(Partitioned):
    """A symmetric sparse matrix that is larger than one machine: every rank holds some rows, one after the other.

    A product sends each rank the entries of the vector that its rows have columns for, from neighbour to neighbour, and
    multiplies the columns of its own rows meanwhile.

    Parameters
    ----------
    rows : sparse array, shape (m, n)
        The rows of this rank, with all n columns; m may differ between ranks and sums up to n.
    comm : mpi4py.MPI.Comm or Communicator, optional
        Default: all ranks that mpiexec started.

    Raises
    ------
    TypeError
        Complex or not sparse.
    ValueError
        NaN or infinity; the rows of all ranks do not make a square matrix, or it is not symmetric.
    ImportError
        There is no mpi4py, and no `comm` was passed.

    See Also
    --------
    MatrixFreeRows, Stencil, Partitioned : Matrices whose rows are spread over ranks.
    Partition, Halo : Which rows live where, and what they need of others.

    Examples
    --------
    >>> import scipy.sparse
    >>> import thermolinalg as tla
    >>> from thermolinalg.distributed import RowPartitioned, Serial, rows_of
    >>> chain = scipy.sparse.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(1000, 1000)).tocsr()
    >>> A = RowPartitioned(chain[rows_of(1000, Serial())], Serial())
    >>> b = A.vector(np.ones(1000))
    >>> x = tla.solve(A, b, rng=0)
    >>> bool(abs(A @ x - b).max() < 1e-8)
    True
    """

    def __init__(self, rows: Any, comm: Any = None) -> None:
        communicator = as_communicator(comm)
        with together(communicator):
            if not scipy.sparse.issparse(rows):
                raise TypeError(f"rows must be a sparse array, not {type(rows).__name__}; pass csr_array(rows)")
            csr = real(checked_sparse(rows, "rows"), "rows")
        partition = Partition.of(communicator, csr.shape[0])
        with together(communicator):
            if csr.shape[1] != partition.rows or not partition.rows:
                raise ValueError(
                    f"rows of shape {csr.shape} on this rank do not make a square matrix: all ranks have "
                    f"{partition.rows} rows together"
                )
        dtype = np.result_type(*communicator.allgather(csr.dtype.name))
        inside = (csr.indices >= partition.start) & (csr.indices < partition.stop)
        needed, ghosts = np.unique(csr.indices[~inside], return_inverse=True)
        super().__init__(dtype, partition, needed)
        m, data = csr.shape[0], csr.data.astype(dtype, copy=False)
        own = _selected(csr, data, inside, csr.indices[inside] - partition.start, m)
        self.own = Sparse(own)
        outer = _selected(csr, data, ~inside, ghosts, len(needed))
        self.boundary = np.flatnonzero(np.diff(outer.indptr))
        pointers = outer.indptr[np.append(self.boundary, m)]
        self.outer = scipy.sparse.csr_array((outer.data, outer.indices, pointers), (len(self.boundary), len(needed)))
        self.nnz = int(communicator.allreduce(np.array(float(csr.nnz)), "sum"))
        self._refuse_asymmetric()

    def _add_own(self, x: np.ndarray, y: np.ndarray) -> None:
        self.own.add_product(x, y)

    def _add_ghosts(self, x: np.ndarray, y: np.ndarray) -> None:
        y[self.boundary] += self.outer @ x

    def absolute(self, block: Array) -> Array:
        own, outer = abs(self.own.matrix), abs(self.outer)

        def add_own(x: np.ndarray, y: np.ndarray) -> None:
            y += own @ x

        def add_ghosts(x: np.ndarray, y: np.ndarray) -> None:
            y[self.boundary] += outer @ x

        return self._with_halo(block, None, add_own, add_ghosts)

    def diagonal(self) -> Array:
        return DistributedArray(self.own.diagonal(), self.partition)

    def norm_bound(self) -> float:
        sums = np.asarray(abs(self.own.matrix).sum(axis=1)).ravel()
        sums[self.boundary] += np.asarray(abs(self.outer).sum(axis=1)).ravel()
        return float(DistributedArray(sums, self.partition).max())

    def _refuse_asymmetric(self) -> None:
        """ValueError on all ranks where a pair of entries differs by more than rounding explains."""
        n, start = self.shape[0], self.partition.start
        with together(self.partition.comm):
            found = asymmetry(self.own.matrix)
            if found is not None and found.ratio * self.own.shape[0] > n:
                assert found.row is not None
                assert found.column is not None
                raise ValueError(_told(start + found.row, start + found.column, found.size))
        row, column, here, there = self._couplings()
        diagonal = abs(self.own.diagonal())
        ghosts = self.halo.start(diagonal[:, None])()[:, 0]
        place = np.minimum(np.searchsorted(self.halo.needed, column), max(len(ghosts) - 1, 0))
        known = ghosts[place] if len(ghosts) else np.zeros(len(column))
        scale = np.sqrt(diagonal[row]) * np.sqrt(known) + np.maximum(abs(here), abs(there))
        apart = abs(here - there) > ROUNDING * n * np.finfo(self.dtype).eps * scale
        with together(self.partition.comm):
            if apart.any():
                i = int(np.argmax(apart))
                raise ValueError(_told(start + int(row[i]), int(column[i]), abs(float(here[i] - there[i]))))

    def _couplings(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Rows here, columns on other ranks, and what stands at a_ij here and at a_ji there."""
        n, comm = self.shape[0], self.partition.comm
        coo = self.outer.tocoo()
        row, column = self.boundary[coo.coords[0]], self.halo.needed[coo.coords[1]]
        owner = self.partition.owner(column)
        sent = [
            (column[owner == r], row[owner == r] + self.partition.start, coo.data[owner == r]) for r in range(comm.size)
        ]
        mirrored = [np.concatenate(parts) for parts in zip(*comm.alltoall(sent), strict=True)]
        keys = row.astype(np.int64) * n + column
        other = (mirrored[0] - self.partition.start).astype(np.int64) * n + mirrored[1]
        both = np.union1d(keys, other)
        here, there = _at(both, keys, coo.data), _at(both, other, mirrored[2])
        return both // n, both % n, here, there


def _selected(csr: Any, data: np.ndarray, chosen: np.ndarray, columns: np.ndarray, width: int) -> Any:
    """Some entries of each row as a sparse array of its own, with indices no wider than they need be."""
    pointers = np.concatenate([[0], np.cumsum(chosen)])[csr.indptr]
    kind = np.int32 if max(width, csr.shape[0], int(pointers[-1])) < 2**31 else np.int64
    shape = (csr.shape[0], width)
    return scipy.sparse.csr_array((data[chosen], columns.astype(kind), pointers.astype(kind)), shape)


def _at(wanted: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Values by key, zero where there is none."""
    found = np.zeros(len(wanted), values.dtype)
    found[np.searchsorted(wanted, keys)] = values
    return found


def _told(i: int, j: int, size: float) -> str:
    return (
        f"A is not symmetric: A[{i}, {j}] and A[{j}, {i}] differ by {size:.3g}, more than rounding explains; on "
        "several ranks A has to be symmetric, as (A + A.T)/2 is"
    )
