"""One quadratic program after another on the same device: only what is linear in it changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from thermoapps.quadratic_program.active_set import ActiveSet
from thermoapps.quadratic_program.problem import Problem, Vector
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.solution import Solution
from thermoapps.quadratic_program.solver import search
from thermoapps.quadratic_program.watch import Limits
from thermolinalg.devices import Device

__all__ = ["QPDevice"]


class QPDevice:
    r"""A quadratic program whose vectors change from solution to solution, as in control and with portfolios.

    The device holds the conditions of optimality [[P, C_Jᵀ], [C_J, 0]] of the active set J of the last solution. While
    J stays, a solution is one run of the matrix that is already there; where J changes, primal-dual active set steps
    write the next; all else is as in `solve_problem`, whose start is the last solution.

    Parameters
    ----------
    problem : Problem
        The first problem.
    tol, maxiter, time_limit, callback, progress : optional
        As `solve_problem`, for each solution.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.

    Attributes
    ----------
    problem : Problem
        As it stands.
    solution : Solution or None
        The last one found.

    See Also
    --------
    thermoapps.quadratic_program.solve_problem : One problem.

    Examples
    --------
    >>> from thermoapps.quadratic_program import Problem, QPDevice
    >>> device = QPDevice(Problem([[2.0]], [-2.0], lb=[0.0], ub=[5.0]), rng=0)
    >>> (
    ...     device.solve().x.round(9),
    ...     device.update(q=[-6.0]).solve().x.round(9),
    ...     device.update(ub=[2.0]).solve().x.round(9),
    ... )
    (array([1.]), array([3.]), array([2.]))
    """

    def __init__(
        self,
        problem: Problem,
        *,
        tol: float = 1e-9,
        maxiter: int = 2000,
        time_limit: float = math.inf,
        callback: Callable[[Vector], Any] | None = None,
        progress: bool = False,
        rng: Any = None,
        device: Device | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise TypeError(f"problem must be a Problem, got {type(problem).__name__}")
        self.problem, self.solution = problem, None
        self._limits = Limits(tol, maxiter, time_limit, callback, progress)
        self._active = ActiveSet(device, np.random.default_rng(rng))
        self._scaled = Scaled.of(problem)

    problem: Problem
    solution: Solution | None

    def update(self, *, q: Any = None, b: Any = None, h: Any = None, lb: Any = None, ub: Any = None) -> QPDevice:
        """Other vectors; those that are not given stay.

        Parameters
        ----------
        q : array_like, shape (n,), optional
            Linear cost.
        b : array_like, shape (p,), optional
            Right-hand side of the equalities.
        h : array_like, shape (m,), optional
            Right-hand side of the inequalities.
        lb, ub : array_like, shape (n,), optional
            Bounds.

        Returns
        -------
        QPDevice
            This one.

        Raises
        ------
        ValueError
            Shapes that do not fit, NaN or infinity where none may be; the problem is then as it was.
        """
        problem = self.problem.with_vectors(q=q, b=b, h=h, lb=lb, ub=ub)
        scaled = self._scaled.with_vectors(problem)
        if scaled is None:
            scaled, self._active = Scaled.of(problem), ActiveSet(self._active.held.device, self._active.held.rng)
        self.problem, self._scaled = problem, scaled
        return self

    def solve(self) -> Solution:
        """The solution of the problem as it stands, started from the one before.

        Returns
        -------
        Solution
            As `solve_problem`; `programs` and `device_time` are of this solution alone.
        """
        if (self.problem.lb > self.problem.ub).any():
            return Solution(self.problem, "primal infeasible")
        found = search(self._scaled, self._active, self.solution, self._limits)
        if found.found:
            self.solution = found
        return found
