"""Linear algebra on simulated thermodynamic (Langevin) devices, in the shape of SciPy."""

from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg.devices import (
    AsWritten,
    Equilibrated,
    GeneralDevice,
    Imperfections,
    LangevinDevice,
    Schedule,
    SingularError,
)
from thermolinalg.hardware import Hardware
from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.planning import Plan, plan
from thermolinalg.primitives.determinant import det, logabsdet, slogdet
from thermolinalg.primitives.explain import explain
from thermolinalg.primitives.exponential import expm
from thermolinalg.primitives.exponential_action import expm_multiply
from thermolinalg.primitives.inverse import inv
from thermolinalg.primitives.inverse_diagonal import inv_diagonal
from thermolinalg.primitives.inverse_operator import ThermodynamicInverse
from thermolinalg.primitives.langevin import langevin
from thermolinalg.primitives.least_squares import lstsq
from thermolinalg.primitives.lyapunov import solve_continuous_lyapunov
from thermolinalg.primitives.program import PreparedDevice, program
from thermolinalg.primitives.pseudo_inverse import pinv
from thermolinalg.primitives.sampling import sample
from thermolinalg.primitives.solve import solve
from thermolinalg.sweeps import sweep

__version__ = "0.1.0"

__all__ = [
    "AsWritten",
    "Equilibrated",
    "EulerMaruyama",
    "GeneralDevice",
    "Hardware",
    "Imperfections",
    "Info",
    "LangevinDevice",
    "Overdamped",
    "Plan",
    "PreparedDevice",
    "Schedule",
    "SingularError",
    "ThermodynamicInverse",
    "ThermodynamicWarning",
    "Underdamped",
    "det",
    "explain",
    "expm",
    "expm_multiply",
    "inv",
    "inv_diagonal",
    "langevin",
    "logabsdet",
    "lstsq",
    "pinv",
    "plan",
    "program",
    "sample",
    "slogdet",
    "solve",
    "solve_continuous_lyapunov",
    "sweep",
]
