"""How the parts of a device depart from their ideal."""

from thermolinalg.devices.imperfections.imperfections import Imperfections
from thermolinalg.devices.imperfections.parts import (
    Amplifiers,
    Capacitors,
    Converter,
    Couplings,
    Noise,
    connected,
    quantise,
)
from thermolinalg.devices.imperfections.sourced import Sourced

__all__ = [
    "Amplifiers",
    "Capacitors",
    "Converter",
    "Couplings",
    "Imperfections",
    "Noise",
    "Sourced",
    "connected",
    "quantise",
]
