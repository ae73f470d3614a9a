"""A mapped from an interval to [−2, 2], as the three-term recurrence of Chebyshev's polynomials adds its products."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, add_multiple, multiple, namespace
from thermolinalg.operators import Operator, Sparse

__all__ = ["Mapped"]


class Mapped:
    """B = 4/(upper − lower) · (A − (upper + lower)/2).

    Of a sparse A, B and −B are held as arrays that share their indices, with A where its diagonal is stored: a step of
    the recurrence is then one product that is added in place, where scaling the vectors and subtracting the shift would
    take two more passes over them.

    Parameters
    ----------
    operator : Operator
        Symmetric, with its spectrum in the interval.
    lower, upper : float
    """

    def __init__(self, operator: Operator, lower: float, upper: float) -> None:
        self.operator, self.scale, self.shift = operator, 4.0 / (upper - lower), (upper + lower) / 2
        self._scaled: Array | None = None
        self._signed: dict[int, Sparse] = {}
        if isinstance(operator, Sparse):
            A, one = operator.matrix, scipy.sparse.eye_array(operator.shape[0], dtype=operator.dtype, format="csr")
            B = scipy.sparse.csr_array(A - self.shift * one)
            B.data *= self.scale
            if np.array_equal(B.indices, A.indices):
                B = scipy.sparse.csr_array((B.data, A.indices, A.indptr), A.shape)
            negative = scipy.sparse.csr_array((-B.data, B.indices, B.indptr), B.shape)
            self._signed = {1: operator.holding(B), -1: operator.holding(negative)}

    def add(self, block: Array, total: Array, sign: int) -> Array:
        """`total` ± B V for a block V (d, k), written over `total`."""
        if self._signed:
            return self._signed[sign].add_product(block, total)
        if self._scaled is None or self._scaled.shape != block.shape:
            self._scaled = namespace(block).empty_like(block)
        scaled = multiple(sign * self.scale, block, self._scaled)
        total = self.operator.add_product(scaled, total)
        return add_multiple(-self.shift, scaled, total)
