"""The report of calls that read a device many times."""

from __future__ import annotations

from typing import Any

from thermolinalg._arrays import Array, eps
from thermolinalg._info import Info, warn
from thermolinalg.devices import Ledger, Program, Schedule
from thermolinalg.estimation.covariance import effective_readings
from thermolinalg.estimation.health import Health
from thermolinalg.primitives._report import with_budget

__all__ = ["admitted", "declare", "empty_report", "end_early", "readings_report", "relative_rounding"]


def readings_report(program: Program, schedule: Schedule, moment: float, message: str) -> Info:
    """The information object of one run whose readings are the answer.

    Parameters
    ----------
    program : Program
    schedule : Schedule
        With `readings`.
    moment : float
        Which moment of the readings is wanted, 1 for means and 2 for covariances: its correlations decay that much
        faster than e^{−rate·t}.
    message : str

    Returns
    -------
    Info
    """
    rate = program.rate()
    return Info(
        success=True,
        status=0,
        message=message,
        residual_norm=None,
        backward_error=None,
        n_runs=1,
        n_matvec=0,
        schedule=schedule,
        device_time=program.ledger.device_time,
        ledger=program.ledger,
        failures=list(getattr(program, "failures", ())),
        autocorrelation_time=1 / rate,
        effective_sample_size=effective_readings(schedule, moment * rate / 2),
        **program.describe(),
    )


def empty_report(bar: Any, message: str) -> Info:
    """The information object of a call that has nothing to run.

    Parameters
    ----------
    bar : array or float
        The error bar: zero, in the shape of the answer.
    message : str

    Returns
    -------
    Info
    """
    told = Info(
        success=True,
        status=0,
        message=message,
        residual_norm=0.0,
        backward_error=0.0,
        condition=None,
        noise=bar,
        rounding=bar,
        systematic=bar,
        standard_error=bar,
        n_runs=0,
        n_matvec=0,
        schedule=None,
        device_time=0.0,
        ledger=Ledger(),
        failures=[],
        engine="none: nothing had to run",
        reason="",
    )
    return with_budget(told)


def relative_rounding(d: int, like: Array, condition: float | None) -> float:
    """Share of a covariance of d nodes that rounding of the spectrum moves, √d · eps · κ; 0 where κ is unknown."""
    return 0.0 if condition is None else d**0.5 * eps(like) * condition


def end_early(info: Info, count: int, what: str, *, enough: bool = False) -> None:
    """Put into the report that a callback ended the call.

    Parameters
    ----------
    info : Info
    count : int
        How many there are.
    what : str
        Of what, in the plural.
    enough : bool, optional
        Whether they are enough for what was asked: then they are a success all the same.
    """
    message = f"stopped by the callback after {count} {what}; {info['message']}"
    info.update(success=enough, status=0 if enough else max(info.n_runs, 1), message=message, stopped=True)


def admitted(program: Any) -> float:
    """Relative error of a variance that a device tells of itself; 0 where it tells of none."""
    return getattr(program, "spread_error", None) or 0.0


def declare(info: Info, health: Health | None) -> None:
    """Put the health of the device into the report; readings of a sick one are no success, and come with a warning.

    Parameters
    ----------
    info : Info
    health : Health or None
        None where nobody looked: the package's own simulation of an ideal device.
    """
    info.health = health
    if health is not None and health.failed:
        info.update(success=False, status=info.get("status") or 1, message=f"{health.complaint}; {info['message']}")
        warn(f"{health.complaint}; solve() and inv() correct for a sick device, what has no residual cannot")
