"""Whether A is symmetric (Hermitian), judged entry by entry and not by its largest entry.

    |a_ij − conj a_ji| ≤ 100 · d · eps · (sqrt|a_ii a_jj| + max(|a_ij|, |a_ji|))

A rule that compares with the largest entry of all takes diag(1e16, …) with any small block for symmetric.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse

from thermolinalg._arrays import Array, dtype_name, eps, is_torch, namespace
from thermolinalg.operators._scaling import row_blocks

__all__ = ["Asymmetry", "asymmetry", "notice_of", "symmetrised"]

ROUNDING = 100.0
"""Asymmetry that rounding explains, in units of d · eps of an entry's scale: what forming XᵀX or QΛQᵀ leaves, with a
margin of ten; more would let through small entries that are wrong."""

FIRST = 100
"""Rows of a sparse array that are looked at before all others."""


class Asymmetry(NamedTuple):
    """A pair of entries that differ.

    Parameters
    ----------
    size : float
        |a_ij − conj a_ji|; for a map known by its products the difference of uᴴA v and (A u)ᴴv.
    row, column : int or None
        i and j; None for a map known by its products.
    ratio : float
        The difference in units of what rounding explains: A is symmetric where no ratio is above one.
    """

    size: float
    row: int | None
    column: int | None
    ratio: float


def asymmetry(a: Any, *, worst: bool = True) -> Asymmetry | None:
    """The worst pair of entries of a square array or sparse array, None if A = Aᴴ exactly.

    Parameters
    ----------
    a : array or sparse array, shape (d, d)
    worst : bool, optional
        Whether to look on once a pair is found that rounding does not explain.

    Returns
    -------
    Asymmetry or None
    """
    if scipy.sparse.issparse(a):
        return _of_sparse(a, worst=worst)
    return None if _is_exact(a) else _of_array(a, worst=worst)


def symmetrised(a: Any) -> Any:
    """(A + Aᴴ)/2, symmetric to the last bit, of an array or sparse array that is symmetric to rounding."""
    if scipy.sparse.issparse(a):
        mean = a + (a.conj().T - a) * a.dtype.type(0.5)
        lower = scipy.sparse.csr_array(scipy.sparse.tril(mean, -1))
        return scipy.sparse.csr_array(lower + lower.conj().T + scipy.sparse.diags_array(mean.diagonal()))
    xp = namespace(a)
    out = xp.empty_like(a)
    for part in row_blocks(a.shape):
        upper, lower = a[part, part.start :], _adjoint(a[part.start :, part])
        mean = upper + (lower - upper) / 2
        out[part, part.start :] = mean
        # The square block on the diagonal holds both of a pair: its lower triangle is made the other's mirror.
        out[part.start :, part] = _adjoint(mean)
        square = out[part, part]
        mirrored = xp.triu(square) + _adjoint(xp.triu(square, k=1))
        out[part, part] = mirrored
    return out


def notice_of(found: Asymmetry, name: str, d: int, *, is_complex: bool) -> str:
    """What is said of a matrix that was symmetrised although a pair of its entries differs.

    Parameters
    ----------
    found : Asymmetry
        The pair.
    name : str
        Of the matrix.
    d : int
        Its order.
    is_complex : bool

    Returns
    -------
    str
    """
    i, j, conj = found.row, found.column, "conj " if is_complex else ""
    return (
        f"{name} is symmetric but for rounding, and ({name} + {name}{'ᴴ' if is_complex else 'ᵀ'})/2 is used: "
        f"{name}[{i}, {j}] and {conj}{name}[{j}, {i}] differ by {found.size:.2g}, "
        f"{found.ratio * ROUNDING * d:.2g} units of rounding at their scale"
    )


def _adjoint(a: Array) -> Array:
    return namespace(a).conj(a).T if "complex" in dtype_name(a) else a.T


def _is_exact(a: Array) -> bool:
    if is_torch(a):
        return bool(namespace(a).all(a == _adjoint(a)))
    return bool(scipy.linalg.ishermitian(a) if np.iscomplexobj(a) else scipy.linalg.issymmetric(a))


def _of_array(a: Array, *, worst: bool) -> Asymmetry | None:
    xp = namespace(a)
    unit = 2 * ROUNDING * a.shape[0] * eps(a)
    root = math.sqrt(0.5) * xp.sqrt(abs(xp.linalg.diagonal(a)))
    found: Asymmetry | None = None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for part in row_blocks(a.shape):
            start = part.start
            upper, lower = a[part, start:], _adjoint(a[start:, part])
            shares = _shares(abs(upper - lower), abs(upper), abs(lower), root[part, None] * root[start:])
            place = int(xp.argmax(xp.reshape(shares, (-1,))))
            i, j = divmod(place, upper.shape[1])
            ratio = float(shares[i, j]) / unit
            if ratio > 0 and (found is None or ratio > found.ratio):
                found = Asymmetry(_distance(upper[i, j], lower[i, j]), start + i, start + j, ratio)
                if ratio > 1 and not worst:
                    return found
    return found


def _of_sparse(a: Any, *, worst: bool) -> Asymmetry | None:
    a.sort_indices()
    adjoint = scipy.sparse.csr_array(a.conj().T if np.iscomplexobj(a) else a.T)
    if all(np.array_equal(getattr(a, part), getattr(adjoint, part)) for part in ("indptr", "indices", "data")):
        return None
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        root = math.sqrt(0.5) * np.sqrt(abs(a.diagonal()))
        if not worst and a.shape[0] > FIRST:
            found = _worst_entry(a[:FIRST], adjoint[:FIRST], root)
            if found is not None and found.ratio > 1:
                return found
        return _worst_entry(a, adjoint, root)


def _worst_entry(a: Any, adjoint: Any, root: np.ndarray) -> Asymmetry | None:
    """The worst pair in some leading rows of a sparse array and its adjoint."""
    difference = (a - adjoint).tocoo()
    row, column = difference.coords
    if not len(row):
        return None
    here, there = _entries(a, row, column), _entries(adjoint, row, column)
    shares = _shares(abs(difference.data), abs(here), abs(there), root[row] * root[column])
    k = int(np.argmax(shares))
    ratio = float(shares[k]) / (2 * ROUNDING * a.shape[1] * eps(a.data))
    return Asymmetry(_distance(here[k], there[k]), int(row[k]), int(column[k]), ratio) if ratio > 0 else None


def _entries(a: Any, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Entries of a sparse array in canonical CSR form at these places, zero where none is stored."""
    width = a.shape[1]
    keys = np.repeat(np.arange(a.shape[0], dtype=np.int64), np.diff(a.indptr)) * width + a.indices
    wanted = row.astype(np.int64) * width + column
    place = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    found: np.ndarray = np.where(keys[place] == wanted, a.data[place], 0)
    return found


def _shares(difference: Array, here: Array, there: Array, geometric: Array) -> Array:
    """Twice |a_ij − conj a_ji| over the entries' scale.

    Halving the scale keeps it in range; a quotient, unlike a product with eps, is right for subnormal numbers too.
    """
    xp = namespace(difference)
    shares = difference / (geometric + xp.maximum(here, there) / 2)
    shares = xp.where(xp.isnan(shares), xp.inf, shares)
    return xp.where(difference == 0, 0.0, shares)


def _distance(x: Any, y: Any) -> float:
    x, y = complex(x), complex(y)
    return math.hypot(x.real - y.real, x.imag - y.imag)
