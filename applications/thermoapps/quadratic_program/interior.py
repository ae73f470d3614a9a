"""An interior-point method, whose regularised KKT systems are held on the device; active sets finish it."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.active_set import ActiveSet, by_active_sets
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled, saddle
from thermoapps.quadratic_program.state import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["by_interior_points"]

STEPS, IDLE = 60, 12
"""Newton steps at most, and at most so many in a row that come no nearer to the conditions of optimality."""

DIRECTION = 1e-6
"""Residual of a step, relative to its right-hand side."""

REGULAR = 1e-6
"""Weight of the proximal terms of point and multipliers, which free directions and dependent rows need; that of the
point is per its largest entry."""

CLOSE = (1e-3, 1e-5, 1e-7, 1e-8)
"""Where the conditions of optimality hold to one of these, active sets are tried."""

NEAR = 6
"""Active sets tried each time."""

FIRMER, FIRMEST = 30.0, 1e-4
"""By how much these weights grow where the device cannot hold a matrix or a step leads nowhere, and how far."""

SHORT = 1e-4
"""A step of which no more than this share can be taken leads nowhere."""

FAR = 1e10
"""Points and multipliers of this size go to infinity, where it takes another method to prove that."""

STIFFEST = 1e30
"""Weight of a limit at most."""

INSIDE = 0.995
"""Share of the way to the nearest limit."""


def by_interior_points(problem: Scaled, device: Programmed, active: ActiveSet, watch: Watch) -> State:
    """Along the central path until a point is certified; from where it is close, active sets are tried."""
    path, close = _Path(problem, device), list(CLOSE)
    state, best, nearest = State(path.x, path.multipliers()), np.inf, 0
    while state.steps < min(STEPS, watch.limits.maxiter) and path.regular <= FIRMEST and not watch.over:
        state.steps += 1
        try:
            length = path.move()
        except np.linalg.LinAlgError:
            length = 0.0
        if length < SHORT:
            path.regular *= FIRMER
        if length == 0:
            continue
        (x, v), before = (path.x, path.multipliers()), (state.x, state.v)
        state.x, state.v = x, v
        reached = problem.excess(x, v)
        if reached <= watch.limits.tol:
            state.status = "solved"
        elif problem.proves_primal_infeasible(v - before[1], x):
            state.status, state.certificate = "primal infeasible", v - before[1]
        elif problem.proves_dual_infeasible(x - before[0], x, v):
            state.status, state.certificate = "dual infeasible", x - before[0]
        best, nearest = (reached, state.steps) if reached < best else (best, nearest)
        lost = state.steps - nearest >= IDLE or max(np.abs(x).max(), np.abs(v).max(initial=0.0)) > FAR
        if state.status or watch.ends(problem, x) or lost:
            break
        if reached <= close[0]:
            close = [level for level in close if level < reached] or [0.0]
            near = by_active_sets(active, problem, x, v, watch, NEAR)
            if near.status:
                return State(near.x, near.v, state.steps + near.steps, near.status)
    return state


class _Path:
    """A point with positive slacks s of the limits, G x + s = d, and their multipliers z; and the next one.

    Predictor and corrector: Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optim. 2
    (1992). With W = z/s summed over the limits of each row, a step solves

        [[P + δI + D, C_Hᵀ], [C_H, −T]] (dx, dv) = load

    on the device: the rows H are equalities, where T = δ, and those of several variables, where T = 1/W; D holds
    the W of all others. The proximal terms δ leave the right-hand side alone: Friedlander, Orban, A primal-dual
    regularized interior-point method for convex quadratic programs, Math. Prog. Comp. 4 (2012).

    Parameters
    ----------
    problem : Scaled
    device : Programmed
    """

    def __init__(self, problem: Scaled, device: Programmed) -> None:
        self.problem, self.device = problem, device
        self.equal = problem.below == problem.above
        limits = (problem.below, -1.0), (problem.above, 1.0)
        sides = [(~self.equal & np.isfinite(limit), limit, sign) for limit, sign in limits]
        self.row = np.concatenate([np.flatnonzero(there) for there, _, _ in sides])
        self.sign = np.concatenate([np.full(there.sum(), sign) for there, _, sign in sides])
        self.limit = np.concatenate([sign * limit[there] for there, limit, sign in sides])
        columns, entries = problem.pins
        single = (columns >= 0) & ~self.equal
        self.pinned, self.held = np.flatnonzero(single), np.flatnonzero(~single)
        self.column, self.entry = columns[self.pinned], entries[self.pinned]
        self.x, self.y = np.zeros(len(problem.q)), np.zeros(len(self.equal))
        self.s = self.z = np.ones(len(self.row))
        self.regular, self._begun = REGULAR, False

    def _summed(self, values: Vector) -> Vector:
        """Over the limits of each row."""
        return np.asarray(np.bincount(self.row, values, len(self.equal)), dtype=float)

    def multipliers(self) -> Vector:
        """Of all rows."""
        return np.where(self.equal, self.y, self._summed(self.sign * self.z))

    def move(self) -> float:
        """The first point, or one step along the path; the share of the step that could be taken.

        Raises
        ------
        numpy.linalg.LinAlgError
            The device cannot hold the matrix; nothing has changed.
        """
        if self._begun:
            return self._advance()
        self._begin()
        self._begun = True
        return 1.0

    def _begin(self) -> None:
        """The point of least cost with springs to the limits; its slacks and multipliers are lifted above zero."""
        problem = self.problem
        self._write(self._summed(self.s))
        middle = np.clip(0.0, problem.below, problem.above)
        self.x, v, _ = self._step(problem.q, middle, -self.weight * middle)
        self.s = _lifted(self.limit - self.sign * (problem.C @ self.x)[self.row])
        self.y, self.z = np.where(self.equal, v, 0.0), _lifted(self.sign * v[self.row])

    def _advance(self) -> float:
        """One step, and the share of it that could be taken."""
        problem, s, z, v = self.problem, self.s, self.z, self.multipliers()
        Cx = problem.C @ self.x
        gradient = problem.P @ self.x + problem.q + v @ problem.C
        short, gap = problem.below - Cx, self.limit - self.sign * Cx[self.row] - s
        self._write(self._summed(np.minimum(z / s, STIFFEST)))
        goal, mean = -s * z, float(s @ z) / max(len(s), 1)  # of s dz + z ds: to the boundary, for a look ahead
        for corrected in (False, True):
            push = self._summed(self.sign * (goal - z * gap) / s)
            dx, dv, along = self._step(gradient, short, push)
            ds = gap - self.sign * along[self.row]
            dz = (goal - z * ds) / s
            length = min(_length(s, ds), _length(z, dz))
            if corrected or not mean > 0:
                break
            ahead = float((s + length * ds) @ (z + length * dz)) / len(s)
            goal = mean * (ahead / mean) ** 3 - s * z - ds * dz
        length = min(1.0, INSIDE * length)
        self.x, self.s, self.z = self.x + length * dx, s + length * ds, z + length * dz
        self.y = self.y + length * np.where(self.equal, dv, 0.0)
        return length

    def _write(self, weight: Vector) -> None:
        """The matrix of a step; `weight` is W."""
        problem, self.weight = self.problem, weight
        bend = np.bincount(self.column, self.entry**2 * weight[self.pinned], len(self.x))
        bend = bend + self.regular / np.abs(self.x).max(initial=1.0)
        soft = np.full(len(self.held), self.regular)
        inner = weight[self.held] > 0
        soft[inner] = np.maximum(1 / weight[self.held][inner], self.regular)
        diagonal = np.diag(bend) if isinstance(problem.P, np.ndarray) else sp.diags_array(bend)
        self.device.write(saddle(problem.P + diagonal, problem.C[self.held], soft))

    def _step(self, gradient: Vector, short: Vector, push: Vector) -> tuple[Vector, Vector, Vector]:
        """Steps of x, of the multipliers and of C x, with dv = W C dx + push in rows that are no equalities."""
        weight, held, pinned = self.weight, self.held, self.pinned
        inner = weight > 0
        rest = np.where(inner, -push / np.where(inner, weight, 1.0), short)
        slope = np.bincount(self.column, self.entry * push[pinned], len(gradient))
        step = self.device.solve(np.concatenate([-gradient - slope, rest[held]]), DIRECTION)
        dx, dv = step[: len(gradient)], np.zeros(len(push))
        along = self.problem.C @ dx
        dv[held] = step[len(gradient) :]
        dv[pinned] = weight[pinned] * along[pinned] + push[pinned]
        stiff = weight > 1  # where a weight would magnify what the device leaves in x
        along[stiff] = (dv - push)[stiff] / weight[stiff]
        return dx, dv, along


def _lifted(values: Vector) -> Vector:
    """All raised alike, so that the least is well above zero."""
    least = float(values.min(initial=np.inf))
    return values if least > 0.1 else values - least + 1.0


def _length(at: Vector, step: Vector) -> float:
    """The longest step, up to one, along which all stay positive."""
    falling = step < 0
    return min(1.0, float((at[falling] / -step[falling]).min(initial=np.inf)))
