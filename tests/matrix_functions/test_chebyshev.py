"""Chebyshev expansions: their degree, their accuracy, and what happens when the interval is wrong."""

import numpy as np
import pytest
from helpers import rotated

from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine, chebyshev_series
from thermolinalg.operators import Dense, MatrixFree

DEVICE = Overdamped()


@pytest.mark.parametrize("condition", [1.5, 10.0, 100.0, 1e4])
def test_the_degree_of_the_inverse_is_that_of_theory(condition):
    # 1/λ on [1/κ, 1] converges like ρ⁻ⁿ with ρ = (√κ + 1)/(√κ − 1).
    rho = (condition**0.5 + 1) / (condition**0.5 - 1)
    law = DEVICE.stationary()
    series = chebyshev_series(law, law.outputs, (1 / condition, 1.0), rtol=1e-10, max_degree=2000)
    assert series.error <= 1e-10
    assert series.degree == pytest.approx(np.log(1e10) / np.log(rho), rel=0.15)


@pytest.mark.parametrize("t", [1.0, 100.0, 1e4])
def test_the_degree_of_a_finite_run_grows_like_the_square_root_of_time(t):
    law = DEVICE.step(t)
    series = chebyshev_series(law, law.outputs, (0.0, 1.0), rtol=1e-10, max_degree=4000)
    assert series.degree <= 14 + 14 * t**0.5


@pytest.mark.parametrize("law", [DEVICE.step(5.0), DEVICE.window(2.0, 30.0), DEVICE.window(0.0, 3.0, 7)])
def test_the_series_equals_its_functions(law):
    series = chebyshev_series(law, law.outputs, (0.0, 2.0), rtol=1e-10, max_degree=2000)
    lam = np.linspace(0, 2, 101)
    for coefficients, row in zip(series.coefficients, law.functions(lam), strict=True):
        for c, f in zip(coefficients, row, strict=True):
            expected = np.zeros_like(lam) if f is None else f
            error = np.abs(np.polynomial.chebyshev.chebval(lam - 1, c) - expected).max()
            assert error <= 1e-9 * max(np.abs(g).max() for g in row if g is not None)


def test_only_the_outputs_asked_for_are_paid():
    law = DEVICE.window(1.0, 50.0)
    engine = ChebyshevEngine(Dense(rotated(np.linspace(0.1, 1, 40))), interval=(0.0, 1.0))
    assert engine.degree(law, ["average"]) <= engine.degree(law, ["average", "state"])


def test_a_forgotten_start_does_not_raise_the_degree():
    # e^{−λt} ≤ e⁻¹⁰⁰⁰ everywhere: its own relative accuracy is of no use to anyone.
    interval = (0.1, 1.0)
    run, rest = DEVICE.step(1e4), DEVICE.stationary()
    degrees = [chebyshev_series(law, law.outputs, interval, rtol=1e-10, max_degree=2000).degree for law in (run, rest)]
    assert degrees[0] == degrees[1]


def test_products_are_counted_and_shared():
    d = 1000
    matrix = rotated(np.linspace(0.1, 1, d))
    law, rng = DEVICE.window(10.0, 100.0, 1000), np.random.default_rng(0)
    engine = ChebyshevEngine(Dense(matrix))
    engine.apply(law, [None, rng.standard_normal((d, 1)), rng.standard_normal((d, 2)), None], law.outputs)
    assert engine.converged
    assert engine.n_matvec <= 60
    before = engine.n_matvec
    engine.apply(law, [None, rng.standard_normal((d, 1)), None, None], law.outputs)
    assert engine.n_matvec - before == pytest.approx(engine.degree(law, law.outputs), abs=3)


def test_a_degree_out_of_reach_is_flagged():
    matrix = rotated(np.logspace(-4, 0, 60))
    law = DEVICE.stationary()
    engine = ChebyshevEngine(Dense(matrix), interval=(1e-4, 1.0), max_degree=100)
    assert engine.degree(law, law.outputs) is None
    assert not engine.supports(law)
    assert engine.cost(law, law.outputs).products == 100
    b = np.ones((60, 1))
    (state,) = engine.apply(law, [None, b, None], law.outputs)
    assert not engine.converged
    assert engine.error > 1e-3
    bound = engine.error * 1e4 * np.linalg.norm(b)
    assert np.linalg.norm(state - np.linalg.solve(matrix, b)) <= bound


def test_supports_what_is_finite_on_the_interval():
    engine = ChebyshevEngine(Dense(np.eye(3)), interval=(0.0, 1.0))
    assert engine.supports(DEVICE.step(1.0))
    assert not engine.supports(DEVICE.stationary())
    with pytest.raises(np.linalg.LinAlgError, match="pass interval="):
        engine.apply(DEVICE.stationary(), [None, np.ones((3, 1)), None], ["state"])


@pytest.mark.parametrize("interval", [(0.5, 1.0), (0.1, 0.7)])
def test_an_eigenvalue_outside_the_interval_is_noticed(interval):
    engine = ChebyshevEngine(Dense(rotated(np.linspace(0.1, 1, 50))), interval=interval)
    law = DEVICE.window(50.0, 100.0)
    with pytest.raises(np.linalg.LinAlgError, match="outside"):
        engine.apply(law, [None, np.ones((50, 1)), None, None], law.outputs)


def test_the_identity_takes_no_products():
    engine = ChebyshevEngine(Dense(2 * np.eye(20)), interval=(2.0, 2.0))
    (state,) = engine.apply(DEVICE.stationary(), [None, np.ones((20, 1)), None], ["state"])
    np.testing.assert_allclose(state, 0.5)
    assert engine.n_matvec == 0


def test_one_product_serves_all_columns():
    widths = []

    class Recording(Dense):
        def apply(self, block):
            widths.append(block.shape[1])
            return super().apply(block)

    engine = ChebyshevEngine(Recording(rotated(np.linspace(0.1, 1, 30))), interval=(0.1, 1.0))
    law = DEVICE.step(4.0)
    engine.apply(law, [np.ones((30, 1)), np.ones((30, 1)), np.ones((30, 5))], law.outputs)
    assert set(widths) == {7}
    assert len(widths) == engine.n_matvec


def test_a_scaled_operator_is_priced_by_what_it_wraps():
    engine = ChebyshevEngine(MatrixFree(np.eye(10)).scaled(2.0), interval=(2.0, 2.5))
    assert engine.cost(DEVICE.step(1.0), ["state"]).per_column > 0
