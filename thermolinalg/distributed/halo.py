"""The rows of other ranks that a product needs, brought from the ranks that have them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from thermolinalg._ranks import Partition

__all__ = ["Halo"]


class Halo:
    """The exchange of some rows between the ranks that have them and those that need them, and no others.

    Parameters
    ----------
    partition : Partition
        Which rank has which rows.
    needed : ndarray of int, shape (g,)
        Rows of other ranks that this one needs, ascending.

    See Also
    --------
    RowPartitioned, Partition : Which rows live where, and what they need of others.

    Examples
    --------
    >>> from thermolinalg.distributed import Partition, Serial
    >>> halo = Halo(Partition(Serial(), [0, 4]), np.array([], dtype=int))
    >>> halo.start(np.ones((4, 1)))().shape
    (0, 1)
    """

    def __init__(self, partition: Partition, needed: np.ndarray) -> None:
        self.partition, self.needed = partition, np.asarray(needed, dtype=np.int64)
        ends = np.searchsorted(self.needed, partition.offsets)
        owned = [slice(a, b) for a, b in itertools.pairwise(ends)]
        asked = partition.comm.alltoall([self.needed[rows] for rows in owned])
        self.receives = {rank: rows for rank, rows in enumerate(owned) if rows.start < rows.stop}
        self.sends = {rank: _as_slice(rows - partition.start) for rank, rows in enumerate(asked) if len(rows)}

    def start(self, local: np.ndarray) -> Callable[[], np.ndarray]:
        """Start the exchange for a block (m, k), not to be changed until what is returned has given the rows (g, k)."""
        ghosts = np.empty((len(self.needed), *local.shape[1:]), local.dtype)
        sends = {rank: np.ascontiguousarray(local[rows]) for rank, rows in self.sends.items()}
        finish = self.partition.comm.exchange(sends, {rank: ghosts[rows] for rank, rows in self.receives.items()})

        def arrived() -> np.ndarray:
            finish()
            return ghosts

        return arrived


def _as_slice(rows: np.ndarray) -> np.ndarray | slice:
    """Rows that follow each other as a slice, which makes no copy."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows
