"""Residuals of twice the working precision, from ordinary matrix products of numbers that are short enough.

A and x are cut into slices of so few bits that products of slices, and their sums along a row, are exact in double
precision, whoever computes them in whatever order: BLAS, a sparse product, an accelerator. What is added up afterwards
are a dozen exact numbers (Ozaki, Ogita, Oishi and Rump, Error-free transformations of matrix multiplication, Numer.
Algorithms 59, 95 (2012), doi:10.1007/s11075-011-9478-1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, column_maxima, namespace

__all__ = [
    "SLICED_EPS",
    "Sliced",
    "bits_of_slices",
    "column_slices",
    "one_by_one",
    "row_slices",
    "side_by_side",
    "sparse_slices",
]

WANTED_BITS = 104
"""Bits of every product that count: about twice those of a double."""

SLICED_EPS = 2.0**-100
"""Error of a sliced residual relative to the largest entry of a row of A times any entry of a column of x, as far down
as `DEEPEST` allows."""

NEAR = 32
"""Bits below the largest entry of a column of x within which others get no slices of their own: they keep 72 bits or
more of every product, and random columns cost nothing extra."""

DEEPEST = 12
"""Slices at most that reach below that: each costs as much as a quarter of a residual, and 12 reach down to 1e-80."""


def side_by_side(matrix: Array, blocks: list[Array]) -> list[Array]:
    """Products with several blocks of one shape at once, so that a dense matrix is read once."""
    image, k = matrix @ namespace(matrix).concat(blocks, axis=1), blocks[0].shape[1]
    return [image[:, j * k : (j + 1) * k] for j in range(len(blocks))]


def one_by_one(matrix: Any, blocks: list[Array]) -> list[Array]:
    """Products with one block after the other: a sparse matrix is read fast, and blocks lie together in memory."""
    return [matrix @ block for block in blocks]


def bits_of_slices(terms: int) -> int:
    """Bits of a slice for sums of so many products: 2β + log2(terms) ≤ 53."""
    return (53 - max(1, math.ceil(math.log2(max(terms, 2))))) // 2


def row_slices(matrix: Array, bits: int) -> list[Array]:
    """Arrays of `bits` bits below the largest entry of each row, whose sum is the matrix (m, n) to `WANTED_BITS`."""
    xp = namespace(matrix)
    largest = xp.max(abs(matrix), axis=1, keepdims=True)
    return _slices(matrix, largest, bits)


def column_slices(block: Array, bits: int, deeper: int = 0) -> list[Array]:
    """The same below the largest entry of each column of a block (n, k), with so many slices more."""
    xp = namespace(block)
    return _slices(block, xp.reshape(column_maxima(block), (1, -1)), bits, deeper)


def sparse_slices(matrix: Any, bits: int) -> list[Any]:
    """The same below the largest entry of each row of a sparse array in CSR form."""
    largest = abs(matrix).max(axis=1).toarray()
    entries = np.repeat(largest, np.diff(matrix.indptr))
    parts = _slices(matrix.data, entries, bits)
    return [scipy.sparse.csr_array((part, matrix.indices, matrix.indptr), shape=matrix.shape) for part in parts]


def _slices(x: Array, largest: Array, bits: int, deeper: int = 0) -> list[Array]:
    xp = namespace(x)
    parts: list[Array] = []
    # The smallest power of two above the largest entry; adding 1.5 · 2^(52 − bits) of it rounds to `bits` bits below.
    unit = 2.0 ** (xp.floor(xp.log2(xp.where(largest > 0, largest, 1.0))) + 1)
    for _ in range(math.ceil(WANTED_BITS / bits) + deeper):
        shift = 1.5 * 2.0 ** (52 - bits) * unit
        part = (x + shift) - shift
        parts.append(part)
        x = x - part
        unit = unit * 2.0**-bits
        if not bool((x != 0).any()):
            break
    return parts


@dataclass(frozen=True)
class Sliced:
    """A matrix in slices, ready for residuals.

    Parameters
    ----------
    products : sequence of callable
        Of blocks with each slice of A, the leading one first.
    bits : int
        Bits of a slice, the same for A and for what it is multiplied with.
    """

    products: Sequence[Callable[[list[Array]], Sequence[Array]]]
    bits: int

    def residual(self, b: Array, x: Array, low: Array) -> Array:
        """b − A (x + low), rounded once (m, k)."""
        # A slice counts as far down as it lies: those of low begin where low does, and none counts as lower than the
        # smallest entries of x lie, so that their products are as precise as those of the largest.
        below, deep = _bits_below(x, low) // self.bits, min(-(-_depth(x) // self.bits), DEEPEST)
        parts = [(p, j) for j, p in enumerate(column_slices(x, self.bits, deep))]
        parts += [(p, below + j) for j, p in enumerate(column_slices(low, self.bits, deep))]
        high, rest = b, namespace(x).zeros_like(b)
        most = math.ceil(WANTED_BITS / self.bits)
        for i, product in enumerate(self.products):
            taken = [p for p, j in parts if i + j - deep < most]
            for image in product(taken) if taken else ():
                high, error = _two_sum(high, -image)
                rest = rest + error
        return high + rest


def _depth(x: Array) -> int:
    """How many bits the smallest entries of x lie below `NEAR`, in the column where that is most."""
    xp, sizes, largest = namespace(x), abs(x), column_maxima(x)
    if not bool((largest > 0).any()):
        return 0
    top = xp.where(largest > 0, largest, 1.0)
    spread = xp.log2(top) - xp.log2(xp.where(sizes > 0, sizes, top))
    return max(0, math.ceil(float(xp.max(spread))) - NEAR)


def _bits_below(x: Array, low: Array) -> int:
    """How many bits the entries of low lie below the largest ones of x, in the column where they are nearest."""
    xp = namespace(x)
    above, below = column_maxima(x), column_maxima(low)
    counts = (above > 0) & (below > 0)
    if not bool(counts.any()):
        return 0
    ratio = xp.where(counts, above / xp.where(counts, below, 1.0), xp.inf)
    return max(0, math.floor(math.log2(float(xp.min(ratio)))))


def _two_sum(x: Array, y: Array) -> tuple[Any, Any]:
    """The rounded sum and its rounding error, exactly (Knuth)."""
    total = x + y
    rest = total - x
    return total, (x - (total - rest)) + (y - rest)
