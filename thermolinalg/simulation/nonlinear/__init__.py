"""Nonlinear cells, stepped in time: energies, the integrators that follow them, and the step that is short enough."""

from thermolinalg.simulation.nonlinear.energies import Clamps, Energy, Network, Saturation, Scaled, Sum, Wells
from thermolinalg.simulation.nonlinear.equation import Equation
from thermolinalg.simulation.nonlinear.integrators import (
    BAOAB,
    MALA,
    EulerMaruyama,
    Heun,
    Integrator,
    LeimkuhlerMatthews,
    State,
    TamedEuler,
)
from thermolinalg.simulation.nonlinear.schedules import Annealing, GeometricRamp, LinearRamp, Ramp, Sequence
from thermolinalg.simulation.nonlinear.stepping import chosen_step, simulate
from thermolinalg.simulation.nonlinear.trajectory import Checkpoint, Trajectory

__all__ = [
    "BAOAB",
    "MALA",
    "Annealing",
    "Checkpoint",
    "Clamps",
    "Energy",
    "Equation",
    "EulerMaruyama",
    "GeometricRamp",
    "Heun",
    "Integrator",
    "LeimkuhlerMatthews",
    "LinearRamp",
    "Network",
    "Ramp",
    "Saturation",
    "Scaled",
    "Sequence",
    "State",
    "Sum",
    "TamedEuler",
    "Trajectory",
    "Wells",
    "chosen_step",
    "simulate",
]
