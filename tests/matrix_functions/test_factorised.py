"""Inverse polynomials from a factorisation: solves by the factor, and after many columns by the inverse."""

from dataclasses import replace

import numpy as np
import pytest
from helpers import spd

from thermolinalg._cholesky import cholesky, cholesky_solve, solve_triangular
from thermolinalg.laws import InversePolynomial, Overdamped, Underdamped
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.operators import Dense

D = 40


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("k", [0, 1, 2, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_triangular_solves(dtype, k, order):
    a = spd(D, 10.0).astype(dtype)
    b = np.asarray(np.random.default_rng(1).standard_normal((D, k)), dtype=dtype, order=order)
    before = b.copy()
    factor, status = cholesky(a)
    assert status == 0
    tolerance = 200 * np.finfo(dtype).eps
    for x, product in (
        (cholesky_solve(factor, b), a),
        (solve_triangular(factor, b, transposed=False), factor),
        (solve_triangular(factor, b, transposed=True), factor.T),
    ):
        assert x.shape == b.shape
        assert x.dtype == dtype
        np.testing.assert_allclose(product @ x, b, atol=tolerance)
    np.testing.assert_array_equal(b, before)


def columns_left(engine):
    return engine._factor.columns_left


def test_many_columns_are_solved_for_by_the_inverse():
    a = spd(D, 1e3)
    engine, blocks = Factorised(Dense(a)), np.random.default_rng(1).standard_normal((4, D, D // 2 + 1))
    solutions = [engine.solve(block) for block in blocks]
    assert columns_left(engine) <= 0
    assert "_products" in vars(engine._factor)
    for x, block in zip(solutions, blocks, strict=True):
        np.testing.assert_allclose(x, np.linalg.solve(a, block), rtol=1e-10, atol=1e-10)
    column = blocks[0][:, :1]
    np.testing.assert_array_equal(engine.solve(column), cholesky_solve(cholesky(a)[0], column))


def test_single_columns_never_wait_for_the_inverse():
    engine = Factorised(Dense(spd(D, 1e3)))
    for _ in range(2 * D):
        engine.solve(np.ones((D, 1)))
    assert columns_left(engine) == D


@pytest.mark.parametrize(("dtype", "condition"), [(np.float64, 1e11), (np.float32, 1e3)])
def test_no_inverse_of_what_rounding_would_spoil(dtype, condition):
    engine = Factorised(Dense(spd(D, condition).astype(dtype)))
    for _ in range(4):
        engine.solve(np.ones((D, D), dtype=dtype))
    assert "_products" not in vars(engine._factor)


def test_forms_are_made_once(monkeypatch):
    engine, law, made = Factorised(Dense(spd(D, 10.0))), Overdamped().average(1e3, 1e4), []
    form = law.equilibrium
    object.__setattr__(law, "equilibrium", lambda lam_min: made.append(lam_min) or form(lam_min))
    for _ in range(3):
        assert engine.supports(law)
        engine.apply(law, [None, np.ones((D, 1)), np.ones((D, 1))], ("average",))
    assert made == [engine.interval()[0]]


@pytest.mark.parametrize("law", [Overdamped(), Underdamped()], ids=["overdamped", "underdamped"])
def test_a_rough_run_takes_one_solve_and_is_off_by_a_small_part_of_its_noise(law, monkeypatch):
    A = spd(30, 100.0)
    engine, solves = Factorised(Dense(A)), []
    monkeypatch.setattr(engine._factor, "solve", lambda v, solve=engine._factor.solve: solves.append(v) or solve(v))
    window = law.average(40 / law.relaxation_rate(1 / 100), 80 / law.relaxation_rate(1 / 100))
    inputs = [np.eye(30) if name == "z" else None for name in window.inputs]
    exact, rough = (engine.apply(w, inputs, ("average",))[0] for w in (window, replace(window, rough=True)))
    assert len(solves) > 2
    del solves[:]
    engine.apply(replace(window, rough=True), inputs, ("average",))
    assert len(solves) == 1
    noise, left = np.linalg.eigh(exact)[0], np.linalg.eigvalsh(rough - exact)
    assert 0 < left.max() < 0.1 * noise.max()
    np.testing.assert_allclose(np.linalg.solve(A, rough), rough @ np.linalg.inv(A), atol=1e-9 * noise.max())


def test_noise_is_shortened_where_its_leading_term_is_nearly_all_of_it():
    noise = InversePolynomial((0.0, 2.0, -0.1))
    assert noise.leading(1.0, 0.1) == InversePolynomial((0.0, 2.0))
    lam = np.geomspace(1.0, 100.0)
    assert np.all(abs(noise.leading(1.0, 0.1)(lam) / noise(lam) - 1) < 0.1)
    for whole, smallest in ((noise, 0.1), (InversePolynomial((0.0, 2.0)), 1.0), (InversePolynomial((0.0,)), 1.0)):
        assert whole.leading(smallest, 0.1) is whole
    assert InversePolynomial((1.0, 0.01), half=True).leading(1.0, 0.1) == InversePolynomial((1.0,), half=True)
