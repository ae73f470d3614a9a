"""Two-sided equilibration: rows and columns whose largest entries are all about one."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, to_numpy
from thermolinalg.operators._scaling import row_blocks
from thermolinalg.operators.base import Operator
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.sparse import Sparse

__all__ = ["equilibrate"]

SWEEPS = 14
"""Sweeps at most; each halves what is missing in the exponents, so that even a thousand bits of grading are gone."""

NEAR = 0.5
"""Bits that the largest entries may be away from one when the sweeps end: rounding to powers of two adds one."""


def equilibrate(matrix: Operator) -> tuple[Array | None, Array | None]:
    """Powers of two R and C such that the largest entries of the rows and columns of R A C are about one.

    Ruiz's simultaneous scaling by the roots of the largest entries, carried out on exponents, so that no product
    leaves the range. A symmetric matrix keeps its symmetry: R = C.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        Entries are read from `Dense` and `Sparse` ones.

    Returns
    -------
    rows : array, shape (m,), or None
        Diagonal of R, 1 for a row of zeros; None where no row needs scaling, and for operators known by products.
    columns : array, shape (n,), or None
        Diagonal of C likewise.

    References
    ----------
    D. Ruiz, "A scaling algorithm to equilibrate both rows and columns norms in matrices", RAL-TR-2001-034.

    Examples
    --------
    >>> import numpy as np
    >>> A = Dense(np.array([[1.0, 2.0**40], [2.0**-40, 1.0]]), symmetric=False)
    >>> rows, columns = equilibrate(A)
    >>> A.rescaled(rows, columns).dense()
    array([[1., 1.],
           [1., 1.]])
    """
    maxima: _DenseExponents | _SparseExponents
    if isinstance(matrix, Dense):
        maxima = _DenseExponents(matrix.matrix)
    elif isinstance(matrix, Sparse):
        maxima = _SparseExponents(matrix)
    else:
        return None, None
    m, n = matrix.shape
    rows, columns = np.zeros(m), np.zeros(n)
    for _ in range(SWEEPS):
        high = [np.where(np.isfinite(largest), largest, 0.0) for largest in maxima(rows, columns)]
        if max(np.abs(x).max(initial=0.0) for x in high) <= NEAR:
            break
        rows, columns = rows - high[0] / 2, columns - high[1] / 2
    # Even, so that two halves, one of rows and one of columns, have a product in range.
    highest = math.frexp(float(namespace(matrix.like).finfo(matrix.like.dtype).max))[1] - 2
    shift = _into_range(rows, columns, highest)
    return _powers(rows + shift, highest, matrix.like), _powers(columns - shift, highest, matrix.like)


class _DenseExponents:
    """Largest log2 |r_i a_ij c_j| of every row and column of an array, from the scalings' exponents."""

    def __init__(self, matrix: Array) -> None:
        xp = namespace(matrix)
        # Single precision holds the exponents to a thousandth of a bit, in half the memory.
        self.exponents = xp.empty(matrix.shape, dtype=xp.float32, device=matrix.device)
        with np.errstate(divide="ignore"):
            for part in row_blocks(matrix.shape):
                self.exponents[part] = xp.astype(xp.log2(abs(matrix[part])), xp.float32)

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        r, c = as_array(rows, self.exponents), as_array(columns, self.exponents)
        xp, (m, n) = namespace(r), self.exponents.shape
        of_rows, of_columns = np.full(m, -np.inf), np.full(n, -np.inf)
        for part in row_blocks((m, n)) if n else []:
            scaled = self.exponents[part] + (r[part, None] + c)
            of_rows[part] = to_numpy(xp.max(scaled, axis=1))
            of_columns = np.maximum(of_columns, to_numpy(xp.max(scaled, axis=0)))
        return of_rows, of_columns


class _SparseExponents:
    """The same for the stored entries of a sparse array."""

    def __init__(self, operator: Sparse) -> None:
        entries = operator.matrix.tocoo()
        (self.row, self.column), self.shape = entries.coords, entries.shape
        with np.errstate(divide="ignore"):
            self.exponents = np.log2(np.abs(entries.data))

    def __call__(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scaled = self.exponents + (rows[self.row] + columns[self.column])
        of_rows, of_columns = np.full(self.shape[0], -np.inf), np.full(self.shape[1], -np.inf)
        np.maximum.at(of_rows, self.row, scaled)
        np.maximum.at(of_columns, self.column, scaled)
        return of_rows, of_columns


def _into_range(rows: np.ndarray, columns: np.ndarray, highest: int) -> float:
    """What rows gain and columns lose, which changes no product, for both to stay in range."""
    if max(np.abs(x).max(initial=0.0) for x in (rows, columns)) <= highest:
        return 0.0
    least = max(-highest - rows.min(), columns.max() - highest)
    most = min(highest - rows.max(), columns.min() + highest)
    return float(np.clip(0.0, least, most)) if least <= most else 0.0


def _powers(exponents: np.ndarray, highest: int, like: Array) -> Array | None:
    """Powers of two with these exponents rounded, None where all are one."""
    whole = np.clip(np.round(exponents), -highest + 1, highest).astype(int)
    return as_array(np.ldexp(1.0, whole), like) if whole.any() else None
