from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from explicit_rows import assert_moments, damped, draws, random_rows  # noqa: E402
from helpers import close  # noqa: E402

from thermoapps.natural_gradient.solvers import EulerMaruyama, Thermodynamic  # noqa: E402

DAMPING = 0.05


@pytest.mark.parametrize("stepped", [False, True])
@pytest.mark.parametrize("step", [0.1, 0.5, 1.5])
def test_mean_is_the_power_of_one_step(step, stepped):
    rows, g = random_rows(7, 20)
    A, n, m = damped(rows, DAMPING), 8, 2
    identity = torch.eye(20, dtype=torch.float64)
    fixed = torch.linalg.solve(A, g)

    def after(k, x0):
        return fixed + torch.linalg.matrix_power(identity - step * A, k) @ (x0 - fixed)

    solver = EulerMaruyama(time=n * step, step_size=step, delay=m * step, stepped=stepped)
    first, state, report = solver.direction(rows, g, DAMPING)
    assert close(first, after(n, g))
    second, _, _ = solver.direction(rows, g, DAMPING, state)
    assert close(second, after(2 * n + m, g))
    assert report.device_time == pytest.approx((n + m) * step)
    if stepped:
        assert (report.iterations, report.products) == (n + m, 2 * (n + m))


@pytest.mark.parametrize("stepped", [False, True])
def test_noise_of_steps_and_of_their_law(stepped):
    rows, g = random_rows(3, 5)
    step, n, temperature, count = 0.4, 5, 0.3, 800
    A = damped(rows, DAMPING)
    a, vectors = torch.linalg.eigh(A)
    mean = vectors @ ((1 - (1 - step * a) ** n) / a * (vectors.T @ g) + (1 - step * a) ** n * (vectors.T @ g))
    variance = 2 * temperature * step * sum((1 - step * a) ** (2 * k) for k in range(n))
    expected = vectors @ torch.diag(variance) @ vectors.T
    solver = EulerMaruyama(time=n * step, step_size=step, temperature=temperature, stepped=stepped, rng=2)
    assert_moments(draws(solver, rows, g, DAMPING, count)[0], mean, expected)


def test_short_steps_approach_the_device():
    rows, g = random_rows(7, 20)
    exact, _, _ = Thermodynamic(time=2.0).direction(rows, g, DAMPING)
    errors = [
        float((EulerMaruyama(time=2.0, step_size=step).direction(rows, g, DAMPING)[0] - exact).norm())
        for step in (0.1, 0.01, 0.001)
    ]
    # First order in the step.
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize("stepped", [False, True])
def test_steps_that_are_too_long_are_refused(stepped):
    rows, g = random_rows(7, 20, dtype=torch.float32)
    with pytest.raises(ValueError, match="step_size"):
        EulerMaruyama(time=1e4, step_size=5.0, stepped=stepped).direction(rows, g, DAMPING)


@pytest.mark.parametrize(
    "settings", [{"time": math.inf}, {"time": -1.0}, {"step_size": 0.0}, {"temperature": -1.0}, {"delay": -1.0}]
)
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        EulerMaruyama(**settings)
