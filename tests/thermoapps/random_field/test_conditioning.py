"""Posteriors against exact Gaussian processes: every field, every way to observe, every size of noise."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

pytest.importorskip("sklearn")

from fields import FIELDS, IMPROPER, PLANE, exact, kriging

import thermolinalg as tla
from thermoapps.random_field import GaussianField, Grid


def agrees(posterior, expected, rtol=1e-7):
    size = np.sqrt(np.diag(expected.covariance).max() + np.abs(expected.mean).max() ** 2)
    np.testing.assert_allclose(posterior.mean, expected.mean, atol=rtol * size)
    deviation = np.sqrt(np.maximum(np.diag(expected.covariance), 0))
    np.testing.assert_allclose(posterior.standard_deviation(method="factor"), deviation, rtol=rtol, atol=1e-6 * size)
    value, error = posterior.log_evidence(return_std=True)
    assert abs(value - expected.log_evidence) < error + expected.rounding
    assert error < 1e-7 * (1 + abs(value))
    np.testing.assert_allclose(posterior.coefficients, expected.coefficients[: posterior.field.covariates], atol=1e-6)


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=8)
@given(data=st.data())
def test_posterior_is_that_of_the_exact_process(name, data):
    field, rng = FIELDS[name], np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    n, free = field.size, field.null_space.shape[1]
    m = data.draw(st.integers(min(n, free + 4), min(n, 14)))
    kind = data.draw(st.sampled_from(["nodes", "rows", "points"] if field.grid is not None else ["nodes", "rows"]))
    noise = rng.uniform(0.1, 1.0, m) * (rng.random(m) < data.draw(st.sampled_from([0.0, 0.5, 1.0])))
    if kind == "nodes":
        at = rng.permutation(n)[:m]
        H = np.eye(n)[at]
    elif kind == "rows":
        at = H = rng.standard_normal((m, n)) * (rng.random((m, n)) < 0.5) + np.eye(n)[rng.permutation(n)[:m]]
    else:
        grid = field.grid
        at = grid.origin + rng.random((m, grid.dimensions)) * (np.array(grid.shape) - 1) * grid.spacing
        H = grid.interpolation(at).toarray()
    if name == "two parts":
        noise, at = noise + 0.1, np.append(at[:-2], [0, 20]) if kind == "nodes" else at
        H = np.eye(n)[at] if kind == "nodes" else H
    if np.linalg.cond(H[noise == 0] @ H[noise == 0].T if (noise == 0).any() else np.eye(1)) > 1e6:
        noise = noise + 0.1
    y = 3 * rng.standard_normal(m) + data.draw(st.sampled_from([0.0, 50.0]))
    posterior = field.condition(y, noise, at=at, rng=0)
    agrees(posterior, exact(name, H, y, noise))


@pytest.mark.parametrize("name", FIELDS)
def test_readings_agree_within_their_standard_errors(name):
    field, rng = FIELDS[name], np.random.default_rng(1)
    m = min(field.size, 8)
    at = np.linspace(0, field.size - 1, m).astype(int)
    noise = np.where(np.arange(m) % 3 == 0, 0.0, 0.5)
    y = rng.standard_normal(m)
    expected = exact(name, np.eye(field.size)[at], y, noise)
    posterior, deviation = field.condition(y, noise, at=at, rng=2), np.sqrt(np.diag(expected.covariance).clip(1e-30))
    read, error = posterior.standard_deviation(method="readings", rtol=0.05, rng=3, return_error=True)
    known = np.zeros(field.size, dtype=bool)
    known[at[noise == 0]] = True
    assert (read[known] == 0).all()
    assert (error[known] == 0).all()
    if known.all():
        return
    assert (np.abs(read - deviation)[~known] < 5 * error[~known]).all()
    assert error[~known].max() <= 0.051 * read.max()
    draws = posterior.sample(3000, rng=4)
    assert draws.shape == (3000, field.size)
    z = (draws.mean(axis=0) - expected.mean)[~known] / (deviation[~known] / np.sqrt(3000))
    assert np.abs(z).max() < 5
    covariance = np.cov(draws.T)[np.ix_(~known, ~known)]
    target = expected.covariance[np.ix_(~known, ~known)]
    spread = np.sqrt((np.multiply.outer(np.diag(target), np.diag(target)) + target**2) / 3000)
    assert (np.abs(covariance - target) / spread).max() < 6
    value, bar = posterior.log_evidence(method="readings", atol=0.1, rng=5, return_std=True)
    assert abs(value - expected.log_evidence) < 5 * bar
    assert bar < 0.11


@pytest.mark.parametrize("name", FIELDS)
def test_linear_functions_are_exact(name):
    field, rng = FIELDS[name], np.random.default_rng(2)
    n = field.size
    y = rng.standard_normal(n)
    expected, posterior = exact(name, np.eye(n), y, 0.5), field.condition(y, 0.5, rng=0)
    L = rng.standard_normal((3, n))
    target = np.einsum("ij,jk,ik->i", L, expected.covariance, L)
    for rows in (L, sp.csr_array(L), aslinearoperator(L)):
        np.testing.assert_allclose(posterior.variance_of(rows), target, rtol=1e-8)
    np.testing.assert_allclose(posterior.variance_of(L[0]), target[0], rtol=1e-8)
    mean, deviation = posterior.predict(sp.csr_array(L), return_std=True)
    np.testing.assert_allclose(mean, L @ expected.mean, atol=1e-7)
    np.testing.assert_allclose(deviation, np.sqrt(target), rtol=1e-8)


@pytest.mark.parametrize("name", ["matern", "unknown mean", "trend"])
@settings(max_examples=4)
@given(
    data_unit=st.sampled_from([1e-12, 1.0, 1e12]),
    length_unit=st.sampled_from([1e-6, 1.0, 1e6]),
    seed=st.integers(0, 1000),
)
def test_units_do_not_matter(name, data_unit, length_unit, seed):
    rng = np.random.default_rng(seed)
    y, places = rng.standard_normal(12) + 100.0 * (name != "matern"), rng.random((12, 2)) * [8, 10.5]

    def made(a, b):
        grid = Grid((9, 8), (b, 1.5 * b))
        field = GaussianField.from_matern(grid, range=5.0 * b, standard_deviation=2.0 * a)
        if name != "matern":
            field = field.with_trend(np.column_stack([np.ones(72), grid.nodes][: 1 + (name == "trend")]))
        return field.condition(a * y, 0.3 * a, at=b * places, rng=0)

    plain, scaled = made(1.0, 1.0), made(data_unit, length_unit)
    np.testing.assert_allclose(scaled.mean / data_unit, plain.mean, atol=1e-7 * np.abs(plain.mean).max())
    np.testing.assert_allclose(scaled.standard_deviation() / data_unit, plain.standard_deviation(), rtol=1e-9)
    p = {"matern": 0, "unknown mean": 1, "trend": 3}[name]
    moved = (12 - p) * np.log(data_unit) + (2 * np.log(length_unit) if name == "trend" else 0.0)
    assert scaled.log_evidence() == pytest.approx(plain.log_evidence() - moved, abs=1e-7)


def test_missing_observations_are_none():
    field = FIELDS["matern"]
    y = np.array([1.0, np.nan, 2.0])
    sparse, full = field.condition(y, [0.1, np.nan, 0.2], at=[0, 5, 9], rng=0), None
    full = field.condition([1.0, 2.0], [0.1, 0.2], at=[0, 9], rng=0)
    np.testing.assert_array_equal(sparse.mean, full.mean)
    assert sparse.log_evidence() == full.log_evidence()


@pytest.mark.parametrize("name", sorted(FIELDS.keys() - set(IMPROPER)))
@pytest.mark.parametrize("nothing", [([], []), ([np.nan], [0])])
def test_without_observations_the_posterior_is_the_prior(name, nothing):
    field = FIELDS[name]
    posterior = field.condition(nothing[0], 0.1, at=np.array(nothing[1], dtype=int), rng=0)
    S = np.linalg.inv(field.precision.toarray())
    assert not posterior.mean.any()
    assert posterior.log_evidence(return_std=True) == (0.0, 0.0)
    np.testing.assert_allclose(posterior.standard_deviation(), np.sqrt(np.diag(S)), rtol=1e-9)
    assert field.sample(rng=0).shape == (field.size,)


@pytest.mark.parametrize("name", IMPROPER)
@pytest.mark.parametrize("ask", ["mean", "sample", "standard_deviation", "read", "log_evidence", "predict"])
def test_an_improper_field_answers_nothing_by_itself(name, ask):
    prior = FIELDS[name].prior(rng=0)
    calls = {
        "mean": lambda: prior.mean,
        "sample": prior.sample,
        "standard_deviation": prior.standard_deviation,
        "read": lambda: prior.standard_deviation(method="readings"),
        "log_evidence": prior.log_evidence,
        "predict": lambda: prior.predict([0], return_std=True),
    }
    with pytest.raises(tla.SingularError, match="observe more of it"):
        calls[ask]()


def test_repeated_observations_count_again_and_exact_ones_once():
    field, at = FIELDS["matern"], [3, 3, 40]
    H = np.eye(field.size)[at]
    agrees(field.condition([1.0, 2.0, 3.0], 0.5, at=at, rng=0), exact("matern", H, np.array([1.0, 2.0, 3.0]), 0.5))
    twice = field.condition([1.0, 1.0, 3.0], 0.0, at=at, rng=0)
    agrees(twice, exact("matern", H[1:], np.array([1.0, 3.0]), 0.0))
    pairs = np.vstack([H[0] + H[2], H[0] - H[2], H[0] + H[2]])
    expected = exact("matern", pairs[:2], np.array([4.0, -2.0]), 0.0)
    agrees(field.condition([4.0, -2.0, 4.0], 0.0, at=pairs, rng=0), expected)


def test_all_nodes_observed_exactly_leave_nothing():
    field, y = FIELDS["graph"], np.arange(30.0)
    posterior = field.condition(y, 0.0, rng=0)
    np.testing.assert_array_equal(posterior.mean, y)
    assert not posterior.standard_deviation(method="readings").any()
    np.testing.assert_array_equal(posterior.sample(2), [y, y])
    Q = field.precision.toarray()
    expected = (np.linalg.slogdet(Q / (2 * np.pi))[1] - y @ Q @ y) / 2
    assert posterior.log_evidence() == pytest.approx(expected)


@pytest.mark.parametrize("noise", [1e-6, 1e-5])
def test_little_noise_is_nearly_none(noise):
    y, places = np.array([1.0, -2.0, 0.5]), PLANE.origin + np.array([[0.5, 0.5], [3.2, 4.0], [7.9, 10.0]])
    close, none = (FIELDS["matern"].condition(y, s, at=places, rng=0) for s in (noise, 0.0))
    np.testing.assert_allclose(close.mean, none.mean, atol=1e-6)
    assert close.log_evidence() == pytest.approx(none.log_evidence(), abs=1e-4)


def test_noise_that_rounding_hides_is_refused_with_advice_that_works():
    field, places = FIELDS["matern"], PLANE.origin + np.array([[0.5, 0.5]])
    with pytest.raises(tla.SingularError, match="pass 0 for it"):
        _ = field.condition([1.0], 1e-12, at=places, rng=0).mean
    assert field.condition([1.0], 0.0, at=places, rng=0).predict(places) == pytest.approx([1.0])
    assert field.condition([1.0], 1e-12, at=[3], rng=0).mean[3] == pytest.approx(1.0)  # of a node it does no harm


def test_a_device_that_is_named_reads_standard_deviations():
    device = tla.LangevinDevice()
    posterior = FIELDS["graph"].condition([1.0], 0.5, at=[3], device=device, rng=0)
    _, error = posterior.standard_deviation(rtol=0.1, return_error=True)
    assert error.max() > 1e-3  # readings, not a factor


def test_a_seed_gives_the_same_again_and_an_interrupt_passes():
    field = FIELDS["matern"]
    draws = [field.condition([1.0], 0.1, at=[3], rng=7).sample(2) for _ in range(2)]
    np.testing.assert_array_equal(*draws)

    def stop(xk):
        raise KeyboardInterrupt

    posterior = field.condition([1.0], 0.1, at=[3], rng=7, callback=stop)
    with pytest.raises(KeyboardInterrupt):
        _ = posterior.mean
    posterior._callback = None
    np.testing.assert_allclose(posterior.mean, field.condition([1.0], 0.1, at=[3]).mean, atol=1e-8)


def test_the_oracle_knows_two_values():
    """Kriging by hand: two nodes of unit variance and correlation 1/2."""
    found = kriging(np.array([[1.0, 0.5], [0.5, 1.0]]), np.zeros((2, 0)), np.eye(2)[:1], np.array([2.0]), 1.0)
    np.testing.assert_allclose(found.mean, [1.0, 0.5])
    np.testing.assert_allclose(np.diag(found.covariance), [0.5, 0.875])
