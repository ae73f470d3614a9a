"""Laws of thermodynamic devices: a few scalar functions of an eigenvalue of A, and nothing else."""

from thermolinalg.laws._linear import InversePolynomial, LinearLaw
from thermolinalg.laws.euler_maruyama import EulerMaruyama
from thermolinalg.laws.overdamped import Overdamped
from thermolinalg.laws.underdamped import Underdamped

__all__ = ["EulerMaruyama", "InversePolynomial", "LinearLaw", "Overdamped", "Underdamped"]
