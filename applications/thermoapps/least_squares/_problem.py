"""A nonlinear least-squares problem: arguments read, functions evaluated, tests of convergence."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import Bounds
from scipy.sparse import issparse

from thermoapps.least_squares._differences import DIFFERENCES, difference_jacobian
from thermoapps.least_squares._losses import LOSSES, RobustLoss

__all__ = ["Point", "Problem", "read_problem"]

Vector = NDArray[np.float64]

ROUNDING = 64 * np.finfo(float).eps
"""Changes of the cost up to so many times the sum of the terms that cancel in it are rounding."""


@dataclass
class Point:
    """Where the search stands: x, f(x), column norms of its Jacobian, and the model, J and f with the loss in them."""

    x: Vector
    f: Vector
    cost: float
    column_norms: Vector
    residuals: Vector
    jacobian: Vector

    @property
    def gradient(self) -> Vector:
        """Of the cost."""
        return self.jacobian.T @ self.residuals

    @property
    def rounding(self) -> float:
        """Changes of the cost up to this are rounding: of its squares, and of a model whose terms are like |J||x|."""
        terms = abs(self.residuals) @ (abs(self.jacobian) @ abs(self.x))
        return ROUNDING * max(self.cost, float(terms))


@dataclass
class Problem:
    """Functions, bounds and tolerances, checked; made by `read_problem`."""

    fun: Callable[[Any], Any]
    jac: str | Callable[[Any], Any]
    x0: Vector
    lower: Vector
    upper: Vector
    ftol: float
    xtol: float
    gtol: float
    x_scale: Vector | None
    loss: RobustLoss
    diff_step: Vector | None
    max_nfev: int

    def residuals(self, x: Any) -> Vector:
        """f(x), of shape (m,); complex where x is."""
        f = np.atleast_1d(np.asarray(self.fun(x)))
        if f.ndim != 1:
            raise ValueError(f"fun must return residuals of one dimension, got shape {f.shape}")
        if np.iscomplexobj(f) and not np.iscomplexobj(x):
            raise ValueError("fun must return real residuals; stack the real and imaginary parts")
        return f if np.iscomplexobj(x) else f.astype(float)

    def start(self) -> Point:
        """The first point."""
        f = self.residuals(self.x0.copy())
        if not np.all(np.isfinite(f)):
            raise ValueError("fun returns residuals that are not finite at x0; start elsewhere")
        return self.point(self.x0, f)

    def point(self, x: Vector, f: Vector) -> Point:
        """The point x with residuals f; the Jacobian is evaluated."""
        if callable(self.jac):
            jacobian = self.jac(x.copy())
            jacobian = np.atleast_2d(np.asarray(jacobian.toarray() if issparse(jacobian) else jacobian, dtype=float))
        else:
            jacobian = difference_jacobian(self.residuals, x, f, self.jac, (self.lower, self.upper), self.diff_step)
        if jacobian.shape != (f.size, x.size):
            raise ValueError(f"jac must return shape {(f.size, x.size)}, got shape {jacobian.shape}")
        if not np.all(np.isfinite(jacobian)):
            raise ValueError(f"jac is not finite at x = {x}; restrict x by bounds")
        norms = np.linalg.norm(jacobian, axis=0)
        return Point(x, f, self.loss.cost(f), norms, *self.loss.model(f, jacobian))

    def scale(self, largest: Vector) -> Vector:
        """D: the user's, or the largest column norms of J so far."""
        return np.where(largest > 0, largest, 1.0) if self.x_scale is None else 1 / self.x_scale

    def active_mask(self, x: Vector) -> NDArray[np.int_]:
        """−1 at a lower bound, 1 at an upper one, 0 between."""
        return np.where(x <= self.lower, -1, np.where(x >= self.upper, 1, 0))

    def optimality(self, point: Point) -> float:
        """Largest gradient entry of the variables that are free to follow it."""
        held = self.active_mask(point.x) * point.gradient < 0
        return float(np.max(abs(point.gradient[~held]), initial=0.0))

    def termination(self, point: Point, step: Vector, actual: float, ratio: float) -> int | None:
        """SciPy's status where a step is the last one."""
        flat = actual < self.ftol * point.cost and ratio > 0.25
        short = float(np.linalg.norm(step)) < self.xtol * (self.xtol + float(np.linalg.norm(point.x)))
        return 4 if flat and short else 2 if flat else 3 if short else None


def read_problem(
    fun: Callable[..., ArrayLike],
    x0: ArrayLike,
    jac: str | Callable[..., Any],
    bounds: Any,
    method: str,
    tolerances: tuple[float | None, float | None, float | None],
    x_scale: str | ArrayLike | None,
    loss: str | Callable[[Vector], ArrayLike],
    f_scale: float,
    diff_step: ArrayLike | None,
    max_nfev: int | None,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None,
) -> Problem:
    """The problem that the arguments of `thermodynamic_least_squares` describe."""
    if not callable(fun):
        raise ValueError("fun must be callable")
    if not callable(jac) and not (isinstance(jac, str) and jac in DIFFERENCES):
        raise ValueError(f"jac must be one of {sorted(DIFFERENCES)} or callable, got {jac!r}")
    if not callable(loss) and not (isinstance(loss, str) and loss in LOSSES):
        raise ValueError(f"loss must be one of {sorted(LOSSES)} or callable, got {loss!r}")
    if isinstance(f_scale, bool) or not isinstance(f_scale, Real) or not 0 < f_scale < np.inf:
        raise ValueError(f"f_scale must be a positive number, got {f_scale!r}")
    if np.iscomplexobj(x0):
        raise ValueError("x0 must be real; pass the real and imaginary parts as variables of their own")
    start = np.atleast_1d(np.array(x0, dtype=float))
    if start.ndim != 1 or start.size == 0:
        raise ValueError(f"x0 must have one dimension and at least one entry, got shape {start.shape}")
    if not np.all(np.isfinite(start)):
        raise ValueError("x0 holds NaN or infinity")
    lower, upper = _read_bounds(bounds, start)
    if method not in ("trf", "dogbox", "lm"):
        raise ValueError(f"method must be 'trf', 'dogbox' or 'lm', got {method!r}")
    if method == "lm" and (loss != "linear" or np.any(np.isfinite([lower, upper]))):
        raise ValueError("method='lm' takes neither bounds nor robust losses; leave method out")
    ftol, xtol, gtol = _read_tolerances(tolerances)
    if max_nfev is not None and (not isinstance(max_nfev, Integral) or max_nfev <= 0):
        raise ValueError(f"max_nfev must be None or a positive integer, got {max_nfev!r}")
    extra = dict(kwargs or {})
    return Problem(
        lambda x: fun(x, *args, **extra),
        (lambda x: jac(x, *args, **extra)) if callable(jac) else jac,
        start,
        lower,
        upper,
        ftol,
        xtol,
        gtol,
        None if x_scale is None or (isinstance(x_scale, str) and x_scale == "jac") else _positive(x_scale, start),
        RobustLoss(loss, float(f_scale)),
        None if diff_step is None else _positive(diff_step, start, "diff_step"),
        100 * start.size if max_nfev is None else int(max_nfev),
    )


def _read_bounds(bounds: Any, x0: Vector) -> tuple[Vector, Vector]:
    pair = (bounds.lb, bounds.ub) if isinstance(bounds, Bounds) else bounds
    if not isinstance(pair, Sequence) or len(pair) != 2:
        raise ValueError("bounds must be a pair (lower, upper) or scipy.optimize.Bounds")
    try:
        lower, upper = (np.broadcast_to(np.asarray(side, dtype=float), x0.shape) for side in pair)
    except ValueError:
        raise ValueError(f"bounds must be numbers or have the shape {x0.shape} of x0") from None
    if not np.all(lower < upper):
        raise ValueError("bounds: each lower bound must be below its upper bound")
    if not np.all((lower <= x0) & (x0 <= upper)):
        raise ValueError("x0 is outside of the bounds")
    return lower, upper


def _read_tolerances(tolerances: tuple[float | None, float | None, float | None]) -> tuple[float, float, float]:
    values = [0.0 if tol is None else float(tol) for tol in tolerances]
    for name, value in zip(("ftol", "xtol", "gtol"), values, strict=True):
        if not value >= 0:
            raise ValueError(f"{name} must be None or a number from 0, got {value}")
    if max(values) < np.finfo(float).eps:
        raise ValueError("one of ftol, xtol and gtol must be above machine epsilon")
    return values[0], values[1], values[2]


def _positive(value: Any, x0: Vector, name: str = "x_scale") -> Vector:
    try:
        numbers = np.broadcast_to(np.asarray(value, dtype=float), x0.shape)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be positive numbers, one or as many as x0 has") from None
    if not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise ValueError(f"{name} must be positive and finite")
    return numbers
