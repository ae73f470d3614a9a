"""What solving a quadratic program returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thermoapps.quadratic_program.problem import Problem, Vector

__all__ = ["Rows", "Solution"]

Rows = tuple[Any, Vector, Vector]
"""A problem's rows of constraints, C, and their lower and upper limits."""


@dataclass
class Solution:
    r"""Primal and dual solution of a `Problem`, with Px + q + Gᵀz + Aᵀy + z_box = 0 as in qpsolvers.

    Parameters
    ----------
    problem : Problem
        What was solved.
    status : str
        "solved", "primal infeasible", "dual infeasible" or "not certified".
    x : ndarray, shape (n,), optional
        Minimum; None unless the status is "solved".
    z : ndarray, shape (m,), optional
        Multipliers of Gx ≤ h, all ≥ 0.
    y : ndarray, shape (p,), optional
        Multipliers of Ax = b.
    z_box : ndarray, shape (n,), optional
        Multipliers of the bounds: negative at lb, positive at ub.
    obj : float, optional
        ½ xᵀPx + qᵀx.
    residuals : dict
        "primal", "dual" and "gap" of the last point, whatever the status; each is recomputed from the problem as given.
    last : ndarray, optional
        The last point, whatever the status; its residuals are above.
    certificate : ndarray, optional
        Proof of infeasibility. Primal: multipliers v of the rows (G, A, bounds) with Cᵀv = 0 and a negative support.
        Dual: a direction of x along which the cost falls for ever. Equalities hold to rounding, which excludes every
        point up to 1000 times the size of the last iterate. None where lb > ub shows it.
    iterations : dict
        Steps of each way that was gone, in this order: "active sets", "interior", "splitting", "polishing".
    programs : int
        Matrices written into the device.
    device_time : float
        Time the device ran, in units of its time constant τ.

    See Also
    --------
    thermoapps.quadratic_program.solve_problem : Returns it.
    """

    problem: Problem
    status: str
    x: Vector | None = None
    z: Vector | None = None
    y: Vector | None = None
    z_box: Vector | None = None
    obj: float | None = None
    residuals: dict[str, float] = field(default_factory=dict)
    last: Vector | None = None
    certificate: Vector | None = None
    iterations: dict[str, int] = field(default_factory=dict)
    programs: int = 0
    device_time: float = 0.0

    @property
    def found(self) -> bool:
        """Whether x is certified to solve the problem."""
        return self.status == "solved"


def conditions(P: Any, q: Vector, rows: Rows, x: Vector, v: Vector) -> dict[str, tuple[float, float]]:
    """Residual of each condition of optimality of x and the multipliers v of all rows, and the size of what cancels."""
    C, below, above = rows
    Cx, Px, Cv = C @ x, P @ x, v @ C
    near = np.clip(Cx, below, above)
    bend, slope = float(x @ Px), float(q @ x)
    return {
        "primal": (_largest(Cx - near), _largest(near)),
        "dual": (_largest(Px + q + Cv), max(_largest(Px), _largest(q), _largest(Cv))),
        "gap": (abs(bend + slope + support(below, above, v)), abs(bend / 2 + slope)),
    }


def _largest(x: Vector) -> float:
    """Size of the largest entry."""
    return float(np.abs(x).max(initial=0.0))


def support(below: Vector, above: Vector, v: Vector) -> float:
    """max vᵀs over below ≤ s ≤ above; infinite where v pushes at a bound that is not there."""
    up, down = v > 0, v < 0
    return float(above[up] @ v[up] + below[down] @ v[down])
