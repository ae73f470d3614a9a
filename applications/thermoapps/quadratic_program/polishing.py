"""Polishing: the active set and its multipliers to full precision, one program per active set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from thermoapps._programmed import Programmed
from thermoapps.quadratic_program.problem import Vector
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.state import State
from thermoapps.quadratic_program.watch import Watch

__all__ = ["polished"]

STIFFEST = 1e5
LOOSEST = 1e6
NEWTON = 40
REFINED = 1e-5
REFINEMENTS = 4
TINY = 1e-10
STAGNATION = 8
LESS = 0.8
RESTING = 1e-6
"""Nothing is gained where in so many outer steps no excess falls below this part of the best, and x moves by less."""
DIRECTION = 1e-8


def polished(problem: Scaled, device: Programmed, start: State, watch: Watch) -> State:
    """Proximal method of multipliers from a first guess, until what is reached is certified or gets no better.

    With the active set known, each step solves the regularised KKT system of that set, reduced to the positive
    definite P + I/γ + C_Jᵀ S C_J. Newton's method with an exact line search corrects the set. The method: Hermans,
    Themelis, Patrinos, QPALM: a proximal augmented Lagrangian method for nonconvex quadratic programs, Math. Prog.
    Comp. 14 (2022).
    """
    x, v, steps, tol = start.x, start.v, 0, watch.limits.tol
    unit = float(np.clip(np.abs(x).max(), 1.0, 100.0))  # stiffness is force per length: it follows the size of x
    stiffness = np.where(problem.below == problem.above, 1e3, 1e2) / unit
    gamma, tolerance, violation = 1e3 * unit, 1e-3, np.inf
    best, idle = np.inf, 0
    while steps < watch.limits.maxiter and idle < STAGNATION and not watch.ends(problem, x):
        reached = problem.excess(x, v)
        if reached <= tol:
            return State(x, v, steps, "solved")
        x_next, v_next, used = _minimise(problem, device, x, v, stiffness, gamma, tolerance)
        steps += used
        dx, dv, x, v = x_next - x, v_next - v, x_next, v_next
        if problem.proves_primal_infeasible(dv, x):
            return State(x, v, steps, "primal infeasible", dv)
        if problem.proves_dual_infeasible(dx, x, v):
            return State(x, v, steps, "dual infeasible", dx)
        if tolerance < REFINED:
            sharp = _refine(problem, device, x, v, stiffness, gamma)
            sharply = problem.excess(*sharp)
            if sharply <= tol:
                return State(*sharp, steps, "solved")
            reached = min(reached, sharply)
        resting = np.abs(dx).max() <= RESTING * np.abs(x).max()
        best, idle = (min(reached, best), 0) if reached < LESS * best or not resting else (best, idle + 1)
        now = problem.violation(x)
        if now > max(0.1 * violation, TINY):
            stiffness = np.minimum(5 * stiffness, STIFFEST / unit)
        violation, gamma, tolerance = now, min(10 * gamma, LOOSEST * unit), max(0.1 * tolerance, 1e-13)
    return State(x, v, steps)


def _minimise(
    problem: Scaled, device: Programmed, x: Vector, v: Vector, stiffness: Vector, gamma: float, tolerance: float
) -> tuple[Vector, Vector, int]:
    """Minimum of the proximal augmented Lagrangian at (x, v), its new multipliers, and the Newton steps taken."""
    P, q, C, below, above = problem.P, problem.q, problem.C, problem.below, problem.above
    centre, held = x, None

    def multipliers(Cx: Vector) -> Vector:
        pushed = Cx + v / stiffness
        return stiffness * (pushed - np.clip(pushed, below, above))

    for step in range(NEWTON):
        Cx, smooth = C @ x, P @ x + q + (x - centre) / gamma
        new = multipliers(Cx)
        gradient = smooth + C.T @ new
        if step and np.abs(gradient).max() <= tolerance:
            return x, new, step
        active = (new != 0) | (below == above)
        if held is None or not np.array_equal(active, held):
            held = active
            _write(problem, device, active, stiffness, gamma)
        d = device.solve(-gradient, DIRECTION)
        Cd, curvature = C @ d, float(d @ (P @ d) + d @ d / gamma)
        slope = float(smooth @ d)

        def falling(t: float, Cx: Vector = Cx, Cd: Vector = Cd, slope: float = slope, bend: float = curvature) -> float:
            return slope + t * bend + float(Cd @ multipliers(Cx + t * Cd))

        t = _root(falling, _kinks(Cx + v / stiffness, Cd, below, above))
        if t * np.abs(d).max() <= 1e-15 * np.abs(x).max(initial=1.0):
            return x, new, step + 1
        x = x + t * d
    return x, multipliers(C @ x), NEWTON


def _write(problem: Scaled, device: Programmed, active: NDArray[np.bool_], stiffness: Vector, gamma: float) -> None:
    """Program P + I/γ + C_Jᵀ S C_J of an active set J."""
    matrix = problem.P + sp.eye_array(len(problem.q)) / gamma
    if active.any():
        C_J = problem.C[np.flatnonzero(active)]
        matrix = matrix + C_J.T @ sp.diags_array(stiffness[active]) @ C_J
    device.write(matrix)


def _refine(
    problem: Scaled, device: Programmed, x: Vector, v: Vector, stiffness: Vector, gamma: float
) -> tuple[Vector, Vector]:
    """Iterative refinement of the KKT system of the active set, in corrections that shrink.

    Multipliers read off a stiffness times a violation carry the rounding of x times that stiffness; their sums of
    corrections do not.
    """
    P, q, C, below, above = problem.P, problem.q, problem.C, problem.below, problem.above
    active = (v != 0) | (below == above)
    goal = np.where(active, np.where(v > 0, above, below), 0.0)
    pull = np.where(active, stiffness, 0.0)
    _write(problem, device, active, stiffness, gamma)
    for _ in range(REFINEMENTS):
        short = np.where(active, C @ x - goal, 0.0)
        d = device.solve(-(P @ x + q + C.T @ v) - C.T @ (pull * short), DIRECTION)
        x, v = x + d, v + pull * (short + C @ d)
    beyond = ((v > 0) & np.isinf(above)) | ((v < 0) & np.isinf(below))
    return x, np.where(beyond, 0.0, v)


def _kinks(pushed: Vector, Cd: Vector, below: Vector, above: Vector) -> Vector:
    """Step lengths t > 0 at which a row enters or leaves its limits."""
    moving = np.abs(Cd) > 0
    limits = np.concatenate([(side - pushed)[moving] / Cd[moving] for side in (below, above)])
    return np.sort(limits[(limits > 0) & np.isfinite(limits)])


def _root(falling: Callable[[float], float], kinks: Vector) -> float:
    """Zero of an increasing function, linear between its kinks, that starts below zero."""
    at_start = falling(0.0)
    if at_start >= 0:
        return 0.0
    low, high = 0, len(kinks)  # the first kink at which the function is no longer negative
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if falling(float(kinks[middle])) >= 0 else (middle + 1, high)
    left = float(kinks[low - 1]) if low else 0.0
    right = float(kinks[low]) if low < len(kinks) else 2 * left + 1.0
    f_left, f_right = falling(left), falling(right)
    return left - f_left * (right - left) / (f_right - f_left) if f_right > f_left else left
