"""One quadratic program after another on the same device: only what is linear in it changes."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np

from thermoapps.quadratic_program.active_set import ActiveSet, sides_of
from thermoapps.quadratic_program.problem import Problem
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.solution import Solution, excess, residuals
from thermoapps.quadratic_program.solver import solve_problem
from thermolinalg.devices import Device

__all__ = ["QPDevice"]

SETS = 12
"""Active sets tried before the whole method runs."""


class QPDevice:
    r"""A quadratic program whose vectors change from solution to solution, as in control and with portfolios.

    The device holds the conditions of optimality [[P, C_Jᵀ], [C_J, 0]] of the active set J of the last solution. While
    J stays, a solution is one run of the matrix that is already there; where J changes, primal-dual active set steps
    write the next; and where these do not end, or the matrix is singular, `solve_problem` starts from the last
    solution. Whatever the way, what is returned as solved is certified as there.

    Parameters
    ----------
    problem : Problem
        The first problem.
    tol : float, optional
        As `solve_problem`.
    maxiter : int, optional
        As `solve_problem`.
    time_limit : float, optional
        Seconds, for what `solve_problem` has to do.
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
        rng: Any = None,
        device: Device | None = None,
    ) -> None:
        if not isinstance(problem, Problem):
            raise TypeError(f"problem must be a Problem, got {type(problem).__name__}")
        if not 0 < tol < 1:
            raise ValueError(f"tol must lie between 0 and 1, got {tol}")
        self.problem, self.solution = problem, None
        self.tol = tol
        self._rng = np.random.default_rng(rng)
        self._options: dict[str, Any] = {"tol": tol, "maxiter": maxiter, "time_limit": time_limit}
        self._options |= {"rng": self._rng, "device": device}
        self._active = ActiveSet(device, self._rng)
        self._scaled = Scaled.of(problem)
        self._rows = problem.rows()
        self._start = np.zeros(problem.n), np.zeros(len(self._scaled.kept))

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
        C, _, _ = self._rows
        below, above = problem.limits()
        self.problem, self._rows = problem, (C, below, above)
        if not np.array_equal(np.flatnonzero(np.isfinite(below) | np.isfinite(above)), self._scaled.kept):
            x, v = self._user(*self._start)
            self._scaled = Scaled.of(problem)
            self._active = ActiveSet(self._options["device"], self._rng)
            self._start = x / self._scaled.D, v[self._scaled.kept] * self._scaled.c / self._scaled.E
        else:
            self._scaled = self._scaled.with_vectors(problem.q, below, above)
        return self

    def solve(self) -> Solution:
        """The solution of the problem as it stands, started from the one before.

        Returns
        -------
        Solution
            As `solve_problem`; `programs` and `device_time` are of this solution alone, and its iterations count the
            active sets as "newton" steps.
        """
        if (self.problem.lb > self.problem.ub).any():
            return Solution(self.problem, "primal infeasible")
        programs, time = self._active.programs, self._active.device_time
        found = self._by_active_sets()
        if found is None:
            warm = copy.copy(self.solution) if self.solution is not None else None
            found = solve_problem(self.problem, initvals=warm, **self._options)
            if found.found:
                v = np.concatenate([found.z, found.y, found.z_box])[self._scaled.kept]
                self._start = found.x / self._scaled.D, v * self._scaled.c / self._scaled.E
        found.programs += self._active.programs - programs
        found.device_time += self._active.device_time - time
        if found.found:
            self.solution = found
        return found

    def _by_active_sets(self) -> Solution | None:
        """A certified solution, or None where the sets go round, or one is singular."""
        x, v = self._start
        sides, tried = sides_of(self._scaled, x, v), set()
        for count in range(1, SETS + 1):
            tried.add(sides.tobytes())
            try:
                x, v = self._active.solve(self._scaled, sides)
            except np.linalg.LinAlgError:
                return None
            user = self._user(x, v)
            if excess(self.problem, self._rows, *user) <= self.tol:
                self._start = x, v
                return self._solution(*user, count)
            sides = sides_of(self._scaled, x, v)
            if sides.tobytes() in tried:
                return None
        return None

    def _user(self, x: Any, v: Any) -> tuple[Any, Any]:
        return self._scaled.x_to_user(x), self._scaled.v_to_user(v)

    def _solution(self, x: Any, v: Any, count: int) -> Solution:
        m, p = len(self.problem.h), len(self.problem.b)
        return Solution(
            self.problem,
            "solved",
            x=x,
            z=v[:m],
            y=v[m : m + p],
            z_box=v[m + p :],
            obj=float(self.problem.objective(x)),
            residuals=residuals(self.problem, self._rows, x, v),
            last=x,
            iterations={"splitting": 0, "newton": count},
        )
