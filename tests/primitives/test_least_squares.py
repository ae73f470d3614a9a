"""lstsq and pinv against SciPy's, over shapes, ranks, dtypes and real matrices."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import scipy.fft
import scipy.io
import scipy.linalg
import scipy.sparse
from cases import grid, tensor
from helpers import general, relative_error
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator, lsqr

import thermolinalg as tla
from thermolinalg._arrays import to_numpy

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


@pytest.mark.slow
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
    a = scipy.io.mmread(folder / matrix, spmatrix=False)
    b = scipy.io.mmread(folder / rhs, spmatrix=False).ravel() if rhs else np.ones(a.shape[0])
    x, _, rank, _ = tla.lstsq(a, b, rng=0)
    expected, _, expected_rank, _ = scipy.linalg.lstsq(a.toarray(), b, cond=max(a.shape) * 2.3e-16)
    assert rank == expected_rank
    assert np.linalg.norm(x - expected) <= rtol * np.linalg.norm(expected)


# -- against sixty digits ----------------------------------------------------------------------------------------------


def exact(a, b, damp=0.0):
    """The minimum-norm least-squares solution of an A of full rank, to sixty digits."""
    with mpmath.workdps(60):
        return rounded(_exact(mpmath.matrix(a.tolist()), mpmath.matrix(b.tolist()), damp))


def exact_of_product(left, right, b):
    """The same of A = left @ right, whose factors have full rank: A⁺ = right⁺ left⁺."""
    with mpmath.workdps(60):
        inner = _exact(mpmath.matrix(left.tolist()), mpmath.matrix(b.tolist()))
        return rounded(_exact(mpmath.matrix(right.tolist()), inner))


def _exact(A, B, damp=0.0):
    squared = mpmath.mpf(damp) ** 2
    if A.rows >= A.cols:
        return mpmath.lu_solve(A.T * A + squared * mpmath.eye(A.cols), A.T * B)
    return A.T * mpmath.lu_solve(A * A.T + squared * mpmath.eye(A.rows), B)


def rounded(x):
    return np.array([float(entry) for entry in x])


def conditioned(m, n, kappa, seed=1):
    return general(np.geomspace(1, 1 / kappa, min(m, n)), m, n, seed)


@pytest.mark.parametrize("kappa", [1e3, 1e6, 1e9])
@pytest.mark.parametrize("shape", [(25, 8), (8, 8), (8, 25)])
def test_ill_conditioned_problems_with_large_residuals(shape, kappa):
    """LAPACK's error grows as κ² times the residual; ours is nowhere near, and its bar holds."""
    a, inside, ours, theirs = conditioned(*shape, kappa), [], [], []
    for seed in range(5):
        b = np.random.default_rng(seed).standard_normal(shape[0])
        truth = exact(a, b)
        (x, *_), info = tla.lstsq(a, b, rng=seed, return_info=True)
        assert info.success
        inside.append(abs(x - truth) <= 3 * info.standard_error)
        ours.append(relative_error(x, truth))
        theirs.append(relative_error(scipy.linalg.lstsq(a, b)[0], truth))
    assert np.mean(inside) >= 0.95
    assert np.median(ours) <= (2 if shape[0] < shape[1] else 0.1) * np.median(theirs) + 4e-16


@pytest.mark.parametrize("grade", [1e3, 1e6])
def test_graded_columns(grade):
    a = conditioned(20, 6, 30.0) * np.geomspace(1, 1 / grade, 6)
    b = np.random.default_rng(0).standard_normal(20)
    (x, *_), info = tla.lstsq(a, b, rng=0, return_info=True)
    truth = exact(a, b)
    assert info.success
    np.testing.assert_allclose(x, truth, rtol=1e-9)
    assert np.all(abs(x - truth) <= 5 * info.standard_error)


@pytest.mark.parametrize("shape", [(25, 9), (9, 25), (12, 12)])
@pytest.mark.parametrize("kind", ["array", "sparse", "matrix-free", "torch"])
@pytest.mark.parametrize("rank", [1, 4])
def test_deficient_problems_have_the_minimum_norm(shape, kind, rank):
    rng = np.random.default_rng(rank)
    # Small whole numbers: the product is exact, and so is the rank.
    left, right = rng.integers(-3, 4, (shape[0], rank)), rng.integers(-3, 4, (rank, shape[1]))
    a, b = (left @ right).astype(float), rng.standard_normal(shape[0])
    make = {"array": np.asarray, "sparse": scipy.sparse.csr_array, "matrix-free": aslinearoperator, "torch": tensor}[
        kind
    ]
    (x, residues, found, s), info = tla.lstsq(make(a), tensor(b) if kind == "torch" else b, rng=0, return_info=True)
    truth = exact_of_product(left, right, b)
    assert found == rank
    assert residues.shape == (0,)
    assert info.success
    assert relative_error(x, truth) <= 1e-13
    assert np.all(abs(to_numpy(x) - truth) <= 5 * to_numpy(info.standard_error))
    np.testing.assert_allclose(to_numpy(s), np.linalg.svd(a, compute_uv=False), atol=1e-13 * abs(a).sum())


def test_the_cutoff_is_the_users():
    a = np.diag([1.0, 1e-3, 1e-6])
    b = np.ones(3)
    for cond, truth in ((None, [1, 1e3, 1e6]), (1e-5, [1, 1e3, 0]), (1e-2, [1, 0, 0]), (0.999e-3, [1, 1e3, 0])):
        x, _, rank, _ = tla.lstsq(a, b, cond=cond, rng=0)
        np.testing.assert_allclose(x, truth, rtol=1e-9, atol=1e-8)
        assert rank == np.count_nonzero(truth)
    for cond in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="cond must"):
            tla.lstsq(a, b, cond=cond)


# -- damping -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(9, 4), (4, 9), (6, 6)])
@pytest.mark.parametrize("damp", [1e-9, 1e-3, 0.1, 3.0, 1e5])
def test_damped_problems(shape, damp):
    a, b = problem(shape, seed=6, columns=2)
    (x, residues, rank, _), info = tla.lstsq(a, b, damp=damp, rng=0, return_info=True)
    truth = np.stack([exact(a, column, damp) for column in b.T], axis=1)
    assert info.success
    assert rank == min(shape)
    assert residues.shape == (0,)
    assert relative_error(x, truth) <= 2e-15 * np.linalg.cond(a)
    assert np.mean(abs(x - truth) <= 3 * info.standard_error) >= 0.95
    gradient = a.T @ (b - a @ x) - damp**2 * x
    told = np.linalg.norm(gradient, axis=0) / np.hypot(np.linalg.norm(a, 2), damp)
    np.testing.assert_allclose(info.residual_norm, told, atol=1e-14)
    if 1e-3 < damp < 1e3:
        np.testing.assert_allclose(x[:, 0], lsqr(a, b[:, 0], damp=damp, atol=1e-14, btol=1e-14)[0], rtol=1e-8)


@pytest.mark.parametrize("make", [scipy.sparse.csr_array, aslinearoperator])
@pytest.mark.parametrize("shape", [(700, 530), (530, 700)])
@pytest.mark.parametrize("damp", [1e-4, 0.3])
def test_large_damped_problems(shape, make, damp):
    a = sparse(shape, 5)
    b = np.random.default_rng(0).standard_normal(shape[0])
    (x, _, rank, s), info = tla.lstsq(make(a), b, damp=damp, rng=0, return_info=True)
    assert info.success
    assert rank is None
    assert s.shape == (0,)
    assert relative_error(x, damped(a, b, damp)) <= (1e-12 if make is scipy.sparse.csr_array else 1e-8)


def sparse(shape, seed):
    """Random entries, a few in each row and column, and a diagonal that keeps it from being singular."""
    rng = np.random.default_rng(seed)
    a = (rng.random(shape) < 5 / max(shape)) * rng.uniform(-1, 1, shape)
    return scipy.sparse.csr_array(a + 3 * scipy.sparse.eye_array(*shape))


def damped(a, b, damp):
    a = a.toarray()
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return vt.T @ (s / (s**2 + damp**2) * (u.T @ b))


def test_damping_of_a_deficient_matrix_stays_in_the_row_space():
    a, b = problem((12, 8), rank=3, seed=2)
    for damp in (1e-7, 1e-2, 1.0):
        x = tla.lstsq(a, b, damp=damp, rng=0).x
        u, s, vt = (
            part[..., :3] if i < 2 else part[:3] for i, part in enumerate(np.linalg.svd(a, full_matrices=False))
        )
        assert relative_error(x, vt.T @ (s / (s**2 + damp**2) * (u.T @ b))) <= 1e-12


def test_damping_of_complex_extreme_and_single_precision_matrices():
    a, b = problem((9, 4), dtype=complex, seed=1)
    normal = a.conj().T @ a + 4.0 * np.eye(4)
    np.testing.assert_allclose(tla.lstsq(a, b, damp=2.0, rng=0).x, np.linalg.solve(normal, a.conj().T @ b), rtol=1e-9)
    a, b = problem((9, 4), seed=1)
    expected = tla.lstsq(a, b, damp=2.0, rng=0).x
    np.testing.assert_allclose(tla.lstsq(1e250 * a, 1e250 * b, damp=2e250, rng=0).x, expected, rtol=1e-10)
    single = tla.lstsq(a.astype(np.float32), b.astype(np.float32), damp=2.0, rng=0).x
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("damp", "kind"), [(-1.0, ValueError), (np.nan, ValueError), (np.inf, ValueError), ("1.0x", TypeError)]
)
def test_damping_is_checked(damp, kind):
    with pytest.raises(kind, match="damp must"):
        tla.lstsq(np.eye(2), np.ones(2), damp=damp)


@pytest.mark.slow
def test_raw_damped_runs_have_honest_bars():
    a, b = problem((20, 3), seed=3)
    truth = exact(a, b, 3.0)
    inside = 0
    for seed in range(150):
        (x, *_), info = tla.lstsq(a, b, damp=3.0, refine=False, rtol=0.05, rng=seed, return_info=True)
        inside += np.count_nonzero(abs(x - truth) < 2.037 * info.standard_error)
    assert 0.9 < inside / 450 < 0.99


# -- large matrices, of which nothing is known -------------------------------------------------------------------------


@pytest.mark.parametrize("n", [30, 70])
def test_singular_laplacians(n):
    """The Neumann problem: the residual is what it has to be, and the mean of the solution is zero."""
    whole = grid(n)
    a = scipy.sparse.csr_array(whole - scipy.sparse.diags_array(whole.sum(axis=1)))
    b = np.random.default_rng(0).standard_normal(n * n)
    (x, residues, rank, s), info = tla.lstsq(a, b, rng=0, return_info=True)
    assert info.success
    assert (rank, s.shape, residues.shape) == (None, (0,), (0,))
    assert abs(x.mean()) <= 1e-15 * np.linalg.norm(x)
    assert np.linalg.norm(b - b.mean() - a @ x) <= 1e-13 * np.linalg.norm(x)
    # Cosines diagonalise it.
    modes = scipy.fft.dctn((b - b.mean()).reshape(n, n), norm="ortho")
    one = 2 - 2 * np.cos(np.pi * np.arange(n) / n)
    values = one[:, None] + one
    values[0, 0] = np.inf
    assert relative_error(x, scipy.fft.idctn(modes / values, norm="ortho").ravel()) <= 1e-12


@pytest.mark.parametrize("make", [scipy.sparse.csr_array, aslinearoperator])
@pytest.mark.parametrize("shape", [(530, 700), (700, 530)])
def test_large_matrices_of_full_rank(shape, make):
    a = sparse(shape, 3)
    b = np.random.default_rng(0).standard_normal((shape[0], 2))
    (x, _, rank, _), info = tla.lstsq(make(a), b, rng=0, return_info=True)
    assert info.success
    assert rank is None
    u, s, vt = np.linalg.svd(a.toarray(), full_matrices=False)
    truth = vt.T @ ((u.T @ b) / s[:, None])
    assert relative_error(x, truth) <= (1e-12 if make is aslinearoperator else 1e-13)
    null = x - vt.T @ (vt @ x)
    assert np.linalg.norm(null) <= 1e-14 * np.linalg.norm(x)


def test_large_deficient_matrices():
    mix = np.eye(550)
    mix[[8, 9], 7], mix[7, 7], mix[20, 20] = 1, 0, 0  # a column that is the sum of two others, and one of zeros
    a = scipy.sparse.csr_array(sparse((600, 550), 4) @ scipy.sparse.csr_array(mix))
    b = np.random.default_rng(0).standard_normal(600)
    (x, *_), info = tla.lstsq(a, b, rng=0, return_info=True)
    assert info.success
    assert relative_error(x, np.linalg.lstsq(a.toarray(), b, rcond=1e-12)[0]) <= 1e-12
    assert abs(x[20]) <= 1e-15 * abs(x).max()
