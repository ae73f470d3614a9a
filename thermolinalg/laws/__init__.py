"""Laws of thermodynamic devices: a few scalar functions of an eigenvalue of A, and nothing else."""

from thermolinalg.laws._linear import EQUILIBRIUM_TIMES, InversePolynomial, LinearLaw, forgotten
from thermolinalg.laws.euler_maruyama import EulerMaruyama
from thermolinalg.laws.overdamped import Overdamped
from thermolinalg.laws.skew import Skew, SkewPolynomial
from thermolinalg.laws.underdamped import Underdamped
from thermolinalg.laws.work import Drive

__all__ = [
    "EQUILIBRIUM_TIMES",
    "Drive",
    "EulerMaruyama",
    "InversePolynomial",
    "LinearLaw",
    "Overdamped",
    "Skew",
    "SkewPolynomial",
    "Underdamped",
    "forgotten",
]
