"""What boxes are read from, and how they are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps.boxes.active_set import Box

__all__ = ["read_box", "read_matrix", "read_vector"]

Vector = NDArray[np.float64]


def read_matrix(value: Any, name: str) -> Vector:
    """A finite real matrix that is not empty."""
    matrix = _real(value, name)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"{name} must be a matrix that is not empty, got shape {matrix.shape}")
    return _finite(matrix, name)


def read_vector(value: Any, name: str, length: int) -> Vector:
    """A finite real vector."""
    vector = _real(value, name)
    if vector.shape != (length,):
        raise ValueError(f"{name} must have shape ({length},), got {vector.shape}")
    return _finite(vector, name)


def read_box(lower: Any, upper: Any, d: int) -> Box:
    """A box with room for a point; bounds are numbers or vectors."""
    sides = []
    for value, name in ((lower, "lower"), (upper, "upper")):
        side = _real(value, name)
        if side.shape not in ((), (d,)):
            raise ValueError(f"{name} must be a number or have shape ({d},), got {side.shape}")
        if np.isnan(side).any():
            raise ValueError(f"{name} holds NaN; for no bound pass infinity")
        sides.append(np.broadcast_to(side, (d,)).astype(float))
    box = Box(*sides)
    if (empty := np.flatnonzero(box.lower > box.upper)).size:
        i = int(empty[0])
        raise ValueError(f"the box is empty: lower[{i}] = {box.lower[i]:g} is above upper[{i}] = {box.upper[i]:g}")
    if (box.lower == np.inf).any() or (box.upper == -np.inf).any():
        raise ValueError("lower holds +inf or upper -inf, beyond which there is nothing; for no bound swap the sign")
    return box


def _real(value: Any, name: str) -> Vector:
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, and its rows have different lengths") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    return array.astype(float)


def _finite(array: Vector, name: str) -> Vector:
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return array
