"""The action of exponentials: within the error bars of SciPy's, for arrays, sparse arrays and operators."""

import warnings

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse.linalg import aslinearoperator
from scipy.sparse.linalg import expm_multiply as exact_multiply

import thermolinalg as tla
from thermolinalg.devices.propagation import ProductProgram


def normal(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def heat(n):
    return scipy.sparse.diags_array([np.ones(n - 1), -2 * np.ones(n), np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()


def absorbing_chain(n, fastest):
    """A walk to the right that ends at the last node, with rates over decades."""
    rates = np.geomspace(1e-2, fastest, n - 1)
    return scipy.sparse.diags_array([np.r_[-rates, 0.0], rates], offsets=[0, 1]).tocsr()


MATRICES = {
    "heat": heat(300),
    "advection": 3 * scipy.sparse.diags_array([-np.ones(200), np.ones(199)], offsets=[0, 1]).tocsr(),
    "waves": 1j * heat(150),
    "random": 2 * scipy.sparse.random_array((200, 200), density=0.02, rng=np.random.default_rng(1)).tocsr(),
    "rotation": scipy.sparse.kron(scipy.sparse.eye_array(80), [[0.0, 3.0], [-3.0, 0.0]]).tocsr(),
    "small chain": absorbing_chain(20, 1e3),
    "dense": normal((20, 20)) / 3,
    "dense, complex": (normal((8, 8)) + 1j * normal((8, 8), 1)) / 2,
    "far from normal": 10 * np.triu(normal((8, 8)), 1) - np.eye(8),
    "operator": aslinearoperator(heat(60)),
    "operator, complex": aslinearoperator(1j * heat(60)),
    "one entry": np.array([[1.5]]),
    "zero": scipy.sparse.csr_array((4, 4)),
}


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else A if isinstance(A, np.ndarray) else A @ np.eye(A.shape[0])


@pytest.mark.parametrize("columns", ["vector", "block", "complex"])
@pytest.mark.parametrize("name", MATRICES)
def test_it_is_within_the_error_bars_of_scipy(name, columns):
    A = MATRICES[name]
    d = A.shape[0]
    B = {"vector": normal(d), "block": normal((d, 2)), "complex": normal(d) + 1j * normal(d, 1)}[columns]
    value, info = tla.expm_multiply(A, B, rng=0, return_info=True)
    exact = scipy.linalg.expm(dense(A)) @ B
    scores = abs(value - exact) / info.standard_error
    assert value.shape == exact.shape
    assert value.dtype == exact.dtype
    assert info.success
    assert scores.max() < 7
    assert np.mean(scores**2) < 6
    assert np.all(info.standard_error.max(axis=0) <= 0.0143 * abs(value).max(axis=0))


def test_a_grid_of_times_is_that_of_scipy():
    A, B = heat(40), normal((40, 2))
    for grid in ({"start": 0, "stop": 2, "num": 5}, {"start": -1, "stop": 1, "num": 4, "endpoint": False}):
        value, info = tla.expm_multiply(A, B, **grid, rng=0, return_info=True)
        exact = exact_multiply(A, B, **grid)
        assert value.shape == exact.shape
        assert np.all(abs(value - exact) <= 6 * info.standard_error)
    assert tla.expm_multiply(A, B, 0, 0.1, rng=0).shape == (50, 40, 2)
    start, info = tla.expm_multiply(A, B, 0, 0, 1, rng=0, return_info=True)
    assert_allclose(start, [B], rtol=1e-14)
    assert info.steps == info.device_time == 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense", "far from normal", "advection"])
def test_error_bars_cover(name):
    """95 % intervals of Student's t with 31 degrees of freedom hold the truth in 93 to 97 % of all cases."""
    A = MATRICES[name]
    B, rng = normal(A.shape[0]), np.random.default_rng(3)
    exact, scores = scipy.linalg.expm(dense(A)) @ B, []
    for _ in range(60):
        value, info = tla.expm_multiply(A, B, rtol=0.05, rng=rng, return_info=True)
        scores.append((value - exact) / info.standard_error)
    assert info.degrees_of_freedom == 31
    scores = np.stack(scores)
    assert 0.93 <= np.mean(abs(scores) < 2.04) <= 0.97
    assert np.all(abs(scores.mean(axis=0)) < 5 / np.sqrt(60))


def test_the_draw_is_that_of_pairs_of_readings():
    """Products of early and late readings agree with the draw of their sum in mean and covariance."""
    A, V, n, runs, rng = normal((4, 4)), normal((4, 2), 1), 7, 20000, np.random.default_rng(0)
    shift = np.linalg.eigvalsh((A + A.T) / 2)[-1] + 0.3
    program = ProductProgram(scipy.sparse.csr_array(A), shift, 0.3, 5.0)
    drawn = program.lagged_products(np.broadcast_to(V, (runs, 4, 2)), program.independent_readings(n), rng=rng)
    P = scipy.linalg.expm(A - shift * np.eye(4))
    early = rng.standard_normal((runs, n, 4))
    late = early @ P.T + rng.standard_normal((runs, n, 4)) @ np.linalg.cholesky(np.eye(4) - P @ P.T).T
    walked = late.transpose(0, 2, 1) @ (early @ V) / n
    assert_allclose(drawn.mean(axis=0), P @ V, atol=5 * drawn.std() / np.sqrt(runs))
    spread = [np.cov(each.reshape(runs, -1).T) for each in (drawn, walked)]
    assert_allclose(*spread, atol=0.05 * spread[0].max())


def test_fewer_readings_than_columns():
    program = ProductProgram(0 * np.eye(3), 0.5, 0.5, 1.0)
    few = program.lagged_products(np.eye(3)[None], program.independent_readings(2), rng=np.random.default_rng(0))
    assert np.linalg.matrix_rank(few[0]) == 2


def test_nothing_of_the_size_of_the_exponential_is_formed():
    n = 30_000
    value, info = tla.expm_multiply(heat(n), np.ones(n), atol=0.1, rng=0, return_info=True)
    assert np.mean(abs(value - 1) < 3 * info.standard_error) > 0.98


def test_steps_where_the_symmetric_part_is_large():
    """A large shear is walked through in steps; an array is held in other coordinates."""
    A = scipy.sparse.csr_array(np.eye(200, k=1) * 20)
    B = normal(200)
    value, info = tla.expm_multiply(A, B, rng=0, return_info=True)
    assert info.steps == 20
    assert np.all(abs(value - exact_multiply(A, B)) < 6 * info.standard_error)
    chain = absorbing_chain(20, 1e5)
    _, info = tla.expm_multiply(chain, normal(20), rtol=0.1, rng=0, return_info=True)
    assert info.steps == 1


def test_devices_of_ones_own():
    A, B = MATRICES["dense"], normal(20)
    value, info = tla.expm_multiply(A, B, device=tla.GeneralDevice(), rtol=0.05, rng=0, return_info=True)
    assert np.all(abs(value - scipy.linalg.expm(A) @ B) < 6 * info.standard_error)
    assert info.engine == "transition"
    assert info.ledger.runs > 0
    with pytest.raises(TypeError, match="holds dense arrays"):
        tla.expm_multiply(heat(300), np.ones(300), device=tla.GeneralDevice())
    with pytest.raises(TypeError, match="GeneralDevice"):
        tla.expm_multiply(A, B, device=tla.LangevinDevice())


def test_the_report():
    A, B = heat(200), normal(200)
    schedule = tla.Schedule(burn_in=1e3, readings=32_000, spacing=1e3)
    value, info = tla.expm_multiply(A, B, schedule=schedule, rng=0, return_info=True)
    assert info.schedule.readings == 1000
    assert info.n_runs == 1
    assert info.effective_sample_size == 32_000
    assert info.standard_error.shape == value.shape
    assert_array_equal(info.systematic, np.zeros(200))
    assert info.device_time == pytest.approx(info.ledger.device_time)


def test_long_device_time_is_announced():
    with pytest.warns(tla.ThermodynamicWarning, match=r"e\^A B takes .* τ of device time"):
        tla.expm_multiply(1e4 * MATRICES["rotation"][:4, :4], normal(4), rtol=1e-4, rng=0)


def test_precision_seed_and_empty():
    A, B = heat(30).astype(np.float32), normal(30).astype(np.float32)
    assert tla.expm_multiply(A, B, rng=0).dtype == np.float32
    assert tla.expm_multiply(A, normal(30), rng=0).dtype == np.float64
    first, second, other = (tla.expm_multiply(A, B, rng=seed) for seed in (1, 1, 2))
    assert_array_equal(first, second)
    assert np.any(first != other)
    assert tla.expm_multiply(np.zeros((0, 0)), np.zeros((0, 2))).shape == (0, 2)
    assert tla.expm_multiply(A, np.zeros((30, 0))).shape == (30, 0)
    assert_array_equal(tla.expm_multiply(A, np.zeros(30)), np.zeros(30))
    assert_array_equal(tla.expm_multiply(-1e4 * np.eye(3), np.ones(3)), np.zeros(3))


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    A = torch.tensor(MATRICES["dense"])
    value, info = tla.expm_multiply(A, torch.ones(20, dtype=torch.float64), rng=0, return_info=True)
    assert value.dtype == info.standard_error.dtype == torch.float64
    assert_allclose(value.numpy(), scipy.linalg.expm(A.numpy()) @ np.ones(20), atol=6 * info.standard_error.max())


def test_what_is_refused_says_what_works():
    A = scipy.sparse.csr_array(np.eye(200, k=1) * 2e5)
    with pytest.raises(ValueError, match=r"more than 100000; expm\(A.toarray\(\)\) @ B"):
        tla.expm_multiply(A, np.ones(200))
    B = normal(20)
    for asked in (1e-13, 1e-6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            with pytest.raises(ValueError, match="pass atol= above") as refusal:
                tla.expm_multiply(8 * MATRICES["dense"], B, atol=asked, rng=0)
            atol = float(str(refusal.value).rsplit(" ", 1)[1])
            _, info = tla.expm_multiply(8 * MATRICES["dense"], B, atol=1.01 * atol, rng=0, return_info=True)
        assert info.noise.max() <= 1.01 * atol


@pytest.mark.parametrize(
    ("arguments", "options", "error", "match"),
    [
        ((np.ones((2, 3)), np.ones(3)), {}, ValueError, "A must be square"),
        ((np.eye(2), np.ones(3)), {}, ValueError, "they do not fit"),
        ((np.eye(2), np.ones((2, 2, 2))), {}, ValueError, "B must have"),
        ((np.array([[np.nan]]), np.ones(1)), {}, ValueError, "A contains NaN"),
        ((np.eye(1), np.array([np.inf])), {}, ValueError, "B contains NaN"),
        ((scipy.sparse.csr_array([[np.nan]]), np.ones(1)), {}, ValueError, "A contains NaN"),
        ((np.asmatrix(np.eye(2)), np.ones(2)), {}, TypeError, "np.matrix"),
        ((np.eye(2), np.ones(2)), {"start": 1}, ValueError, "both start and stop"),
        ((np.eye(2), np.ones(2)), {"start": 0, "stop": np.inf}, ValueError, "finite"),
        ((np.eye(2), np.ones(2)), {"start": 0, "stop": 1, "num": 0}, ValueError, "num"),
        ((np.eye(2), np.ones(2)), {"rtol": 1.0}, ValueError, "rtol"),
        ((np.eye(2), np.ones(2)), {"atol": 0.0}, ValueError, "atol"),
        ((np.eye(2), np.ones(2)), {"rng": "seed"}, TypeError, "rng"),
        ((np.eye(2), np.ones(2)), {"device": 3}, TypeError, "device"),
        ((np.eye(2), np.ones(2)), {"schedule": 3}, TypeError, "schedule"),
    ],
)
def test_bad_input(arguments, options, error, match):
    with pytest.raises(error, match=match):
        tla.expm_multiply(*arguments, **options)
