"""Conformance checks of what only some devices do: drives from aI to A, and noise of any covariance."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from scipy.special import expit

from thermolinalg.devices import Spectrum
from thermolinalg.devices.protocols import CORRELATED, DRIVABLE, Correlated, Drivable, missing
from thermolinalg.laws.work import Drive, work_moments
from thermolinalg.operators import Dense
from thermolinalg.testing._bench import Bench

__all__ = ["DRIVEN", "NOISY", "applies", "half_done"]

COPIES = 4000
"""Covariances and drives are read from so many copies."""

GROUP = 100
"""Readings in each group whose mean is compared."""

CALLS = 16
"""Calls whose groups are compared together."""

GENERAL = np.array([[1.0, 0.7, 0.0], [-0.2, 0.8, 0.4], [0.1, 0.0, 0.6]])
"""A drift that is not normal, with eigenvalues in Re > 0."""

NOISE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
"""A noise covariance that is no multiple of the identity."""


def drivable(bench: Bench, factor: float = 1.0) -> Drivable | None:
    """The program of the test matrix, where it can be driven."""
    program: object = bench.device.program(Dense(factor * bench.matrix), rng=bench.rng)
    return program if not missing(program, DRIVABLE) else None  # type: ignore[return-value]


def correlated(bench: Bench) -> Correlated | None:
    """The program of a matrix that is not symmetric, where the device takes one and noise of any covariance."""
    try:
        program: object = bench.device.program(Dense(GENERAL.copy(), symmetric=False), rng=bench.rng)
    except (TypeError, ValueError):
        return None
    return program if not missing(program, CORRELATED) else None  # type: ignore[return-value]


def unit(told: Spectrum, factor: float) -> float:
    """H over the test matrix: the nodes of that matrix are alike, so that loading scales them all by one number."""
    return float(factor * np.exp(-told.offset / told.order))


def applies(name: str, bench: Bench) -> bool:
    """Whether a device promises what is checked: drives and noise of one's own are not every device's."""
    if name in NOISY:
        return correlated(bench) is not None
    program = drivable(bench)
    return program is not None and (name != "work" or program.spectrum().settles)


def half_done(program: object) -> list[str]:
    """Methods that are missing where others of the same protocol are there."""
    lacking = []
    for names in (DRIVABLE[:3], CORRELATED[:3]):
        gone = missing(program, names)
        lacking += gone if 0 < len(gone) < len(names) else []
    return lacking


def spectrum(bench: Bench) -> None:
    values = np.linalg.eigvalsh(bench.matrix)
    for factor in (1.0, 1e-6):
        program = drivable(bench, factor)
        assert program is not None
        told = program.spectrum()
        assert told.order == 3, f"a matrix of three nodes has spectrum().order = {told.order}"
        scale = unit(told, factor)
        ends = np.array([told.smallest, told.largest]) / scale
        assert np.allclose(ends, values[[0, -1]], rtol=0.1 + bench.tolerance), (
            f"the spectrum ends at {ends} times {scale:g}, where A has {values[[0, -1]]}"
        )
        assert told.smallest <= told.start <= told.largest, f"a = {told.start} is outside of the spectrum"
        if told.modes is not None:
            found = float(np.log(told.modes[0]) @ told.modes[1]) + told.offset
            expected = float(np.log(factor * values).sum())
            assert abs(found - expected) < 1e-8 + 3 * bench.tolerance, (
                f"its eigenvalues make log det A = {found:.6g}, not {expected:.6g}"
            )


def readings_along(bench: Bench) -> None:
    values = np.linalg.eigvalsh(bench.matrix)
    for factor in (1.0, 1e4):
        program = drivable(bench, factor)
        assert program is not None
        start, runs = 0.7 * unit(program.spectrum(), factor), program.ledger.runs
        for log_odds in (-1.5, 0.0, 3.0):
            s, left = float(expit(log_odds)), float(expit(-log_odds))
            slopes = s * left * (values - 0.7) / (left * 0.7 + s * values)
            calls = [program.readings_along(start, log_odds, GROUP, rng=bench.rng) for _ in range(CALLS)]
            assert calls[0].ndim == 1, f"readings_along returns shape {calls[0].shape}, not group means (groups,)"
            assert len(calls[0]) >= 4, f"{len(calls[0])} groups of readings tell no scatter"
            means, variance = np.concatenate(calls), 2 * float((slopes**2).sum()) / GROUP
            # Means of many readings are all but normal, and so the spread of their squares is known.
            spread = 2**0.5 * variance
            _assert_moments(f"readings at u = {log_odds}", means, float(slopes.sum()), variance, spread, bench)
        assert program.ledger.runs > runs, "readings_along is not counted in the ledger"


def work(bench: Bench) -> None:
    program = drivable(bench)
    assert program is not None
    values = unit(program.spectrum(), 1.0) * np.linalg.eigvalsh(bench.matrix)
    drive = Drive(float(values.mean()), "geometric", (float(values[0]), float(values[-1])))
    path, runs = drive.path(values, 6), program.ledger.runs
    for way, along, done in zip(
        ("forward", "reverse"), (path, path[::-1]), program.work(drive, 6, COPIES, rng=bench.rng), strict=True
    ):
        assert done.shape == (COPIES,), f"{COPIES} {way} drives returned works of shape {done.shape}"
        moments = work_moments(along)
        mean, variance = float(moments.mean.sum()), float(moments.variance.sum())
        _assert_moments(f"{way} work", done, mean, variance, float(((done - mean) ** 2).std()), bench)
    assert program.ledger.runs - runs >= 2 * COPIES, "drives are not counted in the ledger"


def own_noise(bench: Bench) -> None:
    program = correlated(bench)
    assert program is not None
    runs, stationary = program.ledger.runs, scipy.linalg.solve_continuous_lyapunov(GENERAL, NOISE)
    schedule = program.independent_readings(COPIES)
    assert schedule.readings == COPIES, f"independent_readings({COPIES}) has {schedule.readings} readings"
    drawn = program.noise_covariance(NOISE.copy(), schedule, rng=bench.rng)
    _assert_products("noise_covariance", drawn, stationary, stationary, bench)
    for lag in (0.4, 2.0):
        late = scipy.linalg.expm(-lag * GENERAL) @ stationary
        drawn = program.lagged_covariance(NOISE.copy(), lag, schedule, rng=bench.rng)
        _assert_products(f"lagged_covariance at {lag}", drawn, late, stationary, bench)
    assert program.ledger.runs > runs, "readings under one's own noise are not counted in the ledger"


def _assert_moments(what: str, sample: np.ndarray, mean: float, variance: float, spread: float, bench: Bench) -> None:
    """Mean and variance of a sample in standard errors; `spread` is the standard deviation of its squares."""
    n, beyond = len(sample), bench.tolerance

    def assert_near(of: str, found: float, expected: float, error: float, size: float) -> None:
        off = max(abs(found - expected) - beyond * size, 0.0) / error
        assert off < bench.n_se, f"{what}: {of} {found:.6g}, expected {expected:.6g}, {off:.1f} standard errors"

    assert_near("mean", float(sample.mean()), mean, (variance / n) ** 0.5, abs(mean) + variance**0.5)
    assert_near("variance", float(((sample - mean) ** 2).mean()), variance, spread / n**0.5, mean**2 + variance)


def _assert_products(what: str, drawn: np.ndarray, expected: np.ndarray, covariance: np.ndarray, bench: Bench) -> None:
    """Means of products of Gaussian readings against their law (Isserlis)."""
    sizes = np.diag(covariance)
    errors = np.sqrt((np.outer(sizes, sizes) + expected**2) / COPIES)
    off = np.maximum(np.abs(np.asarray(drawn) - expected) - bench.tolerance * sizes.max(), 0) / errors
    assert np.all(off < bench.n_se), f"{what} is off by up to {off.max():.1f} standard errors"


DRIVEN = {"spectrum": spectrum, "readings along": readings_along, "work": work}
NOISY = {"own noise": own_noise}
