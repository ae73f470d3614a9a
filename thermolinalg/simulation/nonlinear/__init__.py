"""Nonlinear cells, stepped in time: energies, the integrators that follow them, and the step that is short enough."""

from thermolinalg.simulation.nonlinear.energies import Clamps, Energy, Network, Sum, Wells
from thermolinalg.simulation.nonlinear.equation import Equation, Trajectory
from thermolinalg.simulation.nonlinear.integrators import (
    BAOAB,
    MALA,
    EulerMaruyama,
    Heun,
    Integrator,
    LeimkuhlerMatthews,
    TamedEuler,
)
from thermolinalg.simulation.nonlinear.stepping import chosen_step, simulate

__all__ = [
    "BAOAB",
    "MALA",
    "Clamps",
    "Energy",
    "Equation",
    "EulerMaruyama",
    "Heun",
    "Integrator",
    "LeimkuhlerMatthews",
    "Network",
    "Sum",
    "TamedEuler",
    "Trajectory",
    "Wells",
    "chosen_step",
    "simulate",
]
