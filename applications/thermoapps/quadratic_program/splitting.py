"""Operator splitting: one program per penalty ρ, one device solve per step."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.state import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["by_splitting"]

STEPS = 400
"""What is not found by then, polishing finds sooner."""

SIGMA = 1e-6
RELAXATION = 1.6
EQUALITY = 1e3
CHECK = 20
RETUNE = 60
ENOUGH = 1e-3
DIRECTION = 1e-3


def by_splitting(problem: Scaled, device: Programmed, x: Vector, v: Vector, watch: Watch) -> State:
    """Alternate between the linear system and the limits until both residuals are moderately small.

    The method is ADMM with over-relaxation and an adaptive ρ: Stellato et al., OSQP: an operator splitting solver for
    quadratic programs, Math. Prog. Comp. 12 (2020).
    """
    P, q, C, below, above = problem.P, problem.q, problem.C, problem.below, problem.above
    most = min(STEPS, watch.limits.maxiter)
    weight = np.where(below == above, EQUALITY, 1.0)
    penalty, solved = 0.1, x
    s = np.clip(C @ x, below, above)

    def program() -> tuple[Vector, Any]:
        rho = penalty * weight
        matrix = P + SIGMA * sp.eye_array(len(q)) + C.T @ sp.diags_array(rho) @ C
        device.write(matrix)
        return rho, matrix

    rho, held = program()
    for step in range(1, most + 1):
        load = SIGMA * x - q + C.T @ (rho * s - v)
        solved = solved + device.solve(load - held @ solved, DIRECTION)
        x_next = RELAXATION * solved + (1 - RELAXATION) * x
        mixed = RELAXATION * (C @ solved) + (1 - RELAXATION) * s
        s = np.clip(mixed + v / rho, below, above)
        v_next = v + rho * (mixed - s)
        dx, dv, x, v = x_next - x, v_next - v, x_next, v_next
        if watch.ends(problem, x):
            return State(x, v, step)
        if step % CHECK:
            continue
        if problem.proves_primal_infeasible(dv, x):
            return State(x, v, step, "primal infeasible", dv)
        if problem.proves_dual_infeasible(dx, x, v):
            return State(x, v, step, "dual infeasible", dx)
        Cx, Px, Cv = C @ x, P @ x, C.T @ v
        primal = np.abs(Cx - s).max(initial=0.0) / max(1e-10, np.abs(Cx).max(initial=0.0), np.abs(s).max(initial=0.0))
        dual = np.abs(Px + q + Cv).max() / max(1e-10, np.abs(Px).max(), np.abs(q).max(), np.abs(Cv).max())
        if max(primal, dual) <= ENOUGH:
            return State(x, v, step)
        change = float(np.sqrt(max(primal, 1e-12) / max(dual, 1e-12)))
        if step % RETUNE == 0 and not 0.2 < change < 5:
            penalty = float(np.clip(penalty * change, 1e-5, 1e5))
            rho, held = program()
    return State(x, v, most)
