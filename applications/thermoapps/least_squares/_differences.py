"""Jacobians by finite differences that stay within bounds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIFFERENCES", "difference_jacobian"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

DIFFERENCES = {"2-point": EPS**0.5, "3-point": EPS ** (1 / 3), "cs": EPS**0.5}
"""Relative step of each scheme: where truncation and rounding errors meet."""


def difference_jacobian(
    fun: Callable[[Any], Vector],
    x: Vector,
    f: Vector,
    scheme: str,
    bounds: tuple[Vector, Vector],
    relative_step: Vector | None,
) -> Vector:
    """Jacobian of fun at x by forward ('2-point'), central ('3-point') or complex-step ('cs') differences.

    A step that would leave the bounds turns round; where neither side has room for it, it is made smaller.
    """
    step = DIFFERENCES[scheme] * np.maximum(1, abs(x)) if relative_step is None else relative_step * abs(x)
    step = np.where(step == 0, DIFFERENCES[scheme] * np.maximum(1, abs(x)), step) * np.where(x < 0, -1.0, 1.0)
    columns = [_column(fun, x, f, scheme, bounds, i, float(step[i])) for i in range(x.size)]
    return np.stack(columns, axis=1)


def _column(
    fun: Callable[[Any], Vector],
    x: Vector,
    f: Vector,
    scheme: str,
    bounds: tuple[Vector, Vector],
    i: int,
    h: float,
) -> Vector:
    def at(shift: float | complex) -> tuple[Any, Any]:
        moved = x.astype(complex) if scheme == "cs" else x.copy()
        moved[i] += shift
        return fun(moved), moved[i] - x[i]  # the step as it was rounded

    if scheme == "cs":
        return np.asarray(at(1j * h)[0].imag / h)
    below, above = x[i] - bounds[0][i], bounds[1][i] - x[i]
    if scheme == "3-point" and min(below, above) >= abs(h):
        (upper, up), (lower, down) = at(abs(h)), at(-abs(h))
        return np.asarray((upper - lower) / (up - down))
    reach = abs(h) * (2 if scheme == "3-point" else 1)
    room, other = (above, below) if h > 0 else (below, above)
    if room < reach:
        side = np.sign(h) if room >= other else -np.sign(h)
        h = side * min(abs(h), max(room, other) * abs(h) / reach)
    near, h1 = at(h)
    if scheme == "2-point":
        return np.asarray((near - f) / h1)
    far, h2 = at(2 * h)
    return np.asarray((h2**2 * (near - f) - h1**2 * (far - f)) / (h1 * h2 * (h2 - h1)))
