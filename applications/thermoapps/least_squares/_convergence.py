"""Whether a point is a minimum: tests without units, on undamped steps, and a look at variables without effect.

MINPACK's tests (Moré, Garbow and Hillstrom 1980, section 2.3) in variables scaled by the columns of J here, not by D.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from thermoapps.least_squares._jacobians import column_norms, magnitude
from thermoapps.least_squares._problem import Point, Problem
from thermoapps.least_squares._trust_region import Step, TrustRegion

__all__ = ["FLAT", "GRADIENT", "REDUCTION", "STEP", "Convergence"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

GRADIENT, REDUCTION, STEP, FLAT = 1, 2, 3, -3

VANISHED = 1e-7
"""A variable has no effect where J moves the residuals by less than this part of them when it moves by its own size."""

UNSEEN = 1e-6
"""Singular value, of the largest of J with columns of norm one, below which J hardly sees a direction."""

PROBE = 1e-3
"""How far x is moved in such a direction at least, of its own size, to see whether the cost rises on both sides."""


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

    def weights(self, point: Point, scale: Vector) -> Vector:
        """What makes variables comparable: norms of the columns of J, or D where they are not known."""
        return scale if point.column_norms is None else point.column_norms

    def by_gradient(self, point: Point, scale: Vector, sizes: Vector) -> bool:
        """Whether no column of J makes an angle with the residuals whose cosine is above gtol.

        Residuals that are the rounding of what cancels in them count as orthogonal; columns that have vanished are
        left to `probed`.
        """
        f, jacobian = point.weighted
        size = float(np.linalg.norm(f))
        rounding = 16 * EPS * float(np.linalg.norm(magnitude(jacobian, point.x)))
        free = ~self.problem.held(point)
        free &= ~self.vanished(point, sizes)
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
        limits = problem.ftol * point.cost, problem.xtol * within

        def tests(promised: float, p: Vector) -> tuple[bool, bool]:
            return promised <= limits[0] and problem.ftol > 0, float(np.linalg.norm(weights * p)) <= limits[1]

        flat, short = tests(step.predicted, step.p)
        flat = flat and abs(actual) <= limits[0] and (ratio > 0.25 or abs(actual) <= point.rounding)
        if (flat or short) and step.shortened:
            longest = self.region.undamped(point, scale, room)
            flat, short = np.logical_and((flat, short), tests(longest.predicted, longest.p))
        return {(True, True): 4, (True, False): REDUCTION, (False, True): STEP}.get((bool(flat), bool(short)))

    def vanished(self, point: Point, sizes: Vector) -> NDArray[np.bool_]:
        """Variables that do not move the residuals, or by no more than the rounding of what cancels in them."""
        norms = point.column_norms
        if norms is None:
            return np.zeros(point.x.size, dtype=bool)
        rounding = 4 * EPS * float(np.linalg.norm(magnitude(point.raw_jacobian, point.x)))
        return np.asarray(norms * sizes <= max(VANISHED * float(np.linalg.norm(point.f)), rounding))

    def unseen(self, point: Point, sizes: Vector) -> list[Vector]:
        """Directions of x in which J moves the residuals by next to nothing, as long as the variables' own sizes."""
        gone = self.vanished(point, sizes) & ~self.problem.fixed
        alone = [np.where(np.arange(gone.size) == i, sizes, 0.0) for i in np.flatnonzero(gone)]
        seen = np.flatnonzero(~gone & ~self.problem.fixed)
        if isinstance(point.raw_jacobian, np.ndarray) and seen.size:
            norms = np.linalg.norm(point.raw_jacobian[:, seen], axis=0)
            if point.f.size < seen.size:
                return alone  # directions that no Jacobian of this shape sees
            _, s, directions = np.linalg.svd(point.raw_jacobian[:, seen] / norms, full_matrices=False)
            for direction in directions[s <= UNSEEN * s[0]] / norms:
                together = np.zeros(gone.size)
                together[seen] = direction / np.max(abs(direction) / sizes[seen])
                alone.append(together)
        return alone

    def probed(self, point: Point, direction: Vector) -> tuple[bool, Vector | None]:
        """Whether the cost rises to either side of a direction, and where along it the cost is lower."""
        best, found = point.cost - point.rounding, None

        def rise(length: float) -> float:
            nonlocal best, found
            x = np.clip(point.x + length * direction, self.problem.lower, self.problem.upper)
            cost = self.problem.evaluate(x)[1] if np.any(x != point.x) else np.inf
            if cost < best:
                best, found = cost, x
            return cost - point.cost

        # So far that the rise which J promises would be seen, if x itself is as large.
        promised = float(np.linalg.norm(point.jacobian @ direction))
        length = min(1.0, max(PROBE, 100 * point.rounding**0.5 / promised)) if promised > 0 else 1.0
        rises = [rise(-length), rise(length)]
        if found is None and np.all(np.isfinite(rises)) and (curvature := sum(rises)) > 0:
            rise(length * (rises[0] - rises[1]) / (2 * curvature))  # the lowest point of a parabola through them
        return min(rises) > point.rounding, found
