"""How the parts of a device depart from their ideal."""

from thermolinalg.devices.imperfections.disturbances import (
    Clock,
    DriveFlicker,
    Flicker,
    Interference,
    Shots,
    Warming,
)
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
    "Clock",
    "Converter",
    "Couplings",
    "DriveFlicker",
    "Flicker",
    "Ideal",
    "Imperfections",
    "IntegratedCMOS",
    "Interference",
    "Noise",
    "PCB2024",
    "PaperTNGD",
    "Pessimistic",
    "Shots",
    "Sourced",
    "Warming",
    "connected",
    "quantise",
]
