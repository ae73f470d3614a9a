"""Least squares in boxes beside SciPy's, in odd units, of any condition and rank."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, lsq_linear, nnls

from thermoapps.boxes import TruncatedGaussian, thermodynamic_lsq_linear, thermodynamic_nnls

INF = np.inf


def problem(m, n, seed=0, condition=10.0):
    rng = np.random.default_rng(seed)
    u, v = (np.linalg.qr(rng.standard_normal((k, min(m, n))))[0] for k in (m, n))
    return (u * np.geomspace(1, 1 / condition, min(m, n))) @ v.T, rng.standard_normal(m)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(0, 10))
def test_nonnegative_least_squares(seed, n, more):
    A, b = problem(n + more, n, seed)
    x, rnorm = thermodynamic_nnls(A, b, rng=0)
    known, residual = nnls(A, b)
    assert np.allclose(x, known, atol=1e-8 * max(1.0, np.abs(known).max()))
    assert np.isclose(rnorm, residual, rtol=1e-9, atol=1e-12)
    assert np.all(x >= 0)


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
def test_boxes(seed, n):
    A, b = problem(n + 4, n, seed)
    lower, width = np.split(np.random.default_rng(seed).standard_normal(2 * n), 2)
    upper = lower + np.abs(width)
    lower[: n // 3], upper[n // 2 :] = -INF, INF
    result = thermodynamic_lsq_linear(A, b, (lower, upper), rng=0)
    known = lsq_linear(A, b, (lower, upper), method="bvls", tol=1e-14)
    assert result.success
    assert np.allclose(result.x, known.x, atol=1e-8 * max(1.0, np.abs(known.x).max()))
    assert np.array_equal(result.active_mask, known.active_mask)
    assert np.isclose(result.cost, known.cost)


@pytest.mark.parametrize("condition", [1e4, 1e8])
def test_ill_conditioned(condition):
    A, b = problem(30, 12, 3, condition)
    b = A @ np.maximum(np.random.default_rng(0).standard_normal(12), 0) + 1e-3 * b
    x, rnorm = thermodynamic_nnls(A, b, rng=0)
    known, residual = nnls(A, b)
    assert np.allclose(x, known, atol=1e-8 * np.abs(known).max())
    assert np.isclose(rnorm, residual, rtol=1e-9)


@pytest.mark.parametrize("units", [1e12, 1e-12])
def test_columns_and_data_in_any_unit(units):
    A, b = problem(20, 8, 1)
    scale = np.where(np.arange(8) % 2, units, 1.0)
    known, _ = nnls(A, b)
    assert np.allclose(thermodynamic_nnls(A * scale, b, rng=0)[0] * scale, known, atol=1e-8)
    assert np.allclose(thermodynamic_nnls(A, b * units, rng=0)[0] / units, known, atol=1e-8)


@pytest.mark.parametrize("shape", [(4, 9), (9, 4)], ids=["wide", "repeated columns"])
def test_where_the_minimum_is_not_unique_the_residual_is(shape):
    A, b = problem(*shape)
    A = np.hstack([A, A[:, :1]])
    x, rnorm = thermodynamic_nnls(A, b, rng=0)
    assert np.isclose(rnorm, nnls(A, b)[1], atol=1e-8)
    assert np.all(x >= 0)


def test_a_zero_column_equal_bounds_and_bounds_of_scipy():
    A, b = problem(8, 3)
    A[:, 1] = 0
    result = thermodynamic_lsq_linear(A, b, Bounds([0.25, 0.0, -INF], [0.25, 1.0, INF]), rng=0)
    assert result.x[0] == 0.25
    assert 0 <= result.x[1] <= 1
    assert np.isclose(result.x[2], A[:, 2] @ (b - 0.25 * A[:, 0]) / (A[:, 2] @ A[:, 2]))
    assert np.array_equal(thermodynamic_nnls(A, 0 * b, rng=0)[0], np.zeros(3))


@pytest.mark.parametrize("seed", range(3))
def test_modes_of_truncated_gaussians(seed):
    A, b = problem(20, 8, seed)
    gaussian = TruncatedGaussian(A.T @ A, np.linalg.lstsq(A, b)[0], lower=0.0)
    assert np.allclose(gaussian.mode(rng=0), nnls(A, b)[0], atol=1e-8)


BAD = {
    "empty box": (dict(bounds=(1.0, 0.0)), ValueError, "the box is empty"),
    "b of another length": (dict(b=[1.0]), ValueError, r"b must have shape \(2,\)"),
    "NaN": (dict(A=[[np.nan, 1.0], [0.0, 1.0]]), ValueError, "A holds NaN or infinity"),
    "vector": (dict(A=[1.0, 2.0]), ValueError, "A must be a matrix"),
    "no pair": (dict(bounds=0.0), ValueError, r"bounds must be a pair"),
    "ragged": (dict(A=[[1.0], [1.0, 2.0]]), ValueError, "different lengths"),
    "no iterations": (dict(max_iter=0), ValueError, "at least 1"),
    "text": (dict(A=[["a", "b"], ["c", "d"]]), TypeError, "real numbers"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_input_is_refused(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        thermodynamic_lsq_linear(**({"A": np.eye(2), "b": [1.0, 2.0]} | given))


def test_too_few_iterations_are_told():
    A, b = problem(30, 12, 3, 1e8)
    b = A @ np.maximum(np.random.default_rng(0).standard_normal(12), 0) + 1e-3 * b
    assert thermodynamic_lsq_linear(A, b, (0.0, INF), max_iter=1, rng=0).status == 0
    with pytest.raises(RuntimeError, match="larger maxiter"):
        thermodynamic_nnls(A, b, maxiter=1, rng=0)
