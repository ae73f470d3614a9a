"""Lanczos: adapts to spectrum and vectors, is exact at breakdown, and says when it is not done."""

import numpy as np
import pytest
from helpers import rotated
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions import lanczos
from thermolinalg.matrix_functions._krylov import Krylov
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.operators import Dense

DEVICE = Overdamped()
STATIONARY = DEVICE.stationary()


def solve(engine, b):
    """The mean of the stationary law, A⁻¹ b."""
    return engine.apply(STATIONARY, [None, b, None], ["state"])[0]


@pytest.mark.parametrize("seed", range(3))
def test_bases_are_orthonormal_and_make_a_tridiagonal(seed):
    matrix = rotated(np.logspace(-8, 0, 80), seed)
    krylov = Krylov(lambda v: matrix @ v, np.random.default_rng(seed).standard_normal((80, 3)))
    krylov.extend(60)
    q = krylov.combine(np.broadcast_to(np.eye(60), (3, 60, 60)))
    np.testing.assert_allclose(q @ q.transpose(0, 2, 1), np.broadcast_to(np.eye(60), (3, 60, 60)), atol=1e-12)
    projected = q @ matrix @ q.transpose(0, 2, 1)
    assert np.abs(np.triu(projected, 2)).max() < 1e-14
    np.testing.assert_allclose(np.linalg.eigvalsh(projected), krylov.ritz()[0], atol=1e-14)


@pytest.mark.parametrize("condition", [1e2, 1e4, 1e6])
@pytest.mark.parametrize("d", [20, 150])
def test_ill_conditioned_stationary_laws(condition, d):
    # Symmetric square root and inverse from the eigendecomposition, whose own error is about κ·eps.
    eigenvalues = np.logspace(-np.log10(condition), 0, d)
    matrix = rotated(eigenvalues)
    lam, q = np.linalg.eigh(matrix)
    rng = np.random.default_rng(2)
    b, z = rng.standard_normal((d, 1)), rng.standard_normal((d, 4))
    expected = q @ (q.T @ b / lam[:, None]) + q @ (q.T @ z / lam[:, None] ** 0.5)
    engine = LanczosEngine(Dense(matrix))
    (state,) = engine.apply(STATIONARY, [None, b, z], ["state"])
    error = np.linalg.norm(state - expected, axis=0) / np.linalg.norm(expected, axis=0)
    assert error.max() <= 1e-8
    assert engine.converged
    assert engine.n_matvec == engine.steps <= d


@given(d=st.integers(1, 40), distinct=st.integers(1, 5), columns=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_steps_end_with_the_number_of_distinct_eigenvalues(d, distinct, columns, seed):
    rng = np.random.default_rng(seed)
    eigenvalues = 1.0 + np.arange(d) % distinct
    matrix, b = rotated(eigenvalues, seed), rng.standard_normal((d, columns))
    engine = LanczosEngine(Dense(matrix))
    x = solve(engine, b)
    assert engine.converged
    # Copies are split by rounding, and the result is looked at every fourth step only.
    assert engine.steps <= min(d, distinct + 7)
    np.testing.assert_allclose(matrix @ x, b, atol=1e-9)


def test_columns_break_down_at_their_own_step():
    eigenvalues = np.linspace(1, 2, 30)
    b = np.zeros((30, 4))
    b[4, 0] = 1.0
    b[[3, 7], 1] = 2.0, -3.0
    b[:, 2] = np.random.default_rng(0).standard_normal(30)
    engine = LanczosEngine(Dense(np.diag(eigenvalues)))
    np.testing.assert_allclose(solve(engine, b), b / eigenvalues[:, None], atol=1e-8)
    assert engine.converged


def test_a_load_in_the_range_of_a_singular_matrix_has_a_stationary_mean():
    factor = np.random.default_rng(4).standard_normal((50, 10))
    matrix = factor @ factor.T
    b = matrix @ np.ones((50, 1))
    x = solve(LanczosEngine(Dense(matrix)), b)
    np.testing.assert_allclose(x, np.linalg.pinv(matrix) @ b, atol=1e-8)


def test_a_load_outside_of_the_range_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="singular to working precision"):
        solve(LanczosEngine(Dense(np.diag([1.0, 2.0, 0.0]))), np.ones((3, 1)))


def test_what_is_not_converged_says_so_and_by_how_much():
    d = 400
    matrix, b = rotated(np.logspace(-5, 0, d)), np.random.default_rng(0).standard_normal((d, 1))
    engine = LanczosEngine(Dense(matrix), max_steps=80)
    x = solve(engine, b)
    assert not engine.converged
    assert engine.steps == engine.n_matvec == 80
    assert engine.error > engine.rtol
    assert np.isfinite(x).all()
    solve(engine, np.eye(d)[:, :1] * 0)
    assert engine.converged


@pytest.mark.parametrize("rtol", [1e-4, 1e-8, 1e-12])
def test_the_tolerance_is_met_and_not_wasted(rtol):
    d = 500
    matrix, b = rotated(np.linspace(0.01, 1, d)), np.random.default_rng(0).standard_normal((d, 2))
    engine = LanczosEngine(Dense(matrix), rtol=rtol)
    exact = np.linalg.solve(matrix, b)
    assert np.linalg.norm(solve(engine, b) - exact) <= rtol * np.linalg.norm(exact)
    # CG's bound on a spectrum of condition 100, with the steps between two checks.
    assert engine.steps <= 1.4 * (5 * np.log(2 / rtol)) + 8


def test_the_estimated_error_covers_the_true_one():
    d = 400
    matrix, b = rotated(np.logspace(-3, 0, d)), np.random.default_rng(1).standard_normal((d, 1))
    exact = np.linalg.solve(matrix, b)
    for steps in (120, 160, 200):
        engine = LanczosEngine(Dense(matrix), rtol=1e-14, max_steps=steps)
        error = np.linalg.norm(solve(engine, b) - exact) / np.linalg.norm(exact)
        assert error <= engine.error <= 1e3 * error


def test_a_block_too_large_for_memory_goes_in_parts(monkeypatch):
    matrix, rng = rotated(np.linspace(0.2, 1, 40)), np.random.default_rng(0)
    law = DEVICE.window(1.0, 5.0)
    inputs = [rng.standard_normal((40, k)) for k in (1, 5, 5, 1)]
    whole = LanczosEngine(Dense(matrix)).apply(law, inputs, law.outputs)
    monkeypatch.setattr(lanczos, "_MEMORY", 3 * 40 * 40 * 8)
    engine = LanczosEngine(Dense(matrix))
    for part, expected in zip(engine.apply(law, inputs, law.outputs), whole, strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-7, atol=1e-9)
    assert engine.n_matvec > engine.steps


def test_negative_curvature_met_on_the_way_is_refused():
    matrix = rotated(np.r_[-1e-3, np.linspace(0.5, 1, 60)])
    with pytest.raises(np.linalg.LinAlgError, match=r"vᵀAv/vᵀv = -0\.00"):
        solve(LanczosEngine(Dense(matrix)), np.random.default_rng(0).standard_normal((61, 1)))


def test_the_price_needs_no_finite_law_at_zero():
    engine = LanczosEngine(Dense(np.diag([0.0, 1.0, 2.0])))
    assert engine.supports(STATIONARY)
    assert engine.cost(STATIONARY, ["state"]).products == 3
