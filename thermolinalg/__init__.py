"""Linear algebra on simulated thermodynamic (Langevin) devices."""

from thermolinalg._info import Info, ThermodynamicWarning
from thermolinalg.devices import AsWritten, Equilibrated, Imperfections, LangevinDevice, Schedule
from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.primitives.explain import explain
from thermolinalg.primitives.least_squares import lstsq, pinv
from thermolinalg.primitives.solve import solve

__version__ = "0.1.0"

__all__ = [
    "AsWritten",
    "Equilibrated",
    "EulerMaruyama",
    "Imperfections",
    "Info",
    "LangevinDevice",
    "Overdamped",
    "Schedule",
    "ThermodynamicWarning",
    "Underdamped",
    "explain",
    "lstsq",
    "pinv",
    "solve",
]
