"""The search: steps of a trust region from point to point until a test is met."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult, OptimizeWarning

from thermoapps.least_squares._arguments import check_start
from thermoapps.least_squares._convergence import FLAT, GRADIENT, Convergence
from thermoapps.least_squares._linear_steps import LinearSteps
from thermoapps.least_squares._problem import Point, Problem
from thermoapps.least_squares._trust_region import Step, TrustRegion

__all__ = ["search"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

STUCK = -1

FALLING = 0.9
"""What a step judged by its gradient leaves of it at most. Where residuals are large, Gauss–Newton steps leave more
than half each and still converge; one would mean that rounding may go on for ever."""

FAR = 1e3
"""So many times its start is far for a variable that J no longer sees: its valley may bend too much to be probed."""

MESSAGES = {
    -3: "The residuals no longer determine {}, which ran where they are flat; start elsewhere, or set bounds.",
    -2: "`callback` raised StopIteration.",
    -1: "No step lowers the cost, though the Jacobian says that one does: is it that of `fun`, and is `fun` smooth?",
    0: "The maximum number of function evaluations is exceeded; pass a larger `max_nfev`.",
    1: "`gtol` termination condition is satisfied.",
    2: "`ftol` termination condition is satisfied.",
    3: "`xtol` termination condition is satisfied.",
    4: "Both `ftol` and `xtol` termination conditions are satisfied.",
}


@dataclass
class Search:
    """What moves while a problem is searched.

    Parameters
    ----------
    problem : Problem
    steps : LinearSteps
        What steps are made of.
    watch : callable
        Sees the state after each iteration; True ends the search.
    """

    problem: Problem
    steps: LinearSteps
    watch: Callable[[OptimizeResult], bool]
    point: Point = field(init=False)
    nit: int = field(default=0, init=False)
    flat: list[Vector] = field(default_factory=list, init=False)

    def run(self) -> OptimizeResult:
        """From the start of the problem to a test that is met."""
        problem = self.problem
        units = 0.0 if problem.x_scale is None else problem.x_scale
        self.typical = np.where(problem.x0 == 0, units, abs(problem.x0))
        self.point = problem.start(self.typical)
        check_start(problem, self.point)
        self.largest = self.point.column_norms
        scale = problem.scale(self.largest)
        self.region = TrustRegion(self.steps, self._first_radius(scale), problem.noise)
        self.tests = Convergence(problem, self.region)
        self.unseen_at_start = len(self.tests.unseen(self.point, self.sizes))
        status = None
        while status is None:
            scale = problem.scale(self.largest)
            status = GRADIENT if self.tests.by_gradient(self.point, scale, self.sizes) else self._advance(scale)
            if status is not None and status > 0:
                status = self._confirmed(status)
        final = self.report(status)
        if self.nit and status != -2:
            self.watch(final)
        return final

    def _first_radius(self, scale: Vector) -> float:
        """‖D x0‖; from zero, the length of residuals that D measures in, or one of the user's units."""
        radius = float(np.linalg.norm(scale * self.problem.x0))
        if radius > 0:
            return radius
        return float(np.linalg.norm(self.point.weighted[0])) or 1.0 if self.problem.x_scale is None else 1.0

    def _advance(self, scale: Vector) -> int | None:
        """One step that is taken, or the reason why there is none; a status ends the search."""
        problem, point = self.problem, self.point
        room = (problem.lower - point.x, problem.upper - point.x)
        while problem.nfev < problem.max_nfev:
            step = self.region.step(point, scale, room)
            x = np.clip(point.x + step.p, problem.lower, problem.upper)
            if np.array_equal(x, point.x):
                return self._at_rounding(point, scale, room)
            f, cost = problem.evaluate(x)
            actual = point.cost - cost
            following = self._falling(point, step, x, f, cost, scale) if actual <= 0 else None
            if following is not None:
                ratio = 1.0
            else:
                following = problem.point(x, f, cost, self.typical) if actual > 0 else None
                ratio = self.region.judge(step, actual if following is not None or actual <= 0 else -np.inf, point)
            status = self.tests.after(point, step, actual, ratio, scale, room)
            if following is not None:
                self._move(following)
                return status if status is not None else -2 if self.watch(self.report(None)) else None
            if status is not None:
                return status
            if self.region.radius <= EPS * float(np.linalg.norm(scale * np.maximum(abs(point.x), self.typical))):
                return self._at_rounding(point, scale, room)
        return 0

    def _falling(self, point: Point, step: Step, x: Vector, f: Vector, cost: float, scale: Vector) -> Point | None:
        """The point that a step leads to, where both reductions are rounding and the gradient alone can judge it."""
        if not (0 < step.predicted < point.rounding and cost - point.cost < point.rounding):
            return None
        following = self.problem.point(x, f, cost, self.typical)
        if following is None:
            return None
        left = float(np.linalg.norm(following.gradient / scale))
        return following if left < FALLING * float(np.linalg.norm(point.gradient / scale)) else None

    def _at_rounding(self, point: Point, scale: Vector, room: tuple[Vector, Vector]) -> int:
        """The status where no step can be taken: a minimum to rounding, or a Jacobian that says what is not so."""
        longest = self.region.undamped(point, scale, room)
        return 2 if longest.predicted <= max(self.problem.ftol * point.cost, point.rounding) else STUCK

    def _move(self, following: Point) -> None:
        self.point, self.nit = following, self.nit + 1
        if self.largest is not None and following.column_norms is not None:
            self.largest = np.maximum(self.largest, following.column_norms)
        self.typical = np.maximum(self.typical, abs(following.x))

    @property
    def sizes(self) -> Vector:
        """Of the variables: the largest that they had so far, or one."""
        return np.where(self.typical > 0, self.typical, 1.0)

    def _confirmed(self, status: int) -> int | None:
        """A success, unless x has run where J no longer sees a direction; None to search on from a lower point.

        J loses a direction at a minimum where the residuals bend, and where a model has saturated: the cost tells.
        """
        unseen = self.tests.unseen(self.point, self.sizes)
        self.flat = []
        for direction in unseen:
            rises, lower = self.tests.probed(self.point, direction)
            if lower is not None and self.problem.nfev < self.problem.max_nfev:
                following = self.problem.point(lower, *self.problem.evaluate(lower), self.typical)
                if following is not None:
                    self._move(following)
                    return None
            if not rises or self._ran_along(direction):
                self.flat.append(direction)
        if len(self.flat) > self.unseen_at_start:
            return FLAT
        silent = [i for i in np.flatnonzero(self.largest == 0) if any(d[i] for d in self.flat)] if self.flat else []
        if silent:
            names = ", ".join(f"x[{i}]" for i in silent)
            warnings.warn(f"the residuals do not depend on {names} at x0 or later", OptimizeWarning, stacklevel=4)
        return status

    def _ran_along(self, direction: Vector) -> bool:
        """Whether a direction is one in which x has gone a thousand times the size that it started with."""
        part = abs(direction) > 0.1 * self.sizes
        start = np.where(self.problem.x0 == 0, self.typical, abs(self.problem.x0))
        return bool(np.any(part & (abs(self.point.x) > FAR * start)))

    def report(self, status: int | None) -> OptimizeResult:
        """The state of the search as SciPy's result; without a status as callbacks see it."""
        point, problem = self.point, self.problem
        final = {}
        if status is not None:
            moved = np.flatnonzero(np.any(self.flat, axis=0)).tolist() if self.flat else []
            message = MESSAGES[status].format(", ".join(f"x[{i}]" for i in moved))
            final = {"status": status, "message": message, "success": status > 0}
        return OptimizeResult(
            x=point.x,
            cost=point.cost,
            fun=point.f,
            jac=point.jacobian,
            grad=point.gradient,
            optimality=problem.optimality(point),
            active_mask=problem.active_mask(point.x),
            nfev=problem.nfev,
            njev=problem.njev,
            nit=self.nit,
            device_time=self.steps.device_time,
            **final,
        )


def search(problem: Problem, steps: LinearSteps, watch: Callable[[OptimizeResult], bool]) -> OptimizeResult:
    """Least squares of a problem; `watch` sees every iteration and may end it."""
    return Search(problem, steps, watch).run()
