"""Exact lengths of wires around groups of cells, for many groups and many places at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermoapps.chip_design.bookshelf import Circuit

__all__ = ["Around", "Wires", "ranges"]


@dataclass(frozen=True)
class Wires:
    """Reaches of cells in nets: one for each cell in each net, however many pins it has there.

    Reaches are in the order of nets; `nets_of` sorts them by cells, with `first` where those of each cell begin.
    """

    cell: np.ndarray
    net: np.ndarray
    low: np.ndarray
    high: np.ndarray
    begin: np.ndarray
    nets_of: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, circuit: Circuit) -> Wires:
        """Of all nets."""
        order = np.lexsort((circuit.pin_cell, circuit.pin_net))
        cell, net, offset = circuit.pin_cell[order], circuit.pin_net[order], circuit.pin_offset[order]
        starts = np.flatnonzero((np.diff(cell, prepend=-1) != 0) | (np.diff(net, prepend=-1) != 0))
        low, high = (np.zeros((0, 2)),) * 2
        if len(starts):
            low, high = np.minimum.reduceat(offset, starts), np.maximum.reduceat(offset, starts)
        cell, net = cell[starts], net[starts]
        begin = np.searchsorted(net, np.arange(int(net.max(initial=-1)) + 2))
        nets_of = np.argsort(cell, kind="stable")
        first = np.searchsorted(cell[nets_of], np.arange(len(circuit.names) + 1))
        return cls(cell, net, low, high, begin, nets_of, first)

    def around(self, groups: np.ndarray, centre: np.ndarray) -> Around:
        """The nets of groups of cells (K, m), each with the reach of its other cells where these stand."""
        members = groups.shape[1]
        own = ranges(self.first[groups.ravel()], self.first[groups.ravel() + 1])
        slot = np.repeat(np.arange(groups.size), (self.first[groups + 1] - self.first[groups]).ravel())
        own = self.nets_of[own]
        nets = len(self.begin) - 1
        key, entry = np.unique(slot // members * nets + self.net[own], return_inverse=True)
        group, net = np.divmod(key, max(nets, 1))
        low, high = np.full((len(key), members, 2), np.inf), np.full((len(key), members, 2), -np.inf)
        low[entry, slot % members], high[entry, slot % members] = self.low[own], self.high[own]
        least, most = np.full((len(key), 2), np.inf), np.full((len(key), 2), -np.inf)
        for axis in range(2):
            for reach, far, way in ((self.low, least, 1), (self.high, most, -1)):
                ends = way * (centre[self.cell, axis] + reach[:, axis])
                order = np.lexsort((ends, self.net))
                # Of the members + 1 outermost cells of a net one at least is none of the group.
                for place in range(members, -1, -1):
                    at = np.minimum(self.begin[net] + place, self.begin[net + 1] - 1)
                    other = (self.cell[order[at], None] != groups[group]).all(axis=1)
                    other &= self.begin[net] + place < self.begin[net + 1]
                    far[other, axis] = way * ends[order[at[other]]]
        return Around(groups, group, net, low, high, least, most)


@dataclass(frozen=True)
class Around:
    """The nets of some groups of cells.

    Parameters
    ----------
    groups : int array, shape (K, m)
        Cells.
    group, net : int array, shape (E,)
        Each net of each group once.
    low, high : float array, shape (E, m, 2)
        How far each cell of the group reaches in that net, from its centre; nothing, (∞, −∞), where it has no pin.
    least, most : float array, shape (E, 2)
        How far all other cells of the net reach; nothing where there are none.
    """

    groups: np.ndarray
    group: np.ndarray
    net: np.ndarray
    low: np.ndarray
    high: np.ndarray
    least: np.ndarray
    most: np.ndarray

    def length(self, places: np.ndarray) -> np.ndarray:
        """Length of the nets of each group (K,) with its cells in such places (K, m, 2)."""
        here = places[self.group]
        upper = np.maximum(self.most, (here + self.high).max(axis=1))
        lower = np.minimum(self.least, (here + self.low).min(axis=1))
        return np.bincount(self.group, (upper - lower).sum(axis=1), len(self.groups))

    def apart(self, gain: np.ndarray, *things: np.ndarray) -> np.ndarray:
        """Groups that gain, and more than all others with which they share a net, a cell, or one of other things."""
        rank = np.empty(len(gain), dtype=int)
        rank[np.argsort(gain, kind="stable")] = np.arange(len(gain))
        wins = gain > 0
        rank[~wins] = -1
        claims = [(self.group, self.net)]
        claims += [(np.arange(thing.size) // thing.shape[1], thing.ravel()) for thing in (self.groups, *things)]
        for group, thing in claims:
            best = np.full(int(thing.max(initial=-1)) + 1, -1)
            np.maximum.at(best, thing, rank[group])
            wins[group[best[thing] > rank[group]]] = False
        return np.flatnonzero(wins)


def ranges(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whole numbers from each begin up to its end, one range after the other."""
    counts = end - begin
    return np.asarray(np.arange(counts.sum()) + np.repeat(begin - np.cumsum(counts) + counts, counts))
