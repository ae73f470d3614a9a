"""What a factor of a sparse matrix will cost: how it fills in, told by those of two small parts."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csgraph

from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.sparse_factor import cholmod, symmetric_lu

__all__ = ["RUNS", "SparsePrice", "estimated_entries", "factor_price"]

PLACED, MULTIPLIED, SOLVED = 250.0, 2.5, 10.0
"""Operations of a product with A, which moves memory, that take the time of: placing a number in L; a multiplication of
its columns with each other; the two solves with a number in L."""

CACHED, UNCACHED = 2e6, 20.0
"""Numbers in L that a cache holds; and what such solves take where it does not, for every column anew."""

SUPERNODAL = 0.1
"""What multiplications by CHOLMOD take beside those of SuperLU: they are dense algebra."""

PARTS = 32, 8
"""Parts of A, as fractions, whose factors tell how fast L fills in with the number of rows."""

MOST = 8_000
"""Nodes of the larger part, at most: a factor of more would take longer than the products whose price it tells."""

CORNER = 4.0
"""Numbers in L for each pair of nodes of one distance from the outermost node, at least: where distances are short, a
part of a graph does not show how it hangs together."""

ESTIMATING = 3000.0
"""Operations per row that products may take before it is worth to estimate how a factor would fill in."""


RUNS = 6
"""Runs of a refinement, which measures what each has left: what serves them all is worth its price at once."""

ROUGH_DEGREE, SEARCHING = 1.5, 5.0
"""Degree of the polynomial of such a run, and products to find the ends of the spectrum for it, in square roots of the
condition number, at least."""


class SparsePrice:
    """The price of a factor of one sparse matrix, in operations of products with it, estimated no sooner than it pays.

    Parameters
    ----------
    matrix : csr_array, shape (d, d)
        Symmetric positive definite.
    """

    def __init__(self, matrix: Any) -> None:
        self.matrix, self.d = matrix, matrix.shape[0]

    @cached_property
    def entries(self) -> float:
        """About how many numbers L has."""
        return estimated_entries(self.matrix)

    @property
    def cost(self) -> Cost:
        """Of the factor and of one solve with it."""
        return factor_price(self.d, self.entries)

    def exceeds(self, operations: float) -> bool:
        """Whether a factor would take more than so many operations of products."""
        least = factor_price(self.d, self.matrix.nnz / 2).setup
        return operations <= max(least, ESTIMATING * self.d) or operations <= self.cost.setup

    def reaches(self, condition: float) -> bool:
        """Whether a refinement by products may take less than a factor, if the condition number is so large."""
        products = (SEARCHING + RUNS * ROUGH_DEGREE) * condition**0.5
        return self.exceeds(products * (2.0 * self.matrix.nnz + 6.0 * self.d))


def estimated_entries(A: Any) -> float:
    """About how many numbers L has, from the factors of two small parts of A; exact within a factor of three or so.

    Parts are the nodes next to an outermost one, so that a plane grid shows itself as one, and a cube as one.

    Parameters
    ----------
    A : csr_array, shape (d, d)
        Symmetric positive definite.

    Returns
    -------
    float
    """
    d = A.shape[0]
    order, _ = _outwards(A, 0)
    if len(order) < d:
        components = csgraph.connected_components(A, directed=False)[1]
        order, _ = _outwards(A, int(np.argmax(np.bincount(components)[components])))
    order, before = _outwards(A, int(order[-1]))
    levels, node = 1, int(order[-1])
    while (node := before[node]) >= 0:
        levels += 1
    counts, shown = [], min(len(order), MOST * min(PARTS))
    for part in PARTS:
        nodes = np.sort(order[: -(-shown // part)])
        counts.append((len(nodes), symmetric_lu(A[nodes][:, nodes]).nnz / 2))
    (few, first), (more, second) = counts
    power = np.log(second / first) / np.log(more / few) if more > few else 1.0
    width = len(order) / levels
    filled = max(second * (len(order) / more) ** power, CORNER * width * (width - 1))
    return float(min(filled * d / len(order), d * (d + 1) / 2))


def _outwards(A: Any, start: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in the order of their distance from one of them, and the node before each."""
    order, before = csgraph.breadth_first_order(A, start)
    return order, before


def factor_price(d: int, entries: float) -> Cost:
    """Cost of a factor with so many numbers in L, and of one solve, in operations of a product with A."""
    multiplied = MULTIPLIED * (SUPERNODAL if cholmod() else 1.0)
    solved = SOLVED if entries <= CACHED else UNCACHED
    return Cost(PLACED * entries + multiplied * entries**2 / d, solved * entries, memory=24.0 * entries)
