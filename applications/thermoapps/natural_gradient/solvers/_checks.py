"""Checks of configurations that several solvers share."""

from __future__ import annotations

import math

__all__ = ["check_count", "check_delay", "check_readings", "check_share", "check_start", "check_time"]


def check_time(time: float) -> None:
    """Refuse a run time that is negative; infinity is one."""
    if not time >= 0:
        raise ValueError(f"time must not be negative (infinity reads in equilibrium), got {time!r}")


def check_delay(delay: float) -> None:
    """Refuse a delay that is negative or infinite."""
    if not 0 <= delay < math.inf:
        raise ValueError(f"delay must be finite and not negative, got {delay!r}")


def check_readings(readings: int | None, spacing: float) -> None:
    """Refuse a number of readings below one, or a spacing that is not positive."""
    if readings is not None:
        check_count(readings, "readings")
    if not 0 < spacing < math.inf:
        raise ValueError(f"spacing must be positive and finite, got {spacing!r}")


def check_count(value: int, name: str) -> None:
    """Refuse a count below one."""
    if value != int(value) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}")


def check_share(value: float, name: str) -> None:
    """Refuse a share outside [0, 1)."""
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be in [0, 1), got {value!r}")


def check_start(start: str, delay: float) -> None:
    """Refuse an unknown start, and a delay without memory of the run before."""
    if start not in ("previous", "rest", "gradient"):
        raise ValueError(f"start must be 'previous', 'rest' or 'gradient', got {start!r}")
    if delay and start == "gradient":
        raise ValueError("a delay has no effect on runs that start from the gradient; pass start='previous'")
