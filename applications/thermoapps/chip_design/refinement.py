"""Shorter wires in a legal placement: cells of one size exchange places."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from thermoapps.chip_design.bookshelf import Circuit
from thermoapps.chip_design.placement import Placement

__all__ = ["refine_placement"]

LARGEST_SET = 64
"""Cells that exchange places at once."""


def refine_placement(placement: Placement, *, passes: int = 10, rng: Any = None) -> Placement:
    """Exchange cells of one size as long as that makes wires shorter: a legal placement stays one.

    Cells of one size that share no net pull on nothing that the others move: what each would cost in each of their
    places is exact, and the best exchange of all of them is an assignment problem.

    Parameters
    ----------
    placement : Placement
        Of any kind.
    passes : int, optional
        How often to go through all cells.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness of the sets.

    Returns
    -------
    Placement
        Whose `wirelength` is that of the one given, or shorter.

    Raises
    ------
    ValueError
        A negative number of passes.

    See Also
    --------
    place_circuit, global_placement, legal_placement : From a circuit to places in rows.

    References
    ----------
    Chen et al., NTUplace3, IEEE Trans. CAD 27, 1228 (2008), doi:10.1109/TCAD.2008.923063 (independent-set matching).
    """
    if passes < 0:
        raise ValueError(f"passes must not be negative, got {passes}")
    circuit, centre, generator = placement.circuit, placement.centre.copy(), np.random.default_rng(rng)
    free = np.flatnonzero(~circuit.fixed)
    kinds = np.unique(circuit.size[free], axis=0, return_inverse=True)[1].ravel() if len(free) else free
    groups = [free[kinds == kind] for kind in range(int(kinds.max(initial=-1)) + 1)]
    pins = _Pins.of(circuit)
    for _ in range(passes):
        for group in groups:
            for members in _neighbourhoods(centre[group], generator):
                for chosen in pins.independent(group[members]):
                    pins.exchange(chosen, centre)
    return replace(placement, centre=centre)


def _neighbourhoods(places: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Indices in tiles of a few times `LARGEST_SET` cells, whose borders differ from call to call."""
    side = max(1, int(np.sqrt(len(places) / (2 * LARGEST_SET))))
    tile = np.zeros(len(places), dtype=int)
    for axis in range(2):
        rank = np.argsort(np.argsort(places[:, axis], kind="stable")) / len(places)
        tile = tile * (side + 1) + (rank * side + rng.random()).astype(int)
    order = rng.permutation(len(places))
    order = order[np.argsort(tile[order], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(tile[order])) + 1)


@dataclass(frozen=True)
class _Pins:
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
    def of(cls, circuit: Circuit) -> _Pins:
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

    def independent(self, cells: np.ndarray) -> list[np.ndarray]:
        """Sets of cells of which no two share a net, each cell in one of them, as far as two or more are left."""
        sets: list[list[int]] = []
        taken: list[set[int]] = []
        for cell in cells.tolist():
            nets = set(self.net[self.nets_of[self.first[cell] : self.first[cell + 1]]].tolist())
            for members, theirs in zip(sets, taken, strict=True):
                if len(members) < LARGEST_SET and nets.isdisjoint(theirs):
                    members.append(cell)
                    theirs |= nets
                    break
            else:
                sets.append([cell])
                taken.append(nets)
        return [np.array(members) for members in sets if len(members) > 1]

    def exchange(self, cells: np.ndarray, centre: np.ndarray) -> None:
        """Give the cells each other's places so that the wires are shortest; they share no net."""
        own = _ranges(self.first[cells], self.first[cells + 1])
        counts = self.first[cells + 1] - self.first[cells]
        own = self.nets_of[own]
        if not len(own):
            return
        begin, end = self.begin[self.net[own]], self.begin[self.net[own] + 1]
        others, mine = _ranges(begin, end), np.repeat(own, end - begin)
        starts = np.concatenate([[0], np.cumsum(end - begin)[:-1]])
        here, places = (others == mine)[:, None], centre[cells]
        at = centre[self.cell[others]]
        low = np.minimum.reduceat(np.where(here, np.inf, at + self.low[others]), starts)
        high = np.maximum.reduceat(np.where(here, -np.inf, at + self.high[others]), starts)
        length = np.zeros((len(own), len(cells)))
        for axis in range(2):
            spot = places[:, axis]
            upper = np.maximum(high[:, axis, None], spot + self.high[own, axis, None])
            length += upper - np.minimum(low[:, axis, None], spot + self.low[own, axis, None])
        cost = np.zeros((len(cells), len(cells)))
        np.add.at(cost, np.repeat(np.arange(len(cells)), counts), length)
        rows, columns = linear_sum_assignment(cost)
        if cost[rows, columns].sum() < np.trace(cost) * (1 - 1e-12):
            centre[cells] = places[columns]


def _ranges(begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whole numbers from each begin up to its end, one range after the other."""
    counts = end - begin
    return np.asarray(np.arange(counts.sum()) + np.repeat(begin - np.cumsum(counts) + counts, counts))
