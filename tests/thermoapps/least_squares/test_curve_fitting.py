"""Curve fits: SciPy's optimum and covariance, and bands that cover what they say."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import OptimizeWarning, curve_fit

from thermoapps.least_squares import thermodynamic_curve_fit, thermodynamic_least_squares

TRUTH = (2.0, 1.0, 0.5)
TIMES = np.linspace(0, 5, 40)


def decay(t, amplitude, rate, offset):
    return amplitude * np.exp(-rate * t) + offset


def data(seed, sigma=0.05):
    return decay(TIMES, *TRUTH) + sigma * np.random.default_rng(seed).standard_normal(TIMES.size)


@pytest.mark.parametrize("sigma", [None, 0.05, np.linspace(0.02, 0.1, 40)], ids=["none", "number", "array"])
@pytest.mark.parametrize("absolute", [False, True])
def test_as_scipy(sigma, absolute):
    fit = thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1, 1], sigma, absolute, rng=0)
    given = sigma if sigma is None else np.broadcast_to(sigma, TIMES.shape)
    popt, pcov = curve_fit(decay, TIMES, data(0), [1, 1, 1], given, absolute)
    assert np.allclose(fit.popt, popt, rtol=1e-5)
    assert np.allclose(fit.pcov, pcov, rtol=1e-3)


def test_samples_have_the_covariance():
    fit = thermodynamic_curve_fit(decay, TIMES, data(1), [1, 1, 1], 0.05, absolute_sigma=True, n_samples=4000, rng=1)
    whitened = np.linalg.solve(np.linalg.cholesky(fit.pcov), (fit.samples - fit.popt).T)
    assert np.all(abs(whitened.mean(axis=1)) < 4.5 / np.sqrt(4000))
    covariance = whitened @ whitened.T / 4000
    errors = np.sqrt((1 + np.eye(3)) / 4000)
    assert np.all(abs(covariance - np.eye(3)) < 4.5 * errors)


@pytest.mark.slow
@pytest.mark.parametrize("every", [1, 7], ids=["40 data", "6 data"])
def test_bands_cover_the_truth(every):
    t, x = np.array([0.3, 1.0, 3.0]), TIMES[::every]
    inside = []
    for seed in range(100):
        fit = thermodynamic_curve_fit(decay, x, data(seed, 0.01)[::every], TRUTH, n_samples=200, rng=seed)
        lower, upper = fit.band(t, 0.9)
        inside.append((lower < decay(t, *TRUTH)) & (decay(t, *TRUTH) < upper))
    assert np.all(abs(np.mean(inside, axis=0) - 0.9) < 4 * np.sqrt(0.9 * 0.1 / 100))


def test_samples_of_few_data_are_students():
    x, y = TIMES[::7], data(2)[::7]
    fit = thermodynamic_curve_fit(decay, x, y, TRUTH, n_samples=4000, rng=0)
    t = (fit.samples - fit.popt) / np.sqrt(np.diag(fit.pcov))
    assert all(stats.kstest(column, stats.t(x.size - 3).cdf).pvalue > 1e-4 for column in t.T)
    assert all(stats.kstest(column, stats.norm.cdf).pvalue < 1e-4 for column in t.T)


def test_device_time_counts_the_samples():
    fit = thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1, 1], rng=0)
    before = fit.result.device_time
    assert fit.samples.shape == (1000, 3)
    search = thermodynamic_least_squares(lambda x: decay(TIMES, *x) - data(0), [1, 1, 1], rng=0)
    assert fit.result.device_time > before > search.device_time


@pytest.mark.parametrize(
    "f",
    [lambda t, a, b: a * t + 0 * b, lambda t, a, b: (a + b) * t, lambda t, a, b: a * b * t],
    ids=["without effect", "sum", "product"],
)
@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_parameters_that_are_not_determined_have_infinite_covariance(f, jac):
    y = 3 * TIMES + 0.1 * np.cos(TIMES)
    with pytest.warns(OptimizeWarning, match="could not be estimated"):
        fit = thermodynamic_curve_fit(f, TIMES, y, [2.0, 1.5], jac=jac, rng=0)
    slope = TIMES @ y / (TIMES @ TIMES)
    assert np.allclose(f(1.0, *fit.popt), slope)
    assert np.all(np.isinf(fit.pcov))
    with pytest.raises(np.linalg.LinAlgError, match="fix some"):
        fit.band(TIMES)


def test_a_fit_that_ran_away_says_so():
    with pytest.warns(OptimizeWarning, match=r"no longer determine x\[1\]"):
        fit = thermodynamic_curve_fit(decay, TIMES, np.ones(40), rng=0)
    assert not fit.result.success
    assert np.all(np.isinf(fit.pcov))


def test_no_more_data_than_parameters():
    x, y = TIMES[:3], data(0)[:3]
    with pytest.warns(OptimizeWarning, match="could not be estimated"):
        popt, pcov = thermodynamic_curve_fit(decay, x, y, TRUTH, rng=0)
    assert np.allclose(decay(x, *popt), y)
    assert np.all(np.isinf(pcov))
    known = thermodynamic_curve_fit(decay, x, y, TRUTH, 0.05, absolute_sigma=True, rng=0)
    assert np.all(np.isfinite(known.pcov))


def test_tuples_are_scipys():
    popt, pcov = fit = thermodynamic_curve_fit(decay, TIMES, data(0), rng=0)
    assert fit.popt is popt
    assert fit.pcov is pcov
    full = thermodynamic_curve_fit(decay, TIMES, data(0), full_output=True, rng=0)
    expected = curve_fit(decay, TIMES, data(0), full_output=True)
    assert len(full) == 5
    assert np.allclose(full[0], expected[0], rtol=1e-5)
    assert set(expected[2]) == set(full[2])
    r, pivots = full[2]["fjac"].T, full[2]["ipvt"] - 1
    assert np.allclose(r.T @ r, (full.result.jac.T @ full.result.jac)[np.ix_(pivots, pivots)])
    assert full[4] in (1, 2, 3, 4)


@pytest.mark.parametrize("unit", [1e-12, 1e9])
@pytest.mark.parametrize("time", [1e-9, 1e6])
def test_units_of_data_and_parameters_do_not_matter(unit, time):
    y = data(0)
    expected, covariance = curve_fit(decay, TIMES, y)
    sizes = np.array([unit, 1 / time, unit])
    popt, pcov = thermodynamic_curve_fit(decay, time * TIMES, unit * y, sizes, rng=0)
    assert np.allclose(popt / sizes, expected, rtol=1e-4)
    assert np.allclose(pcov / np.outer(sizes, sizes), covariance, rtol=1e-3)


def jacobian(t, amplitude, rate, offset):
    e = np.exp(-rate * t)
    return np.stack([e, -amplitude * t * e, np.ones_like(t)], axis=1)


@pytest.mark.parametrize("jac", [None, jacobian], ids=["differences", "callable"])
@pytest.mark.parametrize("absolute", [False, True])
def test_correlated_data(jac, absolute):
    covariance = 0.05**2 * 0.6 ** abs(np.subtract.outer(np.arange(40), np.arange(40)))
    popt, pcov = thermodynamic_curve_fit(decay, TIMES, data(0), None, covariance, absolute, jac=jac, rng=0)
    expected, spread = curve_fit(decay, TIMES, data(0), None, covariance, absolute)
    assert np.allclose(popt, expected, rtol=1e-5)
    assert np.allclose(pcov, spread, rtol=1e-3)


def test_fixed_parameters_and_tied_ones():
    bounds = ([-np.inf, 1.2, -np.inf], [np.inf, 1.2, np.inf])
    fixed = thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1.2, 1], bounds=bounds, rng=0)
    popt, pcov = curve_fit(lambda t, a, c: decay(t, a, 1.2, c), TIMES, data(0))
    assert fixed.popt[1] == 1.2
    assert np.allclose(fixed.popt[[0, 2]], popt, rtol=1e-5)
    assert np.allclose(fixed.pcov[np.ix_([0, 2], [0, 2])] * 37 / 38, pcov, rtol=1e-3)
    assert not fixed.pcov[1].any()
    assert np.all(fixed.samples[:, 1] == 1.2)
    tied = thermodynamic_curve_fit(lambda t, a, c: decay(t, a, 2 * c, c), TIMES, data(0), rng=0)
    assert np.allclose(tied.popt, curve_fit(lambda t, a, c: decay(t, a, 2 * c, c), TIMES, data(0))[0], rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"bounds": ([0, 0, 0], [3, 2, np.inf])}])
def test_missing_data_are_left_out(options):
    x, y = TIMES.copy(), data(0)
    x[3], y[7] = np.nan, np.nan
    popt, _ = thermodynamic_curve_fit(decay, x, y, nan_policy="omit", rng=0, **options)
    kept = np.isfinite(x + y)
    assert np.allclose(popt, curve_fit(decay, x[kept], y[kept], **options)[0], rtol=1e-5)
    with pytest.raises(ValueError, match="contains nan"):
        thermodynamic_curve_fit(decay, x, y, nan_policy="raise", rng=0)


def test_a_model_that_overflows_is_no_success_and_no_warning():
    with pytest.raises((RuntimeError, ValueError), match=r"Optimal|finite|underflow"):
        thermodynamic_curve_fit(lambda t, a, b: a * np.exp(b * t), TIMES, data(0), [1.0, 1e4], rng=0)
    popt, _ = thermodynamic_curve_fit(lambda t, a, b: a * np.exp(b * t), TIMES, np.exp(-TIMES), [1.0, 2.0], rng=0)
    assert np.allclose(popt, [1, -1], rtol=1e-4)


def test_no_convergence_is_an_error():
    with pytest.raises(RuntimeError, match="max_nfev"):
        thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1, 1], max_nfev=2, rng=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ydata": np.full(40, np.nan)}, "infs or NaNs"),
        ({"ydata": []}, "must not be empty"),
        ({"ydata": np.ones((40, 1))}, "one dimension"),
        ({"sigma": np.ones(3)}, "incorrect shape"),
        ({"sigma": np.full(40, np.nan)}, "sigma holds NaN"),
        ({"sigma": -np.eye(40)}, "positive definite"),
        ({"method": "newton"}, "method must be"),
        ({"method": "lm", "bounds": (0, 3)}, "unconstrained"),
        ({"args": (1,)}, "not a supported"),
        ({"p0": None, "f": lambda t, *p: t}, "Unable to determine"),
        ({"p0": [5, 1, 1], "bounds": (0, 3)}, "outside of provided"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 2.5}, "n_samples"),
    ],
)
def test_bad_input_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        thermodynamic_curve_fit(**{"f": decay, "xdata": TIMES, "ydata": data(0), "p0": [1, 1, 1], "rng": 0, **change})


@pytest.mark.parametrize("level", [0, 1, np.nan])
def test_levels_are_probabilities(level):
    fit = thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1, 1], n_samples=2, rng=0)
    with pytest.raises(ValueError, match="level"):
        fit.band(TIMES, level)
