"""A digital polish of two halves: single nodes moved, with the balance kept."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np

from thermoapps._reading import read_count
from thermoapps.annealing.ising import Vector

__all__ = ["FiducciaMattheyses"]


@dataclass(frozen=True)
class FiducciaMattheyses:
    """Passes in which every node moves once, the one that cuts least first, and the best halves on the way are kept.

    Moves that cut more are made as well, which leads out of local minima. It runs on the digital computer, after the
    device's reading, and is no part of the device's time.

    Parameters
    ----------
    passes : int, optional
        At most; there are no more after one that has not lowered the cut.

    Raises
    ------
    ValueError
        No pass at all.

    See Also
    --------
    GreedyDescent : Digital polish.
    bipartition, Bipartition : Graphs in two halves.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse as sp
    >>> path = sp.diags_array([np.ones(7), np.ones(7)], offsets=[-1, 1], format="csr")
    >>> FiducciaMattheyses().run(path, np.array([1.0, -1, 1, -1, 1, -1, 1, -1]), allowed=0)
    array([ 1.,  1.,  1.,  1., -1., -1., -1., -1.])

    References
    ----------
    Fiduccia and Mattheyses, A linear-time heuristic for improving network partitions, 19th DAC (1982).
    """

    passes: int = 20

    def __post_init__(self) -> None:
        read_count(self.passes, "passes")

    def run(self, W: Any, side: Vector, allowed: int) -> Vector:
        """Halves of no larger cut.

        Parameters
        ----------
        W : sparse array, shape (n, n)
            Symmetric weights ≥ 0 without a diagonal, as `Ising` stores them.
        side : array, shape (n,)
            ±1 of every node.
        allowed : int
            Largest imbalance in the end; on the way two nodes more.

        Returns
        -------
        array, shape (n,)
        """
        s = np.asarray(side, dtype=float)
        for _ in range(self.passes):
            moved, gain = _pass(W, s, allowed)
            if not gain > 1e-12 * W.data.sum():
                break
            s = moved
        return s


def _pass(W: Any, side: Vector, allowed: int) -> tuple[Vector, float]:
    """The best halves on the way of one pass, and by how much less they cut."""
    s = side.tolist()
    total = int(side.sum())
    cost = (side * (W @ side)).tolist()  # what a move cuts, less what it mends
    starts, neighbours, weights = W.indptr.tolist(), W.indices.tolist(), W.data.tolist()
    waiting: dict[float, list[tuple[float, int]]] = {1.0: [], -1.0: []}
    for i, c in enumerate(cost):
        waiting[s[i]].append((c, i))
    for heap in waiting.values():
        heapify(heap)
    free = [True] * len(s)
    order: list[int] = []
    gain, best, kept = 0.0, 0.0, 0
    while True:
        top = {}
        for half, heap in waiting.items():
            while heap and not (free[heap[0][1]] and heap[0][0] == cost[heap[0][1]]):
                heappop(heap)  # moved, or with another cost by now
            if heap and abs(total - 2 * half) <= max(allowed + 2, abs(total) - 1):
                top[half] = heap[0]
        if not top:
            break
        half = min(top, key=lambda key: top[key])
        c, i = heappop(waiting[half])
        gain, total, free[i] = gain - c, total - 2 * int(half), False
        order.append(i)
        s[i] = -half
        for place in range(starts[i], starts[i + 1]):
            j = neighbours[place]
            if free[j]:
                cost[j] -= 2 * weights[place] * half * s[j]
                heappush(waiting[s[j]], (cost[j], j))
        if abs(total) <= allowed and gain > best:
            best, kept = gain, len(order)
    found = side.copy()
    found[order[:kept]] *= -1
    return found, best
