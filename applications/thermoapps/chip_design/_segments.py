"""Legal places of cells of one row: in the free parts of rows, side by side, on sites."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermoapps.chip_design.bookshelf import Circuit, Rows
from thermoapps.chip_design.legalisation import SLACK, strips_beside

__all__ = ["Line", "Segments"]


class Segments:
    """Free parts of rows between fixed cells and macros, from the lowest up and from left to right.

    Parameters
    ----------
    circuit : Circuit
        What is placed.
    rows : Rows
        In which it is placed.
    centre : float array, shape (n, 2)
        Legal places.

    Raises
    ------
    ValueError
        Cells that do not stand in rows, on sites and clear of each other.
    """

    def __init__(self, circuit: Circuit, rows: Rows, centre: np.ndarray) -> None:
        self.rows, self.size, self.tiny = rows, circuit.size, SLACK * rows.height
        low = ~circuit.fixed & (circuit.size[:, 1] <= rows.height * (1 + SLACK))
        strips = strips_beside(rows, (centre - circuit.size / 2)[~low], circuit.size[~low])
        parts = [
            (strip.y, left, strip.snapped(right, rows.site, up=False)) for strip in strips for left, right in strip.gaps
        ]
        self.y, self.left, self.right = np.array(sorted(parts)).reshape(-1, 3).T
        self.levels, self.cells, wide = np.unique(self.y), np.flatnonzero(low), circuit.size[:, 0]
        self.width = np.ceil(wide / rows.site - SLACK) * rows.site if rows.site else wide
        self.span = float(self.right.max(initial=0.0) - self.left.min(initial=0.0)) + rows.height
        line = self.line(centre) if len(self.y) else None
        wrong = np.ones(len(self.cells), dtype=bool)
        if line is not None:
            x, y = (centre - circuit.size / 2)[line.cells].T
            wrong = (line.before > x + self.tiny) | (x + self.width[line.cells] > line.after + self.tiny)
            wrong |= (abs(self.y[line.segment] - y) > self.tiny) | (abs(self.on_site(x, line.segment) - x) > self.tiny)
        if wrong.any():
            name = circuit.names[(self.cells if line is None else line.cells)[wrong][0]]
            raise ValueError(
                f"{name!r} does not stand in these rows, on a site and clear of others: call legal_placement first"
            )

    def line(self, centre: np.ndarray) -> Line:
        """The cells as they stand."""
        corner = centre[self.cells] - self.size[self.cells] / 2
        level = self.nearest_level(corner[:, 1])
        key = self.key_in_row(level, corner[:, 0]) + self.tiny
        segment = np.maximum(np.searchsorted(self.key(np.arange(len(self.y)), self.left), key, side="right") - 1, 0)
        order = np.lexsort((self.width[self.cells], corner[:, 0], segment))
        cells, segment, start = self.cells[order], segment[order], corner[order, 0]
        stop, everywhere = start + self.width[cells], np.arange(len(self.y))
        of = np.concatenate([everywhere, segment])
        begin, end = np.concatenate([self.left, stop]), np.concatenate([start, self.right])
        begins = np.lexsort((begin, of))
        ends = np.lexsort((end, np.concatenate([segment, everywhere])))
        return Line(cells, segment, of[begins], begin[begins], end[ends])

    def key(self, segment: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Numbers in the order of rows, then of x."""
        return self.key_in_row(np.searchsorted(self.levels, self.y[segment]), x)

    def key_in_row(self, row: np.ndarray, x: np.ndarray) -> np.ndarray:
        """The same, from the index of a row's lower edge."""
        return np.asarray(row * self.span + np.clip(x - self.left.min(), 0.0, self.span - self.rows.height))

    def on_site(self, x: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """The nearest places of left edges, which may lie beyond the segment."""
        site, left = self.rows.site, self.left[segment]
        return np.asarray(left + site * np.round((x - left) / site)) if site else x

    def centres(self, cells: np.ndarray, x: np.ndarray, segment: np.ndarray) -> np.ndarray:
        """Centres of cells with their left edges there."""
        return np.asarray(np.stack([self.on_site(x, segment), self.y[segment]], axis=-1) + self.size[cells] / 2)

    def nearest_level(self, y: np.ndarray) -> np.ndarray:
        """Index of the row whose lower edge is nearest."""
        return np.asarray(np.searchsorted((self.levels[1:] + self.levels[:-1]) / 2, y))


@dataclass(frozen=True)
class Line:
    """Cells and spaces between them, segment after segment and from left to right.

    Parameters
    ----------
    cells, segment : int array, shape (n,)
        Cells, and where they stand.
    space_segment : int array, shape (n + number of segments,)
        Segments of the spaces: one before each cell, and one behind the last of each segment.
    begin, end : float array, shape (n + number of segments,)
        Of the spaces; equal where cells touch.
    """

    cells: np.ndarray
    segment: np.ndarray
    space_segment: np.ndarray
    begin: np.ndarray
    end: np.ndarray

    @property
    def space(self) -> np.ndarray:
        """Index of the space before each cell; the next one is behind it."""
        return np.asarray(np.arange(len(self.cells)) + self.segment)

    @property
    def before(self) -> np.ndarray:
        """Where the cell or the end before each cell ends."""
        return np.asarray(self.begin[self.space])

    @property
    def after(self) -> np.ndarray:
        """Where the cell or the end behind each cell begins."""
        return np.asarray(self.end[self.space + 1])
