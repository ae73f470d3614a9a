"""What vectors on several ranks ask of whoever connects these, and the one rank that is alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

import numpy as np

__all__ = ["Communicator", "Reduction", "Serial"]

T = TypeVar("T")

Reduction = Literal["sum", "max", "min"]


class Communicator(Protocol):
    """Ranks that run the same program, each on its own rows; every method is called by all of them together.

    See Also
    --------
    Ranks, Serial : Who talks to whom.
    """

    @property
    def rank(self) -> int:
        """Number of this rank, from 0."""
        ...

    @property
    def size(self) -> int:
        """How many ranks there are."""
        ...

    def allreduce(self, values: np.ndarray, reduction: Reduction) -> np.ndarray:
        """Entry by entry the sum, the largest or the smallest over all ranks; the same array on every rank."""
        ...

    def allgather(self, value: T) -> list[T]:
        """What every rank has, in their order."""
        ...

    def bcast(self, value: T, root: int) -> T:
        """What the rank `root` has."""
        ...

    def alltoall(self, values: Sequence[T]) -> list[T]:
        """One value to each rank, and one from each."""
        ...

    def exchange(self, sends: Mapping[int, np.ndarray], receives: Mapping[int, np.ndarray]) -> Callable[[], None]:
        """Start to send arrays to some ranks and to receive others from some; what is returned waits for all of it."""
        ...


class Serial:
    """A communicator of one rank, for which nothing need be installed.

    See Also
    --------
    Communicator, Ranks : Who talks to whom.

    Examples
    --------
    >>> Serial().rank, Serial().size
    (0, 1)
    """

    rank, size = 0, 1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Serial)

    def __hash__(self) -> int:
        return hash(Serial)

    def __repr__(self) -> str:
        return "Serial()"

    def allreduce(self, values: np.ndarray, reduction: Reduction) -> np.ndarray:
        """The values themselves."""
        return values

    def allgather(self, value: T) -> list[T]:
        """The value alone."""
        return [value]

    def bcast(self, value: T, root: int) -> T:
        """The value itself."""
        return value

    def alltoall(self, values: Sequence[T]) -> list[T]:
        """The values themselves."""
        return list(values)

    def exchange(self, sends: Mapping[int, np.ndarray], receives: Mapping[int, np.ndarray]) -> Callable[[], None]:
        """Nothing: there is no other rank."""
        return lambda: None
