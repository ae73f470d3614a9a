"""The average alone has the law it has beside the last state, with one normal vector instead of two or three."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.laws._linear import NOISE_RTOL, inverse_sqrt_series

LAWS = [Overdamped(0.3), Underdamped(0.3, 2.0, 0.4), EulerMaruyama(0.05, 0.3)]
WINDOWS = [(0.5, 3.0), (0.0, 0.7), (5.0, 40.0), (0.5, 3.0, 6), (0.5, 3.0, 1), (0.1, 2.0, 2)]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("lam", [0.0, 1e-6, 0.3, 4.0])
def test_the_average_alone(joint_law, law, window, lam):
    joint, alone = joint_law(law.window(*window), lam), joint_law(law.average(*window), lam)
    assert law.average(*window).normal_inputs() == ("z",)
    assert_allclose(alone.weights[0], joint.weights[0], rtol=1e-13)
    assert_allclose(alone.covariance[0, 0], joint.covariance[0, 0], rtol=1e-9)


@pytest.mark.parametrize(
    ("times", "readings", "rtol"),
    [
        ((16.0, 16.0), None, 3e-6),
        ((16.5, 64.0), None, 5e-6),
        ((20.0, 1e5), None, NOISE_RTOL),
        ((16.0, 160.0), 10, 1e-6),
    ],
)
@pytest.mark.parametrize("lam_min", [1e-3, 1.0, 50.0])
@pytest.mark.parametrize("make", [lambda lam: Overdamped(0.3), lambda lam: Underdamped(0.3, 2.0, 2 * (2 * lam) ** 0.5)])
def test_equilibrium_forms_are_the_functions(make, lam_min, times, readings, rtol):
    device = make(lam_min)
    unit = 1.25 / device.relaxation_rate(lam_min)  # beyond what any mode of critical damping still remembers
    law = device.average(times[0] * unit, times[1] * unit, readings)
    lam = lam_min * np.geomspace(1, 1e6, 40)
    form, functions = law.equilibrium(lam_min), law.functions(lam)
    for polynomial, function in zip(form[0][-2:], functions[0][-2:], strict=True):
        assert_allclose(polynomial(lam), function, rtol=rtol)
    assert all(np.abs(f).max() < 1e-6 for f in functions[0][:-2])


@pytest.mark.parametrize(("duration", "solves"), [(16.0, 3), (64.0, 2), (1e4, 2), (1e5, 1)])
def test_solves_of_an_average(duration, solves):
    """Each power of 1/λ costs a solve in every run: there is none that would not be seen."""
    ((_, _, noise),) = Overdamped().average(16.5, duration).equilibrium(1.0)
    assert len(noise.coefficients) == solves + 1


@pytest.mark.parametrize("h", [0.0, 1e-5, 3e-5, 5e-5, 1e-3, 1 / 64, 1 / 16, 0.2, 0.5])
def test_inverse_polynomials_of_a_root(h):
    """λ^{-1} sqrt(1 − h/λ) for λ ≥ 1 is met everywhere, and by no polynomial of a lower degree."""
    lam = 1 / np.linspace(1e-9, 1.0, 1001)
    series = inverse_sqrt_series(3.0, 1, h, 1.0)
    exact = 3.0 / lam * np.sqrt(1 - h / lam)
    assert_allclose(series(lam), exact, rtol=NOISE_RTOL)
    degree = len(series.coefficients) - 2
    assert series.coefficients[0] == 0.0
    assert not series.half
    if degree:
        lower = np.polynomial.Chebyshev.interpolate(lambda t: np.sqrt(1 - h * t), degree - 1, domain=[0.0, 1.0])
        assert np.max(abs(lower(1 / lam) / np.sqrt(1 - h / lam) - 1)) > NOISE_RTOL / 2


@pytest.mark.parametrize("law", [Overdamped(), Underdamped()], ids=["overdamped", "underdamped"])
def test_no_equilibrium_form_for_short_runs(law):
    assert law.average(1.0, 100.0).equilibrium(1.0) is None
    assert law.average(100.0, 1.0).equilibrium(1.0) is None
    assert law.average(100.0, 100.0, 10).equilibrium(1.0) is None
    assert EulerMaruyama(0.1).average(100.0, 100.0).equilibrium(1.0) is None


@pytest.mark.parametrize("bad", [(-1.0, 1.0, None), (0.0, 0.0, None), (0.0, 1.0, 0)])
def test_bad_windows(bad):
    with pytest.raises(ValueError, match="must be"):
        Underdamped().average(*bad)


def test_too_few_readings():
    with pytest.raises(ValueError, match="readings must be at least 1"):
        EulerMaruyama(0.1).average(0.0, 1.0, 0)
