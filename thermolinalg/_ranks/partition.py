"""Which rows lie on which rank."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thermolinalg._ranks.communicator import Communicator

__all__ = ["Partition"]


class Partition:
    """Rows 0 … n − 1 in one piece after the other, a piece for each rank.

    Arrays tell it as their `device`: two vectors fit together where their partitions are equal.

    Parameters
    ----------
    comm : Communicator
        The ranks.
    offsets : sequence of int, shape (ranks + 1,)
        Where each piece begins, from 0, and n.

    See Also
    --------
    Halo, RowPartitioned : Which rows live where, and what they need of others.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial
    >>> Partition(Serial(), [0, 10])
    <10 rows on 1 rank, 0:10 here>
    """

    def __init__(self, comm: Communicator, offsets: Sequence[int] | np.ndarray) -> None:
        self.comm = comm
        self.offsets = np.asarray(offsets, dtype=np.int64)
        self.start, self.stop = map(int, self.offsets[comm.rank : comm.rank + 2])

    @classmethod
    def of(cls, comm: Communicator, rows: int) -> Partition:
        """The partition in which every rank brings so many rows."""
        return cls(comm, np.cumsum([0, *comm.allgather(int(rows))]))

    @classmethod
    def even(cls, comm: Communicator, n: int) -> Partition:
        """n rows in pieces that differ by one row at most."""
        return cls(comm, n * np.arange(comm.size + 1, dtype=object) // comm.size)

    @property
    def rows(self) -> int:
        """n."""
        return int(self.offsets[-1])

    @property
    def here(self) -> slice:
        """The rows of this rank."""
        return slice(self.start, self.stop)

    def owner(self, rows: np.ndarray) -> np.ndarray:
        """The ranks on which rows lie."""
        return np.searchsorted(self.offsets, rows, side="right") - 1

    def part(self, start: int, stop: int) -> Partition:
        """The rows from `start` up to `stop`, where they lie."""
        return Partition(self.comm, np.clip(self.offsets, start, stop) - start)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        same = isinstance(other, Partition) and self.comm == other.comm
        return same and np.array_equal(self.offsets, other.offsets)  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(self.offsets.tobytes())

    def __repr__(self) -> str:
        ranks = f"{self.comm.size} rank{'s' if self.comm.size > 1 else ''}"
        return f"<{self.rows} rows on {ranks}, {self.start}:{self.stop} here>"
