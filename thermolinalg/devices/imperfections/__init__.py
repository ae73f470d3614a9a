"""How the parts of a device depart from their ideal."""

from thermolinalg.devices.imperfections.imperfections import Imperfections
from thermolinalg.devices.imperfections.parts import (
    Amplifiers,
    Capacitors,
    Converter,
    Couplings,
    Noise,
    connected,
)
from thermolinalg.devices.imperfections.presets import PCB2024, Ideal, IntegratedCMOS, PaperTNGD, Pessimistic
from thermolinalg.devices.imperfections.rounding import quantise
from thermolinalg.devices.imperfections.sourced import Sourced

__all__ = [
    "Amplifiers",
    "Capacitors",
    "Converter",
    "Couplings",
    "Ideal",
    "Imperfections",
    "IntegratedCMOS",
    "Noise",
    "PCB2024",
    "PaperTNGD",
    "Pessimistic",
    "Sourced",
    "connected",
    "quantise",
]
