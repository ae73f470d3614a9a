"""Devices: where a matrix is written into, what a run returns, and how hardware departs from its ideal."""

from thermolinalg.devices.general import GeneralDevice, GeneralProgram
from thermolinalg.devices.imperfections import (
    PCB2024,
    Amplifiers,
    Capacitors,
    Clock,
    Converter,
    Couplings,
    DriveFlicker,
    Flicker,
    Ideal,
    Imperfections,
    IntegratedCMOS,
    Interference,
    Noise,
    PaperTNGD,
    Pessimistic,
    Shots,
    Sourced,
    Warming,
)
from thermolinalg.devices.langevin import LangevinDevice
from thermolinalg.devices.langevin_program import LangevinProgram
from thermolinalg.devices.lattice import LatticeDevice
from thermolinalg.devices.lattice_program import LatticeProgram
from thermolinalg.devices.loading import AsWritten, Equilibrated
from thermolinalg.devices.mitigation import Averaged, Calibrated, Ensemble
from thermolinalg.devices.named import installed_devices
from thermolinalg.devices.partition import by_coupling, contiguous
from thermolinalg.devices.protocols import Correlated, Device, Drivable, Program
from thermolinalg.devices.reading import CovarianceReading, Ledger, Reading, Spectrum
from thermolinalg.devices.remote import RemoteDevice
from thermolinalg.devices.saturating import SaturatingDevice
from thermolinalg.devices.saturating_program import SaturatingProgram
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.simulated import SingularError
from thermolinalg.devices.skew import SkewProgram
from thermolinalg.devices.starting import PreparedStart
from thermolinalg.devices.tiled import TiledDevice, TiledProgram
from thermolinalg.devices.uneven import UnevenProgram

__all__ = [
    "Amplifiers",
    "AsWritten",
    "Averaged",
    "Calibrated",
    "Capacitors",
    "Clock",
    "Converter",
    "Correlated",
    "Couplings",
    "CovarianceReading",
    "Device",
    "Drivable",
    "DriveFlicker",
    "Ensemble",
    "Equilibrated",
    "Flicker",
    "GeneralDevice",
    "GeneralProgram",
    "Ideal",
    "Imperfections",
    "IntegratedCMOS",
    "Interference",
    "LangevinDevice",
    "LangevinProgram",
    "LatticeDevice",
    "LatticeProgram",
    "Ledger",
    "Noise",
    "PCB2024",
    "PaperTNGD",
    "Pessimistic",
    "PreparedStart",
    "Program",
    "Reading",
    "RemoteDevice",
    "SaturatingDevice",
    "SaturatingProgram",
    "Schedule",
    "Shots",
    "SkewProgram",
    "SingularError",
    "Sourced",
    "Spectrum",
    "TiledDevice",
    "TiledProgram",
    "UnevenProgram",
    "Warming",
    "by_coupling",
    "contiguous",
    "installed_devices",
]
