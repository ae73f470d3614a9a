"""From overlapping cells to rows: recursive bisection, then the nearest legal places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression

import thermolinalg as tla
from thermoapps.chip_design.bookshelf import Circuit, Rows
from thermoapps.chip_design.placement import Placement, quadratic_placement

__all__ = ["global_placement", "legal_placement", "overlap", "rows_between_pads", "spread_placement"]


def rows_between_pads(circuit: Circuit) -> Rows:
    """Rows of the height of the movable cells that fill the box spanned by the fixed cells.

    Parameters
    ----------
    circuit : Circuit
        Whose movable cells have one height.

    Returns
    -------
    Rows
        As many as fit, in the middle of the box.

    Raises
    ------
    ValueError
        Cells of different heights, no fixed cells, or less than one row between them.
    """
    heights = np.unique(circuit.size[~circuit.fixed, 1])
    if len(heights) != 1:
        raise ValueError("rows need movable cells, all of one height")
    if not circuit.fixed.any():
        raise ValueError("circuit has no fixed cells to put rows between")
    pads = circuit.centre()[circuit.fixed]
    low, high = pads.min(axis=0), pads.max(axis=0)
    count = int((high[1] - low[1]) / heights[0])
    if count < 1:
        raise ValueError("there is less than one row between the fixed cells")
    begin = low[1] + (high[1] - low[1] - count * heights[0]) / 2
    y = begin + heights[0] * np.arange(count)
    return Rows(y, np.full(count, low[0]), np.full(count, high[0]), float(heights[0]))


def spread_placement(placement: Placement, rows: Rows) -> Placement:
    """Take cells apart by recursive bisection: halve the area of the cells, and the region with it, down to one cell.

    The order of cells along each cut is kept, and their density becomes even.

    Parameters
    ----------
    placement : Placement
        With overlapping cells.
    rows : Rows
        They span the region to fill.

    Returns
    -------
    Placement
        Fixed cells stay where they are.
    """
    circuit, centre = placement.circuit, placement.centre.copy()
    area = np.maximum(circuit.size.prod(axis=1), np.finfo(float).tiny)
    low = np.array([rows.left.min(), rows.y[0]])
    high = np.array([rows.right.max(), rows.y[-1] + rows.height])
    regions = [(np.flatnonzero(~circuit.fixed), low, high)]
    while regions:
        cells, low, high = regions.pop()
        if len(cells) <= 1:
            centre[cells] = (low + high) / 2
            continue
        axis = int(np.argmax(high - low))
        cells = cells[np.argsort(placement.centre[cells, axis], kind="stable")]
        filled = np.cumsum(area[cells])
        half = int(np.clip(np.searchsorted(filled, filled[-1] / 2), 1, len(cells) - 1))
        cut = low[axis] + (high[axis] - low[axis]) * filled[half - 1] / filled[-1]
        middle_high, middle_low = high.copy(), low.copy()
        middle_high[axis] = middle_low[axis] = cut
        regions += [(cells[:half], low, middle_high), (cells[half:], middle_low, high)]
    return replace(placement, centre=centre)


def legal_placement(placement: Placement, rows: Rows) -> Placement:
    """Put every cell into a row without overlap, near where it stands.

    From left to right each cell goes to the row that takes it with the smallest displacement; within each row the
    order is kept and the sum of squared displacements is the smallest possible (an isotonic regression).

    Parameters
    ----------
    placement : Placement
        Best after `spread_placement`.
    rows : Rows
        As high as the movable cells.

    Returns
    -------
    Placement
        Fixed cells stay where they are; whether rows run over them is not looked at.

    Raises
    ------
    ValueError
        Cells of another height than the rows, or more of them than the rows hold.
    """
    circuit = placement.circuit
    free = np.flatnonzero(~circuit.fixed)
    width = circuit.size[:, 0]
    if not np.allclose(circuit.size[free, 1], rows.height):
        raise ValueError(f"all movable cells must be as high as the rows, {rows.height:g}")
    corner = placement.centre - circuit.size / 2
    front, used = rows.left.astype(float), np.zeros(len(rows.y))
    capacity = (rows.right - rows.left) * (1 + 1e-12)
    members: list[list[int]] = [[] for _ in rows.y]
    for cell in free[np.argsort(corner[free, 0], kind="stable")]:
        x, y = corner[cell]
        moved = np.maximum(front - x, 0.0) + np.abs(rows.y - y)
        row = int(np.argmin(np.where(used + width[cell] <= capacity, moved, np.inf)))
        if used[row] + width[cell] > capacity[row]:
            raise ValueError(
                f"the rows are full before {circuit.names[cell]!r}: the cells need {width[free].sum():g} of their "
                f"{capacity.sum():g} in all; give more or longer rows"
            )
        members[row].append(cell)
        used[row] += width[cell]
        front[row] = max(front[row], x) + width[cell]
    for row, cells in enumerate(members):
        if cells:
            before = np.concatenate([[0.0], np.cumsum(width[cells])])
            slid = isotonic_regression(corner[cells, 0] - before[:-1]).x  # of cells pushed together without gaps
            slid = np.clip(slid, rows.left[row], max(rows.left[row], rows.right[row] - before[-1]))
            corner[cells, 0], corner[cells, 1] = slid + before[:-1], rows.y[row]
    centre = placement.centre.copy()
    centre[free] = corner[free] + circuit.size[free] / 2
    return replace(placement, centre=centre)


def global_placement(
    circuit: Circuit,
    rows: Rows,
    *,
    weights: Sequence[float] = (*[1e-3] * 8, 0.01, 0.02, 0.04, 0.08, 0.16),
    rtol: float = 1e-6,
    device: tla.LangevinDevice | None = None,
    rng: Any = None,
) -> Placement:
    """Place a circuit in rounds: spread the cells, then let springs draw them together again from where they stand.

    Each round anchors the cells to their spread places and relaxes on the device: with small weights nets decide where
    a cell belongs, with larger ones the spread places do. It begins with random places, so that it serves circuits
    whose pads are in no net, too.

    Parameters
    ----------
    circuit : Circuit
        What to place.
    rows : Rows
        They span the region to fill.
    weights : sequence of float, optional
        Weight of the anchors in each round.
    rtol : float, optional
        Relative residual of each solve.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness, of the first places too.

    Returns
    -------
    Placement
        Spread, ready for `legal_placement`.
    """
    generator = np.random.default_rng(rng)
    centre = np.where(circuit.fixed[:, None], circuit.centre(), generator.random((len(circuit.names), 2)))
    placement = spread_placement(Placement(circuit, centre), rows)
    for weight in weights:
        relaxed = quadratic_placement(
            circuit, anchors=placement.centre, anchor_weight=weight, rtol=rtol, device=device, rng=generator
        )
        placement = spread_placement(relaxed, rows)
    return placement


def overlap(placement: Placement, bins: int = 32) -> float:
    """Share of the movable cells' area that is too much for its place: 0 where they are spread out evenly enough.

    Parameters
    ----------
    placement : Placement
        Of any kind.
    bins : int, optional
        The box around all cells is divided into bins × bins; a cell counts where its centre is.

    Returns
    -------
    float
        Σ max(0, area in a bin − area of the bin) / Σ area.
    """
    circuit = placement.circuit
    low, high = placement.centre.min(axis=0), placement.centre.max(axis=0)
    area = circuit.size.prod(axis=1)[~circuit.fixed]
    x, y = placement.centre[~circuit.fixed].T
    box = [(low[0], high[0]), (low[1], high[1])]
    filled = np.histogram2d(x, y, bins=bins, range=box, weights=area)[0]
    return float(np.maximum(filled - (high - low).prod() / bins**2, 0).sum() / area.sum())
