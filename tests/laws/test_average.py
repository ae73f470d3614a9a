"""The average alone has the law it has beside the last state, with one normal vector instead of two or three."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped

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
    [((16.0, 16.0), None, 3e-6), ((16.5, 64.0), None, 3e-6), ((20.0, 1e5), None, 3e-6), ((16.0, 160.0), 10, 1e-6)],
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


def test_a_default_average_needs_three_solves():
    """The series in 1/(λT_w) stops where its next term would not be seen: each costs a solve."""
    ((_, _, noise),) = Overdamped().average(16.5, 64.0).equilibrium(1.0)
    assert len(noise.coefficients) == 4


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
