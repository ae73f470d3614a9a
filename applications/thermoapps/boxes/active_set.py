"""Minima of convex quadratics in a box: the set of bounds that hold, corrected one by one to the last digit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import thermolinalg as tla

__all__ = ["Box", "LeastSquares", "Precision", "Quadratic", "minimise"]

Vector = NDArray[np.float64]
Mask = NDArray[np.bool_]

ROUNDING = 64 * np.finfo(float).eps
"""Slopes below this part of the terms that cancel in them are zero."""


@dataclass(frozen=True)
class Box:
    """lower ≤ x ≤ upper; infinite entries are no bounds.

    Parameters
    ----------
    lower, upper : array, shape (d,)
    """

    lower: Vector
    upper: Vector

    def clipped(self, x: Vector) -> Vector:
        """The nearest point within."""
        return np.asarray(np.clip(x, self.lower, self.upper))

    def held(self, x: Vector, slope: Vector) -> Mask:
        """Which coordinates stand at a bound and are pushed against it."""
        return np.asarray(((x <= self.lower) & (slope >= 0)) | ((x >= self.upper) & (slope <= 0)))


class Quadratic(Protocol):
    """A convex quadratic function of d coordinates."""

    def slope(self, x: Vector) -> tuple[Vector, Vector]:
        """Gradient, and the size of the terms that cancel in it: (d,) each."""
        ...

    def step(self, x: Vector, free: Mask) -> Vector:
        """What leads from x to the minimum over the free coordinates, in these."""
        ...


@dataclass(frozen=True)
class Precision:
    """½ xᵀAx − bᵀx.

    Parameters
    ----------
    A : array, shape (d, d)
        Symmetric positive definite.
    b : array, shape (d,)
    options : dict
        `device` and `rng` of the solves.
    """

    A: Vector
    b: Vector
    options: dict[str, Any]

    def slope(self, x: Vector) -> tuple[Vector, Vector]:
        """Gradient, and the size of the terms that cancel in it."""
        return self.A @ x - self.b, np.abs(self.A) @ np.abs(x) + np.abs(self.b)

    def step(self, x: Vector, free: Mask) -> Vector:
        """A_FF⁻¹ (b − Ax)_F."""
        load = (self.b - self.A @ x)[free]
        return np.asarray(tla.solve(self.A[np.ix_(free, free)], load, assume_a="sym", **self.options))


@dataclass(frozen=True)
class LeastSquares:
    """½ ‖Ax − b‖².

    Parameters
    ----------
    A : array, shape (m, d)
    b : array, shape (m,)
    options : dict
        `device` and `rng` of the solves.
    """

    A: Vector
    b: Vector
    options: dict[str, Any]

    def slope(self, x: Vector) -> tuple[Vector, Vector]:
        """Gradient, and the size of the terms that cancel in it."""
        size = np.abs(self.A)
        return self.A.T @ (self.A @ x - self.b), size.T @ (size @ np.abs(x) + np.abs(self.b))

    def step(self, x: Vector, free: Mask) -> Vector:
        """The least-squares solution of A_F s = b − Ax; nothing is squared."""
        return np.asarray(tla.lstsq(self.A[:, free], self.b - self.A @ x, **self.options)[0])


def minimise(quadratic: Quadratic, box: Box, start: Vector, maxiter: int) -> tuple[Vector, int, bool]:
    """The minimum in a box, by an active set.

    Over the coordinates that no bound holds, the minimum is one solve on the device; where the way to it leaves the
    box, the bound in the way holds its coordinate from then on. At the minimum of a face, the bound that is pulled at
    most lets go.

    Parameters
    ----------
    quadratic : Quadratic
    box : Box
    start : array, shape (d,)
        A guess, the better the shorter the way.
    maxiter : int
        Solves at most.

    Returns
    -------
    x : array, shape (d,)
    n_iter : int
    converged : bool
        Whether the conditions of a minimum hold to rounding.

    References
    ----------
    Lawson and Hanson, Solving Least Squares Problems, 1974, chapter 23; Stark and Parker, Bounded-variable least
    squares, Comput. Stat. 10 (1995) 129.
    """
    x = box.clipped(start)
    free = ~(box.held(x, quadratic.slope(x)[0]) | (box.lower == box.upper))
    released = -1
    for n_iter in range(maxiter):
        if free.any():
            step = np.zeros_like(x)
            step[free] = quadratic.step(x, free)
            share, stopped = _room(box, x, step)
            x = box.clipped(x + share * step)
            if stopped >= 0:
                x[stopped] = box.upper[stopped] if step[stopped] > 0 else box.lower[stopped]
                free[stopped] = False
                if not (stopped == released and share == 0):
                    continue
        slope, size = quadratic.slope(x)
        pulled = np.where(x <= box.lower, -slope, slope)
        pulled[free | (box.lower == box.upper) | (pulled <= ROUNDING * size)] = -np.inf
        if released >= 0 and not free[released]:
            pulled[released] = -np.inf  # it came straight back: what pulls at it is rounding
        if not np.isfinite(pulled).any():
            return x, n_iter + 1, True
        released = int(np.argmax(pulled / np.where(size > 0, size, 1.0)))
        free[released] = True
    return x, maxiter, False


def _room(box: Box, x: Vector, step: Vector) -> tuple[float, int]:
    """The share of a step that stays within the box, at most 1, and the coordinate that stops it, or −1."""
    goal = np.where(step > 0, box.upper, box.lower)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        shares = np.where(step != 0, (goal - x) / step, np.inf)
    stopped = int(np.argmin(shares))
    return (max(float(shares[stopped]), 0.0), stopped) if shares[stopped] < 1 else (1.0, -1)
