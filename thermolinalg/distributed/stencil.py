"""A of constant coefficients on a grid, in no memory at all."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg._ranks import DistributedArray, Partition
from thermolinalg._validation import as_count
from thermolinalg.distributed.mpi import as_communicator
from thermolinalg.distributed.partitioned import Partitioned

__all__ = ["Stencil"]

CHUNK = 1 << 16
"""Numbers multiplied at a time: what is added to them stays in the cache."""


class Stencil(Partitioned):
    """(A x)_i = Σ_o w_o x_{i+o} on a grid with walls, beyond which x is zero; planes of its first axis are shared out.

    Nothing is stored but the weights: a grid takes the memory of its vectors.

    Parameters
    ----------
    shape : sequence of int
        Of the grid.
    weights : mapping
        From offsets o, tuples of as many numbers as the grid has axes, to weights w_o; w_o and w_−o have to be equal.
    comm : mpi4py.MPI.Comm or Communicator, optional
        Default: all ranks that mpiexec started.
    dtype : dtype, optional
        float64 or float32.

    Raises
    ------
    ValueError
        Offsets that do not fit the grid; weights that are not finite or not symmetric.

    See Also
    --------
    Partitioned, RowPartitioned, MatrixFreeRows : Matrices whose rows are spread over ranks.

    Examples
    --------
    >>> from thermolinalg.distributed import Serial, Stencil
    >>> A = Stencil.laplacian((100, 100), shift=0.1, comm=Serial())
    >>> A
    <10000x10000 stencil, row-partitioned operator, float64>
    >>> (A @ A.vector(np.ones(10_000))).local[:3].round(1)
    array([2.1, 1.1, 1.1])
    """

    structure = "stencil, row-partitioned"

    def __init__(self, shape: Sequence[int], weights: Any, comm: Any = None, *, dtype: Any = np.float64) -> None:
        self.grid = tuple(as_count(n, "shape") for n in shape)
        self.weights = {tuple(int(o) for o in offset): float(w) for offset, w in dict(weights).items()}
        for offset, weight in self.weights.items():
            if len(offset) != len(self.grid):
                raise ValueError(f"the offset {offset} does not fit a grid of shape {self.grid}")
            if not np.isfinite(weight) or self.weights.get(tuple(-o for o in offset)) != weight:
                raise ValueError(f"weights must be finite, and those of {offset} and its opposite equal")
        communicator = as_communicator(comm)
        planes, size = Partition.even(communicator, self.grid[0]), int(np.prod(self.grid[1:], dtype=np.int64))
        reach = max((abs(offset[0]) for offset in self.weights), default=0)
        if planes.start < planes.stop:
            self.above = range(max(planes.start - reach, 0), planes.start)
            self.below = range(planes.stop, min(planes.stop + reach, self.grid[0]))
        else:
            self.above = self.below = range(0)
        self.planes = planes
        wanted = [np.arange(side.start * size, side.stop * size) for side in (self.above, self.below)]
        super().__init__(dtype, Partition(communicator, planes.offsets * size), np.concatenate(wanted))
        self.nnz = len(self.weights) * self.shape[0]

    @classmethod
    def laplacian(
        cls, shape: Sequence[int], shift: float = 0.0, comm: Any = None, *, dtype: Any = np.float64
    ) -> Stencil:
        """−Δ + shift by second differences on a grid with walls.

        Parameters
        ----------
        shape : sequence of int
        shift : float, optional
        comm : mpi4py.MPI.Comm or Communicator, optional
        dtype : dtype, optional

        Returns
        -------
        Stencil
        """
        axes = len(tuple(shape))
        weights = {(0,) * axes: 2.0 * axes + shift}
        for axis, side in itertools.product(range(axes), (-1, 1)):
            weights[(*(0,) * axis, side, *(0,) * (axes - axis - 1))] = -1.0
        return cls(shape, weights, comm, dtype=dtype)

    def _add_own(self, x: np.ndarray, y: np.ndarray) -> None:
        self._add(x, y, range(self.planes.start, self.planes.stop))

    def _add_ghosts(self, x: np.ndarray, y: np.ndarray) -> None:
        cut = len(self.above) * int(np.prod(self.grid[1:], dtype=np.int64))
        self._add(x[:cut], y, self.above)
        self._add(x[cut:], y, self.below)

    def _add(self, x: np.ndarray, y: np.ndarray, planes: range) -> None:
        """Add what so many planes of x give to the planes of this rank."""
        if not len(planes) or not len(y):
            return
        source = x.reshape(len(planes), *self.grid[1:], x.shape[1])
        target = y.reshape(-1, *self.grid[1:], y.shape[1])
        step = max(1, CHUNK * len(planes) // max(x.size, 1))
        for offset, weight in self.weights.items():
            inner = [_overlap(o, n) for o, n in zip(offset[1:], self.grid[1:], strict=True)]
            to, of = tuple(a for a, _ in inner), tuple(b for _, b in inner)
            # Plane p here takes plane p + o, where that is among those given.
            first = max(self.planes.start, planes.start - offset[0])
            last = min(self.planes.stop, planes.stop - offset[0])
            for p in range(first, last, step):
                end = min(p + step, last)
                here = slice(p - self.planes.start, end - self.planes.start)
                there = slice(p + offset[0] - planes.start, end + offset[0] - planes.start)
                target[here, *to] += weight * source[there, *of]

    def absolute(self, block: Array) -> Array:
        sizes = {offset: abs(weight) for offset, weight in self.weights.items()}
        return Stencil(self.grid, sizes, self.partition.comm, dtype=self.dtype).apply(block)

    def diagonal(self) -> Array:
        weight = self.weights.get((0,) * len(self.grid), 0.0)
        return DistributedArray(np.full(self.like.local.shape[0], weight, self.dtype), self.partition)

    def norm_bound(self) -> float:
        return sum(abs(weight) for weight in self.weights.values())


def _overlap(offset: int, n: int) -> tuple[slice, slice]:
    """Where x_{i+o} is on the grid: the i, and the i + o."""
    return slice(max(0, -offset), max(min(n, n - offset), 0)), slice(max(0, offset), max(min(n, n + offset), 0))
