"""Ways to solve (RᵀR + λI) d = g for the direction of a step, one file each, with one contract."""

from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, relative_residual
from thermoapps.natural_gradient.solvers.conjugate_gradient import ConjugateGradient
from thermoapps.natural_gradient.solvers.dense import Dense
from thermoapps.natural_gradient.solvers.euler_maruyama import EulerMaruyama
from thermoapps.natural_gradient.solvers.thermodynamic import Thermodynamic
from thermoapps.natural_gradient.solvers.woodbury import Woodbury

__all__ = [
    "ConjugateGradient",
    "Dense",
    "EulerMaruyama",
    "Rows",
    "Solver",
    "SolverReport",
    "State",
    "Thermodynamic",
    "Woodbury",
    "relative_residual",
]
