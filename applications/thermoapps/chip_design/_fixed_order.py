"""The best places of cells along a row for the order they have, with the spaces between them."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np

from thermoapps.chip_design._segments import Segments
from thermoapps.chip_design._wires import Wires, ranges

__all__ = ["best_in_order", "shift"]


def shift(wires: Wires, segments: Segments, centre: np.ndarray) -> None:
    """Move the cells of each segment along it, in their order, to where wires are shortest.

    The order tells which cell is the first of a net in a segment and which the last, whatever the spaces: the length is
    a sum of convex functions of one cell each (Kahng, Tucker and Zelikovsky, Optimization of linear placements for
    wirelength minimization with free sites, ASP-DAC 1999), as long as pins lie within their cells.
    """
    line, site = segments.line(centre), segments.rows.site
    for members in np.split(np.arange(len(line.cells)), np.flatnonzero(np.diff(line.segment)) + 1):
        cells, segment = line.cells[members], line.segment[members]
        nets = _Nets.of(wires, cells, centre)
        width, unit = segments.width[cells], site or 1.0
        origin = segments.left[segment] + np.cumsum(width) - width + segments.size[cells, 0] / 2
        room = float(segments.right[segment[0]] - segments.left[segment[0]] - width.sum()) / unit
        today, (pulled, ends, rises) = centre[cells, 0], nets.corners()
        corners = (ends - origin[pulled]) / unit
        spaces = best_in_order((today - origin) / unit, pulled, corners, rises, max(room, 0.0), whole=bool(site))
        x = origin + unit * spaces
        if nets.length(x) < nets.length(today) * (1 - 1e-12):
            centre[cells, 0] = x


def best_in_order(
    today: np.ndarray, pulled: np.ndarray, corner: np.ndarray, rises: np.ndarray, room: float, *, whole: bool
) -> np.ndarray:
    """The z₁ ≤ z₂ ≤ … in [0, room] with the least Σ of max(0, z − corner) where it rises and of max(0, corner − z).

    The least sum up to one z is convex and piecewise linear in it, and its rising part is cut off before the next z
    joins. Where several z are as good they stay near today's. `whole` ones are whole numbers.
    """
    slopes: list[list[tuple[float, float]]] = [[] for _ in today]
    for cell, at in zip(pulled.tolist(), corner.tolist(), strict=True):
        below = float(np.floor(at))
        if whole and below != at:
            slopes[cell] += [(below, below + 1 - at), (below + 1, at - below)]
        else:
            slopes[cell].append((at, 1.0))
    rising = np.bincount(pulled, rises, len(today)).tolist()
    heap: list[tuple[float, float]] = []
    flat: list[tuple[float, float]] = []
    for changes, slope in zip(slopes, rising, strict=True):
        for at, change in changes:
            heappush(heap, (-at, change))
        end = np.inf
        while slope > 0 and heap:
            below, change = heappop(heap)
            end = -below
            if change > slope:
                heappush(heap, (below, change - slope))
            slope -= change
        flat.append((-heap[0][0] if heap else -np.inf, end))
    z, bound = np.empty(len(today)), room
    for cell in range(len(today) - 1, -1, -1):
        low, high = flat[cell]
        bound = max(0.0, min(max(today[cell], low), high, bound))
        z[cell] = bound
    return z


@dataclass(frozen=True)
class _Nets:
    """The nets of some cells of a segment, and how far all others reach.

    `rank` numbers the cells from left to right for each reach `low`, `high`; those of a net begin at `first`, and its
    other cells reach from `least` to `most`.
    """

    rank: np.ndarray
    low: np.ndarray
    high: np.ndarray
    first: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @classmethod
    def of(cls, wires: Wires, cells: np.ndarray, centre: np.ndarray) -> _Nets:
        """Along x, with all cells where they stand."""
        begin, end = wires.first[cells], wires.first[cells + 1]
        own, rank = wires.nets_of[ranges(begin, end)], np.repeat(np.arange(len(cells)), end - begin)
        order = np.lexsort((rank, wires.net[own]))
        own, rank = own[order], rank[order]
        first = np.flatnonzero(np.diff(wires.net[own], prepend=-1))
        begin, end = wires.begin[wires.net[own[first]]], wires.begin[wires.net[own[first]] + 1]
        low, high = wires.low[:, 0], wires.high[:, 0]
        if not len(first):
            return cls(rank, low[own], high[own], first, np.zeros(0), np.zeros(0))
        every = ranges(begin, end)
        starts, x = np.cumsum(end - begin) - (end - begin), centre[wires.cell[every], 0]
        mine = np.isin(wires.cell[every], cells)
        least = np.minimum.reduceat(np.where(mine, np.inf, x + low[every]), starts)
        most = np.maximum.reduceat(np.where(mine, -np.inf, x + high[every]), starts)
        return cls(rank, low[own], high[own], first, least, most)

    def corners(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Which cells end nets, at which of their centres each net begins to grow, and whether it does to the right."""
        last = np.append(self.first[1:], len(self.rank))[: len(self.first)] - 1
        ends = np.concatenate([self.least - self.low[self.first], self.most - self.high[last]])
        pulled = np.concatenate([self.rank[self.first], self.rank[last]])
        return pulled, ends, np.repeat([False, True], len(last))

    def length(self, x: np.ndarray) -> float:
        """Of all nets along x, with the centres of the cells there."""
        if not len(self.first):
            return 0.0
        upper = np.maximum(self.most, np.maximum.reduceat(x[self.rank] + self.high, self.first))
        lower = np.minimum(self.least, np.minimum.reduceat(x[self.rank] + self.low, self.first))
        return float((upper - lower).sum())
