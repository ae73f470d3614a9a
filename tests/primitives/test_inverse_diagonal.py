"""inv_diagonal against NumPy's inverse, in standard errors, for everything A can be."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg.testing import assert_coverage, spd_matrices

STRUCTURES = ("dense", "diagonal", "low rank", "kronecker", "circulant", "toeplitz", "block", "laplacian")


def path_laplacian(d):
    return scipy.sparse.diags_array(
        [np.full(d, 2.5), np.full(d - 1, -1.0), np.full(d - 1, -1.0)], offsets=[0, 1, -1], format="csr"
    )


@given(
    A=spd_matrices(max_size=14, condition=1e6, structure=STRUCTURES),
    rtol=st.floats(0.01, 0.5),
    seed=st.integers(0, 2**20),
)
def test_within_its_error_bars(A, rtol, seed):
    value, info = tla.inv_diagonal(A, rtol=rtol, rng=seed, return_info=True)
    exact = np.diag(np.linalg.inv(A if isinstance(A, np.ndarray) else A @ np.eye(A.shape[0])))
    count = info.schedule.readings - 1
    assert 2 / count <= rtol**2 < 2 / (count - 1) if count > 1 else rtol >= 0.5
    # Few readings have a wide chi-square: five standard deviations of its cube root (Wilson and Hilferty).
    distance = (np.cbrt(value / exact) - 1 + 2 / (9 * count)) / np.sqrt(2 / (9 * count))
    assert np.all(np.abs(distance) < 5)
    assert_allclose(info.standard_error, value * np.sqrt(2 / count))


@pytest.mark.parametrize("dtype", [float, complex])
def test_error_bars_cover(dtype):
    a = spd(3, 10, dtype=dtype)
    exact, seeds = np.diag(np.linalg.inv(a)).real, 500
    inside = 0
    for seed in range(seeds):
        value, info = tla.inv_diagonal(a, rtol=0.03, rng=seed, return_info=True)
        assert value.dtype == np.float64
        inside = inside + (np.abs(value - exact) < 1.96 * info.standard_error)
    for count in inside:
        assert_coverage(int(count), seeds)
    assert 0.93 <= inside.mean() / seeds <= 0.97


@pytest.mark.slow
def test_node_variances_correlate_as_a_wishart_matrix():
    """cov(C_kk, C_ll) = 2 S_kl²/(N − 1): the nodes are read together, not one by one."""
    a = spd(3, 10, seed=2)
    s = np.linalg.inv(a)
    runs = np.array([tla.inv_diagonal(a, rtol=0.1, rng=seed) for seed in range(1200)])
    expected = 2 * s**2 / 200
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.all(np.abs(np.cov(runs.T) - expected) < 5 * scale * np.sqrt(2 / 1200) * 1.05)


def test_large_and_matrix_free():
    d = 2000
    matrix = path_laplacian(d)
    exact = np.diag(np.linalg.inv(matrix.toarray()))
    for a in (matrix, aslinearoperator(matrix)):
        value, info = tla.inv_diagonal(a, rtol=0.1, rng=0, return_info=True)
        z = (value - exact) / (0.1 * exact)
        assert np.abs(z).max() < 5.5
        assert abs(np.mean(z**2) - 1) < 0.2
        assert info.device_time > 0


def test_in_blocks_with_a_bar(monkeypatch, capsys):
    monkeypatch.setattr("thermolinalg.devices.readout.CHUNK", 3)
    a = spd(8, 10)
    value, info = tla.inv_diagonal(a, rtol=0.02, rng=0, progress=True, return_info=True)
    assert np.all(np.abs(value - np.diag(np.linalg.inv(a))) < 4.5 * info.standard_error)
    assert "reading" in capsys.readouterr().err


def test_says_what_it_is_worth():
    _, info = tla.inv_diagonal(spd(3, 10), rtol=0.05, rng=0, return_info=True)
    assert "no residual can certify" in info.message
    assert "rtol=" in info.message
    assert info.effective_sample_size == pytest.approx(info.schedule.readings)


def test_converters_round():
    a = spd(3, 10)
    device = tla.LangevinDevice(imperfections=tla.Imperfections(output_bits=12, offset=2.0))
    value, info = tla.inv_diagonal(a, rtol=0.02, device=device, rng=0, return_info=True)
    assert np.all(np.abs(value - np.diag(np.linalg.inv(a))) < 4.5 * info.standard_error)


def test_torch_single_precision_and_batches():
    torch = pytest.importorskip("torch")
    a = torch.as_tensor(np.stack([spd(3, 10, seed=s) for s in range(4)]).reshape(2, 2, 3, 3), dtype=torch.float32)
    value, infos = tla.inv_diagonal(a, rng=0, return_info=True)
    assert value.shape == (2, 2, 3)
    assert value.dtype == torch.float32
    exact = torch.linalg.inv(a).diagonal(dim1=-2, dim2=-1).reshape(4, 3)
    for row, truth, info in zip(value.reshape(4, 3), exact, infos, strict=True):
        assert bool((abs(row - truth) < 4.5 * info.standard_error).all())


@pytest.mark.parametrize("scale", [2.0**-900, 2.0**900])
def test_scale_equivariance(scale):
    a = spd(4, 10)
    assert_allclose(tla.inv_diagonal(scale * a, rng=1) * scale, tla.inv_diagonal(a, rng=1), rtol=1e-7)


@pytest.mark.parametrize("scale", [1e-308, 1e-300, 1e300, 1e307])
@pytest.mark.parametrize("wrap", [np.array, scipy.sparse.csr_array, aslinearoperator])
def test_extreme_scales(wrap, scale):
    a = np.array([[2.0, 1.0], [1.0, 2.0]])
    value, info = tla.inv_diagonal(wrap(scale * a), rng=0, return_info=True)
    exact = np.full(2, 2 / 3) / scale
    assert info.success
    assert np.all(np.abs(value - exact) < 4.5 * info.standard_error)
    assert np.all(np.isfinite(info.standard_error))


@pytest.mark.parametrize("scale", [1e-309, 1e-320, 5e-324])
def test_what_does_not_fit_is_refused(scale):
    with pytest.raises(ValueError, match=r"leaves the range of float64, 2.2e-308 to 1.8e\+308"):
        tla.inv_diagonal(scale * np.diag([2.0, 3.0]))
    with pytest.raises(ValueError, match="leaves the range of float32"):
        tla.inv_diagonal(np.diag([1e-40, 1.0]).astype(np.float32))
    # One entry that does not fit is enough.
    with pytest.raises(ValueError, match="leaves the range"):
        tla.inv_diagonal(np.diag([scale, 1.0]))


def test_one_triangle_is_read():
    a = spd(3, 10)
    for lower in (False, True):
        half = (np.tril if lower else np.triu)(a)
        wrong = half + (half.T - np.diag(np.diag(a))) * 7
        for array in (wrong, scipy.sparse.csr_array(wrong)):
            value = tla.inv_diagonal(array, assume_a="pos", lower=lower, rng=0)
            assert_allclose(value, tla.inv_diagonal(a, rng=0), rtol=1e-12)


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
@pytest.mark.parametrize("kappa", [1e4, 1e10, 1e13])
def test_the_error_bar_holds_rounding(kappa):
    """The inverse of a rotated graded diagonal is known: (A⁻¹)_ii = Σ q_ij²/λ_j, up to the rounding of A itself."""
    for seed in range(8):
        a = spd(4, condition=kappa, seed=seed)
        value, info = tla.inv_diagonal(a, rtol=0.02, rng=seed, return_info=True)
        wide = np.linalg.inv(a)
        for _ in range(3):  # Newton's iteration in extended precision
            wide = wide @ (2 * np.eye(4) - a.astype(np.longdouble) @ wide)
        assert np.all(np.abs(value - np.diag(wide)) < 4.5 * info.standard_error)
        assert_allclose(info.noise + info.rounding + info.systematic, info.standard_error)
        assert 0.01 < info.condition / kappa < 100
        assert_allclose(info.rounding, 2 * np.finfo(float).eps * info.condition * value)
        assert info.success == (info.standard_error[0] <= 1.01 * 0.02 * value[0])


def test_rounding_beyond_the_tolerance_is_no_success():
    with pytest.warns(tla.ThermodynamicWarning, match=r"of which rounding alone has .* at the condition number"):
        _, info = tla.inv_diagonal(spd(4, condition=1e13), rtol=1e-4, rng=0, return_info=True)
    assert not info.success
    assert info.status > 0


def test_nothing():
    assert tla.inv_diagonal(np.empty((0, 0))).shape == (0,)


def test_refusals():
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.inv_diagonal(np.ones((3, 3)))
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        tla.inv_diagonal(np.diag([1.0, -1.0]))
    with pytest.raises(
        np.linalg.LinAlgError, match=r"not symmetric: \|A\[0, 1\] − A\[1, 0\]\| = 1.*assume_a='sym'.*inv"
    ):
        tla.inv_diagonal(np.triu(np.ones((3, 3))))
    with pytest.raises(np.linalg.LinAlgError, match=r"singular.*largest at.*; pinv") as refusal:
        tla.inv_diagonal(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    assert_allclose(np.abs(refusal.value.null_vector), [1, 1, 0], atol=1e-12)
    for rtol in (0.0, -1.0, np.nan, 1e-13):
        with pytest.raises(ValueError, match="rtol"):
            tla.inv_diagonal(spd(3, 10), rtol=rtol)
    with pytest.raises(ValueError, match="square"):
        tla.inv_diagonal(np.ones((2, 3)))


def _grid(side, shift=0.1):
    line = scipy.sparse.diags_array([2.0, -1.0, -1.0], offsets=[0, 1, -1], shape=(side, side))
    return scipy.sparse.csr_array(scipy.sparse.kronsum(line, line) + shift * scipy.sparse.eye_array(side**2))


DIGITAL = {
    "sparse": _grid(12),
    "dense": spd(7, 30),
    "complex": spd(6, 10, dtype=complex),
    "one": np.array([[4.0]]),
    "low range": 1e-300 * spd(5, 10),
    "kronecker": tla.operators.Kronecker(spd(3, 5), spd(4, 5)),
}


@pytest.mark.parametrize("case", DIGITAL)
def test_from_a_factor(case):
    A = DIGITAL[case]
    value, info = tla.inv_diagonal(A, method="factor", return_info=True)
    exact = np.diag(np.linalg.inv(A if isinstance(A, np.ndarray) else A @ np.eye(A.shape[0]))).real
    assert_allclose(value, exact, rtol=1e-12)
    assert np.all(abs(value - exact) <= info.standard_error)
    assert info.success
    assert info.device_time == 0


def test_from_a_factor_of_scaled_rows():
    D = scipy.sparse.diags_array(np.logspace(-150, 150, 144))
    value, info = tla.inv_diagonal((D @ _grid(12) @ D).tocsr(), method="factor", return_info=True)
    assert_allclose(value * D.diagonal() ** 2, np.diag(np.linalg.inv(_grid(12).toarray())), rtol=1e-11)
    assert info.condition < 100


def test_factors_tell_what_rounding_leaves():
    A = spd(6, 1e5).astype(np.float32)
    with pytest.warns(tla.ThermodynamicWarning, match="rounding leaves"):
        value, info = tla.inv_diagonal(A, method="factor", return_info=True)
    assert value.dtype == np.float32
    assert not info.success
    assert np.all(abs(value - np.diag(np.linalg.inv(A.astype(float)))) <= info.standard_error)


@pytest.mark.parametrize(
    ("A", "options", "error", "match"),
    [
        (np.eye(2), {"method": "takahashi"}, ValueError, "method must be"),
        (np.eye(2), {"method": "factor", "device": tla.LangevinDevice()}, ValueError, "leave device= out"),
        (np.ones((2, 2)), {"method": "factor"}, np.linalg.LinAlgError, "singular to working precision"),
        (scipy.sparse.csr_array(np.diag([1.0, -1.0])), {"method": "factor"}, np.linalg.LinAlgError, "is -1"),
        (aslinearoperator(scipy.sparse.eye_array(5000)), {"method": "factor"}, TypeError, "only needs its products"),
    ],
)
def test_what_a_factor_refuses(A, options, error, match):
    with pytest.raises(error, match=match):
        tla.inv_diagonal(A, **options)
