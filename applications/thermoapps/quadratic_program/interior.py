"""An interior-point method, whose regularised KKT systems are held on the device; active sets finish it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermoapps.quadratic_program.active_set import ActiveSet, by_active_sets
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import FORMED, Scaled
from thermoapps.quadratic_program.splitting import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["interior"]

STEPS = 60
"""Newton steps at most."""

DIRECTION = 1e-6
"""Residual of a direction, relative to its right-hand side."""

REGULAR = 1e-9
"""Weight of the proximal terms of point and multipliers: what free directions and dependent rows need."""

CLOSE = (1e-3, 1e-5, 1e-7, 1e-8)
"""Where the conditions of optimality hold so far, active sets are tried."""

NEAR = 6
"""Active sets tried each time."""

SHORT = 1e-4
"""A step length below which nothing is gained."""


class _Walls:
    """Limits as G x + s = d with slacks s > 0: each finite limit of a row that is no equality.

    Parameters
    ----------
    problem : Scaled
    """

    def __init__(self, problem: Scaled) -> None:
        below, above = problem.below, problem.above
        free = below < above
        sides = [
            (np.flatnonzero(free & np.isfinite(limit)), limit, sign) for limit, sign in ((below, -1.0), (above, 1.0))
        ]
        self.row = np.concatenate([rows for rows, _, _ in sides])
        self.sign = np.concatenate([np.full(len(rows), sign) for rows, _, sign in sides])
        self.limit = np.concatenate([sign * limit[rows] for rows, limit, sign in sides])
        self.equal = np.flatnonzero(~free)
        self._rows = len(below)

    def gather(self, values: Vector) -> Vector:
        """Sum over the walls of each row."""
        return np.bincount(self.row, values, self._rows)


class _Newton:
    """The matrix [[P + δI + D, C_Hᵀ], [C_H, −T]] of one step: bounds of single variables are on its diagonal, in D.

    Parameters
    ----------
    problem : Scaled
    walls : _Walls
    device : ActiveSet
        Whose device and randomness it uses, and on which it counts.
    """

    def __init__(self, problem: Scaled, walls: _Walls, device: ActiveSet) -> None:
        self.problem, self.walls, self.device = problem, walls, device
        columns, entries = problem.pins
        single = columns >= 0
        single[walls.equal] = False
        self.pinned, self.held = np.flatnonzero(single), np.flatnonzero(~single)
        self.column, self.entry = columns[self.pinned], entries[self.pinned]
        self.C = problem.C[self.held]
        self._program: tla.PreparedDevice | None = None

    def write(self, weight: Vector) -> None:
        """Another matrix, of the weights z/s of the rows."""
        n, small = len(self.problem.q), self.problem.pins
        diagonal = REGULAR + np.bincount(self.column, self.entry**2 * weight[self.pinned], n)
        self.weight = weight
        with np.errstate(divide="ignore"):
            soft = np.where(weight[self.held] > 0, 1 / weight[self.held], REGULAR)
        soft = np.maximum(soft, REGULAR)
        del small
        if n + len(self.held) <= FORMED:
            P, C = (part if isinstance(part, np.ndarray) else part.toarray() for part in (self.problem.P, self.C))
            matrix: Any = np.block([[P + np.diag(diagonal), C.T], [C, -np.diag(soft)]])
        else:
            P = sp.csr_array(self.problem.P) + sp.diags_array(diagonal)
            C = sp.csr_array(self.C)
            matrix = sp.block_array([[P, C.T], [C, -sp.diags_array(soft)]], format="csr") if len(self.held) else P
        self.device.programs += 1
        if self._program is None:
            self._program = tla.program(matrix, assume_a="sym", device=self.device.device, rng=self.device.rng)
        else:
            self._program.update(matrix, assume_a="sym")

    def solve(self, gradient: Vector, short: Vector, push: Vector) -> tuple[Vector, Vector, Vector]:
        """Steps of x, of all multipliers of rows, and of C x, for dv = W C dx + push."""
        assert self._program is not None
        load = np.concatenate(
            [-gradient - np.bincount(self.column, self.entry * push[self.pinned], len(gradient)), short[self.held]]
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)  # what is returned is certified apart
            before = self._program.ledger.device_time
            step, info = self._program.solve(load, rtol=DIRECTION, maxiter=30, return_info=True)
        self.device.device_time += float(info.device_time) - before
        dx, dv = step[: len(gradient)], np.zeros(len(push))
        dv[self.held] = step[len(gradient) :]
        along = self.problem.C @ dx
        dv[self.pinned] = self.weight[self.pinned] * along[self.pinned] + push[self.pinned]
        stiff = self.weight > 1
        along[stiff] = (dv - push)[stiff] / self.weight[stiff]
        return dx, dv, along


def interior(problem: Scaled, device: ActiveSet, watch: Watch) -> State:
    """Predictor and corrector along the central path; from where it is close, active sets are tried.

    The method: Mehrotra, On the implementation of a primal-dual interior point method, SIAM J. Optim. 2 (1992); the
    regularisation: Friedlander, Orban, A primal-dual regularized interior-point method for convex quadratic programs,
    Math. Prog. Comp. 4 (2012).
    """
    walls = _Walls(problem)
    newton = _Newton(problem, walls, device)
    P, q, C, row, sign = problem.P, problem.q, problem.C, walls.row, walls.sign
    equal, goal = walls.equal, problem.below[walls.equal]
    x, v = np.zeros(len(q)), np.zeros(len(problem.below))
    s, z = np.ones(len(row)), np.ones(len(row))
    close, steps = list(CLOSE), 0
    tol = watch.limits.tol
    try:
        weight = walls.gather(np.ones(len(row)))
        newton.write(weight)
        middle = np.clip(0.0, problem.below, problem.above)
        x, v, along = newton.solve(q, middle, np.where(weight > 0, -weight * middle, 0.0))
        s = _positive(walls.limit - sign * (C @ x)[row])
        z = _positive(sign * v[row])
        v[np.setdiff1d(np.arange(len(v)), equal)] = 0.0
        while steps < min(STEPS, watch.limits.maxiter):
            steps += 1
            v = np.where(problem.below == problem.above, v, walls.gather(sign * z))
            reached = problem.excess(x, v)
            if reached <= tol:
                return State(x, v, steps, "solved")
            if problem.proves_primal_infeasible(v, x):
                return State(x, v, steps, "primal infeasible", v)
            if problem.proves_dual_infeasible(x, x, v):
                return State(x, v, steps, "dual infeasible", x)
            if close and reached <= close[0]:
                close = [level for level in close if level < reached]
                near = by_active_sets(device, problem, x, v, watch, NEAR)
                if near.status:
                    return State(near.x, near.v, steps + near.steps, near.status)
            if watch.ends(problem, x):
                break
            gradient, gap = P @ x + q + v @ C, walls.limit - sign * (C @ x)[row] - s
            weight = walls.gather(z / s)
            newton.write(weight)
            short = np.zeros(len(v))
            short[equal] = goal - (C @ x)[equal]
            mu, centre = float(s @ z) / max(len(s), 1), -s * z
            length = 1.0
            for corrected in (False, True):
                push = walls.gather(sign * (centre - z * gap) / s)
                rest = np.where(weight > 0, -push / np.where(weight > 0, weight, 1.0), short)
                dx, dv, along = newton.solve(gradient, rest, push)
                ds = gap - sign * along[row]
                dz = (centre - z * ds) / s
                length = min(_length(s, ds), _length(z, dz))
                if not corrected:
                    if not len(s):
                        break
                    after = float((s + length * ds) @ (z + length * dz)) / len(s)
                    centre = -s * z - ds * dz + mu * (after / mu) ** 3
            length = min(1.0, 0.995 * length)
            x, s, z = x + length * dx, s + length * ds, z + length * dz
            v[equal] += length * dv[equal]
            if length < SHORT:
                break
    except np.linalg.LinAlgError:
        pass
    return State(x, v, steps)


def _positive(values: Vector) -> Vector:
    """Shifted so that the least is well above zero."""
    least = float(values.min(initial=np.inf))
    return values if least > 0.1 else values - least + 1.0 if len(values) else values


def _length(at: Vector, step: Vector) -> float:
    """The longest step, up to one, along which all stay positive."""
    falling = step < 0
    return min(1.0, float((at[falling] / -step[falling]).min(initial=np.inf)))
