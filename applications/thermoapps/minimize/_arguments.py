"""The arguments of the methods, read as SciPy reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, HessianUpdateStrategy, OptimizeResult

from thermoapps.least_squares._differences import DIFFERENCES
from thermoapps.minimize._objective import Objective

__all__ = ["read_bounds", "read_objective", "read_start", "read_tolerance", "read_watcher"]

Vector = NDArray[np.float64]
Watcher = Callable[[Vector, float], bool]


def read_start(x0: Any) -> Vector:
    """x0 as a vector of float64."""
    if np.iscomplexobj(x0):
        raise ValueError("x0 must be real; pass the real and imaginary parts as variables of their own")
    start = np.atleast_1d(np.array(x0, dtype=float))
    if start.ndim != 1:
        raise ValueError("'x0' must only have one dimension.")
    if start.size == 0:
        raise ValueError("x0 has no entries; pass at least one variable")
    if not np.isfinite(start).all():
        raise ValueError("x0 holds NaN or infinity")
    return start


def read_bounds(bounds: Any, n: int) -> tuple[Vector, Vector]:
    """Lower and upper bounds from SciPy's `Bounds` or pairs (min, max), None being no bound."""
    if bounds is None:
        return np.full(n, -np.inf), np.full(n, np.inf)
    if isinstance(bounds, Bounds):
        sides = [bounds.lb, bounds.ub]
    else:
        pairs = [tuple(pair) for pair in bounds]
        if len(pairs) != n or any(len(pair) != 2 for pair in pairs):
            raise ValueError(f"bounds must be Bounds or one pair (min, max) for each of the {n} entries of x0")
        nothing = (-np.inf, np.inf)
        sides = [[nothing[k] if pair[k] is None else pair[k] for pair in pairs] for k in (0, 1)]
    try:
        lower, upper = (np.broadcast_to(np.asarray(side, dtype=float), (n,)).copy() for side in sides)
    except ValueError:
        raise ValueError(f"bounds must be numbers, or as many as x0 has entries, {n}") from None
    if not np.all(lower <= upper):
        raise ValueError("An upper bound is less than the corresponding lower bound.")
    return lower, upper


def read_objective(
    fun: Any, args: Any, jac: Any, curvature: Any, product: Any, bounds: tuple[Vector, Vector], name: str
) -> Objective:
    """The objective that the arguments describe; `name` is that of the curvature's argument."""
    extra = tuple(args) if isinstance(args, Sequence) else (args,)
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    if jac is True:
        pair = _Pair(fun)
        fun, jac = pair.value, pair.gradient
    elif jac is None or jac is False:
        jac = "2-point"
    if not callable(jac) and jac not in DIFFERENCES:
        raise ValueError(f"jac must be callable, True, or one of {sorted(DIFFERENCES)}, got {jac!r}")
    if product is not None and not callable(product):
        raise TypeError(f"hessp must be callable, got {type(product).__name__}")
    if curvature is None and product is None:
        if not callable(jac):
            raise ValueError(f"jac or {name} is required: pass a callable jac=, from which {name} can be differenced")
        curvature = "2-point"
    if isinstance(curvature, str) and product is None:
        if curvature not in DIFFERENCES:
            raise ValueError(f"{name} must be callable or one of {sorted(DIFFERENCES)}, got {curvature!r}")
        if not callable(jac):
            raise ValueError(f"{name}={curvature!r} takes differences of the gradient: pass a callable jac=")
    elif curvature is not None and not callable(curvature) and not isinstance(curvature, HessianUpdateStrategy):
        raise TypeError(f"{name} must be callable, got {type(curvature).__name__}")
    return Objective(
        lambda x: fun(x, *extra),
        (lambda x: jac(x, *extra)) if callable(jac) else jac,
        (lambda x: curvature(x, *extra)) if callable(curvature) else curvature,
        (lambda x, p: product(x, p, *extra)) if product is not None else None,
        *bounds,
        name,
    )


def read_tolerance(value: Any, name: str) -> float:
    """A finite number from zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not 0 <= number < np.inf:
        raise ValueError(f"{name} must be a finite number from 0, got {value!r}")
    return number


def read_watcher(callback: Any) -> Watcher:
    """What is done after each iteration, callback(x) or callback(intermediate_result=...); True ends the search."""
    if callback is None:
        return lambda x, fun: False
    if not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    named = set(inspect.signature(callback).parameters) == {"intermediate_result"}

    def watch(x: Vector, fun: float) -> bool:
        try:
            if named:
                callback(intermediate_result=OptimizeResult(x=x.copy(), fun=fun))
            else:
                callback(x.copy())
        except StopIteration:
            return True
        return False

    return watch


class _Pair:
    """A function that returns its value and its gradient, called once for both."""

    def __init__(self, fun: Any) -> None:
        self._fun = fun
        self._at: Any = None
        self._found: Any = None

    def value(self, x: Any, *args: Any) -> Any:
        return self._both(x, args)[0]

    def gradient(self, x: Any, *args: Any) -> Any:
        return self._both(x, args)[1]

    def _both(self, x: Any, args: Any) -> Any:
        if self._at is None or not np.array_equal(self._at, x):
            self._at = np.array(x)
            self._found = self._fun(x, *args)
        return self._found
