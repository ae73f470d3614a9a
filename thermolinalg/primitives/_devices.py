"""The `device` and `schedule` arguments, checked."""

from __future__ import annotations

from typing import Any

from thermolinalg.devices import Schedule
from thermolinalg.systems.chosen import as_device

__all__ = ["as_device", "as_schedule"]


def as_schedule(schedule: Any) -> Schedule | None:
    """The user's schedule, or None."""
    if schedule is not None and not isinstance(schedule, Schedule):
        raise TypeError(f"schedule must be None or a Schedule(burn_in, duration, ...), not {schedule!r}")
    return schedule
