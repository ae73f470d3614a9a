"""Curve fits: SciPy's optimum and covariance, and bands that cover what they say."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import curve_fit

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
    search = thermodynamic_least_squares(lambda x: decay(TIMES, *x) - data(0), [1, 1, 1], rng=0)
    assert fit.result.device_time > search.device_time
    assert fit.samples.shape == (1000, 3)


def test_a_parameter_without_effect_is_named():
    with pytest.raises(np.linalg.LinAlgError, match="parameter 1"):
        thermodynamic_curve_fit(lambda t, a, b: a * t + 0 * b, TIMES, TIMES + 0.1, [2.0, 1.0], rng=0)


def test_parameters_that_are_not_determined_are_refused():
    with pytest.raises(np.linalg.LinAlgError):
        thermodynamic_curve_fit(lambda t, a, b: a * b * t, TIMES, TIMES + 0.1, [2.0, 1.0], jac=product_jacobian, rng=0)


def product_jacobian(x):
    return np.stack([x[1] * TIMES, x[0] * TIMES], axis=1)


def test_no_convergence_is_an_error():
    with pytest.raises(RuntimeError, match="max_nfev"):
        thermodynamic_curve_fit(decay, TIMES, data(0), [1, 1, 1], max_nfev=2, rng=0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ydata": np.full(40, np.nan)}, "ydata holds NaN"),
        ({"ydata": np.ones((40, 1))}, "one dimension"),
        ({"sigma": np.ones(3)}, "sigma must be a number"),
        ({"sigma": 0.0}, "sigma must be positive"),
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 2.5}, "n_samples"),
        ({"xdata": TIMES[:3], "ydata": np.ones(3)}, "absolute_sigma"),
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
