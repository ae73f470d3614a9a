"""Checks of what samples and inverses need of a device, and linear systems do not: temperatures and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg.devices.protocols import missing
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Dense
from thermolinalg.testing._bench import RELAXED, Bench
from thermolinalg.testing.assertions import assert_covariance

__all__ = ["READ", "reads"]

RENEWED = 4
"""Readings half a relaxation time apart that amount to one independent one, at most."""


def reads(name: str, bench: Bench) -> bool:
    """Whether a device promises what is checked: it has the methods, and does not say that it cannot (TypeError)."""
    program: Any = bench.device.program(Dense(bench.matrix), rng=bench.rng)
    if missing(program, ("readings",) if name == "temperature" else ("readings", "covariance", "variances")):
        return False
    if name == "temperature":
        return True
    try:
        program.covariance(Schedule(burn_in=1.0, readings=4, spacing=1.0), rng=bench.rng)
    except TypeError:
        return False
    except Exception:
        return True
    return True


def temperature(bench: Bench) -> None:
    program = bench.program()
    apart = RELAXED / program.rate()
    schedule = Schedule(burn_in=apart, readings=bench.copies, spacing=apart)
    for heat in (0.3, 4.0):
        path = program.readings(bench.load[:, 0], schedule, rng=bench.rng, temperature=heat).value
        bench.assert_mean(path.T, bench.solution)
        expected = heat / bench.temperature * bench.covariance
        assert_covariance(path, expected, n_se=bench.n_se, tolerance=bench.tolerance)


def covariance(bench: Bench) -> None:
    inverse = bench.covariance / bench.temperature
    for factor in (1.0, 1e-4):
        program = bench.program(factor)
        runs, apart = program.ledger.runs, RELAXED / program.rate()
        schedule = Schedule(burn_in=apart, readings=bench.copies, spacing=apart)
        told = program.covariance(schedule, rng=bench.rng)
        assert program.ledger.runs > runs, "covariances are not counted in the ledger"
        _assert_spread(bench, "covariance", factor * np.asarray(told.value), inverse, bench.copies)
        told = program.variances(bench.copies, rng=bench.rng)
        _assert_spread(bench, "variances", factor * np.asarray(told.value), np.diag(inverse), bench.copies)


def autocovariance(bench: Bench) -> None:
    program, inverse = bench.program(), bench.covariance / bench.temperature
    spacing, count = 0.5 / program.rate(), bench.copies
    schedule = Schedule(burn_in=RELAXED / program.rate(), readings=count, spacing=spacing)
    told = program.covariance(schedule, rng=bench.rng)
    assert told.autocovariance is not None, "readings half a relaxation time apart are said to be independent"
    assert told.lags >= 1, f"their covariance is said to be negligible beyond {told.lags} readings"
    _assert_spread(bench, "covariance of correlated readings", np.asarray(told.value), inverse, count / RENEWED)
    x = program.readings(0 * bench.load[:, 0], schedule, rng=bench.rng, temperature=1.0).value
    for lag in (0, 1, 3):
        found = x[lag:].T @ x[: count - lag] / (count - lag)
        expected = np.asarray(told.autocovariance(lag))
        _assert_spread(bench, f"covariance of readings {lag} apart", (found + found.T) / 2, expected, count / RENEWED)


def _assert_spread(bench: Bench, what: str, found: Any, expected: Any, n: float) -> None:
    """A covariance (d, d), or variances (d,), of so many independent Gaussian readings whose covariance is A⁻¹."""
    inverse = bench.covariance / bench.temperature
    sizes = np.diag(inverse)
    errors = np.sqrt((np.outer(sizes, sizes) + inverse**2) / (n - 1))
    assert found.shape == expected.shape, f"{what} has shape {found.shape}, expected {expected.shape}"
    allowed = bench.n_se * (errors if found.ndim == 2 else np.diag(errors)) + bench.tolerance * abs(inverse).max()
    assert np.all(np.abs(found - expected) < allowed), (
        f"{what} is {found.round(4).tolist()}, expected {expected.round(4).tolist()}"
    )


READ = {"temperature": temperature, "covariance": covariance, "autocovariance": autocovariance}
