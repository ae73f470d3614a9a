"""Checks and small computations that several operators need."""

from __future__ import annotations

from typing import Any, overload

from thermolinalg._arrays import Array, namespace
from thermolinalg._validation import checked_array
from thermolinalg.operators.base import Operator, _inverse_root
from thermolinalg.operators.read import read_matrix

__all__ = ["not_empty", "real", "real_array", "rounded_inverse_root", "symmetric_operator"]


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


def symmetric_operator(A: Any, name: str) -> Operator:
    """Whatever stands for a real symmetric matrix, as an operator."""
    loaded = read_matrix(A, name=name)
    if loaded.is_complex:
        raise TypeError(f"{name} must be real; a Hermitian matrix has a real symmetric form of twice its size")
    if not loaded.symmetric:
        raise ValueError(f"{name} must be symmetric; pass ({name} + {name}.T)/2 if that is what is meant")
    not_empty(loaded, name)
    return loaded.operator


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
    return _inverse_root(xp.where(diagonal > 0, diagonal, 1.0))
