"""Shorter wires in a legal placement, which stays legal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from thermoapps.chip_design._fixed_order import shift
from thermoapps.chip_design._improvements import move, reorder, swap
from thermoapps.chip_design._segments import Segments
from thermoapps.chip_design._wires import Wires, ranges
from thermoapps.chip_design.bookshelf import Rows
from thermoapps.chip_design.placement import Placement

__all__ = ["refine_placement"]

LARGEST_SET = 64
"""Cells that exchange places at once."""

ROUNDS = 4
"""Of steps between neighbours in a pass: those that share a net with better ones wait for the next."""


def refine_placement(
    placement: Placement,
    rows: Rows | None = None,
    *,
    passes: int = 10,
    callback: Callable[[Placement], Any] | None = None,
    rng: Any = None,
) -> Placement:
    """Make the wires of a placement shorter: a legal placement stays one.

    Cells of one size that share no net pull on nothing that the others move: what each would cost in each of their
    places is exact, and the best exchange of all of them is an assignment problem. In rows, cells also move into free
    space near the medians of their nets, change places with others there that leave them room, take the best of all
    orders of three that follow on each other, and shift along the row in their order to the best places for it.

    Parameters
    ----------
    placement : Placement
        Of any kind; legal, if there are rows.
    rows : Rows, optional
        Without them cells of one size exchange places and nothing else.
    passes : int, optional
        How often to go through all cells.
    callback : callable, optional
        Shown the placement after each pass; StopIteration ends the passes with it.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness of the sets, and of the places to try.

    Returns
    -------
    Placement
        Whose `wirelength` is that of the one given, or shorter.

    Raises
    ------
    ValueError
        A negative number of passes; a cell that does not stand in the rows.

    See Also
    --------
    place_circuit, global_placement, legal_placement : From a circuit to places in rows.

    References
    ----------
    Chen et al., NTUplace3, IEEE Trans. CAD 27, 1228 (2008), doi:10.1109/TCAD.2008.923063 (independent-set matching);
    Pan, Viswanathan and Chu, ICCAD 2005, doi:10.1109/ICCAD.2005.1560039 (moves, swaps, orders).
    """
    if passes < 0:
        raise ValueError(f"passes must not be negative, got {passes}")
    circuit, centre, generator = placement.circuit, placement.centre.copy(), np.random.default_rng(rng)
    segments = None if rows is None else Segments(circuit, rows, centre)
    free = np.flatnonzero(~circuit.fixed)
    kinds = np.unique(circuit.size[free], axis=0, return_inverse=True)[1].ravel() if len(free) else free
    groups = [free[kinds == kind] for kind in range(int(kinds.max(initial=-1)) + 1)]
    wires = Wires.of(circuit)
    for _ in range(passes):
        for group in groups:
            for members in _neighbourhoods(centre[group], generator):
                for chosen in _independent(wires, group[members]):
                    _exchange(wires, chosen, centre)
        if segments is not None and len(segments.cells):
            _improve(wires, segments, centre, generator)
        placement = replace(placement, centre=centre.copy())
        if callback is not None:
            try:
                callback(placement)
            except StopIteration:
                break
    return placement


def _improve(wires: Wires, segments: Segments, centre: np.ndarray, rng: np.random.Generator) -> None:
    """One pass over the cells in rows."""
    for _ in range(ROUNDS):
        move(wires, segments, centre, rng)
        swap(wires, segments, centre, rng)
        reorder(wires, segments, centre)
        shift(wires, segments, centre)


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


def _independent(wires: Wires, cells: np.ndarray) -> list[np.ndarray]:
    """Sets of cells of which no two share a net, each cell in one of them, as far as two or more are left."""
    sets: list[list[int]] = []
    taken: list[set[int]] = []
    for cell in cells.tolist():
        nets = set(wires.net[wires.nets_of[wires.first[cell] : wires.first[cell + 1]]].tolist())
        for members, theirs in zip(sets, taken, strict=True):
            if len(members) < LARGEST_SET and nets.isdisjoint(theirs):
                members.append(cell)
                theirs |= nets
                break
        else:
            sets.append([cell])
            taken.append(nets)
    return [np.array(members) for members in sets if len(members) > 1]


def _exchange(wires: Wires, cells: np.ndarray, centre: np.ndarray) -> None:
    """Give the cells each other's places so that the wires are shortest; they share no net."""
    own = ranges(wires.first[cells], wires.first[cells + 1])
    counts = wires.first[cells + 1] - wires.first[cells]
    own = wires.nets_of[own]
    if not len(own):
        return
    begin, end = wires.begin[wires.net[own]], wires.begin[wires.net[own] + 1]
    others, mine = ranges(begin, end), np.repeat(own, end - begin)
    starts = np.concatenate([[0], np.cumsum(end - begin)[:-1]])
    here, places = (others == mine)[:, None], centre[cells]
    at = centre[wires.cell[others]]
    low = np.minimum.reduceat(np.where(here, np.inf, at + wires.low[others]), starts)
    high = np.maximum.reduceat(np.where(here, -np.inf, at + wires.high[others]), starts)
    length = np.zeros((len(own), len(cells)))
    for axis in range(2):
        spot = places[:, axis]
        upper = np.maximum(high[:, axis, None], spot + wires.high[own, axis, None])
        length += upper - np.minimum(low[:, axis, None], spot + wires.low[own, axis, None])
    cost = np.zeros((len(cells), len(cells)))
    np.add.at(cost, np.repeat(np.arange(len(cells)), counts), length)
    rows, columns = linear_sum_assignment(cost)
    if cost[rows, columns].sum() < np.trace(cost) * (1 - 1e-12):
        centre[cells] = places[columns]
