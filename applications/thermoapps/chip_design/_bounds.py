"""Nets as springs between their outermost pins: the half perimeter, and its gradient, at where the cells stand."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from thermoapps.chip_design.bookshelf import Circuit

__all__ = ["BoundToBound"]


class BoundToBound:
    """Springs of all nets along one axis, whose energy has the value and the gradient of the half perimeter.

    Every pin is tied to both outermost pins of its net, at a distance l, by a spring of 1/((p − 1) l): Spindler,
    Schlichtmann and Johannes, Kraftwerk2, IEEE Trans. CAD 27, 1398 (2008), doi:10.1109/TCAD.2008.925783.
    """

    def __init__(self, circuit: Circuit) -> None:
        starts = np.flatnonzero(np.diff(circuit.pin_net, prepend=-1))
        degrees = np.diff(starts, append=len(circuit.pin_net))
        kept = np.repeat(degrees > 1, degrees)
        self._cell, self._offset = circuit.pin_cell[kept], circuit.pin_offset[kept]
        self._degrees = degrees[degrees > 1]
        self._net = np.repeat(np.arange(len(self._degrees)), self._degrees)
        self._starts = np.cumsum(self._degrees) - self._degrees
        self._order = np.full(len(circuit.names), -1)
        self.free = np.flatnonzero(~circuit.fixed)
        self._order[self.free] = np.arange(len(self.free))

    def at(self, centre: np.ndarray, axis: int, shortest: float) -> tuple[sp.csr_array, np.ndarray]:
        """Stiffness between the free cells, and the gradient of the wirelength with respect to them.

        Springs shorter than `shortest` are as soft as that: their gradient fades out where pins meet.
        """
        place = centre[self._cell, axis] + self._offset[:, axis]
        order = np.lexsort((place, self._net))
        low, high = order[self._starts], order[self._starts + self._degrees - 1]
        inner = np.ones(len(place), dtype=bool)
        inner[low] = inner[high] = False
        rest = np.flatnonzero(inner)
        a = np.concatenate([low, rest, rest])
        b = np.concatenate([high, low[self._net[rest]], high[self._net[rest]]])
        gap = place[a] - place[b]
        weight = 1 / ((self._degrees[self._net[a]] - 1) * np.maximum(np.abs(gap), shortest))
        i, j, n = self._order[self._cell[a]], self._order[self._cell[b]], len(self.free)
        rows, columns = np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])
        values, kept = np.concatenate([weight, weight, -weight, -weight]), (rows >= 0) & (columns >= 0)
        stiffness = sp.coo_array((values[kept], (rows[kept], columns[kept])), shape=(n, n)).tocsr()
        force = weight * gap
        gradient = np.bincount(i + 1, force, n + 1) - np.bincount(j + 1, force, n + 1)
        return stiffness, gradient[1:]
