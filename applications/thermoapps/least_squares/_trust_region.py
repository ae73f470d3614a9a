"""Steps as long as the trust region allows: the damping that makes them so, found from steps of the device."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from thermoapps.least_squares._linear_steps import LinearSteps
from thermoapps.least_squares._problem import Point

__all__ = ["Step", "TrustRegion"]

Vector = NDArray[np.float64]

NEAR = (0.9, 1.1)
"""Parts of the radius between which a step counts as just as long, as in MINPACK."""

TRIALS = 10
"""Dampings tried for one step at most; the last is taken as it is, shortened."""

WEAKEST = 1e-20
"""Damping, of the largest that a radius can ask for, below which a step counts as undamped."""


@dataclass(frozen=True)
class Step:
    """A step p, its length ‖D p‖, whether the region shortened it, and what the model says of it."""

    p: Vector
    length: float
    shortened: bool
    predicted: float


@dataclass
class _Secular:
    """The search for the damping at which a step is as long as the radius.

    Lengths fall with the damping, from the Gauss–Newton step's at none to the radius or less at `most`.
    """

    radius: float
    most: float
    low: float = field(default=0.0, init=False)
    high: float = field(init=False)
    seen: list[tuple[float, float]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.high = self.most

    def next_damping(self, damping: float, length: float) -> float:
        """The next one to try, after a step that is too long or too short."""
        too_long = length > self.radius
        self.seen.append((damping, length))
        if too_long:
            self.low = max(self.low, damping)
        else:
            self.high = min(self.high, damping)
        undamped = next((size for weight, size in self.seen if weight == 0), None)
        if not too_long and undamped is None and self.low == 0:
            return 0.0  # whether no damping at all would do, and what the length is then
        least = max(self.low * 1.5, 1e-5 * self.high)
        return float(np.clip(self._guess(undamped), min(least, 0.9 * self.high), max(least, 0.9 * self.high)))

    def _guess(self, undamped: float | None) -> float:
        damped = [(weight, size) for weight, size in self.seen if weight > 0 and size > 0][-2:]
        if len(damped) == 2 and damped[0] != damped[1]:
            # Lengths as a power of the damping.
            (first, long), (last, short) = damped
            slope = np.log(short / long) / np.log(last / first)
            return float(last * np.exp(np.log(self.radius / short) / min(slope, -0.05)))
        if damped and undamped is not None:
            # 1/‖p‖ is linear in λ where one singular value counts.
            weight, size = damped[0]
            return float(weight * (1 / self.radius - 1 / undamped) / (1 / size - 1 / undamped))
        if undamped is not None:
            return self.most * (1 - self.radius / undamped)
        return damped[0][0] * damped[0][1] / self.radius


@dataclass
class TrustRegion:
    """The region ‖D p‖ ≤ radius in which the linear model of the residuals is believed (Moré 1978).

    Parameters
    ----------
    steps : LinearSteps
        Solves for a step at a given damping.
    radius : float
        Of the first step.
    noise : float
        Error of a column of J, relative to its norm.
    """

    steps: LinearSteps
    radius: float
    noise: float
    damping: float = field(default=0.0, init=False)
    _radius_then: float = field(default=1.0, init=False)

    def undamped(self, point: Point, scale: Vector, room: tuple[Vector, Vector]) -> Step:
        """The Gauss–Newton step of the weighted residuals, however long, where J is more than its noise."""
        return self._step(point, scale, 0.0, room, weighted=True)

    def step(self, point: Point, scale: Vector, room: tuple[Vector, Vector]) -> Step:
        """The step of the model within the region; λ starts from that of the last one."""
        steepest = float(np.linalg.norm(point.gradient / scale))
        most = steepest / self.radius  # no step of this damping is longer than the radius
        secular = _Secular(self.radius, most)
        guess = self.damping * self._radius_then / self.radius
        damping = min(guess, most) if guess > WEAKEST * most else 0.0
        self._radius_then = self.radius
        for _ in range(TRIALS):
            step = self._step(point, scale, damping, room)
            self.damping = damping
            if damping >= most or self._fits(step.length, damping):
                break
            damping = secular.next_damping(damping, step.length)
        return self._fitted(step, point, room, damping)

    def _fits(self, length: float, damping: float) -> bool:
        return length <= NEAR[1] * self.radius and (damping == 0 or length >= NEAR[0] * self.radius)

    def _step(
        self, point: Point, scale: Vector, damping: float, room: tuple[Vector, Vector], *, weighted: bool = False
    ) -> Step:
        f, jacobian = point.weighted if weighted else (point.residuals, point.jacobian)
        noise = self.noise if weighted else 0.0
        p = self.steps((f, jacobian), scale, damping, room, point.gradient, noise)
        return Step(p, float(np.linalg.norm(scale * p)), damping > 0, _predicted(point.gradient, jacobian @ p, p))

    def _fitted(self, step: Step, point: Point, room: tuple[Vector, Vector], damping: float) -> Step:
        """A damped step brought to the radius, where bounds leave it room."""
        if damping == 0 or step.length == 0:
            return step
        if step.length < NEAR[0] * self.radius:
            return step
        p = step.p / step.length * self.radius
        if np.any((p < room[0]) | (p > room[1])):
            if step.length <= self.radius:
                return step
            p = np.clip(p, *room)
        predicted = _predicted(point.gradient, point.jacobian @ p, p)
        return Step(p, self.radius, True, predicted)

    def judge(self, step: Step, actual: float, point: Point) -> float:
        """The ratio of the actual to the predicted reduction, after which the radius is set for the next step."""
        ratio = actual / step.predicted if step.predicted > 0 else -1.0
        if not np.isfinite(ratio) or ratio < 0.25:
            slope = float(point.gradient @ step.p)
            # Where a parabola through the slope and the actual cost has its minimum.
            best = 0.5 * slope / (slope + actual) if np.isfinite(actual) and slope + actual < 0 else 0.1
            self.radius = float(np.clip(best, 0.1, 0.5)) * min(step.length, self.radius)
        elif ratio > 0.75 or not step.shortened:
            self.radius = max(self.radius, 2 * step.length) if step.shortened else 2 * step.length
        return float(min(ratio, 1.0))


def _predicted(gradient: Vector, change: Vector, p: Vector) -> float:
    """By how much the model falls along p."""
    return -float(gradient @ p + 0.5 * change @ change)
