"""The conditions of optimality of one active set, held in a device for any number of right-hand sides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

import thermolinalg as tla
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import FORMED, Scaled
from thermoapps.quadratic_program.splitting import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["ActiveSet", "by_active_sets", "sides_of"]

Sides = NDArray[np.int_]

COARSE = 1e-3
"""Residual, relative to the right-hand side, of a set that is still on its way."""

LEAST = 1e-13
"""Relative residual of one correction: rounding leaves no less."""

SETS = 20
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
    programs : int
        Matrices written.
    device_time : float
        Time run under all of them, in units of τ.
    """

    def __init__(self, device: Any, rng: np.random.Generator) -> None:
        self.device, self.rng = device, rng
        self.programs, self.device_time = 0, 0.0
        self._active: NDArray[np.bool_] | None = None
        self._held: tla.PreparedDevice | None = None

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
        at = np.zeros(len(x))
        at[columns] = goal[pinned] / entries
        load = self._missing(problem, goal, at, np.zeros(len(v)))
        at[free] = x[free]
        held = np.zeros(len(v))
        held[rows] = v[rows]
        rest = self._missing(problem, goal, at, held)
        size, left = float(np.linalg.norm(load)), float(np.linalg.norm(rest))
        if left > rtol * size:
            change = self._run(rest, max(LEAST, rtol * size / left))
            at[free] += change[: len(free)]
            held[rows] += change[len(free) :]
        held[pinned] = -(problem.P @ at + problem.q + problem.C.T @ held)[columns] / entries
        return at, held

    def _missing(self, problem: Scaled, goal: Vector, x: Vector, v: Vector) -> Vector:
        """What x and v leave of the conditions of the set."""
        gradient = (problem.P @ x + problem.q + problem.C.T @ v)[self._free]
        return np.concatenate([-gradient, goal[self._rows] - (problem.C @ x)[self._rows]])

    def _run(self, rest: Vector, rtol: float) -> Vector:
        """The device's answer to a load; the matrix is written now if it has not been."""
        if len(self._rows) > len(self._free):
            raise np.linalg.LinAlgError(f"{len(self._rows)} rows at a limit leave {len(self._free)} free variables")
        if not self._written:
            self._write()
        assert self._held is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)  # what is returned is certified apart
            before = self._held.ledger.device_time
            change, info = self._held.solve(rest, rtol=rtol, return_info=True)
        self.device_time += float(info.device_time) - before
        return np.asarray(change)

    def _choose(self, problem: Scaled, active: NDArray[np.bool_]) -> None:
        """Which variables and rows take part, and the matrix of them."""
        pins = problem.pins[0]
        single = np.flatnonzero(active & (pins >= 0))
        self._columns, first = np.unique(pins[single], return_index=True)
        self._pinned = single[first]
        free = np.ones(len(problem.q), dtype=bool)
        free[self._columns] = False
        self._free, rows = np.flatnonzero(free), np.flatnonzero(active & (pins < 0))
        C_J, P = problem.C[rows][:, self._free], problem.P[self._free][:, self._free]
        there = abs(C_J).sum(axis=1) > 0  # a row of pinned variables only says nothing of the others
        self._rows = rows[there]
        self._blocks = P, C_J[np.flatnonzero(there)]
        self._active, self._written = active, False

    def _write(self) -> None:
        P, C_J = self._blocks
        size = P.shape[0] + C_J.shape[0]
        if size <= FORMED:
            P, C_J = (part if isinstance(part, np.ndarray) else part.toarray() for part in (P, C_J))
            matrix: Any = np.block([[P, C_J.T], [C_J, np.zeros((len(C_J), len(C_J)))]])
        else:
            matrix = sp.block_array([[P, C_J.T], [C_J, None]], format="csr") if C_J.shape[0] else P
        self.programs += 1
        if self._held is None:
            self._held = tla.program(matrix, assume_a="sym", device=self.device, rng=self.rng)
        else:
            self._held.update(matrix, assume_a="sym")
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
