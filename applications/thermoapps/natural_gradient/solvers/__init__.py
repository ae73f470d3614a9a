"""Ways to solve (RᵀR + λI) d = g for the direction of a step, one file each, with one contract."""

from thermoapps.natural_gradient.solvers.asynchronous import Asynchronous
from thermoapps.natural_gradient.solvers.averaged import Averaged
from thermoapps.natural_gradient.solvers.base import Rows, Solver, SolverReport, State, relative_residual
from thermoapps.natural_gradient.solvers.conjugate_gradient import ConjugateGradient
from thermoapps.natural_gradient.solvers.dense import Dense
from thermoapps.natural_gradient.solvers.euler_maruyama import EulerMaruyama
from thermoapps.natural_gradient.solvers.exact_gauss_newton import ExactGaussNewton, LineSearch
from thermoapps.natural_gradient.solvers.inverse_free import InverseFree
from thermoapps.natural_gradient.solvers.kronecker_factored import KroneckerFactored
from thermoapps.natural_gradient.solvers.krylov import Krylov
from thermoapps.natural_gradient.solvers.scheduled import CostModel, Scheduled
from thermoapps.natural_gradient.solvers.spring import Spring
from thermoapps.natural_gradient.solvers.thermodynamic import Thermodynamic
from thermoapps.natural_gradient.solvers.thermodynamic_kfac import ThermodynamicKFAC
from thermoapps.natural_gradient.solvers.woodbury import Woodbury

__all__ = [
    "Asynchronous",
    "Averaged",
    "ConjugateGradient",
    "CostModel",
    "Dense",
    "EulerMaruyama",
    "ExactGaussNewton",
    "InverseFree",
    "KroneckerFactored",
    "Krylov",
    "LineSearch",
    "Rows",
    "Scheduled",
    "Solver",
    "SolverReport",
    "Spring",
    "State",
    "Thermodynamic",
    "ThermodynamicKFAC",
    "Woodbury",
    "relative_residual",
]
