"""Scaling rows and columns without leaving the range of the numbers on the way."""

from __future__ import annotations

import math
from typing import Any, overload

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, to_numpy

__all__ = [
    "BLOCK",
    "combined",
    "inverse_root",
    "row_blocks",
    "rounded_inverse_root",
    "same_scaling",
    "scaled_array",
    "scaled_entries",
    "scaled_rows",
    "split",
]

SMALL_EXPONENT = 32
"""Powers of two up to this one take numbers near one to the ends of the range in no precision."""

BLOCK = 1 << 16
"""Entries of a dense matrix taken at a time: temporaries stay in the cache, and loops over blocks stay short."""


def row_blocks(shape: tuple[int, ...]) -> list[slice]:
    """Slices of rows of at most `BLOCK` entries each, or of one row."""
    rows, columns = shape
    step = max(1, BLOCK // max(1, columns))
    return [slice(start, start + step) for start in range(0, rows, step)]


def same_scaling(rows: Array | None, columns: Array | None) -> bool:
    """Whether rows and columns are scaled alike, which keeps a symmetric matrix symmetric."""
    if rows is None or columns is None or rows is columns:
        return rows is columns
    return rows.shape == columns.shape and bool(namespace(rows).all(rows == columns))


def scaled_rows(scaling: Array | None, block: Array) -> Array:
    """diag(scaling) V."""
    return block if scaling is None else as_array(scaling, block)[:, None] * block


def split(factor: float) -> tuple[float, float]:
    """A factor in two: a power of two before a product, 1 where it is small already, and the rest after it.

    With half of a large exponent before, what is rounded to denormal numbers, or overflows, in the product with a
    vector near one is neither in that with a vector as far from one.
    """
    exponent = math.frexp(factor)[1]
    before = 1.0 if abs(exponent) <= SMALL_EXPONENT else math.ldexp(1.0, exponent // 2)
    return before, factor / before


def combined(first: Array | None, second: Array | None) -> Array | None:
    """Two scalings of the same side as one."""
    if first is None or second is None:
        return second if first is None else first
    return first * second


def inverse_root(diagonal: Array) -> Array:
    """1/sqrt of the diagonal rounded to powers of two, so that scaling itself makes no rounding errors."""
    xp = namespace(diagonal)
    return 2.0 ** xp.round(-0.5 * xp.log2(diagonal))


@overload
def rounded_inverse_root(diagonal: None) -> None: ...
@overload
def rounded_inverse_root(diagonal: Array) -> Array: ...
def rounded_inverse_root(diagonal: Array | None) -> Array | None:
    """The same of a diagonal ≥ 0 with 1 where an entry is not positive; None is passed on."""
    if diagonal is None:
        return None
    return inverse_root(namespace(diagonal).where(diagonal > 0, diagonal, 1.0))


def scaled_array(matrix: Array, rows: Array | None, columns: Array | None, factor: float) -> Array:
    """The array factor · diag(rows) A diag(columns), without rounding where all three are powers of two."""
    if rows is None and columns is None:
        return matrix * factor
    xp = namespace(matrix)
    m, n = matrix.shape
    r, c = _halves(rows, m, factor, matrix), _halves(columns, n, 1.0, matrix)
    out = xp.empty_like(matrix)
    for part in row_blocks((m, n)):
        # Half of every exponent first: what lies between is no larger, and no smaller, than where it begins and ends.
        out[part] = matrix[part] * (r[0][part, None] * c[0]) * (r[1][part, None] * c[1])
    return out


def scaled_entries(A: Any, rows: Array | None, columns: Array | None, factor: float) -> np.ndarray:
    """The same for the stored entries of a sparse array in CSR form."""
    if (rows is None and columns is None) or not A.nnz:
        return np.asarray(A.data * factor)
    r, c = _halves(rows, A.shape[0], factor, A.data), _halves(columns, A.shape[1], 1.0, A.data)
    return np.asarray(A.data * _of_entries(A, r[0], c[0]) * _of_entries(A, r[1], c[1]))


def _of_entries(A: Any, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """rows_i columns_j for every stored entry; one number where they are all the same."""
    if (rows == rows[0]).all() and (columns == columns[0]).all():
        return np.asarray(rows[0] * columns[0])
    return np.asarray(np.repeat(rows, np.diff(A.indptr)) * columns[A.indices])


def _halves(scaling: Array | None, size: int, factor: float, like: Array) -> tuple[Array, Array]:
    """Two vectors whose product is factor · scaling, the first of powers of two near its root."""
    whole = np.ones(size) if scaling is None else to_numpy(scaling).astype(np.float64)
    mantissa, exponent = np.frexp(whole)
    half = exponent // 2
    factor_mantissa, factor_exponent = np.frexp(factor)
    factor_half = int(factor_exponent) // 2
    first = np.ldexp(1.0, half + factor_half)
    second = np.ldexp(mantissa * factor_mantissa, exponent - half + int(factor_exponent) - factor_half)
    return as_array(first, like), as_array(second, like)
