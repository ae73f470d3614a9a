"""Convex quadratic programs by active sets and interior points, whose systems simulated Langevin devices solve."""

from thermoapps.quadratic_program.cvxpy_guest import cvxpy_solver
from thermoapps.quadratic_program.guests import register
from thermoapps.quadratic_program.problem import Problem
from thermoapps.quadratic_program.qp_device import QPDevice
from thermoapps.quadratic_program.solution import Solution
from thermoapps.quadratic_program.solver import solve_problem, solve_qp

__all__ = ["Problem", "QPDevice", "Solution", "cvxpy_solver", "solve_problem", "solve_qp"]

register(solve_problem)
