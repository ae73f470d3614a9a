"""A nonlinear least-squares problem: its functions evaluated, and what is known at a point."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps.least_squares._differences import Differences
from thermoapps.least_squares._jacobians import as_jacobian, column_norms, is_finite, magnitude, scaled
from thermoapps.least_squares._losses import RobustLoss

__all__ = ["Point", "Problem"]

Vector = NDArray[np.float64]

ROUNDING = 64 * np.finfo(float).eps
"""Changes of the cost up to so many times the sum of the terms that cancel in it are rounding."""


@dataclass
class Point:
    """Where the search stands: x, f(x), the cost and the Jacobian; the model is what the loss makes of f and J."""

    x: Vector
    f: Vector
    cost: float
    loss: RobustLoss
    raw_jacobian: Any

    @cached_property
    def _model(self) -> tuple[Vector, Any]:
        return self.loss.model(self.f, self.raw_jacobian)

    @property
    def residuals(self) -> Vector:
        """Of the quadratic model."""
        return self._model[0]

    @property
    def jacobian(self) -> Any:
        """Of the quadratic model."""
        return self._model[1]

    @cached_property
    def gradient(self) -> Vector:
        """Of the cost."""
        return np.asarray(self.jacobian.T @ self.residuals)

    @cached_property
    def column_norms(self) -> Vector | None:
        """Of the Jacobian of fun: how much each variable moves the residuals. None where J is an operator."""
        return column_norms(self.raw_jacobian)

    @cached_property
    def weighted(self) -> tuple[Vector, Any]:
        """Residuals and Jacobian times √ρ′, by which residuals count: its least squares have the same gradient."""
        weights = self.loss.weights(self.f)
        if weights is None:
            return self.f, self.raw_jacobian
        return weights * self.f, scaled(self.raw_jacobian, rows=weights)

    @cached_property
    def rounding(self) -> float:
        """Changes of the cost up to this are rounding: of its squares, and of a model whose terms are like |J||x|."""
        terms = float(abs(self.residuals) @ magnitude(self.jacobian, self.x))
        return ROUNDING * max(self.loss.rounding(self.cost), terms)


@dataclass
class Problem:
    """Functions, bounds and tolerances, checked; made by `read_problem`."""

    fun: Callable[[Any], Any]
    jac: Callable[[Any], Any] | None
    x0: Vector
    lower: Vector
    upper: Vector
    ftol: float
    xtol: float
    gtol: float
    x_scale: Vector | None
    loss: RobustLoss
    max_nfev: int
    differences: Differences | None = None
    square_or_tall: bool = False
    dense_only: bool = False
    scale_from_jacobian: bool = False
    nfev: int = field(default=0, init=False)
    njev: int = field(default=0, init=False)

    @property
    def fixed(self) -> NDArray[np.bool_]:
        """Variables whose bounds are equal."""
        return np.asarray(self.lower == self.upper)

    @property
    def noise(self) -> float:
        """Error of a column of J, relative to its norm; zero where the Jacobian is as exact as its numbers."""
        return 0.0 if self.differences is None else self.differences.noise

    def values(self, x: Any) -> Vector:
        """f(x), of shape (m,), in the precision of fun; complex where x is."""
        with np.errstate(all="ignore"):
            f = np.atleast_1d(np.asarray(self.fun(x)))
        if f.ndim != 1:
            raise ValueError(f"fun must return residuals of one dimension, got shape {f.shape}")
        if np.iscomplexobj(f) and not np.iscomplexobj(x):
            raise ValueError("fun must return real residuals; stack the real and imaginary parts")
        return f if np.issubdtype(f.dtype, np.inexact) else f.astype(float)

    def evaluate(self, x: Vector) -> tuple[Vector, float]:
        """Residuals at x and their cost, which is infinite where they are not finite; an evaluation that counts."""
        self.nfev += 1
        f = self.values(x.copy())
        return f, self.loss.cost(f.astype(float))

    def start(self, typical: Vector) -> Point:
        """The first point; `typical` are sizes of the variables."""
        f, cost = self.evaluate(self.x0)
        if not np.all(np.isfinite(f)):
            raise ValueError("Residuals are not finite in the initial point: start elsewhere")
        if not np.isfinite(cost) or (cost < np.finfo(float).tiny and np.any(f)):
            raise ValueError("squares of the residuals at x0 over- or underflow: let fun return other units")
        pattern = None if self.differences is None else self.differences.sparsity
        if pattern is not None and pattern.shape[0] != f.size:
            raise ValueError(f"jac_sparsity must have the shape {(f.size, self.x0.size)} of J, got {pattern.shape}")
        point = self.point(self.x0, f, cost, typical)
        if point is None:
            raise ValueError("jac is not finite at x0; start elsewhere")
        return point

    def point(self, x: Vector, f: Vector, cost: float, typical: Vector) -> Point | None:
        """The point x with residuals f and the Jacobian there, or None where that is not finite."""
        self.njev += 1
        with np.errstate(all="ignore"):
            if self.differences is not None:
                jacobian = self.differences(x, f, typical)
            else:
                assert self.jac is not None
                jacobian = as_jacobian(self.jac(x.copy()))
        if jacobian.shape != (f.size, x.size):
            raise ValueError(f"jac must return shape {(f.size, x.size)}, got shape {jacobian.shape}")
        if not is_finite(jacobian):
            return None
        return Point(x, f.astype(float), cost, self.loss, jacobian)

    def scale(self, largest: Vector | None) -> Vector:
        """D: the user's, or the largest column norms of J so far."""
        if self.x_scale is not None:
            return 1 / self.x_scale
        return np.ones_like(self.x0) if largest is None else np.where(largest > 0, largest, 1.0)

    def active_mask(self, x: Vector) -> NDArray[np.int_]:
        """−1 at a lower bound, 1 at an upper one, 0 between."""
        return np.where(x <= self.lower, -1, np.where(x >= self.upper, 1, 0))

    def held(self, point: Point) -> NDArray[np.bool_]:
        """Variables that are fixed, or that the gradient pushes against their bounds."""
        return self.fixed | (self.active_mask(point.x) * point.gradient < 0)

    def optimality(self, point: Point) -> float:
        """Largest gradient entry of the variables that are free to follow it."""
        return float(np.max(abs(point.gradient[~self.held(point)]), initial=0.0))
