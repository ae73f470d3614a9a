"""The wider type in which residuals are accumulated: double for single precision, NumPy's long double for double."""

from __future__ import annotations

import numpy as np

from thermolinalg._arrays import Array, as_array, dtype_name, is_distributed, is_torch, namespace, to_numpy

__all__ = ["narrowed", "widened", "widest_eps"]

LONG_DOUBLE_IS_WIDER = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant
"""False on platforms where long double is double, and there is nothing to gain."""


def widened(x: Array) -> Array | None:
    """x in the wider type, or None where there is none: tensors of double precision go through NumPy on the host."""
    if dtype_name(x) == "float32":
        xp = namespace(x)
        return xp.astype(x, xp.float64)
    if not LONG_DOUBLE_IS_WIDER or (is_torch(x) and x.device.type != "cpu"):
        return None
    return (x if is_distributed(x) else to_numpy(x)).astype(np.longdouble)


def widest_eps(like: Array) -> float:
    """Largest relative error of one rounding in the wider type, half its machine epsilon."""
    return float(np.finfo(np.float64 if dtype_name(like) == "float32" else np.longdouble).eps) / 2


def narrowed(x: Array, like: Array) -> Array:
    """x rounded to the namespace, dtype and device of `like`."""
    return as_array(x if is_torch(x) else x.astype(np.float64), like)  # torch has no long double
