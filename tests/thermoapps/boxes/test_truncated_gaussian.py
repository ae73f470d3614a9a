"""Gaussians in boxes beside formulae, quadrature, a Gibbs sampler and rescaled problems; interrupts and bad input."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import binom, chi2, kstest, norm, truncnorm

import thermolinalg as tla
from thermoapps.bayesian import Chains
from thermoapps.boxes import Flight, TruncatedGaussian

INF = np.inf


def precision(d, seed=0, condition=10.0):
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((d, d)))[0]
    A = (q * np.geomspace(1, condition, d)) @ q.T
    return (A + A.T) / 2


def gibbs(A, mean, lower, upper, sweeps, rng, chains=400):
    """Each coordinate from its conditional truncated normal, by inversion in the tail that is not empty."""
    x = np.repeat(np.clip(mean, lower, upper)[:, None], chains, axis=1)
    kept = []
    for sweep in range(sweeps):
        for i in range(len(mean)):
            spread = 1 / np.sqrt(A[i, i])
            centre = mean[i] - (A[i] @ (x - mean[:, None]) - A[i, i] * (x[i] - mean[i])) / A[i, i]
            a, b = (lower[i] - centre) / spread, (upper[i] - centre) / spread
            x[i] = centre + spread * truncnorm.rvs(a, b, random_state=rng)
        if sweep >= sweeps // 2:
            kept.append(x.copy())
    return np.concatenate(kept, axis=1), kept[-1]


def by_quadrature(a, b):
    """Mean, from a finite bound on, and standard deviation of a standard normal between a and b."""
    away = 1.0 if np.isfinite(a) else -1.0
    start = a if np.isfinite(a) else -b
    slowest = min(40.0 / max(start, 0.1), 12 - min(start, 0))
    t = np.linspace(0, min(b - a, slowest), 200_001)
    weights = np.exp(-t * (start + t / 2))
    weights[[0, -1]] /= 2
    weights /= weights.sum()
    return away * (weights @ t), np.sqrt(weights @ (t - weights @ t) ** 2)


def grouped(gaussian, groups, chains, draws):
    """So many runs of their own."""
    walk = gaussian.walk(chains=groups * chains, rng=0)
    walk.draw(draws)
    return [Chains(part) for part in np.split(walk.chains.draws, groups)]


def in_error_bars(chains, mean, sigmas=5):
    assert np.all(np.abs(chains.mean - mean) < sigmas * chains.standard_error)


ONE = {
    "half": (0.0, 1.0, 0.0, INF),
    "upper": (0.0, 1.0, -INF, -0.5),
    "both": (0.3, 2.0, -1.0, 2.0),
    "narrow": (0.0, 1.0, 0.4, 0.4 + 1e-6),
    "narrow and far": (0.0, 1.0, 30.0, 30.01),
    "mean within, far rails": (0.0, 1.0, -3.0, 4.0),
    "40 spreads": (-40.0, 1.0, 0.0, INF),
    "a hundred million spreads": (-1e8, 1.0, 0.0, INF),
    "small numbers": (-3e-12, 1e-12, 0.0, INF),
    "large numbers": (1e12, 2e12, 2e12, 2.1e12),
}


LONG = ("40 spreads", "narrow and far", "large numbers", "mean within, far rails", "upper")


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case in LONG)) for case in ONE])
def test_one_coordinate_has_the_moments_of_a_truncated_normal(case):
    mean, spread, lower, upper = ONE[case]
    chains = TruncatedGaussian([[spread**-2]], [mean], lower, upper).sample(80, rng=1)
    known, width = by_quadrature((lower - mean) / spread, (upper - mean) / spread)
    origin = lower if np.isfinite(lower) else upper
    assert abs(chains.mean[0] - origin - spread * known) < 5 * chains.standard_error[0]
    assert np.isclose(chains.std[0], spread * width, rtol=0.15)
    assert lower <= chains.draws.min()
    assert chains.draws.max() <= upper


@pytest.mark.parametrize("q", [0.05, pytest.param(0.5, marks=pytest.mark.slow), 0.95])
def test_quantiles_have_honest_error_bars(q):
    known, gaussian = truncnorm.ppf(q, -0.5, 2.0), TruncatedGaussian([[1.0]], [0.0], -0.5, 2.0)
    found = [run.quantile(q) for run in grouped(gaussian, 40, 16, 100)]
    scores = np.array([(value[0] - known) / error[0] for value, error in found])
    assert binom.ppf(1e-4, 40, 0.683) <= np.sum(np.abs(scores) < 1) <= binom.ppf(1 - 1e-4, 40, 0.683)


def test_two_coordinates_agree_with_quadrature():
    A, mean, lower, upper = np.array([[2.0, 1.6], [1.6, 2.0]]), np.array([-0.5, 1.0]), [0.0, -1.0], [INF, 0.5]
    x, y = np.meshgrid(np.linspace(0, 8, 2001), np.linspace(-1, 0.5, 801), indexing="ij")
    away = np.stack([x - mean[0], y - mean[1]])
    weights = np.exp(-np.einsum("i...,ij,j...->...", away, A, away) / 2)
    weights[[0, -1]] /= 2
    weights[:, [0, -1]] /= 2
    known = np.array([np.sum(weights * x), np.sum(weights * y)]) / weights.sum()
    second = np.sum(weights * x * y) / weights.sum() - known[0] * known[1]
    chains = TruncatedGaussian(A, mean, lower, upper).sample(200, rng=2)
    in_error_bars(chains, known)
    assert np.isclose(np.cov(chains.flat.T)[0, 1], second, rtol=0.1)


NEAR = {
    "flat": (1e-9, 0.9, 0.0),
    "a fifth of a spread, coupled": (0.2, 0.99, 0.3),
    "far above": (0.1, -0.9, 25.0),
    "far below": (0.1, 0.95, -25.0),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * ("far" in case)) for case in NEAR])
def test_near_rails_do_not_hold_up_the_others(case):
    """The first of two coordinates is narrow; given it the second is a truncated normal: quadrature does the rest."""
    width, coupling, mean = NEAR[case]
    A = np.array([[1.0, coupling], [coupling, 1.0]])
    chains = TruncatedGaussian(A, [mean, 0.5], [0.0, 0.0], [width, INF]).sample(250, rng=3)
    x = np.linspace(0, width, 4001)
    centre = 0.5 - coupling * (x - mean)
    marginal = -((x - mean) ** 2) * (1 - coupling**2) / 2 + norm.logcdf(centre)
    weights = np.exp(marginal - marginal.max())
    weights[[0, -1]] /= 2
    given = centre + np.exp(norm.logpdf(centre) - norm.logcdf(centre))
    in_error_bars(chains, np.array([weights @ x, weights @ given]) / weights.sum())
    assert np.isclose(
        chains.std[0], np.sqrt(weights @ x**2 / weights.sum() - (weights @ x / weights.sum()) ** 2), rtol=0.1
    )


def test_a_box_of_narrow_rails_alone():
    A, width = precision(4, 3), 1e-3
    chains = TruncatedGaussian(A, np.full(4, 40.0), 0.0, width / np.sqrt(np.diag(A))).sample(200, rng=0)
    slope = A @ np.full(4, 40.0) / np.sqrt(np.diag(A)) * width  # of the logarithm of the density, over each width
    in_error_bars(chains, width / np.sqrt(np.diag(A)) * (1 / (1 - np.exp(-slope)) - 1 / slope))


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_eight_coordinates_agree_with_a_gibbs_sampler(seed):
    rng = np.random.default_rng(seed)
    A, mean = precision(8, seed), rng.standard_normal(8)
    lower, upper = np.full(8, -INF), np.full(8, INF)
    lower[:5], upper[4:7] = 0.0, 0.8
    reference, last = gibbs(A, mean, lower, upper, 60, rng)
    chains = TruncatedGaussian(A, mean, lower, upper).sample(150, rng=seed)
    error = np.hypot(chains.standard_error, reference.std(axis=1) / np.sqrt(last.shape[1]))
    assert np.all(np.abs(chains.mean - reference.mean(axis=1)) < 5 * error)
    assert np.allclose(chains.std, reference.std(axis=1), rtol=0.1)


def test_means_have_honest_error_bars():
    gaussian, known = TruncatedGaussian(np.eye(2), lower=0.0), np.sqrt(2 / np.pi)
    runs = grouped(gaussian, 40, 8, 60)
    scores = np.array([(run.mean - known) / run.standard_error for run in runs])
    assert chi2.ppf(1e-4, scores.size) < np.sum(scores**2) < chi2.ppf(1 - 1e-4, scores.size)


def test_without_rails_draws_are_those_of_the_gaussian_and_independent():
    A, mean = precision(4), np.arange(4.0)
    chains = TruncatedGaussian(A, mean).sample(250, rng=0)
    in_error_bars(chains, mean)
    assert np.all(chains.ess > 0.85 * len(chains))
    scores = (chains.flat - mean) @ np.linalg.cholesky(A)
    assert kstest(scores.ravel(), "norm").pvalue > 1e-4
    assert np.allclose(TruncatedGaussian(A, mean).mode(rng=0), mean)


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_units_that_are_powers_of_two_change_no_digit(unit):
    A, units = precision(3), np.array([1.0, unit, 1.0])
    plain = TruncatedGaussian(A, [-1.0, 0.5, 2.0], 0.0, [INF, 1.0, INF]).sample(120, chains=4, rng=0)
    scaled = TruncatedGaussian(A / units / units[:, None], [-1.0, 0.5, 2.0] * units, 0.0, [INF, unit, INF])
    assert np.array_equal(plain.draws * units, scaled.sample(120, chains=4, rng=0).draws)


def test_a_condition_of_ten_to_the_eight_between_units_of_a_trillion():
    A, units = precision(4, condition=1e8), np.array([1e12, 1.0, 1e-12, 1.0])
    spread = np.sqrt(np.diag(np.linalg.inv(A)))
    gaussian = TruncatedGaussian(A / units / units[:, None], lower=np.array([0, -INF, -INF, -INF]))
    chains = gaussian.sample(100, rng=0)
    known = np.linalg.inv(A)[:, 0] / spread[0] * np.sqrt(2 / np.pi) * units
    in_error_bars(chains, known)


def test_equal_bounds_fix_a_coordinate():
    A = precision(3)
    chains = TruncatedGaussian(A, [0.0, 1.0, 2.0], [-INF, 0.5, -INF], [INF, 0.5, INF]).sample(100, rng=0)
    assert np.all(chains.draws[:, :, 1] == 0.5)
    free = [0, 2]
    known = np.array([0.0, 2.0]) - np.linalg.solve(A[np.ix_(free, free)], A[free, 1] * -0.5)
    assert np.all(np.abs(chains.mean - [known[0], 0.5, known[1]]) <= 5 * chains.standard_error)
    all_fixed = TruncatedGaussian(A, lower=1.0, upper=1.0)
    assert np.all(all_fixed.sample(50, chains=2, rng=0).draws == 1.0)
    assert np.all(all_fixed.mode() == 1.0)


def test_readings_are_the_same_however_they_are_split_pickled_or_interrupted():
    gaussian = TruncatedGaussian(precision(3), [-1.0, 0.0, 1.0], 0.0)
    whole, parts = (gaussian.walk(chains=3, rng=5) for _ in range(2))
    whole.draw(12)
    parts.draw(4)
    parts = pickle.loads(pickle.dumps(parts))

    def interrupt(walk):
        if len(walk) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        parts.draw(8, callback=interrupt)
    assert len(parts) == 7
    parts.draw(5)
    assert np.array_equal(whole.chains.draws, parts.chains.draws)


def test_a_reading_that_is_interrupted_is_taken_again():
    gaussian = TruncatedGaussian(precision(3), lower=0.0)
    whole, parts = (gaussian.walk(chains=3, rng=5) for _ in range(2))
    whole.draw(6)
    parts.draw(2)
    going = parts._advance

    def broken(state, rng):
        going(state, rng)
        raise KeyboardInterrupt

    parts._advance = broken
    with pytest.raises(KeyboardInterrupt):
        parts.draw(4)
    parts._advance = going
    parts.draw(4)
    assert np.array_equal(whole.chains.draws, parts.chains.draws)


def test_the_same_seed_gives_the_same_draws_and_a_callback_ends_a_run():
    gaussian = TruncatedGaussian(precision(2), lower=0.0)
    assert np.array_equal(*(gaussian.sample(60, chains=4, rng=3).draws for _ in range(2)))
    walk = gaussian.walk(chains=2, rng=0)

    def enough(walk):
        if len(walk) == 5:
            raise StopIteration

    walk.draw(100, callback=enough)
    assert len(walk) == 5


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_flights_are_harmonic_from_bounce_to_bounce(seed, d):
    """Beside a search for bounces on a fine grid of times."""
    rng = np.random.default_rng(seed)
    covariance = np.linalg.inv(precision(d, seed, condition=5.0))
    lower, upper, centre = -rng.random(d), rng.random(d), rng.standard_normal(d)
    start, speed, time = (lower + upper) / 2, rng.standard_normal(d), 1.0
    flown, _, _ = Flight(centre, covariance, lower, upper).along(start[:, None], speed[:, None], time)
    x, v, left, grid = start, speed, time, np.linspace(0, time, 20001)

    def outside(t, i=slice(None)):
        t = np.asarray(t)
        places = centre[i, None] + (x - centre)[i, None] * np.cos(t) + v[i, None] * np.sin(t)
        return np.maximum(places - upper[i, None], lower[i, None] - places)

    for _ in range(1000):
        crossed = np.argwhere((outside(grid[1:])[:, :-1] <= 0) & (outside(grid[1:])[:, 1:] > 0))
        crossed = crossed[np.argsort(crossed[:, 1])]
        if not crossed.size or grid[crossed[0, 1] + 1] > left:
            x = centre + (x - centre) * np.cos(left) + v * np.sin(left)
            break
        i, k = crossed[0]
        t = brentq(lambda t, i=i: outside([t], np.array([i]))[0, 0], grid[k + 1], grid[k + 2], xtol=1e-14)
        x, v = centre + (x - centre) * np.cos(t) + v * np.sin(t), v * np.cos(t) - (x - centre) * np.sin(t)
        v = v - 2 * v[i] * covariance[:, i] / covariance[i, i]
        left -= t
    assert np.allclose(flown[:, 0], x, atol=2e-3) or np.abs(v).max() > 50


BAD = {
    "empty box": (dict(lower=[0.0, 1.0], upper=[1.0, 0.0]), ValueError, "the box is empty: lower"),
    "NaN": (dict(lower=[0.0, np.nan]), ValueError, "lower holds NaN"),
    "lower +inf": (dict(lower=INF), ValueError, "swap the sign"),
    "three bounds": (dict(upper=[1.0, 2.0, 3.0]), ValueError, "upper must be a number or have shape"),
    "mean of three": (dict(mean=[1.0, 2.0, 3.0]), ValueError, r"mean must have shape \(2,\)"),
    "complex": (dict(precision=[[1j, 0], [0, 1]]), TypeError, "real numbers"),
    "not square": (dict(precision=[[1.0, 0.0]]), ValueError, "square"),
    "empty": (dict(precision=np.zeros((0, 0))), ValueError, "not empty"),
    "negative": (dict(precision=-np.eye(2)), np.linalg.LinAlgError, "not positive definite"),
    "asymmetric": (dict(precision=[[1.0, 0.5], [0.0, 1.0]]), np.linalg.LinAlgError, "not symmetric"),
    "infinite": (dict(precision=[[INF, 0.0], [0.0, 1.0]]), ValueError, "NaN or infinity"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_input_is_refused(case):
    given, error, text = BAD[case]
    with pytest.raises(error, match=text):
        TruncatedGaussian(**({"precision": np.eye(2)} | given))


@pytest.mark.parametrize("draws", [3, 2.5, True, None])
def test_counts_are_refused(draws):
    with pytest.raises(ValueError, match="draws must be an integer"):
        TruncatedGaussian(np.eye(1)).sample(draws)
    with pytest.raises(ValueError, match="chains must be an integer"):
        TruncatedGaussian(np.eye(1)).walk(chains=draws if draws != 3 else 0)


def test_a_singular_precision_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match=r"singular|definite"):
        TruncatedGaussian(np.ones((2, 2)), lower=0.0, upper=1.0).sample(4, rng=0)


def test_too_few_draws_are_warned_of():
    with pytest.warns(tla.ThermodynamicWarning, match="error bars of means do not hold"):
        TruncatedGaussian(np.eye(1), lower=0.0).sample(4, chains=2, rng=0)
