"""Laws of thermodynamic devices: a few scalar functions of an eigenvalue of A, and nothing else."""

from thermolinalg.laws._linear import InversePolynomial, LinearLaw
from thermolinalg.laws.euler_maruyama import EulerMaruyama
from thermolinalg.laws.overdamped import Overdamped
from thermolinalg.laws.underdamped import Underdamped
from thermolinalg.laws.work import Drive

__all__ = ["Drive", "EulerMaruyama", "InversePolynomial", "LinearLaw", "Overdamped", "Underdamped"]
