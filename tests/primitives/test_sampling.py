"""Samples against the Gaussian law they are to follow: moments, shapes, units, correlations."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg.devices import readout
from thermolinalg.simulation import LinearSDE, integrate
from thermolinalg.testing import assert_covariance, assert_mean, spd_matrices

AS_WRITTEN = tla.LangevinDevice(loading=tla.AsWritten())
STRUCTURES = ("dense", "diagonal", "low rank", "kronecker", "circulant", "toeplitz", "block", "laplacian")


def assert_law(x, mean, covariance):
    n = len(x)
    assert np.all(np.abs(x.mean(axis=0) - mean) < 5 * np.sqrt(np.diag(covariance) / n) + 1e-12 * np.abs(mean))
    assert_covariance(x, covariance)


@given(
    A=spd_matrices(max_size=8, condition=1e5, structure=STRUCTURES),
    temperature=st.sampled_from([1e-6, 0.3, 1.0, 40.0]),
    loaded=st.booleans(),
    seed=st.integers(0, 2**20),
)
def test_moments(A, temperature, loaded, seed):
    dense = A if isinstance(A, np.ndarray) else A @ np.eye(A.shape[0])
    b = np.random.default_rng(seed).standard_normal(len(dense)) if loaded else None
    x = tla.sample(A, 2000, b=b, temperature=temperature, rng=seed)
    inverse = np.linalg.inv(dense)
    assert_law(x, inverse @ b if loaded else np.zeros(len(dense)), temperature * inverse)


@pytest.mark.parametrize(
    "device",
    [
        AS_WRITTEN,
        tla.LangevinDevice(law=tla.Overdamped(7.0)),
        tla.LangevinDevice(law=tla.Overdamped(7.0), loading=tla.AsWritten()),
        tla.LangevinDevice(law=tla.Underdamped(2.0, 0.5, 0.7)),
        tla.LangevinDevice(law=tla.EulerMaruyama(step_size=0.001)),
    ],
)
@pytest.mark.parametrize("schedule", [None, tla.Schedule(burn_in=200, readings=3000, spacing=100)])
def test_temperature_is_the_users_whatever_the_device(device, schedule):
    a, b = spd(3, 5), np.array([1.0, -2.0, 0.5])
    x = tla.sample(a, 3000, b=b, temperature=0.5, device=device, schedule=schedule, rng=0)
    inverse = np.linalg.inv(a)
    assert_law(x, inverse @ b, 0.5 * inverse)


def test_every_direction_is_gaussian():
    a = spd(3, 5)
    x = tla.sample(a, 5000, rng=0)
    white = x @ np.linalg.cholesky(a)
    for column in (*white.T, white.sum(axis=1) / 3**0.5):
        assert scipy.stats.kstest(column, "norm").pvalue > 1e-3
    squares = np.einsum("ni,ij,nj->n", x, a, x)
    assert scipy.stats.kstest(squares, scipy.stats.chi2(3).cdf).pvalue > 1e-3


def test_complex_samples_are_circular():
    a, b, n = spd(3, 5, dtype=complex), np.array([1.0, 2j, -1 + 1j]), 20_000
    z = tla.sample(a, n, b=b, temperature=3.0, rng=0)
    inverse = np.linalg.inv(a)
    deviations = z - inverse @ b
    size = 3 * np.sqrt(np.outer(np.diag(inverse).real, np.diag(inverse).real) / n)
    assert np.all(np.abs(deviations.T @ deviations.conj() / n - 3 * inverse) < 5 * size)  # E[z zᴴ] = T A⁻¹
    assert np.all(np.abs(deviations.T @ deviations / n) < 5 * 2**0.5 * size)  # E[z zᵀ] = 0
    assert np.all(np.abs(deviations.mean(axis=0)) < 5 * np.sqrt(3 * np.diag(inverse).real / n))
    real = tla.sample(a, n, rng=1).real
    assert_covariance(real, inverse.real / 2)


def test_mean_in_place_of_a_load():
    a, mean = spd(3, 5), np.array([100.0, -5.0, 0.0])
    assert_law(tla.sample(a, 4000, mean=mean, rng=0), mean, np.linalg.inv(a))
    with pytest.raises(ValueError, match="not both"):
        tla.sample(a, mean=mean, b=mean)


# -- given the covariance ---------------------------------------------------------------------------------------------


@given(
    covariance=spd_matrices(max_size=8, condition=1e5, structure=STRUCTURES),
    temperature=st.sampled_from([1e-6, 0.3, 40.0]),
    seed=st.integers(0, 2**20),
)
def test_moments_of_a_covariance(covariance, temperature, seed):
    dense = covariance if isinstance(covariance, np.ndarray) else covariance @ np.eye(covariance.shape[0])
    mean = np.arange(len(dense), dtype=float)
    x = tla.sample(cov=covariance, size=2000, mean=mean, temperature=temperature, rng=seed)
    assert_law(x, mean, temperature * dense)


def test_covariances_of_all_kinds():
    torch = pytest.importorskip("torch")
    sigma, n = spd(3, 5, dtype=complex), 20_000
    z = tla.sample(cov=sigma, size=n, temperature=2.0, rng=0)
    size = 2 * np.sqrt(np.outer(np.diag(sigma).real, np.diag(sigma).real) / n)
    assert np.all(np.abs(z.T @ z.conj() / n - 2 * sigma) < 5 * size)
    assert np.all(np.abs(z.T @ z / n) < 5 * 2**0.5 * size)
    batch = np.stack([spd(3, 5), 9 * spd(3, 5)])
    x, infos = tla.sample(cov=batch, size=3000, rng=0, return_info=True)
    assert x.shape == (2, 3000, 3)
    assert len(infos) == 2
    assert_covariance(x[1], 9 * spd(3, 5))
    assert isinstance(tla.sample(cov=torch.as_tensor(spd(3, 5))), torch.Tensor)
    schedule = tla.Schedule(burn_in=200, readings=3000, spacing=100)
    assert_covariance(tla.sample(cov=spd(3, 5), schedule=schedule, device=AS_WRITTEN, rng=0), spd(3, 5))


def test_a_covariance_is_not_inverted_twice():
    """Samples of cov=Σ and of its inverse are two ways to one law, at any condition number."""
    sigma = spd(4, condition=1e8)
    x = tla.sample(cov=sigma, size=4000, rng=0)
    white = np.linalg.solve(np.linalg.cholesky(sigma), x.T).T
    assert_covariance(white, np.eye(4))


# -- scales and triangles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-320, 1e-309, 1e-300, 1e300, 1e307])
@pytest.mark.parametrize("temperature", [1e-300, 1.0, 1e300])
@pytest.mark.parametrize("given", ["A", "cov"])
def test_scales_that_nothing_in_between_can_hold(given, scale, temperature):
    a = np.array([[2.0, 1.0], [1.0, 2.0]])
    powers = np.log10(temperature) + np.log10(scale) * (1 if given == "cov" else -1)
    if powers / 2 > 308:
        with pytest.raises(ValueError, match="leave the range of float64; scale A"):
            tla.sample(**{given: scale * a}, size=3000, temperature=temperature, rng=0)
        return
    x = tla.sample(**{given: scale * a}, size=3000, temperature=temperature, rng=0)
    if powers / 2 < -150:  # the squares of the samples leave the range: bring them back first
        x = x * 1e150
        powers += 300
    elif powers / 2 > 150:
        x = x / 1e150
        powers -= 300
    x = x / 10 ** (powers / 2)
    exact = (scale * a / scale) if scale > 1e-308 else a
    assert_covariance(x, exact if given == "cov" else np.linalg.inv(exact), n_se=6)


def test_means_beyond_the_range_are_refused():
    for options in ({"A": 1e-300 * np.eye(2), "b": [1e300, 0.0]}, {"A": 1e-309 * np.eye(2), "b": [1e200, 0.0]}):
        with pytest.raises(ValueError, match="leave"):
            tla.sample(**options, rng=0)
    assert np.all(np.isfinite(tla.sample(np.eye(2), b=[1e308, -1e308], rng=0)))
    assert_allclose(tla.sample(1e-300 * np.eye(2), b=[1e8, -1e8], rng=0), [1e308, -1e308])


def test_one_triangle_is_read():
    a = spd(3, 5)
    for lower in (False, True):
        half = (np.tril if lower else np.triu)(a)
        for name in ("A", "cov"):
            options = {"size": 5, "rng": 0}
            assert_allclose(
                tla.sample(**{name: half + 3 * (half.T - np.diag(np.diag(a)))}, assume_a="pos", lower=lower, **options),
                tla.sample(**{name: a}, **options),
                rtol=1e-10,
            )


def test_ill_conditioned_matrices_come_with_a_warning():
    with pytest.warns(tla.ThermodynamicWarning, match=r"A has the condition number [\d.]+e\+13"):
        _, info = tla.sample(spd(4, condition=6e13), rng=0, return_info=True)
    assert 1e13 < info.condition < 1e15
    assert_allclose(info.rounding, 2 * np.finfo(float).eps * info.condition)
    assert tla.sample(spd(4, condition=1e6), rng=0, return_info=True)[1].rounding < 1e-8


# -- correlated readings ----------------------------------------------------------------------------------------------


def test_autocorrelation_is_the_device_s():
    """One mode, λ = 0.5, read every 0.8: lag-m autocorrelations e^{−0.4 m}."""
    n = 200_000
    schedule = tla.Schedule(burn_in=100, readings=n, spacing=0.8)
    x, info = tla.sample(np.array([[0.5]]), device=AS_WRITTEN, schedule=schedule, rng=0, return_info=True)
    assert x.shape == (n, 1)
    for lag in (1, 2, 5):
        found = np.mean(x[lag:, 0] * x[:-lag, 0]) * 0.5
        assert abs(found - np.exp(-0.4 * lag)) < 5 * np.sqrt(4 / n)
    assert info.autocorrelation_time == pytest.approx(2.0)
    assert info.effective_sample_size == pytest.approx(n * (1 - np.exp(-0.4)) / (1 + np.exp(-0.4)))


@pytest.mark.slow
def test_effective_sample_size_is_that_of_the_mean():
    a, runs = np.array([[0.5]]), 600
    schedule = tla.Schedule(burn_in=50, readings=200, spacing=0.8)
    means, info = [], None
    for seed in range(runs):
        x, info = tla.sample(a, device=AS_WRITTEN, schedule=schedule, rng=seed, return_info=True)
        means.append(x.mean())
    expected = 2.0 / info.effective_sample_size
    assert abs(np.var(means) / expected - 1) < 5 * np.sqrt(2 / runs) + 2 / info.effective_sample_size


@pytest.mark.parametrize(
    "a",
    [
        spd(3, 5),
        pytest.param(aslinearoperator(spd(3, 5)), marks=pytest.mark.slow),
        pytest.param(scipy.sparse.csr_array(spd(3, 5)), marks=pytest.mark.slow),
    ],
)
def test_trajectory_from_rest_is_that_of_time_stepping(a):
    schedule = tla.Schedule(burn_in=0.5, readings=4, spacing=1.0)
    b, dense = np.array([1.0, 0.0, -1.0]), spd(3, 5)
    rng = np.random.default_rng(0)
    paths = np.array([tla.sample(a, b=b, device=AS_WRITTEN, schedule=schedule, rng=rng) for _ in range(1500)])
    step = 0.02
    stepped = integrate(LinearSDE.overdamped(dense, b), np.zeros((3, 3000)), step=step, n_steps=175, every=25, rng=1)[
        1::2
    ]
    theirs = stepped.transpose(2, 0, 1).reshape(3000, 12)
    ours = paths.reshape(1500, 12)
    error = np.sqrt(ours.var(axis=0) / 1500 + theirs.var(axis=0) / 3000)
    assert np.all(np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5 * error + step)
    assert_allclose(np.cov(ours.T), np.cov(theirs.T), atol=0.3)


def test_size_and_schedule_must_agree():
    a, schedule = spd(2, 5), tla.Schedule(burn_in=5, readings=6, spacing=1)
    assert tla.sample(a, schedule=schedule).shape == (6, 2)
    assert tla.sample(a, (2, 3), schedule=schedule).shape == (2, 3, 2)
    assert tla.sample(a, 4, schedule=tla.Schedule(burn_in=5, duration=8)).shape == (4, 2)
    with pytest.raises(ValueError, match="leave size out"):
        tla.sample(a, 5, schedule=schedule)


# -- shapes, dtypes, places -------------------------------------------------------------------------------------------


def test_shapes():
    a = spd(3, 5)
    assert tla.sample(a).shape == (3,)
    assert tla.sample(a, 5).shape == (5, 3)
    assert tla.sample(a, (2, 4)).shape == (2, 4, 3)
    assert tla.sample(a, 0).shape == (0, 3)
    assert tla.sample(a, ()).shape == (3,)
    assert tla.sample([[2.0]], 7).shape == (7, 1)
    batch = np.stack([a, 4 * a])
    x, infos = tla.sample(batch, 3000, rng=0, return_info=True)
    assert x.shape == (2, 3000, 3)
    assert len(infos) == 2
    assert_law(x[1], np.zeros(3), np.linalg.inv(a) / 4)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_single_precision(dtype):
    a = spd(3, 5, dtype=complex if dtype is np.complex64 else float).astype(dtype)
    x = tla.sample(a, 3000, rng=0)
    assert x.dtype == dtype
    assert_mean(x.real, np.zeros(3))


def test_torch():
    torch = pytest.importorskip("torch")
    a = torch.as_tensor(spd(3, 5))
    x = tla.sample(a, 3000, b=torch.ones(3, dtype=a.dtype), rng=0)
    assert isinstance(x, torch.Tensor)
    inverse = np.linalg.inv(a.numpy())
    assert_law(x.numpy(), inverse.sum(axis=1), inverse)


def test_matrix_free_and_large():
    d = 1500
    matrix = scipy.sparse.diags_array(
        [np.full(d, 2.5), np.full(d - 1, -1.0), np.full(d - 1, -1.0)], offsets=[0, 1, -1], format="csr"
    )
    exact = np.linalg.inv(matrix.toarray())
    for a in (matrix, aslinearoperator(matrix)):
        x = tla.sample(a, 400, rng=0)
        z = x.var(axis=0, ddof=1) / np.diag(exact) - 1
        assert np.abs(z).max() < 5.5 * np.sqrt(2 / 399)
        neighbours = np.mean(x[:, :-1] * x[:, 1:]) / np.mean(np.diag(exact, 1))
        assert abs(neighbours - 1) < 0.02


def test_seeds():
    a = spd(3, 5)
    assert np.array_equal(tla.sample(a, 4, rng=1), tla.sample(a, 4, rng=1))
    assert not np.array_equal(tla.sample(a, 4, rng=1), tla.sample(a, 4, rng=2))
    assert not np.array_equal(tla.sample(a), tla.sample(a))


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_extreme_scales(scale):
    a = spd(3, 5)
    x = tla.sample(scale * a, 3000, rng=0)
    assert_covariance(x * scale**0.5, np.linalg.inv(a))


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_refusals():
    a = spd(3, 5)
    for name in ("A", "cov"):
        with pytest.raises(np.linalg.LinAlgError, match=f"^{name} is singular.*largest at.*has no density") as refusal:
            tla.sample(**{name: np.array([[1.0, -1.0], [-1.0, 1.0]])})
        assert_allclose(refusal.value.null_vector / refusal.value.null_vector[0], [1.0, 1.0])
        with pytest.raises(np.linalg.LinAlgError, match=f"^{name} is not positive"):
            tla.sample(**{name: np.diag([1.0, -1.0])})
        with pytest.raises(np.linalg.LinAlgError, match=f"{name} is not symmetric.*assume_a='sym'"):
            tla.sample(**{name: np.triu(np.ones((3, 3)))})
    with pytest.raises(ValueError, match="not both"):
        tla.sample(a, cov=a)
    with pytest.raises(ValueError, match="pass mean"):
        tla.sample(cov=a, b=np.ones(3))
    with pytest.raises(TypeError, match="A"):
        tla.sample()
    with pytest.raises(TypeError, match="unexpected keyword"):
        tla.sample(a, covariance=a)
    for kwargs, message in [
        ({"b": np.ones(4)}, "b has 4"),
        ({"b": np.ones((3, 1))}, "one dimension"),
        ({"mean": [1.0, np.nan, 0.0]}, "mean"),
        ({"b": 1j * np.ones(3)}, "complex"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": -1.0}, "temperature"),
        ({"size": -1}, "size"),
        ({"rng": -1}, "rng"),
        ({"device": tla.LangevinDevice(law=tla.Overdamped(0.0))}, "temperature 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            tla.sample(a, **kwargs)
    with pytest.raises(TypeError, match="size"):
        tla.sample(a, 2.5)
    with pytest.raises(ValueError, match="empty"):
        tla.sample(np.empty((0, 0)))


def test_samples_drawn_block_by_block_have_the_moments_of_one_block(monkeypatch):
    A = np.array([[2.0, 1.0], [1.0, 3.0]])
    monkeypatch.setattr(readout, "BLOCK", 2 * 1000)
    x = tla.sample(A, 40_500, b=[1.0, 0.0], rng=0)
    assert x.shape == (40_500, 2)
    spread = np.linalg.inv(A)
    assert_allclose(x.mean(axis=0), spread[0], atol=4 * (0.6 / len(x)) ** 0.5)
    assert_allclose(np.cov(x.T), spread, atol=5 * (2 * 0.6**2 / len(x)) ** 0.5)
    assert len(np.unique(x[:, 0])) == len(x)  # no block is drawn twice
