"""Inputs at the edge of what numbers, operators and devices can be: right, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from fuzz import rational
from helpers import relative_error, rotated
from scipy.sparse.linalg import LinearOperator

import thermolinalg as tla
from thermolinalg.operators import LowRankPlusIdentity

A, B = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([1.0, 2.0])

# -- operators that are none ------------------------------------------------------------------------------------------


def operator(matvec, d=2):
    return LinearOperator((d, d), matvec=matvec, rmatvec=matvec, dtype=float)


@pytest.mark.parametrize("start", range(1, 12))
@pytest.mark.parametrize("call", [tla.solve, tla.langevin, tla.lstsq])
def test_products_that_turn_nan_are_named(call, start):
    calls = iter(range(1, 1000))
    failing = operator(lambda v: A @ v * (np.nan if next(calls) >= start else 1.0))
    told = []
    try:
        answer = call(failing, B, rng=0)
        told.append(relative_error(answer if call is tla.solve else answer[0], np.linalg.solve(A, B)) < 1e-4)
    except ValueError as refusal:
        told.append(" give NaN or infinity" in str(refusal))
    assert told == [True]


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
@pytest.mark.parametrize("matvec", [lambda v: A @ v + 1.0, lambda v: A @ v + abs(v)])
@pytest.mark.parametrize("assume_a", [None, "gen"])
def test_what_is_not_linear_is_refused(matvec, assume_a, scale):
    with pytest.raises(ValueError, match="is not linear"):
        tla.solve(operator(lambda v: scale * matvec(v)), B, assume_a=assume_a)


# -- numbers at the ends of the range ---------------------------------------------------------------------------------


def test_complex_denormal_loads_have_a_norm():
    b = np.array([1e-319 + 0j, 2e-319])
    x, flag = tla.langevin(A.astype(complex), b, rtol=0.1, rng=0)
    assert flag == 0
    assert np.all(abs(A @ x - b) <= 0.2 * abs(b).max())


def test_zeros_on_the_diagonal_do_not_hide_bad_scaling():
    saddle = np.array([[1.0, 6e-12], [6e-12, 0.0]])
    x, info = tla.solve(saddle, B, rng=0, return_info=True)
    assert info.condition < 10
    assert relative_error(x, np.linalg.solve(saddle, B)) < 1e-12
    wide = np.array([[1e200, 1e-100], [1e-100, 0.0]])
    assert np.allclose(wide / 1e100 @ (1e100 * tla.solve(1e50 * wide, [1.0, 0.0], rng=0)), [1e-50, 0.0], rtol=1e-9)


def test_small_off_diagonal_entries_survive_the_scaling_of_large_ones():
    rows = 10.0 ** np.array([150.0, -170.0, 0.0])
    full = np.array([[1.0, 2.0, 3.0], [4.0, 0.0, 5.0], [1.0, 1.0, 1.0]])
    x = tla.solve(rows[:, None] * full, rows * full.sum(axis=1), rng=0)
    assert relative_error(x, np.ones(3)) < 1e-12


def test_bars_of_single_precision_do_not_overflow():
    stable = np.array([[7e-5, 5e8, 0.0], [0.0, 3e20, 2e1], [0.0, 0.0, 9e-18]], dtype=np.float32)
    _, info = tla.solve(stable, np.array([0.2, 0.2, 0.6], dtype=np.float32), rng=0, return_info=True)
    assert np.all(np.isfinite(info.standard_error))


def test_squares_of_residuals_that_do_not_fit_are_refused():
    tall = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], dtype=np.float32)
    with pytest.raises(ValueError, match="squares of the residuals leave the range of float32"):
        tla.lstsq(tall, np.array([1e27, -2e27, 1e27], dtype=np.float32), rng=0)


@pytest.mark.parametrize("b", [B, np.array([1, 2])])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_precisions_are_promoted_as_numpy_does(dtype, b):
    x = tla.solve(A.astype(dtype), b, refine=False, rtol=1e-11, rng=0)
    assert x.dtype == np.float64
    assert relative_error(x, np.linalg.solve(A, B)) < 1e-10
    assert tla.solve(A.astype(dtype), B.astype(np.float32), rng=0).dtype == np.float32


# -- prepared devices -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.zeros, scipy.sparse.csr_array])
def test_an_empty_matrix_has_its_determinant_and_form(make):
    prepared = tla.program(make((0, 0)))
    assert prepared.logdet() == 0
    assert prepared.quadratic_form(np.zeros((0, 2))).value.shape == (2,)
    assert prepared.diagonal().shape == (0,)


def test_functions_may_be_arrays_beside_a_tensor():
    torch = pytest.importorskip("torch")
    found = tla.program(torch.as_tensor(A), rng=0).variance_of(np.eye(2))
    assert relative_error(found, np.diag(np.linalg.inv(A))) < 1e-9


@pytest.mark.parametrize("condition", [1e3, 1e9, 1e12])
def test_quadratic_forms_hold_their_bars_at_every_condition(condition):
    ill, rng = rotated(np.geomspace(1 / condition, 1, 4)), np.random.default_rng(0)
    for seed in range(8):
        b = rng.standard_normal(4)
        form, info = tla.program(ill, rng=seed).quadratic_form(b, return_info=True)
        exact = float(b @ rational.solve(rational.exact(ill), rational.exact(b[:, None]))[:, 0])
        assert abs(form.value - exact) <= 4 * info.standard_error
        assert info.standard_error <= 1e-9 * exact


def test_a_quadratic_form_out_of_range_is_refused():
    with pytest.raises(ValueError, match="quadratic form leaves the range of float64"):
        tla.program(A, rng=0).quadratic_form(1e200 * B)


# -- error bars -------------------------------------------------------------------------------------------------------


def test_the_entries_of_a_structure_are_rounded():
    R = np.random.default_rng(1).standard_normal((2, 4))
    exact = rational.exact(R).T @ rational.exact(R) + rational.exact(1e-9 * np.eye(4))
    for b in np.eye(4):
        (x, *_), info = tla.lstsq(LowRankPlusIdentity(R, 1e-9), b, rng=0, return_info=True)
        truth = rational.solve(exact, rational.exact(b[:, None]))[:, 0].astype(float)
        assert np.linalg.norm(x - truth) <= 5 * np.linalg.norm(info.standard_error)


def test_a_mean_that_drowns_the_spread_is_told():
    soft = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-11]])
    with pytest.warns(tla.ThermodynamicWarning, match="pass mean="):
        tla.sample(1e-12 * soft, 50, b=[1.0, -1.0], rng=0)
    tla.sample(A, 50, b=B, rng=0)


def test_a_map_that_writes_on_its_argument_changes_nothing_else():
    def matvec(v):
        y = A @ v
        v[...] = 0
        return y

    wrapped = LinearOperator((2, 2), matvec=matvec, rmatvec=matvec, dtype=float)
    assert relative_error(tla.solve(wrapped, np.stack([B, B], axis=1), rng=0)[:, 1], np.linalg.solve(A, B)) < 1e-9


def test_single_runs_of_a_squared_matrix_have_its_rounding():
    ill, device = rotated([1.0, -1e-8]), tla.LangevinDevice(tla.Underdamped())
    with pytest.warns(tla.ThermodynamicWarning, match="ill-conditioned"):
        x, info = tla.solve(ill, B, refine=False, device=device, rng=0, return_info=True)
    assert not info.success
    mild = rotated([1.0, -1e-5])
    x, info = tla.solve(mild, B, refine=False, rtol=1e-9, device=device, rng=0, return_info=True)
    assert np.linalg.norm(x - np.linalg.solve(mild, B)) <= 5 * np.linalg.norm(info.standard_error)
