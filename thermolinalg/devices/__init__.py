"""Devices: where a matrix is written into, what a run returns, and how hardware departs from its ideal."""

from thermolinalg.devices.base import CovarianceReading, Device, Ledger, Program, Reading
from thermolinalg.devices.general import GeneralDevice, GeneralProgram
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.langevin import LangevinDevice, LangevinProgram
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.schedule import Schedule

__all__ = [
    "AsWritten",
    "CovarianceReading",
    "Device",
    "Equilibrated",
    "GeneralDevice",
    "GeneralProgram",
    "Imperfections",
    "LangevinDevice",
    "LangevinProgram",
    "Ledger",
    "Program",
    "Reading",
    "Schedule",
]
