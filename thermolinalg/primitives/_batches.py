"""SciPy's leading batch dimensions: a function of core arrays, applied slice by slice."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from thermolinalg._arrays import is_array, is_torch, namespace
from thermolinalg._validation import as_rng

__all__ = ["batched"]


def batched(core: Sequence[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let the first arguments of a function carry leading batch dimensions.

    Parameters
    ----------
    core : sequence of str
        What each leading argument is: 'matrix' (two core dimensions) or 'rhs' (one if it has one dimension in all,
        two otherwise, as in NumPy and SciPy).

    Returns
    -------
    callable
        Decorator. Slices share one stream of randomness; with ``return_info=True`` the info of a batch is the list of
        theirs, in C order.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        names = list(inspect.signature(function).parameters)[: len(core)]

        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            while len(args) < len(names) and names[len(args)] in kwargs:
                args = (*args, kwargs.pop(names[len(args)]))
            leading = [_dense(x) for x in args[: len(core)]]
            shapes = [_batch_shape(x, kind) for x, kind in zip(leading, core, strict=False)]
            if not any(shapes):
                return function(*args, **kwargs)
            _refuse_misfit(leading, core)
            shape = np.broadcast_shapes(*shapes)
            kwargs["rng"] = as_rng(kwargs.get("rng"))
            slices = [_broadcast(x, shape, s) for x, s in zip(leading, shapes, strict=True)]
            rest = args[len(core) :]
            if 0 in shape:  # an empty batch: one system that can be solved shows what would have come out
                stand_ins = (_stand_in(x, kind, s) for x, kind, s in zip(leading, core, shapes, strict=True))
                results = [function(*stand_ins, *rest, **kwargs)]
            else:
                results = [function(*(x[index] for x in slices), *rest, **kwargs) for index in np.ndindex(shape)]
            return _stack(results, shape, bool(kwargs.get("return_info")))

        return wrapper

    return decorate


def _dense(x: Any) -> Any:
    """Lists, numbers and arrays of other libraries become arrays, so that their dimensions can be counted."""
    try:
        foreign = hasattr(x, "__array_namespace__") and not is_array(x)
        return np.asarray(x) if foreign or isinstance(x, (list, tuple, complex, float, int)) else x
    except (ValueError, TypeError, RuntimeError):  # ragged, traced or on a device: the gatekeeper says so by name
        return x


def _batch_shape(x: Any, kind: str) -> tuple[int, ...]:
    if not (isinstance(x, np.ndarray) or is_torch(x)):
        return ()
    return tuple(x.shape[: -1 if kind == "rhs" and x.ndim == 1 else -2]) if x.ndim > 2 else ()


def _refuse_misfit(leading: list[Any], core: Sequence[str]) -> None:
    """ValueError if b has not as many rows as the matrices of a batch; a single number divides b of any shape."""
    shapes = [tuple(getattr(x, "shape", ())) for x in leading]
    if list(core) != ["matrix", "rhs"] or len(shapes) != 2 or len(shapes[0]) < 2 or math.prod(shapes[0]) == 1:
        return
    rows, b = shapes[0][-2], shapes[1]
    found = b[0 if len(b) == 1 else -2] if b else 1
    if found != rows:
        raise ValueError(f"b has {found} rows where A has {rows}: shapes {b} and {shapes[0]} do not fit")


def _broadcast(x: Any, shape: tuple[int, ...], own: tuple[int, ...]) -> Any:
    return namespace(x).broadcast_to(x, shape + tuple(x.shape[len(own) :]))


def _stand_in(x: Any, kind: str, own: tuple[int, ...]) -> Any:
    xp, shape = namespace(x), tuple(x.shape[len(own) :])
    place = {"dtype": x.dtype, "device": x.device}
    return xp.eye(*shape, **place) if kind == "matrix" else xp.zeros(shape, **place)


def _stack(results: list[Any], shape: tuple[int, ...], with_info: bool) -> Any:
    if with_info:
        values, infos = zip(*results, strict=True)
        return _join(list(values), shape), list(infos)[: math.prod(shape)]
    return _join(results, shape)


def _join(values: list[Any], shape: tuple[int, ...]) -> Any:
    if isinstance(values[0], tuple):
        joined = (_join(list(column), shape) for column in zip(*values, strict=True))
        kind = type(values[0])
        return kind(*joined) if hasattr(kind, "_fields") else tuple(joined)
    if not hasattr(values[0], "shape"):
        values = [np.asarray(v) for v in values]
    xp = namespace(values[0])
    stacked = xp.stack([v if is_array(v) else xp.asarray(v) for v in values])[: math.prod(shape)]
    return xp.reshape(stacked, shape + tuple(values[0].shape))
