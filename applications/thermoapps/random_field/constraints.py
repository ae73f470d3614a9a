"""Exact observations: the nodes that they fix are functions of the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from thermoapps.random_field.observing import Observations

__all__ = ["Free", "solved_for"]

CONSISTENT = 1e-10
"""Contradictions of exact observations, relative to the largest of them, that are rounding."""

MOST = 3000
"""Most exact observations of more than one node each: they are eliminated as a dense matrix."""


@dataclass(frozen=True)
class Free:
    """The nodes x = T u + c that meet exact observations, u being the nodes that are left free.

    Parameters
    ----------
    T : scipy.sparse.csr_array, shape (n, f)
        Has the rows of the identity at the free nodes.
    c : array, shape (n,)
        Zero there.
    nodes : array of int, shape (f,)
        Which nodes are free.
    log_volume : float
        log|det H_p|, of the columns of the nodes that are solved for.
    solved : array of int, shape (k,)
        Which nodes are solved for.
    rows : array of int, shape (k,)
        Exact observations that do not follow from the others.
    """

    T: Any
    c: np.ndarray
    nodes: np.ndarray
    log_volume: float = 0.0
    solved: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))
    rows: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=int))


def solved_for(exact: Observations, n: int) -> Free:
    """Solve exact observations for as many nodes; ValueError where they contradict each other."""
    if len(exact) == 0:
        return Free(sp.eye_array(n, format="csr"), np.zeros(n), np.arange(n))
    counts = np.diff(exact.H.indptr)
    scale = np.abs(exact.y).max()
    if (counts == 0).any() and np.abs(exact.y[counts == 0]).max() > 0:
        raise ValueError("an exact observation of nothing (an empty row of at) is not zero")
    single = counts == 1
    weights, columns = exact.H[np.flatnonzero(single)].data, exact.H[np.flatnonzero(single)].indices
    fixed, first, which = np.unique(columns, return_index=True, return_inverse=True)
    found = (exact.y[single] / weights)[first]
    _agree(found[which] * weights - exact.y[single], scale)
    c, known = np.zeros(n), np.zeros(n, dtype=bool)
    c[fixed], known[fixed] = found, True
    volume = float(np.log(np.abs(weights[first])).sum())
    rows = np.flatnonzero(single)[first]

    rest = exact.where(counts > 1)
    if len(rest) > MOST:
        raise ValueError(
            f"{len(rest)} exact observations are of several nodes each, more than {MOST}; observe nodes or pass a noise"
        )
    solved, block = np.zeros(0, dtype=int), sp.csr_array((0, n))
    if len(rest):
        target = rest.y - rest.H @ c
        touched = np.setdiff1d(np.unique(rest.H.indices), fixed)
        found = _eliminated(rest.H[:, touched].toarray(), target, scale)
        independent, solved, others, slopes, offsets, log_volume = found
        c[touched[solved]] = offsets
        volume, rows = volume + log_volume, np.concatenate([rows, np.flatnonzero(counts > 1)[independent]])
        ties = sp.coo_array(slopes)
        block = sp.coo_array((ties.data, (touched[solved][ties.coords[0]], touched[others][ties.coords[1]])), (n, n))
        fixed = np.concatenate([fixed, touched[solved]])
        known[touched[solved]] = True
    nodes = np.flatnonzero(~known)
    T = sp.eye_array(n, format="csr") if not len(rest) else sp.csr_array(sp.diags_array((~known).astype(float)) + block)
    return Free(sp.csr_array(T[:, nodes]), c, nodes, volume, fixed, rows)


def _eliminated(A: np.ndarray, b: np.ndarray, scale: float) -> tuple[Any, ...]:
    """Solve A x = b for columns that are pivots: x_pivots = slopes x_others + offsets.

    Returns the rows that do not follow from others, the pivots, the other columns, slopes, offsets and log|det A_p|.
    """
    sizes = np.linalg.norm(A, axis=1)
    unit, target = A / sizes[:, None], b / sizes
    across, order = scipy.linalg.qr(unit.T, mode="r", pivoting=True)
    diagonal = np.abs(np.diag(across))
    rank = int(np.count_nonzero(diagonal > max(A.shape) * np.finfo(float).eps * diagonal[:1].sum()))
    independent = order[:rank]  # the other rows follow from these
    rotation, R, order = scipy.linalg.qr(unit[independent], mode="economic", pivoting=True)
    triangle = R[:, :rank]
    offsets = scipy.linalg.solve_triangular(triangle, rotation.T @ target[independent])
    slopes = -scipy.linalg.solve_triangular(triangle, R[:, rank:])
    _agree(unit[:, order[:rank]] @ offsets - target, max(scale, float(np.abs(target).max())))
    volume = float(np.log(np.abs(np.diag(triangle))).sum() + np.log(sizes[independent]).sum())
    return independent, order[:rank], order[rank:], slopes, offsets, volume


def _agree(differences: np.ndarray, scale: float) -> None:
    """ValueError where exact observations contradict each other."""
    if differences.size and np.abs(differences).max() > CONSISTENT * scale:
        raise ValueError(
            f"exact observations contradict each other, by {np.abs(differences).max():.3g}; pass their noise"
        )
