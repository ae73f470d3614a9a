"""The conditions of optimality of one active set, held in a device for any number of right-hand sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled, saddle
from thermoapps.quadratic_program.state import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["ActiveSet", "by_active_sets", "sides_of"]

Sides = NDArray[np.int_]

COARSE = 1e-3
"""Residual, relative to the right-hand side, of a set that is still on its way."""

LEAST = 1e-13
"""Relative residual of one correction: rounding leaves no less."""

SETS = 12
"""Active sets tried before another method runs."""


class ActiveSet:
    """The matrix [[P_FF, C_JFᵀ], [C_JF, 0]] of the free variables F and the rows J at a limit, in a device.

    Variables that a row of their own pins to a limit are not free, and the multiplier of that row is what their
    gradient leaves: neither takes part in the matrix.

    Parameters
    ----------
    device : Device, optional
        As in `thermolinalg.solve`.
    rng : numpy.random.Generator
        Source of randomness.

    Attributes
    ----------
    held : Programmed
        The device, and what it was asked to do.
    """

    def __init__(self, device: Any, rng: np.random.Generator) -> None:
        self.held = Programmed(device, rng, "sym")
        self._active: NDArray[np.bool_] | None = None

    def solve(self, problem: Scaled, sides: Sides, x: Vector, v: Vector, rtol: float) -> tuple[Vector, Vector]:
        """Point and multipliers with every row at the side where `sides` has ±1, and free of the others.

        Parameters
        ----------
        problem : Scaled
            The problem; its matrices are the same in all calls.
        sides : ndarray
            Which limit each row is at.
        x, v : ndarray
            A guess: the device runs for what it leaves only.
        rtol : float
            Residual, relative to the right-hand side.

        Raises
        ------
        numpy.linalg.LinAlgError
            The rows are dependent, or P does not bend along a direction that they leave free.
        """
        if self._active is None or not np.array_equal(sides != 0, self._active):
            self._choose(problem, sides != 0)
        free, rows, pinned, columns = self._free, self._rows, self._pinned, self._columns
        goal = np.where(sides > 0, problem.above, problem.below)
        entries = problem.pins[1][pinned]
        x_set, v_set = np.zeros(len(x)), np.zeros(len(v))
        x_set[columns] = goal[pinned] / entries
        size = float(np.linalg.norm(self._missing(problem, goal, x_set, v_set)))
        x_set[free], v_set[rows] = x[free], v[rows]
        rest = self._missing(problem, goal, x_set, v_set)
        left = float(np.linalg.norm(rest))
        if left > rtol * size:
            self._write()
            change = self.held.solve(rest, max(LEAST, rtol * size / left))
            x_set[free] += change[: len(free)]
            v_set[rows] += change[len(free) :]
        v_set[pinned] = -(problem.P @ x_set + problem.q + v_set @ problem.C)[columns] / entries
        return x_set, v_set

    def _missing(self, problem: Scaled, goal: Vector, x: Vector, v: Vector) -> Vector:
        """What x and v leave of the conditions of the set."""
        gradient = (problem.P @ x + problem.q + v @ problem.C)[self._free]
        return np.concatenate([-gradient, goal[self._rows] - (problem.C @ x)[self._rows]])

    def _choose(self, problem: Scaled, active: NDArray[np.bool_]) -> None:
        """Which variables and rows take part, and the blocks of their matrix."""
        pins, _ = problem.pins
        single = np.flatnonzero(active & (pins >= 0))
        self._columns, first = np.unique(pins[single], return_index=True)
        self._pinned = single[first]
        free = np.ones(len(problem.q), dtype=bool)
        free[self._columns] = False
        self._free = np.flatnonzero(free)
        rows = np.flatnonzero(active & (pins < 0))
        C_J = problem.C[rows][:, self._free]
        there = np.flatnonzero(abs(C_J).sum(axis=1))  # a row of pinned variables only says nothing of the others
        self._rows, self._blocks = rows[there], (problem.P[self._free][:, self._free], C_J[there])
        self._active, self._written = active, False

    def _write(self) -> None:
        """The matrix onto the device, unless it is there."""
        if self._written:
            return
        if len(self._rows) > len(self._free):
            raise np.linalg.LinAlgError(f"{len(self._rows)} rows are at a limit, of {len(self._free)} free variables")
        self.held.write(saddle(*self._blocks))
        self._written = True


def sides_of(problem: Scaled, x: Vector, v: Vector) -> Sides:
    """Which limit each row is at by x and its multiplier, ±1 or 0: the step of a primal-dual active set.

    Hintermüller, Ito, Kunisch, The primal-dual active set strategy as a semismooth Newton method, SIAM J. Optim. 13
    (2002).
    """
    Cx = problem.C @ x
    up, down = v + (Cx - problem.above) > 0, v + (Cx - problem.below) < 0
    sides = np.where(up, 1, np.where(down, -1, 0))
    return np.where(problem.below == problem.above, 1, sides)


def by_active_sets(active: ActiveSet, problem: Scaled, x: Vector, v: Vector, watch: Watch, most: int = SETS) -> State:
    """Primal-dual active sets from a first guess, until one is certified, they go round, or one cannot be held."""
    tol, most = watch.limits.tol, min(most, watch.limits.maxiter)
    sides, tried, rtol = sides_of(problem, x, v), set[bytes](), tol / 10
    for count in range(1, most + 1):
        tried.add(sides.tobytes())
        try:
            x, v = active.solve(problem, sides, x, v, rtol)
            if rtol < COARSE and problem.excess(x, v) <= tol:
                return State(x, v, count, "solved")
            after, rtol = sides_of(problem, x, v), COARSE
            if after.tobytes() in tried:  # a set that stays, or is degenerate and goes round
                for accuracy in (tol / 10, LEAST):
                    x, v = active.solve(problem, sides, x, v, accuracy)
                    if problem.excess(x, v) <= tol:
                        return State(x, v, count, "solved")
                after = sides_of(problem, x, v)
        except np.linalg.LinAlgError:
            break
        if after.tobytes() in tried or watch.ends(problem, x):
            break
        sides = after
    return State(x, v, count)
