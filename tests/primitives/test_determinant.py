from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.sparse
from cases import path
from exact import exact_logabsdet
from helpers import general, grid_laplacian, rotated
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator
from scipy.stats import t

from thermolinalg import Imperfections, LangevinDevice, ThermodynamicWarning
from thermolinalg.devices.driven import Driven
from thermolinalg.laws import EulerMaruyama, Underdamped
from thermolinalg.operators import Kronecker, LowRankPlusIdentity
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._log_determinant import _in_range
from thermolinalg.primitives.determinant import det, logabsdet, slogdet
from thermolinalg.testing import assert_coverage

METHODS = ("work", "integration")


def assert_estimates(logabsdet, info, expected, errors=4.5):
    assert info.success
    assert abs(float(logabsdet) - expected) <= errors * info.standard_error + 1e-12 * (1 + abs(expected))


# -- values -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["work", pytest.param("integration", marks=pytest.mark.slow)])
def test_error_bars_cover(method):
    lam = np.geomspace(0.1, 2, 4)
    A, expected, hits = rotated(lam), np.log(lam).sum(), []
    for seed in range(500):
        (_, value), info = slogdet(A, atol=0.1, method=method, rng=seed, return_info=True)
        assert info.standard_error <= 0.1
        hits.append(abs(value - expected) < t.ppf(0.975, info.degrees_of_freedom) * info.standard_error)
    assert 0.93 <= np.mean(hits) <= 0.97


@given(
    st.integers(1, 12), st.floats(0, 3), st.floats(-50, 50), st.sampled_from((None, *METHODS)), st.integers(0, 10**6)
)
@example(2, 6e-8, 1.0, None, 2)
@example(2, 1.25, 0.0, "integration", 11785)  # 5.55 of Student's errors with 38 degrees of freedom
def test_size_condition_and_scale(d, decades, exponent, method, seed):
    lam = 10 ** (np.linspace(-decades, 0, d) + exponent)
    (sign, value), info = slogdet(rotated(lam), atol=0.3, method=method, rng=seed, return_info=True)
    assert sign == 1
    assert_estimates(value, info, np.log(lam).sum(), errors=6.5)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e10])
def test_ill_conditioned(condition):
    lam = np.geomspace(1 / condition, 1, 40)
    (_, value), info = slogdet(rotated(lam), rng=3, return_info=True)
    assert info.method == "integration"
    assert info.standard_error <= 1e-2
    # Rounding of A itself moves the smallest eigenvalues by about κ eps.
    assert abs(value - np.log(lam).sum()) < 4 * info.standard_error + 1e-16 * condition


def test_quadrature_leaves_nothing():
    """With the noise averaged away what is left is the error of the quadrature: a hundredth of atol at most."""
    lam = np.geomspace(1e-6, 1, 30)
    (_, value), info = slogdet(rotated(lam), atol=1e-5, method="integration", rng=0, return_info=True)
    assert abs(value - np.log(lam).sum()) < 4.5e-5
    assert info.standard_error <= 1e-5


def test_protocols_agree():
    A = rotated(np.geomspace(0.05, 3, 12))
    (_, first), by_work = slogdet(A, atol=0.02, method="work", rng=1, return_info=True)
    (_, second), by_integration = slogdet(A, atol=0.02, method="integration", rng=2, return_info=True)
    assert abs(first - second) < 4 * math.hypot(by_work.standard_error, by_integration.standard_error)


@pytest.mark.parametrize("d", [1, 5])
@pytest.mark.parametrize("c", [1e-300, 0.5, 1.0, 3.0, 1e300])
@pytest.mark.parametrize("method", METHODS)
def test_multiples_of_the_identity(method, c, d):
    """Only the known part is left, up to the rounding of the scaling to powers of two."""
    (sign, value), info = slogdet(c * np.eye(d), method=method, rng=0, return_info=True)
    assert sign == 1
    assert_allclose(value, d * math.log(c), rtol=1e-13, atol=1e-13)
    assert info.standard_error < 1e-6


def test_diagonal_is_known_to_its_scaling():
    diagonal = np.array([1e-200, 1e-3, 1.0, 7.0, 1e150])
    (_, value), info = slogdet(np.diag(diagonal), rng=0, return_info=True)
    assert_estimates(value, info, np.log(diagonal).sum())


def test_error_falls_with_atol():
    A = rotated(np.geomspace(1e-3, 1, 30))
    errors = [slogdet(A, atol=atol, rng=0, return_info=True)[1].standard_error for atol in (1e-1, 1e-2, 1e-3)]
    assert_allclose(errors, [0.85e-1, 0.85e-2, 0.85e-3], rtol=0.2)


# -- signs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_negative_definite(d, dtype):
    A = -rotated(np.geomspace(0.3, 4, d), dtype=dtype)
    expected = np.linalg.slogdet(A)
    (sign, value), info = slogdet(A, atol=0.1, rng=d, return_info=True)
    assert sign == np.sign(expected.sign.real) == (-1) ** d
    assert sign.dtype == expected.sign.dtype
    assert abs(value - expected.logabsdet) < 4.5 * info.standard_error
    value, info = det(A, rtol=0.1, rng=d, return_info=True)
    assert abs(value - np.linalg.det(A)) < 4.5 * info.standard_error
    assert value.dtype == A.dtype


@pytest.mark.parametrize(
    "wrap",
    [scipy.sparse.csr_array, aslinearoperator, lambda a: Kronecker(a, rotated([1.0]))],
    ids=["CSR", "map", "operator"],
)
def test_negative_definite_however_it_is_given(wrap):
    A = rotated([0.5, 1.0, 3.0])
    given = wrap(A).negated() if isinstance(wrap(A), Kronecker) else wrap(-A)
    (sign, value), info = slogdet(given, rng=0, return_info=True)
    assert sign == -1
    assert_estimates(value, info, np.log(1.5))


def test_negative_definite_tensors():
    torch = pytest.importorskip("torch")
    (sign, value), _ = slogdet(torch.as_tensor(-rotated([0.5, 1.0, 3.0])), rng=0, return_info=True)
    assert isinstance(value, torch.Tensor)
    assert float(sign) == -1


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("assume_a", ["pos", "sym", "her"])
@pytest.mark.parametrize("function", [slogdet, det, logabsdet])
def test_one_triangle_is_read(function, assume_a, lower):
    A = rotated([0.4, 1.0, 2.5], dtype=complex if assume_a == "her" else float)
    half = np.tril(A) if lower else np.triu(A)
    other = half + (np.triu(np.full((3, 3), 7.0), 1) if lower else np.tril(np.full((3, 3), 7.0), -1))
    result, info = function(other, assume_a=assume_a, lower=lower, rng=0, return_info=True)
    value = {slogdet: lambda: result[1], det: lambda: np.log(result.real), logabsdet: lambda: result}[function]()
    assert abs(value - 0.0) < 5 * 1e-2
    assert info.success


def test_logabsdet_of_what_is_known_to_be_definite_holds_it():
    A = rotated(np.geomspace(1e-4, 1, 6))
    conditions = [logabsdet(A, assume_a=a, rng=0, return_info=True)[1] for a in (None, "pos")]
    assert_allclose([info.condition for info in conditions], 1e4, rtol=0.9)
    assert conditions[1].device_time < 1e-2 * conditions[0].device_time  # κ instead of κ²


# -- rounding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [slogdet, logabsdet])
@pytest.mark.parametrize("condition", [1e4, 1e9, 1e12])
@pytest.mark.parametrize("spectrum", ["even", "one small", "one large"])
@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
def test_error_bars_hold_the_rounding(function, condition, spectrum):
    """At least d eps κ, and more than the eigenvalues err by."""
    d, near = 12, np.linspace(1, 2, 11)
    lam = {
        "even": np.geomspace(1, condition, d),
        "one small": np.r_[1, condition * near / 2],
        "one large": np.r_[near, condition],
    }[spectrum]
    A = rotated(lam)
    result, info = function(A, atol=0.1, rng=0, return_info=True)
    value = result if function is logabsdet else result.logabsdet
    assert info.rounding >= d * np.finfo(float).eps * info.condition
    assert abs(value - exact_logabsdet(A)) < 4.5 * info.noise + info.rounding


@pytest.mark.parametrize("dtype", [float, complex])
@pytest.mark.parametrize("condition", [10**7.3, 1e8, 1e9, 1e12])
@pytest.mark.parametrize("d", [2, 4, 12])
@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
def test_general_matrices_do_not_square_their_condition(d, condition, dtype):
    """The noise averaged away, what is left is within the bound on the rounding; and the bound is not far off."""
    errors = []
    for seed in range(4):
        A = general(np.geomspace(1, 1 / condition, d), seed=seed, dtype=dtype)
        value, info = logabsdet(A, atol=2e-3, method="integration", rng=seed, return_info=True)
        assert info.success == (info.standard_error <= 2e-3)
        assert info.success or condition > 1e11
        assert abs(value - exact_logabsdet(A)) < 4.5 * info.standard_error
        assert info.standard_error == info.noise + info.rounding + info.systematic
        assert info.rounding < 40 * d**1.5 * np.finfo(float).eps * info.condition
        errors.append(info.condition)
    assert_allclose(np.median(errors), condition, rtol=0.9)


@pytest.mark.parametrize("condition", [1e4, 1e8, 1e12])
def test_rounding_is_within_its_bound(condition):
    """With almost no noise: the digital spectrum against elimination in extended precision."""
    for seed in range(10):
        for A, symmetric in (
            (general(np.geomspace(1, 1 / condition, 4), seed=seed), False),
            (rotated(np.geomspace(1, 1 / condition, 4), seed), True),
        ):
            read = read_matrix(A, assume_a="sym" if symmetric else "gen")
            known, operator = 0.0, read.operator
            if not symmetric:
                scaled = _in_range(operator, "normal")
                operator, known = scaled.operator, scaled.known
            told = LangevinDevice().program(operator).spectrum()
            found = (np.log(told.eigenvalues).sum() + told.offset + known) / (1 if symmetric else 2)
            bound = told.rounding / (1 if symmetric else 2)
            assert abs(found - exact_logabsdet(A)) <= bound + 1e-14
            assert bound < 50 * np.finfo(float).eps * told.condition ** (1 if symmetric else 0.5) + 1e-14


def test_more_rounding_than_tolerance_is_no_success():
    A = rotated(np.geomspace(1, 1e-12, 4))
    with pytest.warns(ThermodynamicWarning, match="rounding alone moves"):
        (_, value), info = slogdet(A, atol=1e-5, method="integration", rng=0, return_info=True)
    assert not info.success
    assert info.status > 0
    assert info.rounding > 1e-5
    assert abs(value - exact_logabsdet(A)) < 4 * info.standard_error


def test_singular_means_below_rounding():
    for function, make in (
        (slogdet, lambda k: rotated([1.0, 0.7, 1 / k])),
        (logabsdet, lambda k: general(np.geomspace(1, 1 / k, 3), seed=0)),
    ):
        with pytest.warns(ThermodynamicWarning, match="ill-conditioned"):
            _, info = function(make(1e14), atol=1.0, method="integration", rng=0, return_info=True)
        assert info.rounding > 1e-3
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            function(make(3e17))


@pytest.mark.parametrize("graded", ["rows", "columns", "both"])
def test_grading_by_powers_of_two_is_free(graded):
    """Rows and columns of any size are balanced, exactly, before anything is rounded."""
    A = general(np.geomspace(1, 1 / 10, 5), seed=3)
    D = 2.0 ** np.array([-300, 200, 0, -7, 250])
    B = A * (D[:, None] if graded != "columns" else 1.0) * (D if graded != "rows" else 1.0)
    value, info = logabsdet(B, rng=0, return_info=True)
    assert_estimates(value, info, exact_logabsdet(A) + np.log(D).sum() * (2 if graded == "both" else 1))
    assert info.condition < 1e3


@pytest.mark.parametrize("wrap", [np.array, scipy.sparse.csr_array, aslinearoperator])
@pytest.mark.parametrize("scale", [1e-320, 1e-309, 1e-300, 1e300])
@pytest.mark.parametrize("function", [slogdet, logabsdet])
def test_extreme_scales(function, scale, wrap):
    A = scale * np.array([[2.0, 1.0], [1.0, 2.0]])
    result, info = function(wrap(A), rng=0, return_info=True)
    expected = np.log(1 - (A[0, 1] / A[0, 0]) ** 2) + 2 * np.log(A[0, 0])
    assert_estimates(result if function is logabsdet else result[1], info, expected)


# -- the contract of numpy.linalg.slogdet -----------------------------------------------------------------------------


def test_named_tuple():
    result = slogdet(rotated([1.0, 2.0]), rng=0)
    assert result._fields == np.linalg.slogdet(np.eye(2))._fields
    assert result.sign == result[0]
    assert result.logabsdet == result[1]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_dtypes(dtype):
    A = rotated([0.5, 1.0, 4.0], dtype=dtype)
    expected = np.linalg.slogdet(A)
    (sign, value), info = slogdet(A, rng=0, return_info=True)
    assert sign.dtype == expected.sign.dtype
    assert value.dtype == expected.logabsdet.dtype
    assert sign == 1
    assert_estimates(value, info, math.log(2.0) + (1e-6 if dtype in ("float32", "complex64") else 0))


@pytest.mark.parametrize("A", [[[2, 1], [1, 3]], np.array([[2, 1], [1, 3]], dtype=np.int16), np.eye(2, dtype=bool)])
def test_integers_and_lists(A):
    (_, value), info = slogdet(A, rng=0, return_info=True)
    assert value.dtype == np.float64
    assert_estimates(value, info, np.linalg.slogdet(np.asarray(A, dtype=float))[1])


def test_batches():
    A = np.stack([rotated(np.geomspace(1, k + 2, 3), seed=k) for k in range(6)]).reshape(2, 3, 3, 3)
    sign, value = slogdet(A, atol=0.05, rng=0)
    expected = np.linalg.slogdet(A)
    assert sign.shape == value.shape == (2, 3)
    assert_allclose(sign, 1.0)
    assert_allclose(value, expected.logabsdet, atol=0.25)
    _, infos = slogdet(A, rng=0, return_info=True)
    assert len(infos) == 6
    assert det(A, rng=0).shape == (2, 3)


def test_empty():
    (sign, value), info = slogdet(np.empty((0, 0)), return_info=True)
    assert (sign, value) == (1.0, 0.0)
    assert info.success
    assert det(np.empty((0, 0))) == 1.0


def test_torch():
    torch = pytest.importorskip("torch")
    A = torch.as_tensor(rotated([0.5, 1.0, 4.0], dtype="float32"))
    (sign, value), info = slogdet(A, rng=0, return_info=True)
    assert isinstance(sign, torch.Tensor)
    assert value.dtype == torch.float32
    assert_estimates(value, info, math.log(2.0) + 1e-6)


def test_seed_repeats_and_input_is_left_alone():
    A = rotated([0.3, 1.0, 5.0])
    A.setflags(write=False)
    before = A.copy()
    assert slogdet(A, rng=3) == slogdet(A, rng=3)
    assert slogdet(A, rng=3) != slogdet(A, rng=4)
    assert np.array_equal(A, before)


# -- what A can be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "A",
    [
        path(30, 0.1),
        aslinearoperator(path(30, 0.1).toarray()),
        LowRankPlusIdentity(np.random.default_rng(0).standard_normal((3, 40)), 0.5),
        Kronecker(rotated([1.0, 3.0]), rotated([0.2, 0.7, 5.0])),
    ],
    ids=["sparse", "products", "low rank", "kronecker"],
)
def test_structures(A):
    dense = A.dense() if hasattr(A, "dense") else A @ np.eye(A.shape[0])
    (_, value), info = slogdet(A, rng=0, return_info=True)
    assert_estimates(value, info, np.linalg.slogdet(dense)[1])
    assert info.engine == "eigenvalues"


def test_equal_modes_are_drawn_as_one():
    """The mean of n readings of m equal modes has the variance 2m w²/n, not that of m copies of one."""
    operator = LowRankPlusIdentity(np.ones((1, 200)) / 20, 0.5)
    program, rng, n = LangevinDevice().program(operator), np.random.default_rng(0), 10
    told = program.spectrum()
    for log_odds in (-2.0, 1.0):
        s = 1 / (1 + np.exp(-log_odds))
        weights = s * (1 - s) * (told.eigenvalues - told.start) / ((1 - s) * told.start + s * told.eigenvalues)
        means = np.concatenate([program.readings_along(told.start, log_odds, n, rng=rng) for _ in range(200)])
        variance = 2 * np.sum(weights**2) / n
        assert abs(means.mean() - weights.sum()) < 5 * (variance / len(means)) ** 0.5
        assert abs(means.var() / variance - 1) < 5 * (2 / len(means)) ** 0.5 * 1.2


def test_low_rank_at_full_size():
    """A hundred thousand modes, four different ones."""
    R = np.random.default_rng(0).standard_normal((3, 100_000))
    (_, value), info = slogdet(LowRankPlusIdentity(R, 0.5), rng=0, return_info=True)
    expected = np.linalg.slogdet(0.5 * np.eye(3) + R @ R.T)[1] + (100_000 - 3) * math.log(0.5)
    assert_estimates(value, info, expected)


def too_large_to_form(monkeypatch):
    monkeypatch.setattr("thermolinalg.devices.driven.FORMABLE", 0)
    monkeypatch.setattr("thermolinalg.matrix_functions.select.FORMABLE", 0)
    monkeypatch.setattr("thermolinalg.matrix_functions.select.SMALL", 0)
    monkeypatch.setattr("thermolinalg.operators.read.SMALL", 0)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrap", [scipy.sparse.csr_array, aslinearoperator], ids=["sparse", "products"])
def test_by_products_only(monkeypatch, wrap, method):
    """Too large to be diagonalised: the same protocols, with readings from functions of A."""
    too_large_to_form(monkeypatch)
    dense = path(20, 0.1).toarray()
    (_, value), info = slogdet(wrap(dense), atol=0.3, method=method, rng=0, return_info=True)
    assert info.engine != "eigenvalues"
    assert_estimates(value, info, np.linalg.slogdet(dense)[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("wrap", "shift", "atol", "seeds"),
    [
        (scipy.sparse.csr_array, 0.1, 1e-2, 200),
        (scipy.sparse.csr_array, 1e-5, 1e-2, 200),
        (aslinearoperator, 0.5, 1, 200),
    ],
    ids=["factors", "ill-conditioned, factors", "products"],
)
def test_error_bars_of_large_matrices_cover(monkeypatch, wrap, shift, atol, seeds):
    """What serves a hundred thousand nodes, at a size whose determinant is known."""
    too_large_to_form(monkeypatch)
    matrix, hits = grid_laplacian(16, shift), []
    expected = np.linalg.slogdet(matrix.toarray())[1]
    for seed in range(seeds):
        (_, value), info = slogdet(wrap(matrix), atol=atol, rng=seed, return_info=True)
        assert info.standard_error <= atol
        assert info.engine == ("chebyshev" if wrap is aslinearoperator else "factorised (sparse LDLᵀ)")
        hits.append(abs(value - expected) < t.ppf(0.975, info.degrees_of_freedom) * info.standard_error)
    assert_coverage(sum(hits), seeds)


def test_budget_of_readings(monkeypatch):
    too_large_to_form(monkeypatch)
    with pytest.warns(ThermodynamicWarning, match="max_readings="):
        (_, value), info = slogdet(
            aslinearoperator(path(20, 0.1)), atol=1e-3, max_readings=4000, rng=0, return_info=True
        )
    assert not info.success
    assert info.n_runs < 10_000
    assert abs(value - np.linalg.slogdet(path(20, 0.1).toarray())[1]) < 4.5 * info.standard_error


def test_drives_are_bounded_in_number_and_memory(monkeypatch):
    """A small matrix and a small tolerance: slower drives instead of more of them, and an end to the drawing."""
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.MOST_NUMBERS", 2e6)
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.MOST_DRIVES", 5000)
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.BLOCK", 1e5)
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.ABREAST", 1)
    blocks = []
    inner = Driven.work
    monkeypatch.setattr(
        Driven,
        "work",
        lambda self, drive, steps, n, rng: blocks.append((steps, n)) or inner(self, drive, steps, n, rng),
    )
    A = rotated([0.5, 2.0])
    with pytest.warns(ThermodynamicWarning, match="method='integration'"):
        (_, value), info = slogdet(A, atol=1e-4, method="work", rng=0, return_info=True)
    assert not info.success
    assert max(2 * steps * n * 2 for steps, n in blocks) <= 1e5
    assert info.trajectories == 2 * sum(n for _, n in blocks) <= 10_000
    assert sum(2 * steps * n * 2 for steps, n in blocks) <= 2e6
    assert abs(value) < 4.5 * info.standard_error
    _, info = slogdet(A, atol=1e-2, max_readings=400, method="work", rng=0, return_info=True)
    assert info.trajectories <= 400
    assert info.success  # by slower drives


@pytest.mark.parametrize("method", [pytest.param("work", marks=pytest.mark.slow), "integration"])
def test_a_sparse_matrix_too_large_to_be_diagonalised(method):
    """Every reading is a sum over the few modes that its factors tell, and costs no more than for a small matrix."""
    A = grid_laplacian(66, shift=0.05)
    pivots = scipy.sparse.linalg.splu(A.tocsc()).U.diagonal()
    (sign, value), info = slogdet(-A, atol=0.05, method=method, rng=0, return_info=True)
    assert sign == 1
    assert info.engine == "factorised (sparse LDLᵀ)"
    assert_estimates(value, info, np.log(abs(pivots)).sum())


def test_more_drives_than_are_kept_go_into_slower_ones(monkeypatch):
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.MOST_DRIVES", 1000)
    (_, value), info = slogdet(
        rotated([0.5, 2.0]), atol=2e-3, method="work", max_readings=10**5, rng=0, return_info=True
    )
    assert info.trajectories <= 2000
    assert info.steps > 50
    assert_estimates(value, info, 0.0)


@pytest.mark.parametrize("method", METHODS)
def test_a_bar_shows_the_progress(method, capsys):
    det(rotated([0.5, 2.0]), method=method, progress=True, rng=0)
    assert {"work": "driving", "integration": "reading"}[method] in capsys.readouterr().err


def test_work_that_costs_too_much_says_so(monkeypatch):
    monkeypatch.setattr("thermolinalg.estimation.log_determinant.MOST_NUMBERS", 1e5)
    with pytest.warns(ThermodynamicWarning, match="method='integration'"):
        _, info = slogdet(rotated(np.geomspace(1e-2, 1, 10)), method="work", rng=0, return_info=True)
    assert not info.success


# -- the report -------------------------------------------------------------------------------------------------------


def test_report_of_the_work():
    (_, value), info = slogdet(rotated(np.geomspace(0.05, 3, 6)), atol=0.02, method="work", rng=0, return_info=True)
    assert_allclose(info.measured_dissipation, info.predicted_dissipation, rtol=0.1)
    assert info.predicted_dissipation <= 0.5
    assert 0.5 < info.overlap <= 1
    assert info.trajectories == info.n_runs
    assert info.ledger.device_time == info.device_time > 0
    errors = math.hypot(info.jarzynski.standard_error, info.standard_error)
    assert abs(info.jarzynski.value - value) < 4.5 * errors + info.jarzynski.bias


def test_choice_and_reason():
    small, large = rotated(np.geomspace(0.3, 3, 4)), rotated(np.geomspace(1e-3, 3, 60))
    for A, method in ((small, "work"), (large, "integration")):
        info = slogdet(A, rng=0, return_info=True)[1]
        assert info.method == method
        assert "numbers" in info.reason


# -- other devices ----------------------------------------------------------------------------------------------------


def test_dynamics_do_not_matter_in_equilibrium():
    lam = np.geomspace(0.1, 1, 8)
    (_, value), info = slogdet(rotated(lam), device=LangevinDevice(law=Underdamped()), rng=0, return_info=True)
    assert_estimates(value, info, np.log(lam).sum())


def test_time_steps_bias_the_determinant():
    """Euler–Maruyama fluctuates too much in stiff modes, so log det A_s grows too fast."""
    lam = np.geomspace(0.1, 1, 8)
    device = LangevinDevice(law=EulerMaruyama(1.0))
    with pytest.warns(ThermodynamicWarning, match="not healthy"):
        (_, value), info = slogdet(
            rotated(lam), device=device, atol=1e-3, method="integration", rng=0, return_info=True
        )
    assert not info.success
    assert value - np.log(lam).sum() > 20 * info.standard_error
    with pytest.warns(ThermodynamicWarning, match="not healthy"):
        assert slogdet(rotated(lam), device=device, rng=0, return_info=True)[1].method == "integration"
    with pytest.raises(ValueError, match="integration"):
        slogdet(rotated(lam), device=device, method="work")


def test_a_hot_device_is_wrong_by_its_temperature():
    lam = np.geomspace(0.1, 1, 8)
    device = LangevinDevice(imperfections=Imperfections(temperature_error=0.2))
    for method in METHODS:
        with pytest.warns(ThermodynamicWarning, match="equipartition"):
            (_, value), info = slogdet(rotated(lam), device=device, method=method, rng=0, return_info=True)
        assert not info.success
        assert abs(value - np.log(lam).sum()) > 10 * info.standard_error


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [slogdet, det])
def test_a_device_cannot_see_a_sign(function):
    with pytest.raises(np.linalg.LinAlgError, match=r"cannot see the sign.*logabsdet"):
        function(np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive definite.*-1"):
        function(rotated([-1.0, 1.0, 2.0]) + 0.0, device=LangevinDevice(loading=_as_written()))
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        function(rotated([-1.0, 1.0, 2.0]))


def _as_written():
    from thermolinalg import AsWritten

    return AsWritten()


@pytest.mark.parametrize(
    "A", [np.zeros((2, 2)), np.ones((3, 3)), np.diag([1.0, 0.0])], ids=["zero", "rank one", "diagonal"]
)
def test_singular(A):
    with pytest.raises(np.linalg.LinAlgError, match="singular") as refusal:
        slogdet(A)
    assert "logabsdet" not in str(refusal.value)  # which would refuse it as well


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"atol": 0.0}, ValueError, "atol"),
        ({"atol": -1.0}, ValueError, "atol"),
        ({"atol": np.nan}, ValueError, "atol"),
        ({"atol": 1e-30, "method": "integration"}, ValueError, "larger atol"),
        ({"method": "guess"}, ValueError, "method"),
        ({"max_readings": 0}, ValueError, "max_readings"),
        ({"rng": "seed"}, (TypeError, ValueError), "rng"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        slogdet(rotated([1.0, 2.0]), **options)


@pytest.mark.parametrize("A", [np.ones((2, 3)), np.array([[np.nan, 0], [0, 1.0]]), np.ones(3)])
def test_bad_matrices(A):
    with pytest.raises(ValueError, match=r"square|NaN|dimension"):
        slogdet(A)


def test_devices_that_cannot_be_driven():
    class Hardware:
        def program(self, operator, *, rng=None):
            return object()

    with pytest.raises(TypeError, match=r"driven.*lacks spectrum, readings_along, work, describe, ledger"):
        slogdet(np.eye(2), device=Hardware())


# -- det and logabsdet ------------------------------------------------------------------------------------------------


def test_det():
    value, info = det(rotated([0.5, 1.0, 4.0]), rng=0, return_info=True)
    assert abs(value - 2.0) < 4.5 * info.standard_error
    assert info.standard_error <= 1e-2 * value * 1.0001


@pytest.mark.parametrize("scale", [1e-5, 1e5])
def test_det_does_not_overflow_in_silence(scale):
    with pytest.raises(OverflowError, match="slogdet"):
        det(scale * np.eye(200), rng=0)
    with pytest.raises(OverflowError, match="float32"):
        det(np.float32(scale) * np.eye(12, dtype=np.float32), rng=0)


@pytest.mark.parametrize("dtype", [float, complex])
def test_logabsdet_of_general_matrices(dtype):
    A = np.random.default_rng(0).standard_normal((2, 5, 5))
    A = (A[0] + 1j * A[1]) if dtype is complex else A[0]
    value, info = logabsdet(A, rng=0, return_info=True)
    assert info.success
    assert abs(value - np.linalg.slogdet(A)[1]) < 4.5 * info.standard_error
    indefinite = A + A.conj().T
    value, info = logabsdet(indefinite, rng=0, return_info=True)
    assert abs(value - np.linalg.slogdet(indefinite)[1]) < 4.5 * info.standard_error


def test_logabsdet_of_singular_matrices():
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        logabsdet(np.ones((3, 3)))
