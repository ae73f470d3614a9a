"""lstsq and pinv against SciPy's, over shapes, ranks, dtypes and real matrices."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla

SHAPES = [(1, 1), (6, 6), (9, 4), (4, 9), (40, 3)]


def problem(shape, rank=None, seed=0, dtype=float, columns=None):
    rng = np.random.default_rng(seed)
    rank = min(shape) if rank is None else rank
    a = rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
    b = rng.standard_normal((shape[0],) if columns is None else (shape[0], columns))
    if dtype is complex:
        a = a + 1j * rng.standard_normal((shape[0], rank)) @ rng.standard_normal((rank, shape[1]))
        b = b + 1j * rng.standard_normal(b.shape)
    return a, b


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("columns", [None, 3])
@pytest.mark.parametrize("shape", SHAPES)
def test_everything_scipy_returns(shape, columns, dtype):
    a, b = problem(shape, dtype=dtype, columns=columns)
    ours = tla.lstsq(a, b, rng=1)
    x, residues, rank, s = scipy.linalg.lstsq(a, b)
    np.testing.assert_allclose(ours.x, x, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(ours.residues, residues, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(ours.s, s, rtol=1e-10)
    assert ours.rank == rank


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
@pytest.mark.parametrize("columns", [None, 2])
def test_complex_right_hand_side_of_a_real_matrix(columns, shape):
    a, b = problem(shape)[0], problem(shape, dtype=complex, columns=columns)[1]
    ours, theirs = tla.lstsq(a, b, rng=1), scipy.linalg.lstsq(a, b)
    np.testing.assert_allclose(ours.x, theirs[0], atol=1e-9)
    np.testing.assert_allclose(ours.residues, theirs[1], rtol=1e-8)


@given(m=st.integers(1, 12), n=st.integers(1, 12), deficiency=st.integers(0, 3), seed=st.integers(0, 2**20))
def test_minimum_norm_at_every_rank(m, n, deficiency, seed):
    a, b = problem((m, n), rank=max(min(m, n) - deficiency, 1), seed=seed)
    x, _, rank, _ = tla.lstsq(a, b, rng=seed)
    expected = scipy.linalg.lstsq(a, b, cond=max(m, n) * 2.3e-16)
    assert rank == expected[2]
    kappa = expected[3][0] / expected[3][rank - 1]
    np.testing.assert_allclose(x, expected[0], atol=1e-9 * kappa * max(np.abs(expected[0]).max(), 1.0))


def test_single_precision_stays_single():
    a, b = problem((8, 3))
    x, _, _, s = tla.lstsq(a.astype(np.float32), b.astype(np.float32), rng=0)
    assert x.dtype == s.dtype == np.float32
    np.testing.assert_allclose(x, scipy.linalg.lstsq(a, b)[0], rtol=1e-4, atol=1e-5)


def test_sparse_operator_and_batches():
    a, b = problem((7, 4))
    expected = scipy.linalg.lstsq(a, b)[0]
    for form in (scipy.sparse.csr_array(a), scipy.sparse.linalg.aslinearoperator(a), a.tolist()):
        np.testing.assert_allclose(tla.lstsq(form, b, rng=0).x, expected, atol=1e-8)
    batch = tla.lstsq(np.stack([a, 2 * a]), b, rng=0)
    np.testing.assert_allclose(batch.x, [expected, expected / 2], atol=1e-8)


def test_zero_matrix_and_empty():
    result = tla.lstsq(np.zeros((4, 3)), np.ones(4), rng=0)
    assert result.rank == 0
    np.testing.assert_array_equal(result.x, np.zeros(3))
    assert tla.lstsq(np.ones((0, 3)), np.ones(0), rng=0).x.shape == (3,)
    assert tla.pinv(np.ones((0, 3))).shape == (3, 0)


def test_raw_run_carries_honest_error_bars():
    a, b = problem((20, 3), seed=3)
    truth = scipy.linalg.lstsq(a, b)[0]
    inside = 0
    for seed in range(400):
        (x, *_), info = tla.lstsq(a, b, refine=False, rtol=0.05, rng=seed, return_info=True)
        inside += np.count_nonzero(abs(x - truth) < 2.037 * info.standard_error)  # Student t, 32 degrees of freedom
    # Components of one run share a window: the effective number of trials lies between 400 and 1200.
    assert 0.93 < inside / 1200 < 0.97


@pytest.mark.parametrize("shape", SHAPES)
def test_pinv_is_scipys(shape):
    a, _ = problem(shape, rank=max(min(shape) - 1, 1))
    b, rank = tla.pinv(a, return_rank=True, rng=0)
    expected, expected_rank = scipy.linalg.pinv(a, return_rank=True)
    np.testing.assert_allclose(b, expected, atol=1e-8 * np.abs(expected).max())
    assert rank == expected_rank


def test_pinv_cutoffs_and_batches():
    a = np.diag([1.0, 1e-3, 1e-9])
    np.testing.assert_allclose(tla.pinv(a, rtol=1e-6, rng=0), np.diag([1.0, 1e3, 0.0]), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(tla.pinv(a, atol=1e-2, rng=0), np.diag([1.0, 0.0, 0.0]), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(tla.pinv(np.stack([a, a]), atol=1e-2, rng=0).shape, (2, 3, 3))


def test_singular_laplacian_has_its_pseudo_inverse():
    laplacian = 2 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
    laplacian[0, 0] = laplacian[-1, -1] = 1
    np.testing.assert_allclose(tla.pinv(laplacian, rng=0), scipy.linalg.pinv(laplacian), atol=1e-9)


REAL = [
    ("well1033.mtx.gz", "well1033_rhs1.mtx.gz", 1e-7),
    ("illc1033.mtx.gz", "illc1033_rhs1.mtx.gz", 1e-7),
    ("Maragal_1.mtx", "Maragal_1_b.mtx", 1e-8),
    ("ash219.mtx", None, 1e-8),
    ("lp_e226.mtx", None, 1e-7),
    ("bcsstm01.mtx", None, 1e-8),
]


@pytest.mark.parametrize(("matrix", "rhs", "rtol"), REAL)
def test_real_rectangular_and_deficient_matrices(data_folder, matrix, rhs, rtol):
    folder = data_folder / "matrices" / "other"
    a = scipy.io.mmread(folder / matrix)
    b = scipy.io.mmread(folder / rhs).ravel() if rhs else np.ones(a.shape[0])
    x, _, rank, _ = tla.lstsq(a, b, rng=0)
    expected, _, expected_rank, _ = scipy.linalg.lstsq(a.toarray(), b, cond=max(a.shape) * 2.3e-16)
    assert rank == expected_rank
    assert np.linalg.norm(x - expected) <= rtol * np.linalg.norm(expected)
