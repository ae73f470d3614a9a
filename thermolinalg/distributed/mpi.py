"""Ranks of MPI, by mpi4py."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np

from thermolinalg._ranks import Communicator
from thermolinalg._ranks.communicator import Reduction

__all__ = ["Ranks", "as_communicator", "together"]

T = TypeVar("T")

TAG = 7701
"""Of halos, so that messages of the user's own under other tags are not taken for them."""

LAUNCHED = ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
"""Variables in which an mpiexec tells how many processes it started."""


class Ranks:
    """A communicator of mpi4py, as distributed arrays use it.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Such as ``MPI.COMM_WORLD``, or a part of it.

    See Also
    --------
    Serial, Communicator : Who talks to whom.
    """

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self.comm = comm
        self.rank, self.size = int(comm.Get_rank()), int(comm.Get_size())
        self._operations = {"sum": MPI.SUM, "max": MPI.MAX, "min": MPI.MIN}
        self._wait, self._in_place = MPI.Request.Waitall, MPI.IN_PLACE

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranks) and bool(self.comm == other.comm)

    def __hash__(self) -> int:
        return hash((self.rank, self.size))

    def __repr__(self) -> str:
        return f"<rank {self.rank} of {self.size}>"

    def allreduce(self, values: np.ndarray, reduction: Reduction) -> np.ndarray:
        """One ``MPI_Allreduce``."""
        result = np.array(values)
        self.comm.Allreduce(self._in_place, result, op=self._operations[reduction])
        return result

    def allgather(self, value: T) -> list[T]:
        """What every rank has, pickled."""
        return cast(list[T], self.comm.allgather(value))

    def bcast(self, value: T, root: int) -> T:
        """What the rank `root` has, pickled."""
        return cast(T, self.comm.bcast(value, root=root))

    def alltoall(self, values: Sequence[T]) -> list[T]:
        """One value to each rank and from each, pickled."""
        return cast(list[T], self.comm.alltoall(list(values)))

    def exchange(self, sends: Mapping[int, np.ndarray], receives: Mapping[int, np.ndarray]) -> Callable[[], None]:
        """``MPI_Irecv`` and ``MPI_Isend``; what is returned is ``MPI_Waitall``."""
        requests = [self.comm.Irecv(buffer, source=rank, tag=TAG) for rank, buffer in receives.items()]
        requests += [self.comm.Isend(buffer, dest=rank, tag=TAG) for rank, buffer in sends.items()]

        def finish() -> None:
            self._wait(requests)
            sent.clear()

        sent = dict(sends)  # buffers live as long as their messages are under way
        return finish


def as_communicator(comm: Any) -> Communicator:
    """The ranks that a caller names; None is all that mpiexec started.

    Parameters
    ----------
    comm : None, mpi4py.MPI.Comm or Communicator

    Returns
    -------
    Communicator

    Raises
    ------
    ImportError
        mpi4py or an MPI library is missing.
    RuntimeError
        mpiexec is that of another MPI than mpi4py's.
    TypeError
        It is no communicator.
    """
    if comm is None:
        return _world()
    if hasattr(comm, "exchange"):
        return cast(Communicator, comm)
    if hasattr(comm, "Allreduce"):
        return Ranks(comm)
    raise TypeError(f"comm must be None, a communicator of mpi4py or Serial(), not {comm!r}")


@lru_cache(maxsize=1)
def _world() -> Ranks:
    """All ranks of this run."""
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise ImportError(
            f"ranks need mpi4py and an MPI library ({error}): pip install 'thermolinalg[mpi]' mpich, or pass "
            "comm=Serial() to run on one rank without them"
        ) from None
    started = max((int(os.environ.get(name, 1)) for name in LAUNCHED), default=1)
    if started > 1 and MPI.COMM_WORLD.Get_size() == 1:
        raise RuntimeError(
            f"mpiexec started {started} processes, and each believes to be alone: it belongs to another MPI than "
            "mpi4py, which python -c 'from mpi4py import MPI; print(MPI.Get_library_version())' names"
        )
    return Ranks(MPI.COMM_WORLD)


@contextmanager
def together(comm: Communicator) -> Iterator[None]:
    """What one rank refuses inside is raised on all of them, so that none waits for the others for ever."""
    refusal: Exception | None = None
    try:
        yield
    except (TypeError, ValueError) as error:
        refusal = error
    found = comm.allgather(None if refusal is None else (type(refusal), str(refusal)))
    if refusal is not None:
        raise refusal
    for rank, other in enumerate(found):
        if other is not None:
            raise other[0](f"on rank {rank}: {other[1]}")
