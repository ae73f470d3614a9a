"""Devices in motion: general linear devices exactly, and any of them by plain time stepping as a check."""

from thermolinalg.simulation import nonlinear
from thermolinalg.simulation.non_normal import LinearProcess, Transition, transition
from thermolinalg.simulation.stepping import LinearSDE, integrate

__all__ = [
    "LinearProcess",
    "LinearSDE",
    "Transition",
    "integrate",
    "nonlinear",
    "transition",
]
