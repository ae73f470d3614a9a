"""What a linear solve is asked for: tolerances of residuals and errors, and how far it may go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, eps, to_numpy
from thermolinalg._validation import as_nonnegative, as_positive
from thermolinalg.devices import Schedule
from thermolinalg.estimation.refinement import Goal, State
from thermolinalg.systems import Chain, Equation

__all__ = ["LIMIT", "MAXITER", "Tolerance", "Wanted", "default_rtol", "read_rtol"]

MAXITER = 100
"""Device runs before a refinement gives up."""

UNASKED = 1e15
"""Relative error of x that is asked for where none is."""

LIMIT = 4.0
"""Errors of a solution up to so many eps of it are rounding."""


def default_rtol(like: Array) -> float:
    """1e-10 in double precision, 1e-5 in single."""
    return 1e-10 if eps(like) < 1e-10 else 1e-5


def read_rtol(rtol: Any, *, refine: bool, name: str = "rtol") -> float | None:
    """The tolerance of a refined or raw call, checked; None where none is given.

    Raises
    ------
    ValueError
        It is negative, not finite or 1 and more (zero would be an answer); or zero for a single run.
    """
    if rtol is None:
        return None
    value = as_nonnegative(rtol, name) if refine else as_positive(rtol, name)
    if value >= 1:
        raise ValueError(f"{name} must be below 1, got {rtol!r}: x = 0 leaves a residual of ‖b‖ already")
    return value


@dataclass(frozen=True)
class Tolerance:
    """What a refinement is asked for.

    Parameters
    ----------
    rtol, atol : float
        Of the true residual, in the user's units.
    forward : float
        Relative error of x at which it stops; infinity: the residual in the user's units is all that counts.
    name : str
        What the caller calls `rtol`.
    """

    rtol: float
    atol: float | Array
    forward: float
    name: str = "rtol"

    @classmethod
    def read(cls, rtol: float | None, atol: Any, like: Array, *, definite: bool, name: str = "rtol") -> Tolerance:
        """The user's, or the default: what is not held as definite goes on to rounding, as direct solvers do."""
        atol = as_nonnegative(atol, "atol")
        if rtol is not None:
            return cls(rtol, atol, max(rtol, LIMIT * eps(like)), name)
        default = default_rtol(like)
        return cls(default, atol, default if definite else LIMIT * eps(like), name)

    def goal(self, equation: Equation, outer: Chain) -> Goal:
        """The same for the columns of an equation inside `outer`."""
        xp, user = equation.xp, equation.loads[0]
        atol = outer.tolerance(xp.zeros_like(user[: len(outer.norms(to_numpy(user)))]) + self.atol)
        relative = [self.rtol * size for size in equation.loads]
        targets = [relative[0] + atol, *relative[1:]]
        forward = xp.full_like(user, self.forward)
        if self.forward == np.inf:
            return Goal((targets[0], *[xp.full_like(user, np.inf) for _ in targets[1:]]), forward)
        # Where the absolute tolerance is the larger one, the user's own residual is all that is asked for.
        loose = atol > relative[0]
        targets[1:] = [xp.where(loose, xp.inf, target) for target in targets[1:]]
        return Goal(tuple(targets), xp.where(loose, UNASKED, forward))


@dataclass(frozen=True)
class Wanted:
    """How a system is solved.

    Parameters
    ----------
    tolerance : Tolerance
    maxiter : int
        Device runs at most.
    schedule : Schedule, optional
        Timetable of every run; default: chosen by the device for each load.
    preconditioner : callable, optional
        See `thermolinalg.estimation.refinement.refine`.
    quiet : bool
        Whether warnings are left to the caller.
    resolved : callable, optional
        Called with the equation and the `State` after each run: whether that may be the last, as far as its noise is
        known.
    """

    tolerance: Tolerance
    maxiter: int = MAXITER
    schedule: Schedule | None = None
    preconditioner: Callable[[Array], Array] | None = None
    quiet: bool = False
    resolved: Callable[[Equation, State], bool] | None = None
