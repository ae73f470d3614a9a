"""From a circuit to cells in rows, in one call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps.chip_design.analytic import global_placement
from thermoapps.chip_design.bookshelf import Circuit, Rows
from thermoapps.chip_design.legalisation import legal_placement
from thermoapps.chip_design.placement import Placement, wirelength
from thermoapps.chip_design.refinement import refine_placement

__all__ = ["place_circuit"]


def place_circuit(
    circuit: Circuit,
    rows: Rows,
    *,
    passes: int = 10,
    device: tla.LangevinDevice | None = None,
    callback: Callable[[Placement], Any] | None = None,
    rng: Any = None,
) -> Placement:
    """Place a circuit into rows: `global_placement`, `legal_placement`, `refine_placement`.

    The places that the circuit came with are made legal and refined too, and the shorter wires win: where those places
    are legal in these rows, the result is never longer than they are.

    Parameters
    ----------
    circuit : Circuit
        Cells of one row, macros, fixed blocks.
    rows : Rows
        Of the circuit's file, or `rows_between_pads`.
    passes : int, optional
        Of `refine_placement`.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    callback : callable, optional
        As for `global_placement` and `refine_placement`: shown the placement after each round and each pass.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    Placement
        Legal.

    Raises
    ------
    ValueError
        As `global_placement` and `legal_placement`.

    See Also
    --------
    global_placement, legal_placement, refine_placement : From a circuit to places in rows.
    """
    generator = np.random.default_rng(rng)
    placed = legal_placement(global_placement(circuit, rows, device=device, callback=callback, rng=generator), rows)
    found = [refine_placement(placed, rows, passes=passes, callback=callback, rng=generator)]
    try:
        given = legal_placement(Placement(circuit, circuit.centre()), rows)
    except ValueError:  # cells of the file may crowd where they can find no place
        pass
    else:
        found.append(refine_placement(given, rows, passes=passes, callback=callback, rng=generator))
    return min(found, key=wirelength)
