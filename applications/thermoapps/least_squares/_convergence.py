"""Whether a point is a minimum: tests without units, on undamped steps, and a look at variables without effect.

MINPACK's tests (Moré, Garbow and Hillstrom 1980, section 2.3) in variables scaled by the columns of J here, not by D.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermoapps.least_squares._jacobians import column_norms, magnitude
from thermoapps.least_squares._problem import Point, Problem
from thermoapps.least_squares._trust_region import Step, TrustRegion

__all__ = ["FLAT", "GRADIENT", "REDUCTION", "STEP", "Convergence"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

GRADIENT, REDUCTION, STEP, FLAT = 1, 2, 3, -3

VANISHED = 1e-6
"""Norm of a column, of the largest that it had, below which its variable no longer moves the residuals."""

PROBE = 1e-3
"""How far such a variable is moved, of its own size, to see whether the cost rises on both sides."""


@dataclass
class Convergence:
    """The tests of one search.

    Parameters
    ----------
    problem : Problem
    region : TrustRegion
        What undamped steps are asked from, where the one that was tried is not.
    """

    problem: Problem
    region: TrustRegion
    farthest: float = field(default=0.0, init=False)

    def weights(self, point: Point, scale: Vector) -> Vector:
        """What makes variables comparable: norms of the columns of J, or D where they are not known."""
        return scale if point.column_norms is None else point.column_norms

    def by_gradient(self, point: Point, scale: Vector, largest: Vector | None) -> bool:
        """Whether no column of J makes an angle with the residuals whose cosine is above gtol.

        Residuals that are the rounding of what cancels in them count as orthogonal; columns that have vanished are
        left to `probed`.
        """
        f, jacobian = point.weighted
        size = float(np.linalg.norm(f))
        rounding = 16 * EPS * float(np.linalg.norm(magnitude(jacobian, point.x)))
        free = ~self.problem.held(point)
        free[self.without_effect(point, largest)] = False
        if point.column_norms is None:
            steepest = np.where(free, point.gradient / scale, 0.0)
            along = float(np.linalg.norm(jacobian @ (steepest / scale)))
            return float(steepest @ steepest) <= along * max(self.problem.gtol * size, rounding)
        norms = point.column_norms if self.problem.loss.is_linear else column_norms(jacobian)
        assert norms is not None
        return bool(np.all(abs(point.gradient)[free] <= norms[free] * max(self.problem.gtol * size, rounding)))

    def after(
        self, point: Point, step: Step, actual: float, ratio: float, scale: Vector, room: tuple[Vector, Vector]
    ) -> int | None:
        """The test that ends the search after a step from a point, if one does.

        A step that the region shortened says nothing; the undamped one, asked for where the other would do, says it.
        """
        problem, weights = self.problem, self.weights(point, scale)
        within = float(np.linalg.norm(weights * point.x))
        self.farthest = max(self.farthest, within)
        limits = problem.ftol * point.cost, problem.xtol * (problem.xtol * self.farthest + within)

        def tests(promised: float, p: Vector) -> tuple[bool, bool]:
            return promised <= limits[0] and problem.ftol > 0, float(np.linalg.norm(weights * p)) <= limits[1]

        flat, short = tests(step.predicted, step.p)
        flat = flat and abs(actual) <= limits[0] and (ratio > 0.25 or abs(actual) <= point.rounding)
        if (flat or short) and step.shortened:
            longest = self.region.undamped(point, scale, room, weighted=True)
            flat, short = np.logical_and((flat, short), tests(longest.predicted, longest.p))
        return {(True, True): 4, (True, False): REDUCTION, (False, True): STEP}.get((bool(flat), bool(short)))

    def without_effect(self, point: Point, largest: Vector | None) -> NDArray[np.intp]:
        """Variables whose columns have vanished, or were never there."""
        if largest is None or point.column_norms is None:
            return np.empty(0, dtype=np.intp)
        vanished = (point.column_norms <= VANISHED * largest) & ~self.problem.fixed
        return np.flatnonzero(vanished)

    def probed(self, point: Point, variable: int, size: float) -> tuple[bool, Vector | None]:
        """Whether the cost rises where a variable moves to either side, and where along it the cost is lower."""
        lower, upper = float(self.problem.lower[variable]), float(self.problem.upper[variable])
        best, rises, found = point.cost - point.rounding, [], None

        def rise(move: float) -> float:
            nonlocal best, found
            x = point.x.copy()
            x[variable] = np.clip(x[variable] + move, lower, upper)
            cost = self.problem.evaluate(x)[1] if x[variable] != point.x[variable] else np.inf
            if cost < best:
                best, found = cost, x
            return cost - point.cost

        rises = [rise(-PROBE * size), rise(PROBE * size)]
        if found is None and np.all(np.isfinite(rises)) and (curvature := sum(rises)) > 0:
            rise(PROBE * size * (rises[0] - rises[1]) / (2 * curvature))  # the lowest point of a parabola through them
        return min(rises) > point.rounding, found
