"""Quadratic programs written in CVXPY, which takes the device as a solver of the user's own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from thermoapps.quadratic_program.guests import NAME
from thermoapps.quadratic_program.problem import Problem
from thermoapps.quadratic_program.qp_device import QPDevice

__all__ = ["cvxpy_solver"]

MATRICES, VECTORS = ("P", "F", "A"), {"q": "q", "h": "G", "b": "b"}
"""CVXPY's names of what stays on a device, and of what `QPDevice.update` takes."""


def cvxpy_solver() -> Any:
    """A solver for ``problem.solve(solver=...)`` of CVXPY.

    Options of ``problem.solve`` are those of `QPDevice`: ``tol``, ``maxiter``, ``time_limit``, ``rng``, ``device``. A
    problem whose parameters change in its vectors alone stays on the device, and its next solution starts from the last
    one; ``warm_start=False`` starts afresh.

    Returns
    -------
    cvxpy.reductions.solvers.qp_solvers.qp_solver.QpSolver

    Raises
    ------
    ImportError
        CVXPY is not installed.

    See Also
    --------
    Problem, solve_problem, QPDevice, solve_qp : Quadratic programs and who solves them.
    """
    return _solver_class()()


@cache
def _solver_class() -> Any:
    """The class, made when CVXPY is asked for."""
    import cvxpy.settings as s
    from cvxpy.reductions.solution import Solution, failure_solution
    from cvxpy.reductions.solvers import utilities
    from cvxpy.reductions.solvers.qp_solvers.qp_solver import QpSolver

    statuses = {"solved": s.OPTIMAL, "primal infeasible": s.INFEASIBLE, "dual infeasible": s.UNBOUNDED}

    class ThermodynamicQP(QpSolver):
        """Quadratic programs on a simulated Langevin device."""

        MIP_CAPABLE = False

        def name(self) -> str:
            return NAME.upper()

        def import_solver(self) -> None:
            """Nothing is left to import."""

        def cite(self, data: Any) -> str:
            return ""

        def solve_via_data(
            self, data: Any, warm_start: bool, verbose: bool, solver_opts: Any, solver_cache: Any = None
        ) -> Any:
            matrices = {name: data[name] for name in MATRICES}
            device, held, options = (solver_cache or {}).get(self.name(), (None, None, None))
            if device is not None and warm_start and options == solver_opts and _same(held, matrices):
                device.update(**{ours: data[theirs] for ours, theirs in VECTORS.items() if data[theirs].size})
            else:
                problem = Problem(data["P"], data["q"], data["F"], data["G"], data["A"], data["b"])
                device = QPDevice(problem, **solver_opts)
            if solver_cache is not None:
                solver_cache[self.name()] = device, matrices, dict(solver_opts)
            solution = device.solve()
            if verbose:
                print(f"{NAME}: {solution.status}, {solution.iterations}, {solution.device_time:.3g} τ")
            return solution

        def invert(self, solution: Any, inverse_data: Any) -> Any:
            stats = {s.NUM_ITERS: sum(solution.iterations.values()), s.EXTRA_STATS: solution}
            status = statuses.get(solution.status, s.SOLVER_ERROR)
            if not solution.found:
                return failure_solution(status, stats)
            duals: dict[Any, Any] = {}
            for values, rows in ((solution.y, self.EQ_CONSTR), (solution.z, self.NEQ_CONSTR)):
                duals |= utilities.get_dual_values(values, utilities.extract_dual_value, inverse_data[rows])
            value = solution.obj + inverse_data[s.OFFSET]
            return Solution(status, value, {self.VAR_ID: np.asarray(solution.x)}, duals, stats)

    return ThermodynamicQP


def _same(before: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether all matrices are equal."""
    return all(before[name].shape == now[name].shape and (before[name] != now[name]).nnz == 0 for name in MATRICES)
