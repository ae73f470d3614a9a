"""Where a search has got to."""

from __future__ import annotations

from dataclasses import dataclass

from thermoapps.quadratic_program.problem import Vector

__all__ = ["State"]


@dataclass
class State:
    """Iterates, and what ended the iteration.

    Parameters
    ----------
    x, v : ndarray
        Point and multipliers of the scaled problem.
    steps : int
        Steps taken.
    status : str
        "solved", "primal infeasible", "dual infeasible", or empty where none of these is found.
    certificate : ndarray, optional
        Proof of infeasibility, scaled.
    """

    x: Vector
    v: Vector
    steps: int = 0
    status: str = ""
    certificate: Vector | None = None
