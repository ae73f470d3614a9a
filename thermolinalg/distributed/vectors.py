"""Vectors on several ranks, from rows and back."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg._ranks import Communicator, DistributedArray, Partition
from thermolinalg._validation import as_count, checked_array
from thermolinalg.distributed.mpi import as_communicator, together
from thermolinalg.operators._checks import real

__all__ = ["gather", "rows_of", "scatter", "shared_rows", "vector"]


def rows_of(n: int, comm: Any = None) -> slice:
    """The rows of this rank where n rows are shared out evenly, in order.

    Parameters
    ----------
    n : int
        Rows on all ranks together.
    comm : mpi4py.MPI.Comm or Communicator, optional
        Default: all ranks that mpiexec started.

    Returns
    -------
    slice
        From the first row to the one behind the last.

    See Also
    --------
    DistributedArray, scatter, gather, vector : Vectors whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial
    >>> rows_of(10, Serial())
    slice(0, 10, None)
    """
    return Partition.even(as_communicator(comm), as_count(n, "n", minimum=0)).here


def vector(rows: Any, comm: Any = None) -> DistributedArray:
    """A vector, or a block of vectors, of which every rank brings its own rows.

    Parameters
    ----------
    rows : array_like, shape (m,) or (m, k)
        Rows of this rank, real; not copied where they are an array already.
    comm : mpi4py.MPI.Comm or Communicator, optional
        Default: all ranks that mpiexec started.

    Returns
    -------
    DistributedArray, shape (n,) or (n, k)
        The rows of all ranks, each where it is.

    Raises
    ------
    TypeError
        Complex or not numbers; another dtype than on other ranks.
    ValueError
        NaN or infinity; another number of columns than on other ranks.

    See Also
    --------
    rows_of, DistributedArray, scatter, gather : Vectors whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial
    >>> vector([1.0, 2.0], Serial()).shape
    (2,)
    """
    communicator = as_communicator(comm)
    return shared_rows(rows, communicator, None)


def shared_rows(rows: Any, comm: Communicator, partition: Partition | None, name: str = "rows") -> DistributedArray:
    """The same, of vectors that have to fit a partition."""
    with together(comm):
        local = real(checked_array(rows, name, ndim=(1, 2)), name)
        if isinstance(local, DistributedArray) or type(local) is not np.ndarray:
            raise TypeError(f"{name} must be an array of NumPy, not {type(local).__name__}")
        if partition is not None and local.shape[0] != partition.stop - partition.start:
            raise ValueError(f"{name} must be the {partition.stop - partition.start} of this rank, not {len(local)}")
    kinds = comm.allgather((local.dtype.name, local.shape[1:]))
    if len({kind for kind, _ in kinds}) > 1:
        raise TypeError(f"{name} have different dtypes on different ranks: {', '.join(kind for kind, _ in kinds)}")
    if len(set(kinds)) > 1:
        raise ValueError(f"{name} have different numbers of columns on different ranks: {[k for _, k in kinds]}")
    return DistributedArray(local, Partition.of(comm, len(local)) if partition is None else partition)


def scatter(x: Any, like: Any) -> DistributedArray:
    """The rows of this rank out of an array that every rank has.

    Parameters
    ----------
    x : array_like, shape (n,) or (n, k)
        The same on every rank.
    like : Partitioned operator or DistributedArray
        Shared out as this is.

    Returns
    -------
    DistributedArray
        x, of which every rank keeps its own rows.

    Raises
    ------
    ValueError
        x has another number of rows.

    See Also
    --------
    gather, vector, rows_of, DistributedArray : Vectors whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial
    >>> scatter([1.0, 2.0], vector([0.0, 0.0], Serial())).local
    array([1., 2.])
    """
    partition = getattr(like, "like", like).partition
    whole = checked_array(x, "x", ndim=(1, 2))
    if whole.shape[0] != partition.rows:
        raise ValueError(f"x has {whole.shape[0]} rows, and {partition.rows} are shared out")
    return shared_rows(np.array(whole[partition.here]), partition.comm, partition)


def gather(x: DistributedArray) -> np.ndarray:
    """All rows on every rank: for results that fit into the memory of each.

    Parameters
    ----------
    x : DistributedArray
        Anything else is returned as an array.

    Returns
    -------
    ndarray
        The same on every rank.

    See Also
    --------
    vector, rows_of, DistributedArray, scatter : Vectors whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial
    >>> gather(2 * vector([1.0, 2.0], Serial()))
    array([2., 4.])
    """
    if not isinstance(x, DistributedArray):
        return np.asarray(x)
    return np.concatenate(x.partition.comm.allgather(x.local), axis=x.axis)
