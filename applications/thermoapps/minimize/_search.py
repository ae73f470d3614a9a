"""The search: steps of a trust region, shortened by a line search where the function does not follow its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import OptimizeResult

from thermoapps.minimize._arguments import Watcher
from thermoapps.minimize._curvature import diagonal, probed_scales, restricted
from thermoapps.minimize._objective import Objective, Point
from thermoapps.minimize._region import TrustRegion

__all__ = ["MESSAGES", "Search"]

Vector = NDArray[np.float64]
EPS = float(np.finfo(float).eps)

DECREASE = 1e-4
"""Of what the slope promises, that a step has to keep."""

FALLING = 0.9
"""What a step leaves of the gradient at most, where the function cannot tell because its change is rounding."""

SHORTEST = 1e-12
"""Part of a step below which the line search ends."""

CAUCHY = 0.1
"""Of what steepest descent along the bounds gains in the model, that a step must gain which met bounds."""

MESSAGES = {
    0: "Optimization terminated successfully.",
    1: "Maximum number of iterations has been exceeded.",
    2: "No step lowers `fun`, though `jac` says that one does: is it the gradient of `fun`, and is `fun` smooth?",
    3: "NaN or infinity from `fun`, `jac` or the curvature; start elsewhere, or set bounds.",
    4: "`fun` falls to minus infinity.",
    99: "`callback` raised `StopIteration`.",
}


@dataclass(frozen=True)
class Move:
    """A step s, its length ‖D s‖, what the model promises; and whether it is shortened or curved."""

    s: Vector
    length: float
    predicted: float
    shortened: bool
    curved: bool = False


@dataclass
class Search:
    """What moves while a function is minimised.

    Parameters
    ----------
    objective : Objective
    region : TrustRegion
    x0 : array, shape (n,)
        Start, within the bounds.
    x_scale : array or None
        Typical sizes of the variables; by default D_i² is the largest curvature along x_i so far.
    tol, gtol : float
        Relative length of an undamped step, and size of the gradient, at which the search ends.
    maxiter : float
    watch : callable
        Sees every point; True ends the search.
    definite : bool
        Whether curvature that is negative is refused.
    """

    objective: Objective
    region: TrustRegion
    x0: Vector
    x_scale: Vector | None
    tol: float
    gtol: float
    maxiter: float
    watch: Watcher
    definite: bool
    path: list[Vector] = field(default_factory=list, init=False)

    def run(self) -> OptimizeResult:
        """From the start to the first test that is met."""
        objective = self.objective
        self.nit, self.typical, self.radius = 0, abs(self.x0), np.inf
        self.curvature: Any = None
        self.largest = np.zeros(self.x0.size)
        self.path.append(self.x0)
        fun = objective.value(self.x0)
        point = objective.point(self.x0, fun, self.typical) if np.isfinite(fun) else None
        if point is None:
            lost = np.full(self.x0.size, np.nan)
            return self._result(Point(self.x0, fun if np.isfinite(fun) else np.nan, lost), 3 if fun != -np.inf else 4)
        status = None
        while status is None:
            point, status = self._iterate(point)
        return self._result(point, status)

    def _iterate(self, point: Point) -> tuple[Point, int | None]:
        """One step, or the reason why there is none."""
        if self.gtol > 0 and np.all(abs(point.gradient[self._free(point)]) <= self.gtol):
            return point, 0
        if self.nit >= self.maxiter:
            return point, 1
        self.curvature = self.objective.matrix(point, self.typical)
        if self.curvature is None:
            return point, 3
        scale = self._scale(point)
        if not np.isfinite(scale).all():
            return point, 3
        if self.nit == 0:
            self.radius = float(np.linalg.norm(scale * self.x0)) or np.inf
        move = self._move(point, scale)
        if not np.isfinite(move.s).all():
            return point, 3
        if not move.shortened and self._short(point, move.s):
            return point, 0
        following, status = self._advanced(point, move, scale)
        if following is None:
            return point, status
        self.nit += 1
        self.typical = np.maximum(self.typical, abs(following.x))
        self.path.append(following.x)
        return following, 99 if self.watch(following.x, following.fun) else status

    def _free(self, point: Point) -> NDArray[np.bool_]:
        """Variables that no bound holds against the gradient."""
        lower, upper, g = self.objective.lower, self.objective.upper, point.gradient
        held = (point.x <= lower) & (g > 0) | (point.x >= upper) & (g < 0) | (lower == upper)
        return np.asarray(~held)

    def _scale(self, point: Point) -> Vector:
        """D, whose entries have the unit of the root of `fun` over that of their variable."""
        if self.x_scale is not None:
            self.largest = 1 / self.x_scale
            return self.largest
        along = diagonal(self.curvature)
        if along is None:
            along = self._probed
        self.largest = np.maximum(self.largest, np.sqrt(self._visible(point, abs(along))))
        size = np.sqrt(abs(along)) if not self.objective.differences else np.zeros(along.size)
        with np.errstate(divide="ignore"):
            guess = np.where((size > 0) & (self.typical > 0), size, np.sqrt(abs(point.fun)) / self.typical)
        guess = np.where(np.isfinite(guess) & (guess > 0), guess, float(self.largest.max()) or 1.0)
        return np.where(self.largest > 0, self.largest, guess)

    @cached_property
    def _probed(self) -> Vector:
        """Curvatures along the variables, of a map at the start."""
        return probed_scales(self.curvature, self.region.device.rng) ** 2

    def _visible(self, point: Point, along: Vector) -> Vector:
        """Curvatures that change `fun` where a variable moves by its size or to its minimum; zero for rounding."""
        with np.errstate(divide="ignore"):
            gain = np.maximum(along * self.typical**2, np.where(along > 0, point.gradient**2 / along, 0.0))
        rounding = max(4 * EPS * abs(point.fun), self.objective.differences * float(gain.max()))
        return np.where(gain > rounding, along, 0.0)

    def _short(self, point: Point, s: Vector) -> bool:
        """Whether a step moves no variable by more than `tol` of its size, or `tol`² of the largest it has had."""
        return bool(np.all(abs(s) <= self.tol * abs(point.x) + self.tol**2 * self.typical))

    # -- steps of the model -------------------------------------------------------------------------------------------

    def _move(self, point: Point, scale: Vector) -> Move:
        """The step within radius and bounds; a variable that would cross its bound stops there, the others go on."""
        lower, upper = self.objective.lower - point.x, self.objective.upper - point.x
        free, s = self._free(point), np.zeros(point.x.size)
        unseen = self.largest == 0
        lift = np.where(unseen, self.region.noise, 0.0)
        shortened, curved, met = False, False, False
        while free.any():
            rest = point.gradient + self.curvature @ s if met else point.gradient
            radius = self._left(scale * s)
            step = self.region.step(restricted(self.curvature, free, scale, lift), rest[free] / scale[free], radius)
            if step.curved and self.definite:
                raise ValueError(f"{self.objective.name} has a negative eigenvalue; it must be positive semidefinite")
            s[free] = step.p / scale[free]
            drifting = unseen & (self.typical > 0)  # on the rounding of the others' steps, were it not for their sizes
            s[drifting] = np.clip(s, -self.typical, self.typical)[drifting]
            shortened, curved = shortened or step.shortened, curved or step.curved
            if not np.isfinite(s).all():
                break
            leaving = free & ((s < lower) | (s > upper))
            if not leaving.any():
                break
            met = True
            s[leaving] = np.clip(s, lower, upper)[leaving]
            free &= ~leaving
            s[free] = 0.0
        move = self._judged(point, s, scale, shortened, curved)
        if met:
            steepest = self._steepest(point, scale, (lower, upper))
            move = move if move.predicted >= CAUCHY * steepest.predicted else steepest
        return move

    def _left(self, spent: Vector) -> float:
        """The radius that variables at their bounds leave to the others."""
        if not np.isfinite(self.radius):
            return np.inf
        left = self.radius**2 - float(spent @ spent)
        return float(np.sqrt(max(left, 0.01 * self.radius**2)))

    def _steepest(self, point: Point, scale: Vector, room: tuple[Vector, Vector]) -> Move:
        """Along −D⁻²g and the bounds, as far as the model falls."""
        down = np.where(self._free(point), -point.gradient / scale**2, 0.0)
        length = float(np.linalg.norm(scale * down))
        t = min(1.0, self.radius / length) if length > 0 else 0.0
        while True:
            move = self._judged(point, np.clip(t * down, *room), scale, True)
            if t < SHORTEST or move.predicted >= -CAUCHY * float(point.gradient @ move.s):
                return move
            t /= 2

    def _judged(self, point: Point, s: Vector, scale: Vector, shortened: bool, curved: bool = False) -> Move:
        predicted = -float(point.gradient @ s + 0.5 * s @ (self.curvature @ s))
        return Move(s, float(np.linalg.norm(scale * s)), predicted, shortened, curved)

    # -- steps of the function ----------------------------------------------------------------------------------------

    def _advanced(self, point: Point, move: Move, scale: Vector) -> tuple[Point | None, int | None]:
        """The point that a step leads to, as far along it as the function falls; or none, and the status."""
        slope, rounding = float(point.gradient @ move.s), 8 * EPS * abs(point.fun)
        t = 1.0
        while t >= SHORTEST:
            x = np.clip(point.x + t * move.s, self.objective.lower, self.objective.upper)
            if np.array_equal(x, point.x):
                break
            fun = self.objective.value(x)
            if fun == -np.inf:
                return Point(x, fun, np.full(x.size, np.nan)), 4
            if t == 1 and move.predicted <= rounding and abs(fun - point.fun) <= 4 * rounding:
                return self._by_gradient(point, x, fun, scale, move)
            if fun < point.fun and point.fun - fun >= -DECREASE * t * slope:
                following = self.objective.point(x, fun, self.typical)
                if following is not None:
                    self._resize(move, t, point.fun - fun)
                    return following, None
                fun = np.inf
            t *= _shrink(t * slope, fun - point.fun)
        return None, 0 if move.predicted <= rounding and self._undamped(move, scale) else 2

    def _by_gradient(
        self, point: Point, x: Vector, fun: float, scale: Vector, move: Move
    ) -> tuple[Point | None, int | None]:
        """The point where the gradient has fallen, since the function is rounding; else the search is at its end."""
        following = self.objective.point(x, fun, self.typical)
        if following is not None:
            before, after = (float(np.linalg.norm((p.gradient / scale)[self._free(p)])) for p in (point, following))
            if after < FALLING * before:
                return following, None
        return None, 0 if self._undamped(move, scale) else 2

    def _undamped(self, move: Move, scale: Vector) -> bool:
        """Whether a longer step would promise no more: it is whole, or along curvature, or lost in the sizes."""
        whole = float(np.linalg.norm(scale * self.typical))
        return not move.shortened or move.curved or move.length <= 8 * EPS * whole

    def _resize(self, move: Move, t: float, actual: float) -> None:
        """The radius of the next step, from how well the model did."""
        ratio = actual / move.predicted if move.predicted > 0 else 0.0
        if t < 1:
            self.radius = t * move.length
        elif ratio < 0.25:
            self.radius = 0.25 * move.length
        elif ratio > 0.75:
            self.radius = max(self.radius, (4 if ratio > 0.9 else 2) * move.length)

    def _result(self, point: Point, status: int) -> OptimizeResult:
        objective = self.objective
        return OptimizeResult(
            x=point.x,
            fun=point.fun,
            jac=point.gradient,
            hess=self.curvature,
            nit=self.nit,
            nfev=objective.nfev,
            njev=objective.njev,
            nhev=objective.nhev,
            status=status,
            success=status == 0,
            message=MESSAGES[status],
            device_time=self.region.device.device_time,
        )


def _shrink(slope: float, rise: float) -> float:
    """Where a parabola through the slope and the rise has its minimum, as a part of the step."""
    bend = rise - slope
    return float(np.clip(-0.5 * slope / bend, 0.1, 0.5)) if np.isfinite(bend) and bend > 0 else 0.1
