"""Taking overlapping cells apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from thermoapps.chip_design.bookshelf import Circuit, Rows
from thermoapps.chip_design.placement import Placement

__all__ = ["overlap", "rows_between_pads", "spread_placement"]


def rows_between_pads(circuit: Circuit, height: float | None = None) -> Rows:
    """Rows that fill the box spanned by the centres of the fixed cells.

    Parameters
    ----------
    circuit : Circuit
        With fixed cells.
    height : float, optional
        Of the rows. Default: that of the movable cells, which must have one.

    Returns
    -------
    Rows
        As many as fit, in the middle of the box.

    Raises
    ------
    ValueError
        Cells of different heights where none is given, a height that is not positive, no fixed cells, or less than
        one row between them.

    See Also
    --------
    overlap, wirelength, read_bookshelf, Placement : Circuits to be placed.
    """
    heights = np.unique(circuit.size[~circuit.fixed, 1] if height is None else [height])
    if len(heights) != 1:
        raise ValueError("rows need movable cells, all of one height: pass height=")
    if not 0 < heights[0] < np.inf:
        raise ValueError(f"height must be positive and finite, got {heights[0]:g}")
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

    See Also
    --------
    QuadraticWirelength, global_placement, quadratic_placement : Steps of placement.
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

    See Also
    --------
    wirelength, read_bookshelf, Placement, Rows : Circuits to be placed.
    """
    circuit = placement.circuit
    low, high = placement.centre.min(axis=0), placement.centre.max(axis=0)
    area = circuit.size.prod(axis=1)[~circuit.fixed]
    x, y = placement.centre[~circuit.fixed].T
    box = [(low[0], high[0]), (low[1], high[1])]
    filled = np.histogram2d(x, y, bins=bins, range=box, weights=area)[0]
    return float(np.maximum(filled - (high - low).prod() / bins**2, 0).sum() / area.sum())
