"""The array API for arrays on several ranks, as far as vectors of unknowns need it.

Functions of entries are NumPy's own, which `DistributedArray` answers itself. All others take arrays of NumPy as well:
what the ranks have reduced is one.
"""

from __future__ import annotations

import builtins
import math
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy import (
    abs,
    copysign,
    exp,
    exp2,
    expm1,
    finfo,
    float32,
    float64,
    hypot,
    inf,
    isdtype,
    isfinite,
    isnan,
    ldexp,
    log,
    log1p,
    log2,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    nan,
    sign,
    sqrt,
    square,
)

from thermolinalg._ranks import array
from thermolinalg._ranks.array import DistributedArray, elementwise, reduced
from thermolinalg._ranks.partition import Partition

__all__ = [
    "abs",
    "all",
    "any",
    "argmax",
    "argmin",
    "asarray",
    "astype",
    "clip",
    "concat",
    "conj",
    "copysign",
    "empty",
    "empty_like",
    "exp",
    "exp2",
    "expm1",
    "finfo",
    "float32",
    "float64",
    "full",
    "full_like",
    "hypot",
    "inf",
    "isdtype",
    "isfinite",
    "isnan",
    "ldexp",
    "linalg",
    "log",
    "log1p",
    "log2",
    "logical_and",
    "logical_not",
    "logical_or",
    "matmul",
    "matrix_transpose",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "nan",
    "norm",
    "ones",
    "ones_like",
    "reshape",
    "result_type",
    "round",
    "sign",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sum",
    "where",
    "zeros",
    "zeros_like",
]


class NotThereError(NotImplementedError, AttributeError):
    """What this namespace lacks of the standard."""


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotThereError(
        f"{name} of arrays whose rows lie on several ranks is not there: bring the rows together, or ask what needs "
        "products only (solve, langevin, sample, inv_diagonal, program)"
    )


Array = Any
"""A `DistributedArray`, or an array of NumPy that is the same on every rank."""


def _shared(*arrays: Any) -> DistributedArray | None:
    """The first of the arrays that lies on several ranks."""
    return next((x for x in arrays if isinstance(x, DistributedArray)), None)


# -- entries ----------------------------------------------------------------------------------------------------------


def where(condition: Array, x: Array, y: Array) -> Array:
    """As NumPy's."""
    return np.where(condition, x, y) if _shared(condition, x, y) is None else elementwise(np.where, condition, x, y)


def round(x: Array) -> Array:
    """As NumPy's."""
    return np.round(x) if _shared(x) is None else elementwise(np.round, x)


def clip(x: Array, lower: Any = None, upper: Any = None) -> Array:
    """As NumPy's."""
    return np.clip(x, lower, upper) if _shared(x) is None else elementwise(np.clip, x, lower, upper)


def conj(x: Array) -> Array:
    """x itself: arrays on several ranks are real."""
    return np.conj(x) if _shared(x) is None else x


def astype(x: Array, dtype: Any, *, copy: bool = True) -> Array:
    """x in another dtype."""
    return x.astype(dtype, copy=copy)


def asarray(x: Any, *, dtype: Any = None, copy: bool | None = None) -> Array:
    """x in a dtype, in memory of its own where a copy is asked for."""
    if _shared(x) is None:
        return np.asarray(x, dtype=dtype, copy=copy)
    return x.astype(x.dtype if dtype is None else dtype, copy=builtins.bool(copy))


def result_type(*arrays: Any) -> Any:
    """As NumPy's."""
    return np.result_type(*(x.dtype if isinstance(x, DistributedArray) else x for x in arrays))


# -- reductions -------------------------------------------------------------------------------------------------------


def sum(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Sum over an axis, or over everything."""
    return np.sum(x, axis=axis, keepdims=keepdims) if _shared(x) is None else reduced("sum", x, axis, keepdims=keepdims)


def max(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Largest entry over an axis, or of everything."""
    return np.max(x, axis=axis, keepdims=keepdims) if _shared(x) is None else reduced("max", x, axis, keepdims=keepdims)


def min(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Smallest entry over an axis, or of everything."""
    if _shared(x) is None:
        return np.min(x, axis=axis, keepdims=keepdims)
    return -reduced("max", -x, axis, keepdims=keepdims)


def all(x: Array, *, axis: int | None = None) -> Array:
    """Whether no entry is zero."""
    return x.all(axis)


def any(x: Array, *, axis: int | None = None) -> Array:
    """Whether some entry is not zero."""
    return x.any(axis)


def mean(x: Array, *, axis: int | None = None) -> Array:
    """Mean over an axis, or of everything."""
    return sum(x, axis=axis) / (x.size if axis is None else x.shape[axis])


def std(x: Array, *, axis: int | None = None) -> Array:
    """Standard deviation over an axis, or of everything."""
    centre = sum(x, axis=axis, keepdims=True) / (x.size if axis is None else x.shape[axis])
    return mean((x - centre) ** 2, axis=axis) ** 0.5


def argmax(x: Array) -> int:
    """Where the first of the largest entries of a vector is."""
    if _shared(x) is None:
        return int(np.argmax(x))
    here = int(np.argmax(x.local)) if x.local.size else None
    found = (-math.inf, 0) if here is None else (float(x.local.ravel()[here]), here + x.partition.start)
    return int(builtins.max(x.partition.comm.allgather(found), key=lambda pair: (pair[0], -pair[1]))[1])


def argmin(x: Array) -> int:
    """Where the first of the smallest entries of a vector is."""
    return argmax(-x)


# -- shapes -----------------------------------------------------------------------------------------------------------


def concat(arrays: Sequence[Array], *, axis: int = 0) -> Array:
    """Arrays side by side along an axis of which every rank has the whole."""
    first = _shared(*arrays)
    if first is None:
        return np.concatenate(arrays, axis=axis)
    if axis % first.ndim == first.axis:
        raise TypeError("rows on several ranks have no others after them: put columns side by side instead")
    return elementwise(lambda *parts: np.concatenate(parts, axis=axis), *arrays)


def stack(arrays: Sequence[Array], *, axis: int = 0) -> Array:
    """Arrays side by side along a new axis."""
    first = _shared(*arrays)
    if first is None:
        return np.stack(arrays, axis=axis)
    local = np.stack([x.local for x in arrays], axis=axis)
    return DistributedArray(local, first.partition, first.axis + (axis % local.ndim <= first.axis))


def reshape(x: Array, shape: int | tuple[int, ...]) -> Array:
    """The same entries in another shape, in which the shared axis stands among as many entries as before."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if _shared(x) is None:
        return np.reshape(x, shape)
    if -1 in shape:
        rest = math.prod(n for n in shape if n != -1)
        shape = tuple(x.size // rest if n == -1 and rest else n for n in shape)
    before = math.prod(x.shape[: x.axis])
    for axis, n in enumerate(shape):
        if n == x.shape[x.axis] and math.prod(shape[:axis]) == before and math.prod(shape) == x.size:
            local = (*shape[:axis], x.local.shape[x.axis], *shape[axis + 1 :])
            return DistributedArray(x.local.reshape(local), x.partition, axis)
    raise TypeError(f"an array of shape {x.shape} whose rows lie on several ranks cannot take the shape {shape}")


def squeeze(x: Array, *, axis: int) -> Array:
    """Without an axis of length one."""
    return np.squeeze(x, axis=axis) if _shared(x) is None else x[(slice(None),) * (axis % x.ndim) + (0,)]


def matrix_transpose(x: Array) -> Array:
    """The last two axes exchanged."""
    return np.swapaxes(x, -1, -2) if _shared(x) is None else x.mT


def matmul(a: Array, b: Array) -> Array:
    """A B."""
    return np.matmul(a, b) if _shared(a, b) is None else array.matmul(a, b)


# -- new arrays -------------------------------------------------------------------------------------------------------


def _made(make: Callable[[tuple[int, ...]], np.ndarray], shape: int | tuple[int, ...], device: Any) -> Array:
    """A new array of that shape; on the ranks of a `Partition` where that is its device.

    The shared axis is the one with as many entries as there are rows: of several, the last of a stack, else the first.
    """
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if not isinstance(device, Partition):
        return make(shape)
    fitting = [axis for axis, n in enumerate(shape) if n == device.rows]
    if not fitting:
        raise TypeError(f"an array of shape {shape} does not lie on ranks that share {device.rows} rows")
    axis = fitting[-1 if len(shape) > 2 else 0]
    local = (*shape[:axis], device.stop - device.start, *shape[axis + 1 :])
    return DistributedArray(make(local), device, axis)


def full(shape: int | tuple[int, ...], value: Any, *, dtype: Any = None, device: Any = None) -> Array:
    """An array of one value."""
    return _made(lambda local: np.full(local, value, dtype=dtype), shape, device)


def zeros(shape: int | tuple[int, ...], *, dtype: Any = float64, device: Any = None) -> Array:
    """Zeros."""
    return _made(lambda local: np.zeros(local, dtype), shape, device)


def ones(shape: int | tuple[int, ...], *, dtype: Any = float64, device: Any = None) -> Array:
    """Ones."""
    return _made(lambda local: np.ones(local, dtype), shape, device)


def empty(shape: int | tuple[int, ...], *, dtype: Any = float64, device: Any = None) -> Array:
    """Memory."""
    return _made(lambda local: np.empty(local, dtype), shape, device)


def full_like(x: Array, value: Any, *, dtype: Any = None) -> Array:
    """An array of one value that lies where x does."""
    if _shared(x) is None:
        return np.full_like(x, value, dtype=dtype)
    return DistributedArray(np.full_like(x.local, value, dtype=dtype), x.partition, x.axis)


def zeros_like(x: Array, *, dtype: Any = None) -> Array:
    """Zeros that lie where x does."""
    return full_like(x, 0, dtype=dtype)


def ones_like(x: Array, *, dtype: Any = None) -> Array:
    """Ones that lie where x does."""
    return full_like(x, 1, dtype=dtype)


def empty_like(x: Array, *, dtype: Any = None) -> Array:
    """Memory that lies where x does."""
    if _shared(x) is None:
        return np.empty_like(x, dtype=dtype)
    return DistributedArray(np.empty_like(x.local, dtype=dtype), x.partition, x.axis)


def norm(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Euclidean norms along an axis, or of everything; `numpy.linalg.norm` of such arrays."""
    return sum(x * x, axis=axis, keepdims=keepdims) ** 0.5


linalg = SimpleNamespace(vector_norm=norm)
