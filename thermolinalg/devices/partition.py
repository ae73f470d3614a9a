"""Unknowns in blocks of a few: which belong together, and which neighbours a block shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

__all__ = ["Partition", "by_coupling", "contiguous", "strengths_of", "widened"]

Partition = Callable[[Any, int], list[np.ndarray]]
"""``partition(strengths, size)``: disjoint sets of at most so many unknowns that cover all of them."""


def contiguous(strengths: Any, size: int) -> list[np.ndarray]:
    """Blocks of unknowns that follow each other.

    Parameters
    ----------
    strengths : sparse array, shape (d, d)
        Of the couplings, without the diagonal.
    size : int
        Unknowns of a block at most.

    Returns
    -------
    list of ndarray
        Unknowns of each block.

    See Also
    --------
    TiledDevice, by_coupling : Blocks of a matrix on a smaller chip.

    Examples
    --------
    >>> import scipy.sparse
    >>> [block.tolist() for block in contiguous(scipy.sparse.csr_array((5, 5)), 2)]
    [[0, 1], [2, 3], [4]]
    """
    d = strengths.shape[0]
    return [np.arange(begin, min(begin + size, d)) for begin in range(0, d, size)]


def by_coupling(strengths: Any, size: int) -> list[np.ndarray]:
    """Blocks that grow along the strongest couplings, one unknown after the other.

    Parameters
    ----------
    strengths : sparse array, shape (d, d)
        Of the couplings, without the diagonal.
    size : int
        Unknowns of a block at most.

    Returns
    -------
    list of ndarray
        Unknowns of each block.

    See Also
    --------
    contiguous, TiledDevice : Blocks of a matrix on a smaller chip.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> pairs = np.kron([[0, 1], [1, 0]], np.eye(2))  # 0 with 2, 1 with 3
    >>> [block.tolist() for block in by_coupling(scipy.sparse.csr_array(pairs), 2)]
    [[0, 2], [1, 3]]
    """
    d, indptr = strengths.shape[0], strengths.indptr
    neighbours, weights = strengths.indices, strengths.data
    free, next_free, blocks = np.ones(d, dtype=bool), 0, []
    while next_free < d:
        block: list[int] = []
        pull: dict[int, float] = {}
        while len(block) < size and next_free < d:
            node = max(pull, key=pull.__getitem__) if pull else next_free
            pull.pop(node, None)
            free[node] = False
            block.append(node)
            for k in range(indptr[node], indptr[node + 1]):
                j = int(neighbours[k])
                if free[j]:
                    pull[j] = pull.get(j, 0.0) + float(weights[k])
            while next_free < d and not free[next_free]:
                next_free += 1
        blocks.append(np.sort(np.array(block)))
    return blocks


def strengths_of(matrix: Any, most: int) -> Any:
    """Couplings |a_ij|/√(a_ii a_jj) of a positive definite matrix, without the diagonal: at most so many dense ones.

    Parameters
    ----------
    matrix : ndarray or sparse array, shape (d, d)
        Positive definite.
    most : int
        The strongest that are kept in every row of a dense array.

    Returns
    -------
    scipy.sparse.csr_array, shape (d, d)
    """
    root = np.sqrt(np.asarray(matrix.diagonal()))
    d = len(root)
    if scipy.sparse.issparse(matrix):
        rows, columns, values = (lambda found: (*found.coords, found.data))(scipy.sparse.coo_array(matrix))
        off = rows != columns
        rows, columns, values = rows[off], columns[off], values[off]
    else:
        sizes = abs(matrix) / root  # each row up to a factor
        np.fill_diagonal(sizes, -1.0)
        kept = min(most, d - 1)
        columns = np.argpartition(-sizes, kept - 1, axis=1)[:, :kept].ravel()
        rows = np.repeat(np.arange(d), kept)
        values = matrix[rows, columns]
    strengths = abs(values) / root[rows] / root[columns]
    return scipy.sparse.csr_array((strengths, (rows, columns)), shape=(d, d))


def widened(strengths: Any, core: np.ndarray, overlap: int) -> np.ndarray:
    """A block with so many of the unknowns beside it that are coupled to it most strongly.

    Parameters
    ----------
    strengths : sparse array, shape (d, d)
        Of the couplings, without the diagonal.
    core : ndarray
        Unknowns of the block alone.
    overlap : int
        How many more at most.

    Returns
    -------
    ndarray
        Sorted.
    """
    around = strengths[core]
    nodes, where = np.unique(around.indices, return_inverse=True)
    pull = np.bincount(where, weights=around.data, minlength=len(nodes))
    outside = ~np.isin(nodes, core) & (pull > 0)
    nodes, pull = nodes[outside], pull[outside]
    return np.sort(np.concatenate([core, nodes[np.argsort(-pull, kind="stable")[:overlap]]]))
