from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.laws import Overdamped
from thermolinalg.laws._linear import NOISE_RTOL

DIGITS = 80
rates = st.just(0.0) | st.floats(-9, 4).map(lambda e: 10.0**e)
times = st.floats(-4, 3).map(lambda e: 10.0**e)


def readings_law(lam, temperature, instants):
    """Weights and covariance of (mean of the readings, last reading) from their joint covariance, to 80 digits."""
    lam, n = mpmath.mpf(lam), len(instants)

    def response(t):
        return -mpmath.expm1(-lam * t) / lam if lam else t

    def covariance(s, t):
        s, t = min(s, t), max(s, t)
        return 2 * temperature * mpmath.exp(-lam * (t - s)) * (-mpmath.expm1(-2 * lam * s) / (2 * lam) if lam else s)

    last = instants[-1]
    weights = [
        [sum(mpmath.exp(-lam * t) for t in instants) / n, sum(response(t) for t in instants) / n],
        [mpmath.exp(-lam * last), response(last)],
    ]
    shared = sum(covariance(t, last) for t in instants) / n
    average = sum(covariance(s, t) for s in instants for t in instants) / n**2
    return weights, [[average, shared], [shared, covariance(last, last)]]


def window_law(lam, temperature, t0, duration):
    """The continuous average in closed form, to 80 digits."""
    lam, temperature, t0, w = map(mpmath.mpf, (lam, temperature, t0, duration))
    memory, z, s2 = mpmath.exp(-lam * t0), lam * w, temperature / lam
    phi = -mpmath.expm1(-z) / z
    end = memory * mpmath.exp(-z)
    weights = [[memory * phi, (1 - memory * phi) / lam], [end, (1 - end) / lam]]
    average = s2 * (2 * (z - 1 + mpmath.exp(-z)) / z**2 - (memory * phi) ** 2)
    shared = s2 * (phi - end * memory * phi)
    return weights, [[average, shared], [shared, s2 * (1 - end**2)]]


def assert_law(law, lam, weights, covariance, joint_law, rtol):
    got = joint_law(law, lam)
    (average, shared), (_, last) = covariance
    assert_allclose(got.weights, np.array(weights, dtype=float), rtol=rtol)
    assert_allclose(got.covariance, np.array(covariance, dtype=float), rtol=rtol)
    # What the last state does not explain, however little it is.
    own = float(average - shared**2 / last) if last else 0.0
    assert_allclose(got.noise[0, 1] ** 2, own, rtol=10 * rtol, atol=1e-15 * float(last))


@given(rates, st.just(0.0) | times, times, st.integers(1, 7), st.floats(0.01, 10))
def test_readings(joint_law, lam, t0, spacing, n, temperature):
    assume(lam * (t0 + n * spacing) < 500)
    with mpmath.workdps(DIGITS):
        instants = [mpmath.mpf(t0) + k * mpmath.mpf(n * spacing) / n for k in range(n)]
        weights, covariance = readings_law(lam, temperature, instants)
        law = Overdamped(temperature).window(t0, n * spacing, n)
        # e^{-λt} of a rounded product λt is as good as λt · eps.
        rtol = 1e-13 * (1 + lam * (t0 + n * spacing))
        assert_law(law, lam, weights, covariance, joint_law, rtol)


@given(rates.filter(bool), st.just(0.0) | times, times)
def test_continuous_average(joint_law, lam, t0, duration):
    assume(lam * (t0 + duration) < 500)
    with mpmath.workdps(DIGITS):
        weights, covariance = window_law(lam, 0.3, t0, duration)
        rtol = 1e-13 * (1 + lam * (t0 + duration))
        assert_law(Overdamped(0.3).window(t0, duration), lam, weights, covariance, joint_law, rtol)


@pytest.mark.parametrize("lam", [0.0, 1e-8, 0.3, 40.0])
def test_many_readings_are_the_continuous_average(joint_law, lam):
    """The average of the readings is a left Riemann sum: its first-order error is half a spacing."""
    law, n = Overdamped(2.0), 10**7
    continuous, discrete = (joint_law(law.window(0.1, 2.0, readings), lam) for readings in (None, n))
    assert_allclose(discrete.weights, continuous.weights, rtol=1e-4, atol=1e-9)
    assert_allclose(discrete.covariance, continuous.covariance, rtol=1e-4)


def test_free_mode(joint_law):
    """Where nothing holds a node it drifts with b and diffuses: variance 2Tt at the end, 2T(t0 + T_w/3) on average."""
    law = joint_law(Overdamped(3.0).window(5.0, 9.0), 0.0)
    assert_allclose(law.weights, [[1.0, 5.0 + 4.5], [1.0, 14.0]])
    assert_allclose(law.covariance, [[6 * (5 + 3), 6 * (5 + 4.5)], [6 * (5 + 4.5), 6 * 14]])


@given(rates, times, times)
def test_two_steps_are_the_long_step(joint_law, lam, s, t):
    law = Overdamped(0.7)
    first, second, whole = (joint_law(law.step(time), lam) for time in (s, t, s + t))
    (decay1, response1), (decay2, response2) = first.weights[0], second.weights[0]
    rtol = 1e-13 * (1 + lam * (s + t))
    assert_allclose(decay1 * decay2, whole.weights[0, 0], rtol=rtol, atol=1e-300)
    assert_allclose(decay2 * response1 + response2, whole.weights[0, 1], rtol=rtol)
    assert_allclose(decay2**2 * first.covariance + second.covariance, whole.covariance, rtol=rtol)


def test_step_reaches_equilibrium(joint_law):
    lam, law = np.array([0.5, 3.0]), Overdamped(0.2)
    assert_allclose(law.variance(lam, 1e3), law.stationary_variance(lam))
    assert_allclose(joint_law(law.stationary(), 0.5).covariance, [[0.4]])
    long = joint_law(law.window(100.0, 1e9), 0.5)
    assert_allclose(long.covariance[0, 0], law.averaging_variance(0.5, 1e9), rtol=1e-8)


@pytest.mark.parametrize(
    ("make", "rtol"),
    [
        (lambda law, unit: law.step(16 * unit), 3e-7),
        (lambda law, unit: law.window(16 * unit, 16 * unit), 2e-6),
        (lambda law, unit: law.window(20 * unit, 1e5 * unit), NOISE_RTOL),
        (lambda law, unit: law.window(16 * unit, 10 * 16 * unit, 10), 2e-6),
        (lambda law, unit: law.window(16 * unit, 16 * unit, 1), 2e-6),
    ],
    ids=["step", "short", "long", "readings", "one reading"],
)
@pytest.mark.parametrize("lam_min", [1e-3, 1.0, 50.0])
def test_equilibrium_forms_are_the_functions(assert_same_functions, make, rtol, lam_min):
    """The inverse polynomials agree with the exact functions at λ_min and above."""
    law = make(Overdamped(0.3), 1 / lam_min)
    lam = lam_min * np.geomspace(1, 1e6, 50)
    form = law.equilibrium(lam_min)
    assert form is not None
    # b/λ times the allowed rest of the start stays far below; x0 itself has to be negligible beside it.
    got = [row[1:] for row in form]
    want = [row[1:] for row in law.functions(lam)]
    assert_same_functions(got, want, lam, rtol=rtol, names=law.inputs[1:])
    assert all(float(np.max(np.abs(row[0]))) < 2e-7 for row in law.functions(lam) if row[0] is not None)


def test_no_equilibrium_form_for_short_runs():
    law = Overdamped()
    assert law.step(1.0).equilibrium(1.0) is None
    assert law.window(1.0, 100.0).equilibrium(1.0) is None
    assert law.window(100.0, 1.0).equilibrium(1.0) is None
    assert law.window(100.0, 100.0, 10).equilibrium(1.0) is None


@pytest.mark.parametrize("temperature", [-1.0, np.nan, np.inf])
def test_a_temperature_is_a_number_not_below_zero(temperature):
    with pytest.raises(ValueError, match="temperature must"):
        Overdamped(temperature)
