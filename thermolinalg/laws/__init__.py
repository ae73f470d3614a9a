"""Laws of thermodynamic devices: a few scalar functions of an eigenvalue of A, and nothing else."""

from thermolinalg.laws._linear import InversePolynomial, LinearLaw
from thermolinalg.laws.overdamped import Overdamped

__all__ = ["InversePolynomial", "LinearLaw", "Overdamped"]
