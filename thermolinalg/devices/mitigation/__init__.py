"""Error mitigation: devices around devices, whose readings miss less than those of the device inside."""

from thermolinalg.devices.mitigation.averaged import Averaged, AveragedProgram
from thermolinalg.devices.mitigation.calibrated import Calibrated, CalibratedProgram
from thermolinalg.devices.mitigation.ensemble import Ensemble, EnsembleProgram
from thermolinalg.devices.mitigation.wrapped import WrappedProgram

__all__ = [
    "Averaged",
    "AveragedProgram",
    "Calibrated",
    "CalibratedProgram",
    "Ensemble",
    "EnsembleProgram",
    "WrappedProgram",
]
