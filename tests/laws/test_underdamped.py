from __future__ import annotations

import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.laws import Overdamped, Underdamped
from thermolinalg.laws._linear import NOISE_RTOL
from thermolinalg.simulation import LinearProcess

DIGITS = 150
# Ringing, creeping, critical and free modes, with burn-in and windows from very short to long.
MODES = [
    (lam, mass, friction)
    for mass, friction in [(1.0, 2.0), (0.05, 3.0), (4.0, 0.2)]
    for lam in [0.0, 1e-6, 0.01, friction**2 / (4 * mass), 1.000001 * friction**2 / (4 * mass), 30.0]
]
WINDOWS = [(0.0, 1e-3, None), (2.0, 1e-3, None), (0.3, 5.0, None), (0.0, 1.0, 1), (1e-3, 4.0, 2), (3.0, 2.0, 9)]


def stretch(lam, mass, friction, t, integrate, halvings=40):
    """(S, x, v, b) after a time t, to 150 digits: Taylor to sixth order on t/2⁴⁰, then doubling."""
    lam, mass, friction, h = (mpmath.mpf(x) for x in (lam, mass, friction, t))
    h /= 2**halvings
    M = mpmath.zeros(4)
    M[0, 1], M[1, 2] = int(integrate), 1
    M[2, 1], M[2, 2], M[2, 3] = -lam / mass, -friction / mass, 1 / mass
    D = mpmath.zeros(4)
    D[2, 2] = friction / mass**2  # at temperature 1/2
    P, Q, term = mpmath.eye(4), mpmath.zeros(4), D * h
    power = mpmath.eye(4)
    for k in range(1, 9):
        power = power * M * h / k
        P += power
        Q += term
        term = (M * term + term * M.T) * h / (k + 1)
    for _ in range(halvings):
        P, Q = P * P, Q + P * Q * P.T
    return P, Q


def then(first, later):
    return later[0] * first[0], later[1] + later[0] * first[1] * later[0].T


def window_law(lam, mass, friction, burn_in, duration, readings):
    """Weights of (x0, v0, b) in (average, x, v), and the lower Cholesky factor in the order x, v, average."""
    law = stretch(lam, mass, friction, burn_in, integrate=False)
    if readings is None:
        count, law = mpmath.mpf(duration), then(law, stretch(lam, mass, friction, duration, integrate=True))
    else:
        count, add = mpmath.mpf(readings), mpmath.eye(4)
        add[0, 1] = 1
        read = (add, mpmath.zeros(4))
        move = stretch(lam, mass, friction, duration / readings, integrate=False)
        law = then(law, read)
        for _ in range(readings - 1):
            law = then(then(law, move), read)
    rows = mpmath.matrix([[1 / count, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]])
    weights, covariance = rows * law[0], rows * law[1] * rows.T
    order = [1, 2, 0]
    factor = mpmath.zeros(3)
    for i, row in enumerate(order):
        for j, column in enumerate(order[: i + 1]):
            rest = covariance[row, column] - sum(factor[i, k] * factor[j, k] for k in range(j))
            if abs(rest) < mpmath.mpf(10) ** -60 * abs(covariance[row, column]):
                rest = mpmath.mpf(0)  # a single reading is the state itself
            factor[i, j] = mpmath.sqrt(rest) if i == j else (rest / factor[j, j] if rest else 0)
    return np.array(weights.tolist(), dtype=float)[:, 1:], np.array(factor.tolist(), dtype=float)[[2, 0, 1]]


@pytest.mark.thinned(4)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("mode", MODES, ids=str)
def test_window_to_twelve_digits(joint_law, mode, window):
    with mpmath.workdps(DIGITS):
        weights, noise = window_law(*mode, *window)
    lam, mass, friction = mode
    got = joint_law(Underdamped(0.5, mass, friction).window(*window), lam)
    # Entries pass through zero: the scale of a row is its largest noise, of a column of weights its natural size.
    t = sum(window[:2])
    swing = min(t, mass / friction, math.sqrt(mass / lam) if lam else t)
    sizes = np.array([[1, swing, min(t**2 / mass, 1 / lam if lam else np.inf)]] * 3)
    sizes[2] = [math.sqrt(lam / mass), 1, swing / mass]
    assert np.all(np.abs(got.weights - weights) <= 1e-12 * np.abs(weights) + 1e-14 * sizes)
    scale = np.linalg.norm(noise, axis=1, keepdims=True)
    assert np.all(np.abs(got.noise - noise) <= 1e-12 * np.abs(noise) + 1e-14 * scale)
    # What neither position nor velocity explains is right in itself, however small (zero for one reading).
    assert_allclose(got.noise[0, 2], noise[0, 2], rtol=1e-11, atol=1e-15 * scale[0, 0])


@given(
    st.floats(0, 20),
    st.floats(0.1, 3),
    st.floats(0.1, 5),
    st.floats(0, 2),
    st.floats(1e-2, 5),
    st.none() | st.integers(1, 30),
)
def test_against_the_general_linear_device(joint_law, lam, mass, friction, burn_in, duration, readings):
    """The same window from the 2 × 2 block exponential that knows nothing of scalar functions."""
    temperature = 0.6
    process = LinearProcess(
        [[0.0, -1.0], [lam / mass, friction / mass]], np.diag([0.0, 2 * friction * temperature / mass**2])
    )
    law = process.window_law(burn_in, duration, readings)
    kept = [2, 0, 1]  # (x, v, average of x, average of v) → (average, x, v)
    weights = np.column_stack([law.decay, law.response[:, 1] / mass])[kept]
    got = joint_law(Underdamped(temperature, mass, friction).window(burn_in, duration, readings), lam)
    assert_allclose(got.weights, weights, rtol=1e-9, atol=1e-11)
    assert_allclose(got.covariance, law.covariance[np.ix_(kept, kept)], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("lam", [0.0, 0.02, 1.0, 7.0])
@pytest.mark.parametrize("window", [(0.5, 3.0, None), (0.0, 3.0, 6)], ids=str)
def test_light_nodes_are_overdamped(joint_law, lam, window):
    """m → 0 at friction 1 is the overdamped device, up to an initial kick of order m."""
    mass = 1e-7
    heavy, light = (
        joint_law(Underdamped(0.4, mass, 1.0).window(*window), lam),
        joint_law(Overdamped(0.4).window(*window), lam),
    )
    assert_allclose(heavy.weights[:2, [0, 2]], light.weights, rtol=1e-5, atol=1e-6)
    assert_allclose(heavy.covariance[:2, :2], light.covariance, rtol=1e-5, atol=1e-6)
    assert_allclose(heavy.covariance[2, 2], 0.4 / mass)


@given(st.floats(0, 50), st.floats(1e-3, 3), st.floats(1e-3, 3))
def test_two_steps_are_the_long_step(joint_law, lam, s, t):
    law = Underdamped(0.7, 0.5, 0.9)
    first, second, whole = (joint_law(law.step(time), lam) for time in (s, t, s + t))
    decay = second.weights[:, :2]
    assert_allclose(decay @ first.weights[:, :2], whole.weights[:, :2], rtol=1e-11, atol=1e-12)
    assert_allclose(decay @ first.weights[:, 2] + second.weights[:, 2], whole.weights[:, 2], rtol=1e-11, atol=1e-13)
    assert_allclose(decay @ first.covariance @ decay.T + second.covariance, whole.covariance, rtol=1e-11, atol=1e-13)


def test_scalar_functions(joint_law):
    law, lam = Underdamped(0.7, 0.5, 0.9), np.array([0.0, 0.3, 5.0])
    for k, value in enumerate(lam):
        step = joint_law(law.step(2.0), value)
        decay, response, variance = (f(lam, 2.0)[k] for f in (law.decay, law.response, law.variance))
        assert_allclose([decay, response, variance], [step.weights[0, 0], step.weights[0, 2], step.covariance[0, 0]])


def test_equilibrium(joint_law):
    law, lam = Underdamped(0.3, 2.0, 0.5), 0.7
    assert_allclose(joint_law(law.step(1e4), lam).covariance, np.diag([0.3 / 0.7, 0.15]), atol=1e-15)
    assert_allclose(joint_law(law.stationary(), lam).covariance, np.diag([0.3 / 0.7, 0.15]))
    assert_allclose(law.stationary_variance(0.7), 0.3 / 0.7)
    long = joint_law(law.window(1e3, 1e9), lam)
    assert_allclose(long.covariance[0, 0], law.averaging_variance(0.7, 1e9), rtol=1e-8)


@pytest.mark.parametrize(
    "make",
    [
        lambda law, unit: law.step(20 * unit),
        lambda law, unit: law.window(20 * unit, 20 * unit),
        lambda law, unit: law.window(20 * unit, 1e5 * unit),
        lambda law, unit: law.window(20 * unit, 200 * unit, 10),
    ],
    ids=["step", "short", "long", "readings"],
)
@pytest.mark.parametrize("factor", [0.3, 1.0, 4.0], ids=["ringing", "critical", "creeping"])
def test_equilibrium_forms_are_the_functions(assert_same_functions, make, factor):
    """The inverse polynomials agree with the exact functions at λ_min and above."""
    lam_min, mass = 1e-2, 2.0
    device = Underdamped(0.3, mass, factor * 2 * math.sqrt(mass * lam_min))
    law = make(device, 1 / device.relaxation_rate(lam_min))
    lam = lam_min * np.geomspace(1, 1e5, 40)
    form = law.equilibrium(lam_min)
    assert form is not None
    want = law.functions(lam)
    for i in range(len(law.outputs) - 1):
        assert_same_functions([form[i][2:]], [want[i][2:]], lam, rtol=NOISE_RTOL, names=law.inputs[2:])
    # The load leaves nothing in the velocity, and the start nothing at all.
    assert all(float(np.max(np.abs(f))) < 1e-6 for f in [*want[0][:2], *want[1][:2], *want[-1][:3]])
    assert_same_functions([form[-1][3:]], [want[-1][3:]], lam, rtol=NOISE_RTOL, names=law.inputs[3:])


def test_no_equilibrium_form_for_short_runs():
    law = Underdamped.critical(1.0)
    assert law.step(1.0).equilibrium(1.0) is None
    assert law.window(1.0, 100.0).equilibrium(1.0) is None
    assert law.window(100.0, 1.0).equilibrium(1.0) is None
    assert law.window(100.0, 100.0, 10).equilibrium(1.0) is None


def test_best_friction():
    """At γ = 2 sqrt(m λ_min) every mode relaxes at sqrt(λ_min/m); less or more friction is slower."""
    lam_min, mass = 0.04, 0.25
    best = Underdamped.critical(lam_min, mass=mass)
    for lam in [lam_min, 1.0, 1e3]:
        assert_allclose(best.relaxation_rate(lam), math.sqrt(lam_min / mass), rtol=1e-6)
    for friction in [0.5 * best.friction, 2 * best.friction]:
        assert Underdamped(1.0, mass, friction).relaxation_rate(lam_min) < 0.6 * best.relaxation_rate(lam_min)
    # κ = 1e4: 100 times faster than the overdamped device of the same largest eigenvalue.
    assert_allclose(
        Underdamped.critical(1e-4).relaxation_rate(1e-4) / Overdamped().relaxation_rate(1e-4), 100, rtol=1e-5
    )


@pytest.mark.parametrize("bad", [{"mass": 0.0}, {"friction": -1.0}, {"temperature": -1.0}, {"mass": math.nan}])
def test_bad_parameters(bad):
    with pytest.raises(ValueError, match="mass and friction must be positive"):
        Underdamped(**bad)


@pytest.mark.parametrize("bad", [(-1.0, 1.0, None), (0.0, 0.0, None), (0.0, 1.0, 0)])
def test_bad_windows(bad):
    with pytest.raises(ValueError, match="must be"):
        Underdamped().window(*bad)
