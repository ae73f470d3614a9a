"""Selected inversion: the diagonal of A⁻¹ from a sparse factor, without the rest of A⁻¹."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from scipy.linalg import solve_triangular

__all__ = ["inverse_diagonal"]

CHUNK = 1000
"""Fronts between two looks at an interrupt or a bar."""


class _Supernode(NamedTuple):
    """Columns first … last of L that have the same rows below them."""

    first: int
    last: int
    rows: np.ndarray


def inverse_diagonal(lower: Any, pivots: np.ndarray) -> Iterator[np.ndarray | None]:
    r"""Diagonal of (L D Lᵀ)⁻¹ by Takahashi's equations, from the root of the elimination tree to its leaves.

    For columns S of L with nonzero rows R below them, Z = A⁻¹ obeys, with :math:`Y = L_{RS} L_{SS}^{-1}`,

    .. math:: Z_{RS} = -Z_{RR} Y, \qquad Z_{SS} = (L_{SS} D_S L_{SS}^T)^{-1} + Y^T Z_{RR} Y.

    All of R are rows of the parent of S, so that Z_RR is at hand: the cost is that of a factorisation.

    Parameters
    ----------
    lower : sparse array, shape (n, n)
        L, with a unit diagonal.
    pivots : array, shape (n,)
        D > 0.

    Yields
    ------
    None or array, shape (n,)
        None while it works, the diagonal last.

    References
    ----------
    K. Takahashi, J. Fagan and M.-S. Chin, Formation of a sparse bus impedance matrix, 8th PICA conference (1973);
    A. M. Erisman and W. F. Tinney, Commun. ACM 18, 177 (1975).
    """
    lower = scipy.sparse.csc_array(lower, copy=True)
    lower.sort_indices()
    nodes = list(_supernodes(_rows_below(lower)))
    of_column = np.empty(lower.shape[0], dtype=np.intp)
    for k, node in enumerate(nodes):
        of_column[node.first : node.last + 1] = k
    children: list[list[int]] = [[] for _ in nodes]
    empty = np.zeros((0, 0))
    left: list[tuple[int, np.ndarray]] = []
    for k, node in enumerate(nodes):
        if len(node.rows):
            children[of_column[node.rows[0]]].append(k)
        else:
            left.append((k, empty))
    diagonal, done = np.empty(lower.shape[0]), 0
    while left:
        k, front = left.pop()
        inverse = _inverse(lower, pivots, nodes[k], front)
        own = nodes[k].last + 1 - nodes[k].first
        diagonal[nodes[k].first : nodes[k].last + 1] = np.diagonal(inverse)[:own]
        if children[k]:
            rows = np.concatenate([np.arange(nodes[k].first, nodes[k].last + 1), nodes[k].rows])
            for child in children[k]:
                places = np.searchsorted(rows, nodes[child].rows)
                left.append((child, inverse if len(places) == len(rows) else inverse[places[:, None], places]))
        done += 1
        if done % CHUNK == 0:
            yield None
    yield diagonal


def _inverse(lower: Any, pivots: np.ndarray, node: _Supernode, front: np.ndarray) -> np.ndarray:
    """Z on S and R (s + r, s + r), from that on R."""
    first, last, rows = node
    own, below = last + 1 - first, len(rows)
    if own == 1:
        begin, end = lower.indptr[first], lower.indptr[first + 1]
        y = np.zeros((below, 1))
        y[np.searchsorted(rows, lower.indices[begin + 1 : end]), 0] = lower.data[begin + 1 : end]
        corner = np.array([[1 / pivots[first]]])
    else:
        block = lower[:, first : last + 1]
        square = block[first : last + 1].toarray()
        y = solve_triangular(square, block[rows].toarray().T, lower=True, trans="T", unit_diagonal=True).T
        root = solve_triangular(square, np.eye(own), lower=True, unit_diagonal=True)
        corner = root.T @ (root / pivots[first : last + 1, None])
    inverse = np.empty((own + below, own + below))
    inverse[own:, own:] = front
    inverse[own:, :own] = -front @ y
    inverse[:own, own:] = inverse[own:, :own].T
    inverse[:own, :own] = corner - y.T @ inverse[own:, :own]
    return inverse


def _rows_below(lower: Any) -> list[np.ndarray]:
    """Rows of every column of L under its diagonal; those of a column are rows of its parent, too, or the parent."""
    rows = [lower.indices[begin + 1 : end] for begin, end in zip(lower.indptr[:-1], lower.indptr[1:], strict=True)]
    for own in rows:
        if len(own) > 1:
            parent, rest = own[0], own[1:]
            theirs = rows[parent]
            # A factor may leave out entries that cancel.
            if len(theirs) < len(rest) or (theirs.take(theirs.searchsorted(rest), mode="clip") != rest).any():
                rows[parent] = np.union1d(theirs, rest)
    return rows


def _supernodes(rows: list[np.ndarray]) -> Iterator[_Supernode]:
    """Runs of columns whose rows are those of the next one, and the next one itself."""
    first = 0
    for j, own in enumerate(rows):
        if not len(own) or own[0] != j + 1 or len(rows[j + 1]) != len(own) - 1:
            yield _Supernode(first, j, own)
            first = j + 1
