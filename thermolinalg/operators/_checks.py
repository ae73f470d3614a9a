"""Checks of arrays that several operators need."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array
from thermolinalg._validation import checked_array

__all__ = ["not_empty", "real", "real_array"]


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
