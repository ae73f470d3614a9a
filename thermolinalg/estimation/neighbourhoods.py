"""What all nodes but a few tell of one: the inverses of small overlapping parts of a sparse matrix."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, as_array
from thermolinalg._progress import watched
from thermolinalg.devices.partition import by_coupling, strengths_of
from thermolinalg.operators import Operator, Sparse

__all__ = ["Conditional", "conditional_on_others"]

SHARED = 4
"""Nodes of a neighbourhood for each of those that have it in common."""

NUMBERS = 2**21
"""Numbers of the local matrices that are inverted at a time."""


class Conditional(NamedTuple):
    r"""The law of every node of N(0, A⁻¹), given all nodes outside a neighbourhood S of it.

    Parameters
    ----------
    variance : array, shape (d,)
        :math:`(A_{SS}^{-1})_{ii}`.
    weights : Operator, shape (d, d)
        W, with row i of :math:`A_{SS}^{-1}` in row i.
    """

    variance: Array
    weights: Operator

    def mean(self, x: Array, product: Array) -> Array:
        """Of every node, x − W A x (d, k), from readings x (d, k) and their products A x."""
        return x - self.weights.apply(product)


def conditional_on_others(A: Sparse, size: int) -> Conditional:
    """The law of every node given all but so many others.

    Neighbourhoods grow along the strongest couplings, around a few nodes each that have them in common.

    Parameters
    ----------
    A : Sparse, shape (d, d)
        Positive definite.
    size : int
        Nodes of a neighbourhood at most; with 1 every node is alone.

    Returns
    -------
    Conditional

    References
    ----------
    P. Sidén et al., Efficient covariance approximations for large sparse precision matrices, JCGS 27 (2018).

    Examples
    --------
    >>> A = Sparse(scipy.sparse.diags_array([np.full(9, 3.0), -np.ones(8), -np.ones(8)], offsets=[0, 1, -1]))
    >>> [round(float(conditional_on_others(A, size).variance[4]), 4) for size in (1, 4, 9)]
    [0.3333, 0.4364, 0.4472]
    >>> round(float(np.linalg.inv(A.matrix.toarray())[4, 4]), 4)
    0.4472
    """
    matrix, d = A.matrix.astype(np.float64, copy=False), A.shape[0]
    root = np.sqrt(matrix.diagonal())
    strengths = _strongest(strengths_of(matrix, d), size)
    once = _stored_once(matrix, root)
    cores = by_coupling(strengths, -(-size // SHARED))
    variance, nodes, counts, columns, data = np.empty(d), *([] for _ in range(4))
    step = max(1, NUMBERS // size**2)
    for begin in watched(range(0, len(cores), step), "neighbourhoods"):
        inside, own = _widened(strengths, cores[begin : begin + step], size)
        inverse = np.linalg.inv(_local_matrices(once, inside))
        of_set, place = np.nonzero(own)
        own_nodes, around = inside[of_set, place], inside[of_set]
        variance[own_nodes] = inverse[of_set, place, place] / root[own_nodes] ** 2
        kept = around >= 0
        nodes.append(own_nodes)
        counts.append(kept.sum(axis=1))
        columns.append(around[kept].astype(np.int32))
        data.append((inverse[of_set, place] / root[own_nodes, None] / root[around])[kept])
    ends = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    weights = scipy.sparse.csr_array((np.concatenate(data), np.concatenate(columns), ends), (d, d))
    weights = weights[np.argsort(np.concatenate(nodes))].astype(A.matrix.dtype, copy=False)
    return Conditional(as_array(variance, A.like), A.holding(weights, symmetric=False))


def _strongest(strengths: Any, most: int) -> Any:
    """At most so many couplings of every node: hubs would be in the way of all others."""
    rows = np.repeat(np.arange(strengths.shape[0]), np.diff(strengths.indptr))
    order = np.lexsort((-strengths.data, rows))
    kept = order[np.arange(len(order)) - strengths.indptr[rows] < most]
    return scipy.sparse.csr_array((strengths.data[kept], (rows[kept], strengths.indices[kept])), strengths.shape)


def _stored_once(matrix: Any, root: np.ndarray) -> Any:
    """A/(root rootᵀ) without its diagonal, each pair of entries in the row that has fewer, so that none has many."""
    couplings, degree = scipy.sparse.coo_array(matrix), np.diff(matrix.indptr)
    i, j = couplings.coords
    kept = (degree[i] < degree[j]) | ((degree[i] == degree[j]) & (i < j))
    i, j = i[kept], j[kept]
    return scipy.sparse.csr_array((couplings.data[kept] / root[i] / root[j], (i, j)), matrix.shape)


def _widened(strengths: Any, cores: list[np.ndarray], size: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of every set (k, size), sorted, −1 where there are fewer; and which of them are of its core."""
    sets, nodes = np.repeat(np.arange(len(cores)), [len(core) for core in cores]), np.concatenate(cores)
    shape = len(cores), strengths.shape[0]
    core = members = scipy.sparse.csr_array((np.ones(len(nodes)), (sets, nodes)), shape)
    while True:
        pull = scipy.sparse.csr_array(members @ strengths)
        pull = scipy.sparse.csr_array(pull - pull.multiply(members))
        pull.eliminate_zeros()
        of_set = np.repeat(np.arange(shape[0]), np.diff(pull.indptr))
        order = np.lexsort((-pull.data, of_set))
        # Row by row, the strongest come first.
        kept = order[np.arange(len(order)) - pull.indptr[of_set] < (size - np.diff(members.indptr))[of_set]]
        if not len(kept):
            break
        members = members + scipy.sparse.csr_array((np.ones(len(kept)), (of_set[kept], pull.indices[kept])), shape)
    members = scipy.sparse.csr_array(members + core)
    members.sort_indices()
    of_set = np.repeat(np.arange(shape[0]), np.diff(members.indptr))
    place = np.arange(len(of_set)) - members.indptr[of_set]
    inside, own = np.full((shape[0], size), -1), np.zeros((shape[0], size), dtype=bool)
    inside[of_set, place], own[of_set, place] = members.indices, members.data == 2
    return inside, own


def _local_matrices(once: Any, inside: np.ndarray) -> np.ndarray:
    """Parts of a matrix with a unit diagonal (k, size, size), with rows of the identity where there is no node."""
    count, size = inside.shape
    of_set, place = np.nonzero(inside >= 0)
    nodes = inside[of_set, place]
    keys = of_set * once.shape[0] + nodes  # in ascending order
    rows = once[nodes]
    pair = np.repeat(np.arange(len(nodes)), np.diff(rows.indptr))
    wanted = of_set[pair] * once.shape[0] + rows.indices
    other = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found = keys[other] == wanted
    k, i, j = of_set[pair[found]], place[pair[found]], place[other[found]]
    local = np.tile(np.eye(size), (count, 1, 1))
    local[k, i, j] = local[k, j, i] = rows.data[found]
    return local
