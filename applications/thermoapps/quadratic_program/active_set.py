"""The conditions of optimality of one active set, held in a device for any number of right-hand sides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

import thermolinalg as tla
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled

__all__ = ["ActiveSet", "sides_of"]

EXACT = 1e-12
"""Residual of a solution, relative to its right-hand side."""

LEAST = 1e-13
"""Relative residual of one correction: rounding leaves no less."""

FORMED = 64
"""Unknowns up to which the matrix is dense: sparse ones cost more to handle than their zeros save."""


class ActiveSet:
    """The matrix [[P, C_Jᵀ], [C_J, 0]] of the rows J at a limit, in a device.

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
        self._sides: NDArray[np.int_] | None = None
        self._held: tla.PreparedDevice | None = None
        self._matrix: Any = None
        self._both = np.zeros(0)

    def solve(self, problem: Scaled, sides: NDArray[np.int_]) -> tuple[Vector, Vector]:
        """Point and multipliers with every row at the side where `sides` has ±1, and free of the others.

        Raises
        ------
        numpy.linalg.LinAlgError
            The rows are dependent, or P does not bend along a direction that they leave free.
        """
        rows = np.flatnonzero(sides)
        if self._sides is None or not np.array_equal(sides != 0, self._sides != 0):
            self._write(problem, rows)
            self._sides = sides
        goal = np.where(sides[rows] > 0, problem.above[rows], problem.below[rows])
        load = np.concatenate([-problem.q, goal])
        self._both = self._corrected(load, self._both if self._both.shape == load.shape else np.zeros(len(load)))
        v = np.zeros(len(sides))
        v[rows] = self._both[len(problem.q) :]
        return self._both[: len(problem.q)].copy(), v

    def _corrected(self, load: Vector, guess: Vector) -> Vector:
        """The solution for a load; the device runs for what a guess leaves of it only."""
        assert self._held is not None, "nothing is programmed yet"
        rest = load - self._matrix @ guess
        size, left = float(np.linalg.norm(load)), float(np.linalg.norm(rest))
        if left <= EXACT * size:
            return guess
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)  # what is returned is certified apart
            change, info = self._held.solve(rest, rtol=max(LEAST, EXACT * size / left), return_info=True)
        self.device_time = float(info.device_time)
        return np.asarray(guess + change)

    def _write(self, problem: Scaled, rows: NDArray[np.intp]) -> None:
        self._sides, self.programs = None, self.programs + 1
        C_J = problem.C[rows]
        matrix: Any = sp.block_array([[problem.P, C_J.T], [C_J, None]], format="csr") if len(rows) else problem.P
        if matrix.shape[0] <= FORMED:
            matrix = matrix.toarray()
        self._matrix, self._both = matrix, np.zeros(0)
        if self._held is None:
            self._held = tla.program(matrix, assume_a="sym", device=self.device, rng=self.rng)
        else:
            self._held.update(matrix, assume_a="sym")


def sides_of(problem: Scaled, x: Vector, v: Vector) -> NDArray[np.int_]:
    """Which limit each row is at by x and its multiplier, ±1 or 0: the step of a primal-dual active set.

    Hintermüller, Ito, Kunisch, The primal-dual active set strategy as a semismooth Newton method, SIAM J. Optim. 13
    (2002).
    """
    Cx = problem.C @ x
    up, down = v + (Cx - problem.above) > 0, v + (Cx - problem.below) < 0
    sides = np.where(up, 1, np.where(down, -1, 0))
    return np.where(problem.below == problem.above, 1, sides)
