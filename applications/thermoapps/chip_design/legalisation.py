"""Every cell into a row without overlap: macros first, then the cells of one row between them."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace

import numpy as np

from thermoapps.chip_design.bookshelf import Rows
from thermoapps.chip_design.placement import Placement

__all__ = ["legal_placement"]

SLACK = 1e-9
"""Of the height of a row: what coordinates may be off by rounding."""


def legal_placement(placement: Placement, rows: Rows) -> Placement:
    """Put every cell into rows without overlap, near where it stands, and clear of the fixed cells.

    Cells higher than a row, macros, come first, the largest first, each at the nearest place that is free over its
    whole height. Cells of one row follow from left to right: each goes to the row in which it moves or overlaps
    least; those before it give way, so that the sum of squared displacements along the row is the smallest possible.

    Parameters
    ----------
    placement : Placement
        Cells of any sizes.
    rows : Rows
        With sites, if they have any: cells stand on them.

    Returns
    -------
    Placement
        Fixed cells stay where they are.

    Raises
    ------
    ValueError
        Cells lower than a row, or more of them than the rows hold between the fixed cells.

    See Also
    --------
    refine_placement, place_circuit, global_placement : From a circuit to places in rows.

    References
    ----------
    Spindler, Schlichtmann and Johannes, Abacus, ISPD 2008, doi:10.1145/1353629.1353640 (cells of one row).
    """
    circuit, centre = placement.circuit, placement.centre.copy()
    if not np.isfinite(centre).all():
        raise ValueError("the centres of the cells must be finite")
    free, fixed = np.flatnonzero(~circuit.fixed), np.flatnonzero(circuit.fixed)
    low = np.flatnonzero(~circuit.fixed & (circuit.size[:, 1] < rows.height * (1 - SLACK)))
    if len(low):
        raise ValueError(
            f"{circuit.names[low[0]]!r} is lower than the rows, {rows.height:g}: give rows as high as the lowest cell"
        )
    corner = centre - circuit.size / 2
    strips = strips_beside(rows, corner[fixed], circuit.size[fixed])
    macro = circuit.size[free, 1] > rows.height * (1 + SLACK)
    macros, cells = free[macro], free[~macro]
    for cell in macros[np.argsort(-circuit.size[macros].prod(axis=1), kind="stable")]:
        place = _nearest_gap(strips, rows, *corner[cell], *circuit.size[cell])
        if place is None:
            raise ValueError(f"no place is left for {circuit.names[cell]!r}: give more or longer rows")
        corner[cell] = place
        _block(strips, rows, *place, *circuit.size[cell])
    _fill(strips, rows, circuit.names, cells, corner, circuit.size[:, 0])
    centre[free] = corner[free] + circuit.size[free] / 2
    return replace(placement, centre=centre)


@dataclass
class Strip:
    """What is free of a row, as intervals from left to right."""

    y: float
    left: float
    right: float
    gaps: list[tuple[float, float]] = field(init=False)

    def __post_init__(self) -> None:
        self.gaps = [(float(self.left), float(self.right))]

    def snapped(self, x: float, site: float, *, up: bool) -> float:
        """The nearest site that is not left, or not right, of x."""
        if not site:
            return x
        steps = (x - self.left) / site
        return float(self.left + site * (np.ceil(steps - SLACK) if up else np.floor(steps + SLACK)))


def strips_beside(rows: Rows, corner: np.ndarray, size: np.ndarray) -> list[Strip]:
    """What rectangles (n, 2) leave free of each row."""
    strips = [Strip(y, left, right) for y, left, right in zip(rows.y, rows.left, rows.right, strict=True)]
    for place, extent in zip(corner, size, strict=True):
        _block(strips, rows, *place, *extent)
    return strips


def _block(strips: list[Strip], rows: Rows, x: float, y: float, width: float, height: float) -> None:
    """Take a rectangle away from the gaps."""
    if not width * height:
        return
    tiny = SLACK * rows.height
    for strip in strips:
        if strip.y + rows.height <= y + tiny or strip.y >= y + height - tiny:
            continue
        pieces = []
        for left, right in strip.gaps:
            pieces += [(left, min(right, strip.snapped(x, rows.site, up=False)))]
            pieces += [(max(left, strip.snapped(x + width, rows.site, up=True)), right)]
        strip.gaps = [(left, right) for left, right in dict.fromkeys(pieces) if right - left > tiny]


def _nearest_gap(
    strips: list[Strip], rows: Rows, x: float, y: float, width: float, height: float
) -> tuple[float, float] | None:
    """Lower left corner of the nearest free rectangle that stands on a row."""
    levels = sorted({strip.y for strip in strips})
    tiny, best, place = SLACK * rows.height, np.inf, None
    for bottom in sorted(levels, key=lambda level: abs(level - y)):
        away = abs(bottom - y)
        if away >= best:
            break
        here = [level for level in levels if bottom - tiny < level < bottom + height - tiny]
        if np.any(np.diff(here) > rows.height + tiny) or here[-1] + rows.height < bottom + height - tiny:
            continue  # rows do not follow on each other up to its upper edge
        stack = [[strip for strip in strips if strip.y == level] for level in here]
        gaps = [gap for strip in stack[0] for gap in strip.gaps]
        for level in stack[1:]:
            above = [gap for strip in level for gap in strip.gaps]
            gaps = [(max(a, c), min(b, d)) for a, b in gaps for c, d in above if min(b, d) - max(a, c) >= width - tiny]
        for left, right in gaps:
            base = stack[0][0]
            first, last = base.snapped(left, rows.site, up=True), base.snapped(right - width, rows.site, up=False)
            if last < first - tiny:
                continue
            spot = min(max(base.snapped(x, rows.site, up=False), first), max(first, last))
            if away + abs(spot - x) < best:
                best, place = away + abs(spot - x), (spot, bottom)
    return place


class _Row:
    """A gap with cells in the order of their arrival; those that touch form clusters, which move as one."""

    def __init__(self, y: float, left: float, right: float) -> None:
        self.y, self.left, self.right, self.room = y, left, right, right - left
        self.cells: list[int] = []
        self.clusters: list[tuple[float, float, float, float, int]] = []  # left edge, width, cells, Σ targets, first

    def end(self) -> float:
        """Right edge of the last cell."""
        return self.clusters[-1][0] + self.clusters[-1][1] if self.clusters else self.left

    def trial(self, x: float, width: float) -> tuple[float, tuple[float, float, float, float, int], int]:
        """Where the last cell would stand if one were added, its cluster, and how many clusters stay before that."""
        total, count, targets, first, before = width, 1.0, x, len(self.cells), len(self.clusters)
        edge = min(max(x, self.left), self.right - total)
        while before and self.clusters[before - 1][0] + self.clusters[before - 1][1] > edge:
            before -= 1
            _, wide, some, aims, first = self.clusters[before]
            targets = aims + targets - count * wide
            total, count = total + wide, count + some
            edge = max(min(targets / count, self.right - total), self.left)
        return edge + total - width, (edge, total, count, targets, first), before


def _fill(
    strips: list[Strip], rows: Rows, names: list[str], cells: np.ndarray, corner: np.ndarray, width: np.ndarray
) -> None:
    """Cells of one row into the gaps; their corners are overwritten."""
    gaps = sorted((_Row(strip.y, *gap) for strip in strips for gap in strip.gaps), key=lambda row: row.y)
    levels = [row.y for row in gaps]
    taken = np.ceil(width / rows.site - SLACK) * rows.site if rows.site else width
    capacity = sum(row.room for row in gaps)
    for cell in cells[np.argsort(corner[cells, 0], kind="stable")].tolist():
        x, y, wide = float(corner[cell, 0]), float(corner[cell, 1]), float(taken[cell])
        best, choice = np.inf, None
        up = bisect_left(levels, y)
        down = up - 1
        while up < len(gaps) or down >= 0:
            if down < 0 or (up < len(gaps) and gaps[up].y - y <= y - gaps[down].y):
                row, up = gaps[up], up + 1
            else:
                row, down = gaps[down], down - 1
            away = abs(row.y - y)
            if away >= best:
                break
            if wide > row.room * (1 + 1e-12):
                continue
            found = row.trial(x, wide)
            moved = away + max(abs(found[0] - x), row.end() - x)
            if moved < best:
                best, choice = moved, (row, found)
        if choice is None:
            raise ValueError(
                f"the rows are full before {names[cell]!r}: the cells need {taken[cells].sum():g} of their "
                f"{capacity:g} in all; give more or longer rows"
            )
        row, (_, cluster, before) = choice
        row.clusters[before:] = [cluster]
        row.cells.append(cell)
        row.room -= wide
    for row in gaps:
        ends = [cluster[4] for cluster in row.clusters] + [len(row.cells)]
        for (edge, _, _, _, first), end in zip(row.clusters, ends[1:], strict=True):
            at = row.left + rows.site * np.floor((edge - row.left) / rows.site + SLACK) if rows.site else edge
            members = row.cells[first:end]
            corner[members, 0] = at + np.cumsum([0.0, *taken[members][:-1]])
            corner[members, 1] = row.y
