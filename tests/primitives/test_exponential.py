"""Matrix exponentials: within the error bars of SciPy's for any matrix, normal or not."""

import warnings

import numpy as np
import pytest
import scipy.linalg
from helpers import normal
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import thermolinalg as tla
from thermolinalg.estimation.squaring import deviations, spread_of_power
from thermolinalg.operators import Dense
from thermolinalg.primitives._coordinates import numerical_abscissa, plan

SHEAR = np.array([[-1.0, 4.0], [0.0, -1.2]])


MATRICES = {
    "shear": SHEAR,
    "golden": -np.array([[1.0, 5.0], [0.0, 2.0]]),
    "zero": np.zeros((3, 3)),
    "one node": np.array([[1.5]]),
    "rotation": np.array([[0.0, 3.0], [-3.0, 0.0]]),
    "nilpotent": np.eye(5, k=1),
    "defective": -np.eye(4) + 2 * np.eye(4, k=1),
    "symmetric": normal((6, 6)) + normal((6, 6)).T - 4 * np.eye(6),
    "random": normal((20, 20)) / np.sqrt(20),
    "indefinite, growing": np.diag([2.0, -3.0]),
    "strongly contracting": -30 * np.eye(3),
    "stiff": np.array([[0.0, 1.0], [0.0, -1e3]]),
    "far from normal": 10 * np.triu(normal((8, 8)), 1) - np.eye(8),
    "far from normal, complex": 5 * np.triu(normal((5, 5)) + 1j * normal((5, 5), 1), 1) - np.eye(5),
    "nilpotent, large": 10 * np.eye(5, k=1),
    "graded": np.array([[-1.0, 1e9, 0.0], [1e-10, -1.0, 1e-7], [2e-3, 1e6, -2.0]]),
    "complex": 1j * np.array([[1.0, 2.0], [-1.0, 3.0]]),
    "random complex": (normal((8, 8)) + 1j * normal((8, 8), 1)) / 4,
}


@pytest.mark.parametrize("name", MATRICES)
def test_it_is_within_the_error_bars_of_scipy(name):
    """The entries of one run err together: only several runs tell whether their bars are right on average."""
    A = MATRICES[name]
    exact = scipy.linalg.expm(A)
    asked, scores = 1e-3 * abs(exact).max(), []
    for seed in range(6):
        estimate, info = tla.expm(A, atol=asked, rng=seed, return_info=True)
        scores.append(np.abs(estimate - exact) / info.standard_error)
        assert estimate.dtype == A.dtype
        assert info.standard_error.max() <= asked
        assert info.success
    assert np.max(scores) < 5
    assert np.mean(np.square(scores)) < 3


@pytest.mark.parametrize("name", MATRICES)
def test_a_relative_tolerance_is_one_of_the_largest_entry(name):
    A = MATRICES[name]
    estimate, info = tla.expm(A, rtol=0.02, rng=1, return_info=True)
    assert info.standard_error.max() <= 0.02 * abs(estimate).max()
    assert np.all(abs(estimate - scipy.linalg.expm(A)) < 6 * info.standard_error)


@given(d=st.integers(1, 6), seed=st.integers(0, 2**32 - 1), size=st.floats(0, 4))
@example(d=1, seed=201, size=4.0)  # so large that its device time is announced
@pytest.mark.filterwarnings("ignore:.* of device time:thermolinalg.ThermodynamicWarning")
def test_any_matrix(d, seed, size):
    rng = np.random.default_rng(seed)
    A = size * rng.standard_normal((d, d)) / np.sqrt(d)
    estimate, info = tla.expm(A, rng=rng, return_info=True)
    assert np.all(np.abs(estimate - scipy.linalg.expm(A)) < 7 * info.standard_error)


def rates(d, span, rng, absorbing=False):
    """A Markov generator with rates over so many decades."""
    Q = rng.exponential(size=(d, d)) * 10.0 ** rng.uniform(*span, (d, d))
    np.fill_diagonal(Q, 0.0)
    if absorbing:
        Q[-1] = 0.0
    return Q - np.diag(Q.sum(axis=1))


@pytest.mark.parametrize("absorbing", [False, True])
@pytest.mark.parametrize(("d", "decades"), [(2, 5), (7, 5), (20, 4), (50, 3)])
def test_rows_of_transition_probabilities_sum_to_one(d, decades, absorbing):
    """Stiff generators: e^Q needs no more readings than a matrix of norm one, whatever the norm of Q."""
    Q = rates(d, (-2, decades), np.random.default_rng(d), absorbing)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        P, info = tla.expm(Q, rng=0, return_info=True)
    assert all("of device time" in str(warning.message) for warning in told)
    assert bool(told) == (info.device_time > 1e12)
    assert np.all(abs(P - scipy.linalg.expm(Q)) < 5 * info.standard_error)
    assert np.all(abs(P.sum(axis=1) - 1) < 4 * np.linalg.norm(info.standard_error, axis=1))
    assert info.standard_error.max() <= 1e-2
    assert info.shift < 0.6
    assert info.schedule.readings < 5e6


@pytest.mark.parametrize(
    "name",
    [
        "nilpotent, large",
        pytest.param("far from normal", marks=pytest.mark.slow),
        pytest.param("far from normal, complex", marks=pytest.mark.slow),
    ],
)
def test_error_bars_of_squared_estimates_cover(name):
    """95 % intervals hold the truth in 93 to 97 % of the entries of 120 runs; those of complex entries hold more."""
    A, rng = MATRICES[name], np.random.default_rng(1)
    exact, scores = scipy.linalg.expm(A), []
    for _ in range(120):
        estimate, info = tla.expm(A, rtol=0.02, rng=rng, return_info=True)
        scores.append(abs(estimate - exact) / info.standard_error)
    assert info.squarings > 0
    assert info.n_matvec == len(A) * (info.squarings + 2)
    assert 0.93 <= np.mean(np.stack(scores) < 1.96) <= (0.99 if np.iscomplexobj(A) else 0.97)
    assert abs(np.mean(np.square(scores)) - 1) < 0.15


def test_a_change_of_coordinates_takes_the_shift_to_the_spectrum():
    """Without one a shear of 1000 would need e^500 readings."""
    A = np.array([[-1.0, 1e3], [0.0, -2.0]])
    chosen = plan(A)
    T = chosen.coordinates
    assert numerical_abscissa(A) > 498
    assert T.abscissa < 1
    assert_allclose(T.inverse @ T.T, np.eye(2), atol=1e-9)
    assert_allclose(T.T @ T.held @ T.inverse, A, atol=1e-9)
    assert T.amplification.max() < 1e4
    assert "held as T⁻¹ A T" in tla.expm(A, rtol=0.1, rng=0, return_info=True)[1].reason


def test_normal_matrices_are_held_as_they_are():
    for A in (MATRICES["symmetric"], MATRICES["rotation"], np.zeros((2, 2)), -1e300 * np.eye(3)):
        assert not plan(A).coordinates.changed
        assert plan(A).squarings == 0


@pytest.mark.slow
def test_the_spread_of_a_power_is_that_of_powers_of_readings():
    """Powers of estimates drawn anew spread as the draws around one of them say, entry by entry."""
    P, rng, n = scipy.linalg.expm(np.array([[-0.3, 0.4], [-0.2, -0.6]])), np.random.default_rng(5), 500
    told = spread_of_power(P, deviations(P, n, 20000, rng), 3)
    root = np.linalg.cholesky(np.eye(2) - P @ P.T)
    early = rng.standard_normal((2000, n, 2))
    late = early @ P.T + rng.standard_normal((2000, n, 2)) @ root.T
    powers = np.linalg.matrix_power(late.transpose(0, 2, 1) @ early / n, 8)
    seen = np.sqrt(np.mean((powers - np.linalg.matrix_power(P, 8)) ** 2, axis=0))
    assert_allclose(told, seen, rtol=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("name", [pytest.param("shear", marks=pytest.mark.slow), "rotation", "zero"])
def test_error_bars_cover(name):
    """95 % intervals hold the truth in 93 to 97 % of 1000 runs, and entry by entry as far as 1000 runs tell."""
    A, rng = MATRICES[name], np.random.default_rng(1)
    exact = scipy.linalg.expm(A)
    scores = []
    for _ in range(1000):
        estimate, info = tla.expm(A, atol=0.05, rng=rng, return_info=True)
        scores.append((estimate - exact) / info.standard_error)
    scores = np.stack(scores)
    covered = np.abs(scores) < 1.96
    assert 0.93 <= covered.mean() <= 0.97
    assert np.all(np.abs(covered.mean(axis=0) - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 1000))
    assert np.all(np.abs(scores.mean(axis=0)) < 4 / np.sqrt(1000))


@pytest.mark.slow
def test_complex_error_bars_have_the_size_of_the_error():
    A, rng = MATRICES["complex"], np.random.default_rng(2)
    exact, squares = scipy.linalg.expm(A), []
    for _ in range(500):
        estimate, info = tla.expm(A, atol=0.05, rng=rng, return_info=True)
        squares.append((np.abs(estimate - exact) / info.standard_error) ** 2)
    squares = np.stack(squares)
    assert np.all(np.abs(squares.mean(axis=0) - 1) < 4 * squares.std(axis=0) / np.sqrt(500))


@pytest.mark.slow
def test_errors_fall_with_the_root_of_the_readings():
    rng, exact = np.random.default_rng(3), scipy.linalg.expm(SHEAR)
    counts = np.array([200, 2_000, 20_000, 200_000])
    errors = []
    for n in counts:
        schedule = tla.Schedule(burn_in=1e3, readings=int(n), spacing=1e3)
        draws = [tla.expm(SHEAR, schedule=schedule, rng=rng) for _ in range(100)]
        errors.append(np.sqrt(np.mean((np.stack(draws) - exact) ** 2)))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.05


@pytest.mark.slow
def test_the_draw_is_that_of_pairs_of_readings():
    """Products of readings along a trajectory agree with the draw of their sum in mean and spread."""
    A = np.array([[1.5, -1.0], [0.4, 0.8]])
    program, rng = tla.GeneralDevice().program(Dense(A, symmetric=False)), np.random.default_rng(4)
    # A device whose own noise 2T I is what is asked for: D = I per unit of the user's time.
    noise, lag, n = program.norm * 2.0 * np.eye(2), 0.5, 50
    apart = program.independent_readings(n)
    drawn, walked = [], []
    for _ in range(300):
        drawn.append(program.lagged_covariance(noise, lag, apart, rng=rng))
        early = program.readings(np.zeros(2), apart, rng=rng).value
        late = program.settle(np.zeros((2, n)), lag * program.norm, start=early.T, rng=rng).value
        walked.append(late @ early / n)
    drawn, walked = np.stack(drawn), np.stack(walked)
    spread = np.sqrt((drawn.var(axis=0) + walked.var(axis=0)) / 300)
    assert np.all(np.abs(drawn.mean(axis=0) - walked.mean(axis=0)) < 4 * spread)
    assert_allclose(drawn.std(axis=0), walked.std(axis=0), rtol=0.25)


def test_shift_and_report():
    estimate, info = tla.expm(SHEAR, rng=0, return_info=True)
    least = np.linalg.eigvalsh((SHEAR + SHEAR.T) / 2)[-1]
    assert least < info.shift < least + 1
    assert "statistical" in info.message
    assert info.schedule.readings >= 2 * np.exp(2 * info.shift) / 1e-4 - 1
    assert info.device_time > info.schedule.total
    assert info.standard_error.shape == estimate.shape


def test_precision_batches_scalars_and_empty():
    assert tla.expm(SHEAR.astype(np.float32)).dtype == np.float32
    assert tla.expm((1j * SHEAR).astype(np.complex64)).dtype == np.complex64
    assert tla.expm([[0, 0], [0, 0]]).dtype == np.float64
    assert tla.expm(-3.0).shape == scipy.linalg.expm(-3.0).shape == (1, 1)
    assert tla.expm(np.zeros((0, 0))).shape == (0, 0)
    batch, infos = tla.expm(np.stack([SHEAR, -np.eye(2), 0 * SHEAR]), rng=0, return_info=True)
    assert batch.shape == (3, 2, 2)
    assert len(infos) == 3
    assert_allclose(batch, scipy.linalg.expm(np.stack([SHEAR, -np.eye(2), 0 * SHEAR])), atol=0.05)


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    estimate, info = tla.expm(torch.tensor(SHEAR, dtype=torch.float32), rng=0, return_info=True)
    assert estimate.dtype == info.standard_error.dtype == torch.float32
    assert_allclose(estimate.numpy(), scipy.linalg.expm(SHEAR), atol=0.05)


def test_seed_and_untouched_input():
    A = SHEAR.copy()
    A.flags.writeable = False
    first, second, other = (tla.expm(A, rng=seed) for seed in (1, 1, 2))
    assert_array_equal(first, second)
    assert np.any(first != other)
    assert_array_equal(A, SHEAR)


def test_vanishing_exponentials():
    for size in (1e3, 1e300):
        estimate = tla.expm(-size * np.eye(2))
        assert_array_equal(estimate, np.zeros((2, 2)))


@pytest.mark.parametrize("size", [1e3, 1e300, 1.7e308])
def test_what_no_number_can_hold_is_refused(size):
    with pytest.raises(OverflowError, match="leaves the range of float64: A has an eigenvalue"):
        tla.expm(size * np.array([[0.5, 0.5], [0.5, 0.5]]))


@pytest.mark.parametrize(
    ("A", "why"),
    [
        (np.diag([40.0, 0.0]), "rounding alone"),
        (np.diag([700.0, 0.0]), "rounding alone"),
        (20 * np.eye(6, k=1) + 5 * np.eye(6), "pairs of readings"),
        (np.array([[-1.0, 1e8], [0.0, -1.0]]), "pairs of readings"),
    ],
)
def test_what_no_device_can_read_is_refused_and_the_advice_works(A, why):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* of device time", tla.ThermodynamicWarning)
        with pytest.raises(ValueError, match=rf"{why}.*; pass atol= above") as refusal:
            tla.expm(A, rng=0)
        atol = float(str(refusal.value).rsplit(" ", 1)[1])
        estimate, info = tla.expm(A, atol=1.01 * atol, rng=0, return_info=True)
    assert info.standard_error.max() <= 2 * atol
    assert np.all(abs(estimate - scipy.linalg.expm(A)) < 6 * info.standard_error)


def test_long_device_time_is_announced_before_it_is_spent():
    stiff = np.array([[0.0, 1.0], [0.0, -1e7]])
    with pytest.warns(
        tla.ThermodynamicWarning, match=r"e\^A takes .* τ of device time .*; pass a larger atol="
    ) as told:
        _, info = tla.expm(stiff, rng=0, return_info=True)
    assert len(told) == 1
    assert float(str(told[0].message).split()[2]) == pytest.approx(info.device_time, rel=0.05)
    with pytest.warns(tla.ThermodynamicWarning, match="of device time"):
        tla.expm(1e6 * stiff, atol=0.9, rng=0)


def test_a_long_search_for_coordinates_is_announced(monkeypatch):
    monkeypatch.setattr("thermolinalg.primitives._coordinates.SECONDS", 10.0)
    with pytest.warns(tla.ThermodynamicWarning, match="take about 80 s; expm_multiply gives its action"):
        tla.expm(SHEAR, rng=0)


def test_overflow_of_single_precision_is_an_error():
    with pytest.raises(OverflowError, match="double precision"):
        tla.expm(np.array([[95.0]], dtype=np.float32), rtol=1e-2)


@pytest.mark.parametrize(
    ("A", "options", "error", "match"),
    [
        ([[1.0, np.nan], [0.0, 1.0]], {}, ValueError, "A contains NaN"),
        (np.ones((2, 3)), {}, ValueError, "A must be square"),
        (np.ones(3), {}, ValueError, "A must be square"),
        (np.array([[None]]), {}, TypeError, "A has dtype"),
        (np.ma.masked_array(np.eye(2)), {}, TypeError, "masked"),
        (np.asmatrix(np.eye(2)), {}, TypeError, "np.matrix"),
        (scipy.sparse.eye_array(2), {}, TypeError, "sparse"),
        (-np.outer([1e10, 1.0], [1e10, 1.0]), {}, OverflowError, "pass a smaller A and square"),
        (SHEAR, {"atol": 0.0}, ValueError, "atol"),
        (SHEAR, {"atol": -1.0}, ValueError, "atol"),
        (SHEAR, {"atol": 1e-20}, ValueError, "pass atol= above"),
        (SHEAR, {"rtol": 1.0}, ValueError, "rtol must be below 1"),
        (SHEAR, {"rtol": -0.1}, ValueError, "rtol"),
        (SHEAR, {"rtol": 0.0}, ValueError, "rtol must be positive"),
        (SHEAR, {"rtol": 0.1, "atol": -1.0}, ValueError, "atol"),
        (SHEAR, {"rng": "seed"}, TypeError, "rng"),
        (SHEAR, {"device": tla.LangevinDevice()}, TypeError, "GeneralDevice"),
        (SHEAR, {"schedule": tla.Schedule(burn_in=1.0, readings=10, spacing=1.0)}, ValueError, "independent readings"),
        (SHEAR, {"schedule": tla.Schedule(burn_in=1e3, duration=1e3)}, ValueError, "independent readings"),
    ],
)
def test_bad_input(A, options, error, match):
    with pytest.raises(error, match=match):
        tla.expm(A, **options)
