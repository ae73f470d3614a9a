"""Devices: where a matrix is written into, what a run returns, and how hardware departs from its ideal."""

from thermolinalg.devices.general import GeneralDevice, GeneralProgram
from thermolinalg.devices.imperfections import (
    Amplifiers,
    Capacitors,
    Converter,
    Couplings,
    Imperfections,
    Noise,
    Sourced,
)
from thermolinalg.devices.langevin import LangevinDevice
from thermolinalg.devices.langevin_program import LangevinProgram
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.protocols import Correlated, Device, Drivable, Program
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading, Spectrum
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.simulated import SingularError
from thermolinalg.devices.skew import SkewProgram
from thermolinalg.devices.uneven import UnevenProgram

__all__ = [
    "Amplifiers",
    "AsWritten",
    "Capacitors",
    "Converter",
    "Correlated",
    "Couplings",
    "CovarianceReading",
    "Device",
    "Drivable",
    "Equilibrated",
    "GeneralDevice",
    "GeneralProgram",
    "Imperfections",
    "LangevinDevice",
    "LangevinProgram",
    "Ledger",
    "Noise",
    "Program",
    "Reading",
    "Schedule",
    "SkewProgram",
    "SingularError",
    "Sourced",
    "Spectrum",
    "UnevenProgram",
]
