from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.laws import EulerMaruyama, Overdamped

STEP = 0.125


def recursion(x, first, spacing, readings):
    """Weights and covariance (T = 1) of (mean of the readings, last reading), by running the recursion, 60 digits."""
    delta = mpmath.mpf(STEP)
    lam = mpmath.mpf(x) / delta
    state = mpmath.matrix([[1, 0]])
    covariance, total = mpmath.mpf(0), mpmath.matrix([[0, 0]])
    average, shared = mpmath.mpf(0), mpmath.mpf(0)  # of the sum of the readings, and with the state
    for step in range(first + spacing * (readings - 1) + 1):
        if step:
            state *= 1 - lam * delta
            state[1] += delta
            covariance = (1 - lam * delta) ** 2 * covariance + 2 * delta
            shared *= 1 - lam * delta
        if step >= first and (step - first) % spacing == 0:
            total += state
            average += 2 * shared + covariance
            shared += covariance
    n = readings
    weights = np.array((total / n).tolist() + state.tolist(), dtype=float)
    return weights, np.array([[average / n**2, shared / n], [shared / n, covariance]], dtype=float)


@given(
    # λδ over all of [0, 2): creeping, exactly one, flipping sign at each step
    st.sampled_from([0.0, 1e-12, 1e-6, 0.5, 1 - 1e-9, 1.0, 1 + 1e-9, 1.5, 2 - 1e-6]) | st.floats(0, 1.99),
    st.integers(0, 6),
    st.integers(1, 4),
    st.integers(1, 12),
)
def test_window_against_the_recursion(joint_law, x, first, spacing, readings):
    with mpmath.workdps(60):
        weights, covariance = recursion(x, first, spacing, readings)
    law = EulerMaruyama(STEP).window(first * STEP, readings * spacing * STEP, readings)
    got = joint_law(law, x / STEP)
    assert_allclose(got.weights, weights, rtol=1e-12, atol=1e-14)
    assert_allclose(got.covariance, covariance, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("x", [0.0, 0.3, 1.0, 1.7])
def test_step_against_the_recursion(joint_law, x):
    weights, covariance = recursion(x, 5, 1, 1)
    law = EulerMaruyama(STEP)
    got = joint_law(law.step(5 * STEP), x / STEP)
    assert_allclose(got.weights, weights[1:], atol=1e-15)
    assert_allclose(got.covariance, covariance[1:, 1:])
    lam = np.array([x / STEP])
    scalars = [f(lam, 5 * STEP)[0] for f in (law.decay, law.response, law.variance)]
    assert_allclose(scalars, [*weights[1], covariance[1, 1]], atol=1e-15)


def test_stationary_variance_is_too_large(joint_law):
    """Time stepping multiplies the variance of a mode by 2/(2 − λδ); the long average it gets right."""
    law, lam = EulerMaruyama(0.5, temperature=0.7), np.array([0.1, 1.0, 3.0])
    assert_allclose(law.stationary_variance(lam), 0.7 / lam * 2 / (2 - lam * 0.5))
    assert_allclose(law.variance(lam, 1e4), law.stationary_variance(lam))
    for value in lam:
        assert_allclose(joint_law(law.stationary(), value).covariance, law.stationary_variance(np.array([[value]])))
        long = joint_law(law.window(1e3, 1e8), value)
        assert_allclose(long.covariance[0, 0], law.averaging_variance(value, 1e8), rtol=1e-5)


@pytest.mark.parametrize("window", [(1.0, 2.0, 4), (0.0, 2.0, None)], ids=str)
def test_small_steps_are_the_device(joint_law, window):
    device = joint_law(Overdamped(0.6).window(*window), 1.3)
    errors = []
    for step in [2.0**-10, 2.0**-11]:
        got = joint_law(EulerMaruyama(step, 0.6).window(*window), 1.3)
        errors.append(np.abs(got.covariance - device.covariance).max())
    assert errors[0] < 2e-3
    assert_allclose(errors[0] / errors[1], 2, rtol=0.05)  # first order


def test_relaxation_rate():
    law = EulerMaruyama(0.1)
    assert_allclose(law.relaxation_rate(1e-3), 1e-3, rtol=1e-4)
    assert_allclose(law.relaxation_rate(19.0), -np.log(0.9) / 0.1)


@pytest.mark.parametrize("run", ["step", "window", "stationary", "rate"])
def test_unstable_steps_are_refused(run):
    law, lam = EulerMaruyama(0.5), np.array([1.0, 4.0])
    runs = {
        "step": lambda: law.step(1.0).functions(lam),
        "window": lambda: law.window(1.0, 1.0).functions(lam),
        "stationary": lambda: law.stationary().functions(lam),
        "rate": lambda: law.relaxation_rate(4.0),
    }
    with pytest.raises(ValueError, match=r"step_size < 0\.5"):
        runs[run]()


def test_bad_arguments():
    with pytest.raises(ValueError, match="step_size must be positive"):
        EulerMaruyama(0.0)
    with pytest.raises(ValueError, match="readings must be at least 1"):
        EulerMaruyama(0.1).window(0.0, 1.0, 0)
    with pytest.raises(ValueError, match="times must be"):
        EulerMaruyama(0.1).step(-1.0)
