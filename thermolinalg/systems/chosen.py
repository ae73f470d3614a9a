"""The device that a call runs on: the user's, or the default one."""

from __future__ import annotations

from thermolinalg.devices import Device, GeneralDevice, LangevinDevice

__all__ = ["as_device"]


def as_device(device: object, *, stable: bool = False) -> Device:
    """The user's device; the default one for None.

    Raises
    ------
    TypeError
        It is no device, or cannot hold A as the drift itself although `stable` asks for it.
    """
    if device is None:
        return GeneralDevice() if stable else LangevinDevice()
    if not callable(getattr(device, "program", None)):
        raise TypeError(
            f"device must be None or have a method program(operator), such as LangevinDevice(); not {device!r}"
        )
    if stable and isinstance(device, LangevinDevice):
        raise TypeError("assume_a='stable' needs a GeneralDevice: the couplings of a LangevinDevice are symmetric")
    return device  # type: ignore[return-value]
