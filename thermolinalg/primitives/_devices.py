"""The `device` and `schedule` arguments, checked."""

from __future__ import annotations

from typing import Any

from thermolinalg.devices import Device, LangevinDevice, Schedule

__all__ = ["as_device", "as_schedule"]


def as_device(device: Any) -> Device:
    """The user's device; an ideal `LangevinDevice` for None."""
    if device is None:
        return LangevinDevice()
    if not isinstance(device, Device):
        raise TypeError(
            f"device must be None or have a method program(operator), such as LangevinDevice(); not {device!r}"
        )
    return device


def as_schedule(schedule: Any) -> Schedule | None:
    """The user's schedule, or None."""
    if schedule is not None and not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be None or a Schedule(burn_in, duration, ...), not {schedule!r}")
    return schedule
