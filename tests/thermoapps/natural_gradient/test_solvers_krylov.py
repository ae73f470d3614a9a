from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from explicit_rows import ExplicitRows, assert_moments, damped, draws, random_rows  # noqa: E402
from helpers import close  # noqa: E402

from thermoapps.natural_gradient import Krylov, Thermodynamic  # noqa: E402

DAMPING = 0.05


class NoGram(ExplicitRows):
    def gram(self):
        raise AssertionError("a matrix-free solver forms no Gram matrix")


@pytest.mark.parametrize("method", ["lanczos", "chebyshev"])
@pytest.mark.parametrize("t", [0.0, 0.3, 5.0, math.inf])
def test_the_law_of_the_device_from_products_only(method, t):
    rows, g = random_rows(30, 60)
    other, h = random_rows(30, 60, seed=1)
    exact, free = Thermodynamic(time=t, delay=0.4), Krylov(time=t, delay=0.4, method=method, rtol=1e-11)
    first, state, _ = exact.direction(rows, g, DAMPING)
    second, _, _ = exact.direction(other, h, DAMPING, state)
    a, state, report = free.direction(NoGram(rows.R), g, DAMPING)
    b, _, _ = free.direction(NoGram(other.R), h, DAMPING, state)
    assert close(a, first, 1e-9)
    assert close(b, second, 1e-9)
    assert report.products == 2 * report.iterations
    assert report.message == ""


def test_short_runs_take_few_products():
    rows, g = random_rows(200, 400)
    _, _, report = Krylov(time=0.4).direction(NoGram(rows.R), g, DAMPING)
    assert report.iterations <= 10


@pytest.mark.parametrize("method", ["lanczos", "chebyshev"])
def test_noise(method):
    rows, g = random_rows(3, 5)
    A, t, temperature, count = damped(rows, DAMPING), 0.8, 0.3, 500
    expected = temperature * torch.linalg.solve(A, torch.eye(5, dtype=A.dtype) - torch.linalg.matrix_exp(-2 * A * t))
    mean, _, _ = Thermodynamic(time=t).direction(rows, g, DAMPING)
    solver = Krylov(time=t, temperature=temperature, method=method, rng=4)
    assert_moments(draws(solver, rows, g, DAMPING, count)[0], mean, expected)


def test_too_few_products_are_reported():
    rows, g = random_rows(200, 400)
    _, _, report = Krylov(time=1e4, rtol=1e-10, max_products=5).direction(rows, g, 1e-4)
    assert "max_products" in report.message


def test_single_precision_zero_gradient_and_no_damping():
    rows, g = random_rows(30, 60, dtype=torch.float32)
    direction, _, _ = Krylov(time=5.0).direction(rows, g, DAMPING)
    assert direction.dtype == torch.float32
    exact, _, _ = Thermodynamic(time=5.0).direction(rows, g, DAMPING)
    assert close(direction, exact, 1e-3)
    assert not Krylov().direction(rows, 0 * g, DAMPING)[0].any()
    undamped, _, _ = Krylov(time=5.0).direction(rows, g, 0.0)
    assert close(undamped, Thermodynamic(time=5.0).direction(rows, g, 0.0)[0], 1e-3)
    with pytest.raises(np.linalg.LinAlgError):
        Krylov(time=math.inf, method="chebyshev").direction(rows, g, 0.0)


@pytest.mark.parametrize(
    "settings",
    [{"time": -1.0}, {"delay": -1.0}, {"temperature": -1.0}, {"method": "arnoldi"}, {"rtol": 0.0}, {"max_products": 0}],
)
def test_settings_are_checked(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        Krylov(**settings)


@pytest.mark.parametrize("t", [1.0, math.inf])
@pytest.mark.parametrize("method", ["lanczos", "chebyshev"])
def test_large_damping_does_not_cancel(method, t):
    rows, g = random_rows(5, 9)
    rows, g = ExplicitRows(rows.R.float()), g.float()
    solver, state = Krylov(time=t, method=method), None
    for scale in (1.0, 1e-3):  # the second run starts from a much longer solution
        direction, state, _ = solver.direction(rows, scale * g, 1e7, state)
        assert close(1e7 * direction, scale * g, 1e-4)


@pytest.mark.parametrize("start", ["previous", "rest", "gradient"])
def test_each_start_is_that_of_the_device(start):
    state = other = None
    for seed in range(3):
        rows, g = random_rows(6, 20, seed=seed)
        direction, state, _ = Krylov(0.5, start=start, rtol=1e-10).direction(rows, g, 0.5, state)
        expected, other, _ = Thermodynamic(0.5, start=start).direction(rows, g, 0.5, other)
        assert close(direction, expected, 1e-9)
