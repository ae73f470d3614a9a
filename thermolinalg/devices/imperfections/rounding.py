"""Rounding to the levels of a converter, or of the elements that hold A."""

from __future__ import annotations

from math import inf

import numpy as np

from thermolinalg._arrays import Array, namespace

__all__ = ["levels", "quantise"]


def quantise(
    x: Array,
    bits: int,
    axis: int | None = None,
    *,
    span: float = inf,
    thresholds: Array | None = None,
) -> Array:
    """Round to the 2^bits − 1 levels of a symmetric converter.

    Parameters
    ----------
    x : array
    bits : int
        0 rounds nothing.
    axis : int, optional
        Along which the range is the largest entry, one range for each column; None: one range for all.
    span : float, optional
        The range, where it does not follow the entries.
    thresholds : array, shape of x, optional
        Distances from the level below, in [0, 1), beyond which the level above is taken; by default one half.

    Returns
    -------
    array
    """
    if bits == 0 or 0 in x.shape:
        return x
    xp = namespace(x)
    largest: Array = span
    if not np.isfinite(span):
        largest = xp.max(xp.abs(x)) if axis is None else xp.max(xp.abs(x), axis=axis, keepdims=True)
        largest = xp.where(largest > 0, largest, 1.0)
    step = largest / levels(bits)
    if thresholds is None:
        return xp.round(x / step) * step
    return xp.ceil(x / step - thresholds) * step


def levels(bits: int) -> int:
    """Steps from zero to full scale.

    Parameters
    ----------
    bits : int

    Returns
    -------
    int
    """
    return 2 ** (bits - 1) - 1 if bits > 1 else 1
