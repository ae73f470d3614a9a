"""The device that a call runs on: the user's, or the default one."""

from __future__ import annotations

from thermolinalg.devices import Device, GeneralDevice, LangevinDevice, Program
from thermolinalg.devices.named import named_device
from thermolinalg.devices.protocols import checked_device
from thermolinalg.operators import Operator

__all__ = ["as_device", "distortion_of", "undistorted"]


def as_device(device: object, *, stable: bool = False) -> Device:
    """The user's device, by itself or by its name; the default one for None.

    Raises
    ------
    TypeError
        It is no device, and no name of a registered one; or it cannot hold A as the drift itself although `stable`
        asks for it.
    """
    if device is None:
        return GeneralDevice() if stable else LangevinDevice()
    if isinstance(device, str):
        device = named_device(device)
    made = checked_device(device, "be None or ")
    if stable and isinstance(device, LangevinDevice):
        raise TypeError("assume_a='stable' needs a GeneralDevice: the couplings of a LangevinDevice are symmetric")
    return made


def distortion_of(device: Device, program: object) -> float:
    """How far a device, or its program, says that its copy of A is from A, relative to the norm; zero where neither."""
    told = float(getattr(getattr(device, "imperfections", None), "distortion", 0.0))
    return max(told, float(getattr(program, "distortion", 0.0)))


def undistorted(device: Device, program: object, operator: Operator) -> Program | None:
    """A itself on an ideal device, where the copy that the user's device holds may be definite although A is not.

    Returns
    -------
    Program or None
        None where the copy is exact.
    """
    return LangevinDevice().program(operator) if distortion_of(device, program) else None
