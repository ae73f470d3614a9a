"""Shorter wires among cells of unequal widths: other orders, free space elsewhere, and places of each other."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from thermoapps.chip_design._segments import Segments
from thermoapps.chip_design._wires import Wires

__all__ = ["move", "reorder", "swap"]

WINDOW = 3
"""Cells in a row whose orders are tried."""

SPACES, PARTNERS = 6, 3
"""Nearest spaces and cells on either side of where a cell is wanted."""

LEAST = 1e-9
"""Gain relative to the wires of the cells that is more than rounding."""


def reorder(wires: Wires, segments: Segments, centre: np.ndarray) -> None:
    """Put cells that follow on each other into the best of all orders, spaces staying.

    All windows are judged at once, and those that share a net or a cell with one of a larger gain wait.
    """
    line = segments.line(centre)
    first = np.flatnonzero(line.segment[: -WINDOW + 1] == line.segment[WINDOW - 1 :])
    index = first[:, None] + np.arange(WINDOW)
    groups, segment = line.cells[index], np.repeat(line.segment[first, None], WINDOW, axis=1)
    around = wires.around(groups, centre)
    spaces = (line.end - line.begin)[line.space[index]]
    spaces[:, 0] = 0.0
    begin = centre[groups[:, 0], 0] - segments.size[groups[:, 0], 0] / 2
    today = best = around.length(centre[groups])
    chosen = centre[groups].copy()
    for order in map(list, list(permutations(range(WINDOW)))[1:]):
        widths = segments.width[groups[:, order]]
        x = np.empty_like(spaces)
        x[:, order] = begin[:, None] + np.cumsum(spaces, axis=1) + np.cumsum(widths, axis=1) - widths
        places = segments.centres(groups, x, segment)
        length = around.length(places)
        better = length < best
        best = np.where(better, length, best)
        chosen[better] = places[better]
    winners = around.apart(np.where(best < today * (1 - LEAST), today - best, 0.0))
    centre[groups[winners]] = chosen[winners]


def move(wires: Wires, segments: Segments, centre: np.ndarray, rng: np.random.Generator) -> None:
    """Move cells into free space near where their nets want them."""
    line, cells = segments.line(centre), segments.cells
    row, x = _wanted(wires, segments, centre, rng)
    near = np.searchsorted(segments.key(line.space_segment, line.begin), segments.key_in_row(row, x))
    space = np.clip(near[:, None] + np.arange(-SPACES, SPACES), 0, len(line.begin) - 1)
    which, at = np.nonzero(line.end[space] - line.begin[space] >= segments.width[cells, None] - segments.tiny)
    space = space[which, at]
    x = np.clip(x[which], line.begin[space], line.end[space] - segments.width[cells[which]])
    groups = cells[which, None]
    places = segments.centres(groups, x[:, None], line.space_segment[space, None])
    _take(wires, groups, places, centre, space[:, None])


def swap(wires: Wires, segments: Segments, centre: np.ndarray, rng: np.random.Generator) -> None:
    """Let two cells change places where both fit, one of them near where its nets want it."""
    line, cells = segments.line(centre), segments.cells
    row, x = _wanted(wires, segments, centre, rng)
    number, edge = np.zeros(len(centre), dtype=int), np.zeros(len(centre))
    number[line.cells], edge[cells] = np.arange(len(cells)), x
    near = np.searchsorted(segments.key(line.segment, line.before), segments.key_in_row(row, x))
    theirs = np.clip(near[:, None] + np.arange(-PARTNERS, PARTNERS), 0, len(cells) - 1)
    mine = np.broadcast_to(number[cells, None], theirs.shape)
    width, room = segments.width[line.cells], line.after - line.before
    fits = (width[mine] <= room[theirs] + segments.tiny) & (width[theirs] <= room[mine] + segments.tiny)
    pairs = np.stack([mine, theirs], axis=-1)[fits & (abs(mine - theirs) > 1)]
    groups, others = line.cells[pairs], pairs[:, ::-1]
    x = np.clip(edge[groups], line.before[others], line.after[others] - segments.width[groups])
    spaces = np.concatenate([line.space[pairs], line.space[pairs] + 1], axis=1)
    _take(wires, groups, segments.centres(groups, x, line.segment[others]), centre, spaces)


def _wanted(
    wires: Wires, segments: Segments, centre: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and left edges of places that are best for one cell each while all others stay, or the rows beside these.

    The ends of the nets of a cell pull it with equal force: the best places lie between their two middle ones.
    """
    cells = segments.cells
    around, wanted = wires.around(cells[:, None], centre), centre[cells]
    others = np.isfinite(around.least[:, 0])
    group = np.tile(around.group[others], 2)
    ends = np.concatenate([around.least[others] - around.low[others, 0], around.most[others] - around.high[others, 0]])
    count = np.bincount(group, minlength=len(cells))
    tied = np.flatnonzero(count)
    middle = (np.cumsum(count) - count // 2)[tied]
    for axis in range(2):
        sorted_ends = ends[np.lexsort((ends[:, axis], group)), axis]
        low, high = sorted_ends[middle - 1], sorted_ends[middle]
        wanted[tied, axis] = low + rng.random(len(tied)) * (high - low)
    corner = wanted - segments.size[cells] / 2
    row = segments.nearest_level(corner[:, 1]) + rng.integers(-1, 2, len(cells))
    return np.clip(row, 0, len(segments.levels) - 1), corner[:, 0]


def _take(wires: Wires, groups: np.ndarray, places: np.ndarray, centre: np.ndarray, *things: np.ndarray) -> None:
    """Give groups of cells the places that make wires shorter, the largest gains first."""
    around = wires.around(groups, centre)
    today = around.length(centre[groups])
    gain = today - around.length(places)
    winners = around.apart(np.where(gain > LEAST * today, gain, 0.0), *things)
    centre[groups[winners]] = places[winners]
