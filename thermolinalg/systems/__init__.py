"""What stands between the user's A x = b and the one on a device: changes of variables that compose."""

from thermolinalg.systems.base import Chain, System
from thermolinalg.systems.equation import Equation, Measure
from thermolinalg.systems.held import Condition, DeviceInverse, SingularError
from thermolinalg.systems.inner import Embedded, Negated, NormalEquations
from thermolinalg.systems.real_form import ComplexColumns, RealForm
from thermolinalg.systems.rescaled import Rescaled

__all__ = [
    "Chain",
    "ComplexColumns",
    "Condition",
    "DeviceInverse",
    "Embedded",
    "Equation",
    "Measure",
    "Negated",
    "NormalEquations",
    "RealForm",
    "Rescaled",
    "SingularError",
    "System",
]
