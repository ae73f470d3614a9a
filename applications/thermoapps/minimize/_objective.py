"""The function, its gradient and its curvature as the user gave them: called, counted, checked for what is finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import HessianUpdateStrategy
from scipy.sparse.linalg import LinearOperator

from thermoapps.least_squares._differences import Differences, relative_noise
from thermoapps.minimize._curvature import read_curvature

__all__ = ["Objective", "Point"]

Vector = NDArray[np.float64]

EXACT = 1e-8
"""Negative curvature, of the largest, that counts as rounding where no differences are taken."""


@dataclass(frozen=True)
class Point:
    """A point, with the function and the gradient there."""

    x: Vector
    fun: float
    gradient: Vector


@dataclass
class Objective:
    """A function of n variables within bounds, and how often it was asked what.

    Parameters
    ----------
    fun : callable
        f(x).
    jac : callable or str
        Gradient, or the name of a scheme of differences.
    curvature : callable, str or HessianUpdateStrategy
        Matrix of a point, differences of the gradient, or updates from the gradients met.
    product : callable or None
        (x, p) ↦ B p in the place of a matrix.
    lower, upper : array, shape (n,)
        Bounds.
    name : str
        Of the argument that gives the curvature, for messages.
    """

    fun: Callable[[Any], Any]
    jac: Any
    curvature: Any
    product: Callable[[Vector, Vector], Any] | None
    lower: Vector
    upper: Vector
    name: str
    nfev: int = field(default=0, init=False)
    njev: int = field(default=0, init=False)
    nhev: int = field(default=0, init=False)
    _last: Point | None = field(default=None, init=False)

    @property
    def noise(self) -> float:
        """Part of the curvature that is rounding."""
        return max(EXACT, self.differences)

    @property
    def differences(self) -> float:
        """Error of the curvature, of its size, where differences are taken."""
        return relative_noise(self.curvature)

    def value(self, x: Vector) -> float:
        """The function, infinite where it is no number; a number that falls for ever is kept."""
        number = float(self._values(x)[0])
        return np.inf if np.isnan(number) else number

    def point(self, x: Vector, fun: float, typical: Vector) -> Point | None:
        """The point with its gradient; None where that is not finite."""
        self.njev += 1
        if callable(self.jac):
            gradient = np.array(self.jac(x.copy()), dtype=float).reshape(-1)
        else:
            gradient = self._differences(self._values, self.jac)(x, np.array([fun]), typical)[0]
        if gradient.shape != x.shape:
            raise ValueError(f"jac must return as many entries as x0 has, {x.size}, got {gradient.size}")
        return Point(x, fun, gradient) if np.isfinite(gradient).all() else None

    def matrix(self, point: Point, typical: Vector) -> Any:
        """The curvature of a point, None where it is not finite."""
        self.nhev += 1
        x, n = point.x, point.x.size
        if self.product is not None:
            return self._map(x)
        if isinstance(self.curvature, HessianUpdateStrategy):
            return read_curvature(self._updated(point), n, self.name)
        if isinstance(self.curvature, str):
            difference = self._differences(self._gradient, self.curvature)
            return read_curvature(difference(x, point.gradient, typical), n, self.name, noisy=True)
        return read_curvature(self.curvature(x.copy()), n, self.name)

    def _values(self, x: Any) -> Any:
        self.nfev += 1
        value = np.asarray(self.fun(x.copy()))
        if value.size != 1:
            raise ValueError("The user-provided objective function must return a scalar value.")
        return value.reshape(1)

    def _gradient(self, x: Any) -> Any:
        self.njev += 1
        return np.array(self.jac(x.copy())).reshape(-1)

    def _differences(self, function: Callable[[Any], Any], scheme: str) -> Differences:
        return Differences(function, scheme, (self.lower, self.upper), None, None)

    def _map(self, x: Vector) -> LinearOperator:
        assert self.product is not None
        given, at = self.product, x.copy()

        def product(p: Vector) -> Vector:
            return np.asarray(given(at, np.ravel(p)), dtype=float).reshape(-1)

        return LinearOperator((x.size, x.size), matvec=product, rmatvec=product, dtype=np.float64)

    def _updated(self, point: Point) -> Any:
        before, self._last = self._last, point
        if before is None:
            self.curvature.initialize(point.x.size, "hess")
        elif not np.array_equal(before.x, point.x):
            self.curvature.update(point.x - before.x, point.gradient - before.gradient)
        return self.curvature.get_matrix()
