"""Arrays of couplings whose wires have a resistance: what an element comes to depends on its place, and on all others.

Column j is driven with the voltage V_j at row 0, row i ends in the virtual ground of amplifier i at column 0, and every
further cell is one more wire of resistance r away on both. With the currents f of the cells and M_ik = min(i, k) + 1,
the resistance that the ways of two cells of a line share,

    f_ij/g_ij + r (M f + f M)_ij = V_j,        I_i = Σ_j f_ij.

Positive and negative elements stand in arrays of their own, whose currents are subtracted.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import Array, as_array, to_numpy

__all__ = ["LONGEST", "first_order_drop", "wired"]

LONGEST = 256
"""Cells of a line up to which an array is simulated: a mesh of 2d² nodes, solved d times."""

NOTHING = 1e-30
"""Conductance of an element that is not there: a mesh without holes is ordered and factorised ten times as fast."""

WIDTH = 32
"""Columns that are driven at a time."""


def wired(elements: Array, resistance: float) -> Array:
    """The matrix that an array of couplings is for what drives it, exactly.

    Parameters
    ----------
    elements : array, shape (d, d)
    resistance : float
        r of the wire from one cell to the next, in units of the smallest resistance of an element.

    Returns
    -------
    array, shape (d, d)
        Symmetric where the elements are.
    """
    G = to_numpy(elements).astype(np.float64)
    top = float(abs(G).max(initial=0.0))
    if not top:
        return elements
    positive, negative = (_transferred(np.clip(sign * G / top, 0.0, None), resistance) for sign in (1.0, -1.0))
    seen = positive - negative
    return as_array(top * ((seen + seen.T) / 2 if (G == G.T).all() else seen), elements)


def first_order_drop(G: np.ndarray, resistance: float) -> np.ndarray:
    """What wires of a small resistance take from each element, r (g ∘ M g + g ∘ g M), each sign by itself.

    Parameters
    ----------
    G : ndarray, shape (d, d)
    resistance : float
        As for `wired`.

    Returns
    -------
    ndarray, shape (d, d)
    """
    top, drop = float(abs(G).max(initial=0.0)), np.zeros_like(G)
    places = np.arange(1.0, len(G) + 1)
    shared = np.minimum(places[:, None], places)
    for sign in (1.0, -1.0):
        g = np.clip(sign * G, 0.0, None)
        drop += sign * g * (shared @ g + g @ shared)
    return resistance / top * drop if top else drop


def _transferred(g: np.ndarray, r: float) -> np.ndarray:
    """Currents of the rows for one volt at each column (d, d), of conductances g ≥ 0 of at most 1.

    With v the voltages of the columns' wires and w those of the rows', T v + r g (v − w) = V at the first cell of a
    column, and T w − r g (v − w) = 0 along rows; T is the Laplacian of a line that is held at one end.
    """
    d = len(g)
    line = scipy.sparse.diags_array(
        [np.full(d - 1, -1.0), np.append(np.full(d - 1, 2.0), 1.0), np.full(d - 1, -1.0)], offsets=[-1, 0, 1]
    )
    one, cells = scipy.sparse.eye_array(d), scipy.sparse.diags_array(r * np.maximum(g, NOTHING).ravel())
    columns, rows = scipy.sparse.kron(line, one) + cells, scipy.sparse.kron(one, line) + cells
    mesh = scipy.sparse.block_array([[columns, -cells], [-cells, rows]], format="csc")
    # Diagonally dominant: no pivoting is needed.
    factor = scipy.sparse.linalg.splu(
        mesh, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True}
    )
    found = np.empty((d, d))
    for first in range(0, d, WIDTH):
        driven = np.eye(2 * d * d, min(WIDTH, d - first), -first)
        found[:, first : first + WIDTH] = factor.solve(driven)[d * d :: d] / r
    return found
