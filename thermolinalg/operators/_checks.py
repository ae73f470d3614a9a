"""Checks and small computations that several operators need."""

from __future__ import annotations

from typing import Any, overload

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, eps, namespace
from thermolinalg._validation import checked_array, checked_sparse
from thermolinalg.operators.base import Operator

__all__ = ["check_symmetric", "not_empty", "real", "real_array", "rounded_inverse_root", "symmetric_matrix"]


def real_array(x: Any, name: str, ndim: int) -> Array:
    """A finite real array of NumPy or torch with so many dimensions, not empty."""
    array = real(checked_array(x, name, ndim=(ndim,)), name)
    not_empty(array, name)
    return array


def not_empty(x: Any, name: str) -> None:
    """ValueError if x has no entries."""
    if 0 in tuple(x.shape):
        raise ValueError(f"{name} must not be empty, got shape {tuple(x.shape)}")


def real(x: Any, name: str) -> Any:
    """x itself, dense or sparse, if its dtype is real."""
    if "complex" in str(x.dtype):
        raise TypeError(
            f"{name} must be real, got dtype {x.dtype}; a Hermitian matrix has a real form of twice its size"
        )
    return x


def symmetric_matrix(x: Any, name: str) -> Array:
    """A finite, real, symmetric matrix as an array; sparse matrices and operators are formed."""
    if isinstance(x, Operator):
        matrix = x.dense()
    elif scipy.sparse.issparse(x):
        matrix = real(checked_sparse(x, name), name).toarray()
    else:
        matrix = real_array(x, name, 2)
    check_symmetric(matrix, name)
    return matrix


def check_symmetric(matrix: Any, name: str) -> None:
    """ValueError unless a dense or sparse matrix is symmetric but for rounding."""
    n, columns = matrix.shape
    if n != columns or n == 0:
        raise ValueError(f"{name} must be square and not empty, got shape {tuple(matrix.shape)}")
    largest, asymmetry = float(abs(matrix).max()), float(abs(matrix - matrix.T).max())
    precision = np.finfo(matrix.dtype).eps if scipy.sparse.issparse(matrix) else eps(matrix)
    if asymmetry > 32 * n * float(precision) * largest:
        raise ValueError(
            f"{name} must be symmetric: |{name} − {name}ᵀ| reaches {asymmetry:.3g} (largest entry {largest:.3g}); "
            f"pass ({name} + {name}.T)/2 if that is what is meant"
        )


@overload
def rounded_inverse_root(diagonal: None) -> None: ...
@overload
def rounded_inverse_root(diagonal: Array) -> Array: ...
def rounded_inverse_root(diagonal: Array | None) -> Array | None:
    """1/sqrt of a diagonal ≥ 0 in powers of two, which scale without rounding; 1 where an entry is not positive.

    Parameters
    ----------
    diagonal : array, shape (n,), or None
        Entries; None is passed on.

    Returns
    -------
    array, shape (n,), or None
    """
    if diagonal is None:
        return None
    xp = namespace(diagonal)
    return 2.0 ** xp.round(-0.5 * xp.log2(xp.where(diagonal > 0, diagonal, 1.0)))
