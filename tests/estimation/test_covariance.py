"""Lag sums against geometric series, error bars against sums over every pair of readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg import AsWritten, EulerMaruyama, LangevinDevice, Overdamped, Schedule, Underdamped
from thermolinalg.estimation.covariance import effective_readings, lag_rule, readings_for, standard_error
from thermolinalg.operators import Dense


@given(count=st.integers(1, 10**6), rate=st.floats(1e-7, 20.0))
def test_lag_rule_sums_decays(count, rate):
    lags, weights = lag_rule(count)
    assert len(lags) <= 10 + 5 * 18
    assert np.all(lags < count)
    expected = np.expm1(-rate * count) / np.expm1(-rate)
    assert_allclose(weights @ np.exp(-rate * lags), expected, rtol=1e-7)
    assert_allclose(weights.sum(), count, rtol=1e-12)


def test_lag_rule_takes_every_lag_of_what_rings():
    lags, weights = lag_rule(100, monotone=False)
    assert np.array_equal(lags, np.arange(100))
    assert np.all(weights == 1)


def test_readings_for():
    assert readings_for(0.1, 9) == 1001
    assert readings_for(0.1, 9, copies=2) == 501
    with pytest.raises(ValueError, match="rtol"):
        readings_for(1e-13, 3)


def test_effective_readings():
    schedule = Schedule(burn_in=1, readings=100, spacing=0.5)
    a = np.exp(-0.3 * 0.5)
    assert_allclose(effective_readings(schedule, 0.3), 100 * (1 - a**2) / (1 + a**2))


A = np.array([[1.0, 0.3, 0.1], [0.3, 0.8, -0.2], [0.1, -0.2, 0.5]])
LAWS = [Overdamped(2.0), Underdamped(1.0, 1.0, 0.4), EulerMaruyama(step_size=0.5)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("right", [None, np.arange(6.0).reshape(3, 2)])
def test_standard_error_is_the_sum_over_pairs(law, right):
    """Var(C_kl) = Σ_st (S^{s−t}_kk S^{s−t}_ll + (S^{s−t}_kl)²)/(N (N − 1)), term by term."""
    n = 400
    schedule = Schedule(burn_in=50, readings=n, spacing=0.5)
    program = LangevinDevice(law=law, loading=AsWritten()).program(Dense(A))
    reading = program.covariance(schedule, rng=np.random.default_rng(0))
    lam, q = np.linalg.eigh(A)
    b = np.eye(3) if right is None else right
    total = np.zeros((3, b.shape[1]))
    for lag in range(n):
        s = (q * (law.stationary_variance(lam) * law.decay(lam, 0.5 * lag) / law.temperature)) @ q.T
        weight = (n - lag) * (1 if lag == 0 else 2)
        total += weight * (np.outer(np.diag(s), np.diag(b.T @ s @ b)) + (s @ b) ** 2)
    assert_allclose(standard_error(reading, right), np.sqrt(total / (n * (n - 1))), rtol=1e-6)
    assert_allclose(reading.autocovariance(0.0), (q * law.stationary_variance(lam)) @ q.T / law.temperature)


def test_standard_error_of_independent_readings_is_their_own():
    schedule = Schedule(burn_in=200, readings=50, spacing=200)
    reading = LangevinDevice(loading=AsWritten()).program(Dense(A)).covariance(schedule, rng=np.random.default_rng(0))
    c = reading.value
    assert reading.autocovariance is None
    assert_allclose(standard_error(reading), np.sqrt((np.outer(np.diag(c), np.diag(c)) + c**2) / 49))
    assert_allclose(standard_error(reading, circular=True), np.sqrt(np.outer(np.diag(c), np.diag(c)) / 49))


@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
def test_standard_error_is_the_spread_of_runs(law):
    runs = 400
    schedule = Schedule(burn_in=30, readings=300, spacing=0.5)
    program = LangevinDevice(law=law, loading=AsWritten()).program(Dense(A))
    rng = np.random.default_rng(0)
    readings = [program.covariance(schedule, rng=rng) for _ in range(runs)]
    spread = np.std([reading.value for reading in readings], axis=0)
    # 5 standard errors of a standard deviation, and the O(1/N) that subtracting the mean takes away.
    assert_allclose(spread / standard_error(readings[0]), 1, atol=5 / np.sqrt(2 * runs) + 0.06)
