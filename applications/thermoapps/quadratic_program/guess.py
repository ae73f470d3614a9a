"""A first guess of point and multipliers, by products with the matrices alone."""

from __future__ import annotations

import numpy as np

from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled

__all__ = ["guessed"]

STEPS = 40


def guessed(problem: Scaled, x: Vector, v: Vector) -> tuple[Vector, Vector]:
    """A few primal-dual gradient steps, whose lengths follow from the sums of rows and columns.

    The method: Condat, A primal-dual splitting method for convex optimization involving Lipschitzian, proximable and
    linear composite terms, J. Optim. Theory Appl. 158 (2013); the lengths: Pock, Chambolle, Diagonal preconditioning
    for first order primal-dual algorithms in convex optimization, ICCV (2011).
    """
    P, q, C, below, above = problem.P, problem.q, problem.C, problem.below, problem.above
    across, down = abs(C).sum(axis=1), abs(C).sum(axis=0)
    length = 1 / (abs(P).sum(axis=0) / 2 + down + 1e-12)
    stiffness = 1 / np.where(across > 0, across, 1.0)
    for _ in range(STEPS):
        x_next = x - length * (P @ x + q + v @ C)
        pushed = v / stiffness + C @ (2 * x_next - x)
        x, v = x_next, stiffness * (pushed - np.minimum(np.maximum(pushed, below), above))
    return x, v
