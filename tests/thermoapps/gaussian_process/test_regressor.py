"""Gaussian process regression: scikit-learn's checks and answers, and what only a device gives."""

import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from processes import CASES, STRUCTURED
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, Matern, WhiteKernel
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from thermoapps.gaussian_process import ThermodynamicGPRegressor, Wendland, fitting
from thermoapps.gaussian_process.ascent import fisher_scoring
from thermoapps.gaussian_process.evidence import Slope
from thermoapps.gaussian_process.fitting import Evidence
from thermolinalg import Imperfections, LangevinDevice


@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [ThermodynamicGPRegressor(), ThermodynamicGPRegressor(RBF(), alpha=1.0, normalize_y=True, tol=0.01)]
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def theirs(kernel, X, y, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessRegressor(kernel, **options).fit(X, y)


# -- the posterior ----------------------------------------------------------------------------------------------------


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 30),
    k=st.integers(1, 3),
    kernel=st.sampled_from([RBF(0.7), 2.0 * Matern(1.3), Wendland(1.5), RBF(1.0) + WhiteKernel(0.1)]),
    normalize=st.booleans(),
    own_noise=st.booleans(),
)
def test_posterior_is_scikit_learns(seed, n, k, kernel, normalize, own_noise):
    rng = np.random.default_rng(seed)
    X, Y, Z = rng.standard_normal((n, 2)), rng.standard_normal((n, k)), rng.standard_normal((7, 2))
    options = {"alpha": rng.uniform(0.01, 1, n) if own_noise else 0.01, "optimizer": None, "normalize_y": normalize}
    expected = theirs(kernel, X, Y, **options)
    mine = ThermodynamicGPRegressor(kernel, **options).fit(X, Y)
    np.testing.assert_allclose(mine.alpha_, expected.alpha_.reshape(n, k), rtol=1e-6, atol=1e-7)
    for flag in ("return_std", "return_cov"):
        for ours, same in zip(mine.predict(Z, **{flag: True}), expected.predict(Z, **{flag: True}), strict=True):
            np.testing.assert_allclose(ours, same, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("targets", [0, 2])
@pytest.mark.parametrize("name", STRUCTURED)
def test_structures_do_not_show_in_the_answers(name, targets):
    case = STRUCTURED[name]
    X, y = case.make(targets=targets)
    mine = ThermodynamicGPRegressor(case.kernel, alpha=0.01, optimizer=None, normalize_y=True).fit(X, y)
    expected = theirs(case.kernel, X, y, alpha=0.01, optimizer=None, normalize_y=True)
    assert mine.structure_ == case.form
    plain = ThermodynamicGPRegressor(case.kernel, alpha=0.01, optimizer=None, normalize_y=True, structure="dense")
    assert plain.fit(X, y).structure_ == "dense"
    for places in (X, X[:7] + 0.1):
        for ours, same in zip(mine.predict(places, True), expected.predict(places, True), strict=True):
            np.testing.assert_allclose(ours, same, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(plain.predict(places), mine.predict(places), atol=1e-8)


@pytest.mark.parametrize("name", ["one Gaussian", *STRUCTURED])
def test_samples_have_the_moments_of_the_posterior(name):
    case, count = CASES[name], 3000
    X, y = case.make()
    mine = ThermodynamicGPRegressor(case.kernel, alpha=0.05, optimizer=None, normalize_y=True, rng=0).fit(X, y)
    expected = theirs(case.kernel, X, y, alpha=0.05, optimizer=None, normalize_y=True)
    for places in (X, X[:5] + 0.1):
        draws = mine.sample_y(places, count, rng=1)
        assert draws.shape == (len(places), count)
        mean, cov = expected.predict(places, return_cov=True)
        variances = cov.diagonal()
        assert np.max(np.abs(draws.mean(axis=1) - mean) / np.sqrt(variances / count)) < 5
        error = np.sqrt((np.multiply.outer(variances, variances) + cov**2) / count)
        assert np.max(np.abs(np.cov(draws) - cov) / error) < 6


def test_samples_of_several_targets():
    X, y = CASES["Gaussian on a grid"].make(targets=3)
    mine = ThermodynamicGPRegressor(CASES["Gaussian on a grid"].kernel, alpha=0.1, optimizer=None, rng=0).fit(X, y)
    for places in (X, X[:4] + 0.1):
        draws = mine.sample_y(places, 500, rng=0)
        assert draws.shape == (len(places), 3, 500)
        mean, std = mine.predict(places, return_std=True)
        assert np.max(np.abs(draws.mean(axis=2) - mean) / std) < 5.5 / np.sqrt(500)


def test_before_the_data_there_is_the_prior():
    X = np.linspace(0, 2, 5)[:, None]
    mine, expected = ThermodynamicGPRegressor(RBF(0.5)), GaussianProcessRegressor(RBF(0.5))
    for flag in ("return_std", "return_cov"):
        for ours, same in zip(mine.predict(X, **{flag: True}), expected.predict(X, **{flag: True}), strict=True):
            np.testing.assert_allclose(ours, same)
    draws = mine.sample_y(X, 4000, rng=0)
    assert np.max(np.abs(np.cov(draws) - RBF(0.5)(X))) < 6 * np.sqrt(2 / 4000)


# -- the evidence -----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", CASES)
def test_the_optimum_is_scikit_learns_or_better(name):
    case = CASES[name]
    X, y = case.make()
    mine = ThermodynamicGPRegressor(case.kernel, alpha=0.01, rng=0).fit(X, y)
    expected = theirs(case.kernel, X, y, alpha=0.01)
    value, gradient = expected.log_marginal_likelihood(mine.kernel_.theta, eval_gradient=True)
    assert value > expected.log_marginal_likelihood_value_ - 1e-6
    inside = np.abs(mine.kernel_.theta[:, None] - mine.kernel_.bounds).min(axis=1) > 0
    assert np.abs(gradient[inside]).max(initial=0.0) < 1e-4
    assert mine.theta_std_.shape == mine.kernel_.theta.shape
    assert mine.device_time_ > 0


@pytest.mark.parametrize("name", ["one Gaussian", "Gaussian on a grid", "stationary on a line", "compact support"])
def test_parameters_from_readings_are_within_their_errors(name):
    case, readings = CASES[name], 400
    X, y = case.make(3)
    exact = ThermodynamicGPRegressor(case.kernel, alpha=0.01, rng=0).fit(X, y)
    measured = ThermodynamicGPRegressor(case.kernel, alpha=0.01, rng=0, n_readings=readings).fit(X, y)
    # Fisher's information is not the curvature itself: allow for a factor of two between them.
    error = 2 * exact.theta_std_ / readings**0.5
    free = np.abs(exact.kernel_.theta[:, None] - exact.kernel_.bounds).min(axis=1) > 1e-3
    shift = np.abs(measured.kernel_.theta - exact.kernel_.theta)
    assert free.any()
    assert np.max(shift[free] / error[free]) < 5


def test_measured_slopes_are_within_their_standard_errors():
    X, y = CASES["one Gaussian"].make(targets=2)
    kernel, readings, seeds = ConstantKernel(2.0) * RBF(1.5) + WhiteKernel(0.1), 16, 40
    settings = {"structure": "auto", "rtol": 1e-9, "device": None}
    exact = Evidence(X, y, 0.01, readings=None, seed=0, **settings).slope(kernel)
    scores = []
    for seed in range(seeds):
        slope = Evidence(X, y, 0.01, readings=readings, seed=seed, **settings).slope(kernel).measured(readings, 2)
        scores.append((slope.gradient - exact.gradient) / slope.unknown)
    # Mean squares of 40 scores, whose kurtosis is that of sums of 16 chi-squares: five standard errors.
    assert np.abs(np.mean(np.square(scores), axis=0) - 1).max() < 5 * np.sqrt((2 + 12 / readings) / seeds)


def test_readings_lead_to_where_few_inverses_end(monkeypatch):
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 6, (fitting.FAR, 2))
    y = np.sin(X).sum(axis=1) + 0.1 * rng.standard_normal(len(X))
    seen = []
    slope_of = fitting.slope_of
    monkeypatch.setattr(fitting, "slope_of", lambda *of: (seen.append(of[2]), slope_of(*of))[1])
    kernel = ConstantKernel() * RBF(0.5) + WhiteKernel(0.5)
    mine = ThermodynamicGPRegressor(kernel, rng=0).fit(X, y)
    # scikit-learn's own search ends further from the optimum than ours.
    _, slope = theirs(kernel, X, y, optimizer=None).log_marginal_likelihood(mine.kernel_.theta, eval_gradient=True)
    assert np.abs(slope).max() < 1e-4
    inverses = seen.count(None)
    assert inverses < mine.n_iter_ <= len(seen)
    assert seen == [fitting.READINGS] * (len(seen) - inverses) + [None] * inverses
    assert inverses < len(seen) / 2 + 1


@pytest.mark.parametrize("name", ["one Gaussian", "Gaussian on a grid"])
def test_slopes_of_the_evidence(name):
    case = CASES[name]
    X, y = case.make(targets=2)
    mine = ThermodynamicGPRegressor(case.kernel, alpha=0.1, optimizer=None, rng=0).fit(X, y)
    expected = theirs(case.kernel, X, y, alpha=0.1, optimizer=None)
    theta = case.kernel.theta + 0.3
    value, gradient = expected.log_marginal_likelihood(theta, eval_gradient=True)
    measured, slope, error = mine.log_marginal_likelihood(theta, eval_gradient=True, return_std=True)
    np.testing.assert_allclose(slope, gradient, rtol=1e-7, atol=1e-7)
    assert abs(measured - value) < 5 * error


@pytest.mark.parametrize("k", [1, 3])
def test_evidence_is_within_its_error_bar(k):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((20, k))
    expected = theirs(RBF(0.7), X, Y, alpha=0.1, optimizer=None)
    mine = ThermodynamicGPRegressor(RBF(0.7), alpha=0.1, optimizer=None, rng=0).fit(X, Y)
    value, error = mine.log_marginal_likelihood(return_std=True)
    assert abs(value - expected.log_marginal_likelihood_value_) < 5 * error
    assert error <= k * 0.005
    assert isinstance(mine.log_marginal_likelihood(), float)


@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
def test_further_starts_find_the_better_of_two_optima():
    X = np.linspace(0, 10, 40)[:, None]
    y = np.sin(3 * X[:, 0]) + 0.1 * np.random.default_rng(0).standard_normal(40)
    kernel = RBF(30.0, (0.05, 100)) + WhiteKernel(0.5, (1e-3, 10))
    alone = ThermodynamicGPRegressor(kernel, rng=0).fit(X, y)
    started = ThermodynamicGPRegressor(kernel, n_restarts_optimizer=4, rng=0).fit(X, y)
    assert alone.log_marginal_likelihood() + 10 < started.log_marginal_likelihood()
    assert started.kernel_.k1.length_scale < 2


@given(seed=st.integers(0, 2**32 - 1), p=st.integers(1, 4))
def test_the_ascent_of_a_parabola_ends_at_its_top_or_at_a_bound(seed, p):
    rng = np.random.default_rng(seed)
    root, top = rng.standard_normal((p, p)), rng.uniform(-3, 3, p)
    H = root @ root.T + 0.1 * np.eye(p)
    bounds = np.array([[-2.0, 2.0]] * p)
    theta, slope, _ = fisher_scoring(
        lambda theta: Slope(H @ (top - theta), 3 * H), rng.uniform(-2, 2, p), bounds, tol=1e-8, max_iter=200
    )
    held = np.abs(theta) == 2
    assert np.abs(slope.gradient[~held]).max(initial=0.0) <= 1e-8
    assert (slope.gradient[held] * theta[held] >= 0).all()


def test_an_ascent_that_does_not_arrive_says_so():
    X, y = CASES["one Gaussian"].make()
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        ThermodynamicGPRegressor(RBF(1.5), max_iter=1).fit(X, y)

    def misleading(theta):
        return Slope(np.where(theta == 0, 1.0, -2.0), np.eye(1))

    with pytest.warns(ConvergenceWarning, match="uphill"):
        fisher_scoring(misleading, np.zeros(1), np.array([[-1.0, 1.0]]), tol=0.5, max_iter=9)


# -- as an estimator --------------------------------------------------------------------------------------------------


def test_clones_pickles_and_grid_searches():
    X, y = CASES["Gaussian on a grid"].make()
    mine = ThermodynamicGPRegressor(CASES["Gaussian on a grid"].kernel, alpha=0.01, rng=0).fit(X, y)
    copy = clone(mine).fit(X, y)
    np.testing.assert_array_equal(copy.kernel_.theta, mine.kernel_.theta)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(mine)).predict(X), mine.predict(X))
    search = GridSearchCV(ThermodynamicGPRegressor(RBF(1.0), optimizer=None), {"alpha": [0.01, 10.0]}, cv=3)
    assert search.fit(X, y).best_params_ == {"alpha": 0.01}


def test_the_users_arrays_and_kernel_stay_as_they_are():
    X, y = CASES["one Gaussian"].make()
    before, kernel = (X.copy(), y.copy()), RBF(1.5)
    X.flags.writeable = y.flags.writeable = False
    ThermodynamicGPRegressor(kernel, normalize_y=True).fit(np.asfortranarray(X), y)
    assert kernel.length_scale == 1.5
    np.testing.assert_array_equal(X, before[0])
    np.testing.assert_array_equal(y, before[1])


def test_an_imperfect_device_gives_the_same_posterior():
    X, y = CASES["one Gaussian"].make()
    device = LangevinDevice(imperfections=Imperfections(output_bits=10, mismatch=1e-3))
    options = {"alpha": 0.1, "optimizer": None, "rng": 0}
    imperfect = ThermodynamicGPRegressor(RBF(1.5), device=device, **options).fit(X, y)
    np.testing.assert_allclose(
        imperfect.predict(X), ThermodynamicGPRegressor(RBF(1.5), **options).fit(X, y).predict(X), atol=1e-8
    )


@pytest.mark.parametrize("mismatch", [1e-3, 0.02])
def test_an_imperfect_device_gives_the_same_deviations(mismatch):
    """Where one run leaves much of its load, runs are made conjugate to each other."""
    X, y = CASES["one Gaussian"].make()
    device = LangevinDevice(imperfections=Imperfections(output_bits=10, mismatch=mismatch))
    options = {"alpha": 0.1, "optimizer": None, "rng": 0}
    ideal, imperfect = (
        ThermodynamicGPRegressor(RBF(1.5), device=one, **options).fit(X, y).predict(X[:3] + 0.1, return_std=True)[1]
        for one in (None, device)
    )
    np.testing.assert_allclose(imperfect, ideal, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"alpha": np.nan}, ValueError, "alpha"),
        ({"alpha": [0.1, 0.1, 0.1]}, ValueError, "2 entries"),
        ({"alpha": [0.1, -0.1]}, ValueError, "every sample"),
        ({"alpha": "much"}, TypeError, "alpha"),
        ({"optimizer": "adam"}, ValueError, "fisher_scoring"),
        ({"structure": "sparse"}, ValueError, "structure"),
        ({"n_readings": 0, "kernel": RBF()}, ValueError, "n_readings"),
        ({"tol": -1.0, "kernel": RBF()}, ValueError, "tol"),
        ({"max_iter": -1, "kernel": RBF()}, ValueError, "max_iter"),
        ({"rtol": -1.0}, ValueError, "rtol"),
        ({"device": "fast"}, TypeError, "device"),
        ({"n_restarts_optimizer": 1, "kernel": ConstantKernel(1.0, (0.1, np.inf))}, ValueError, "finite bounds"),
    ],
)
@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
def test_bad_settings_are_refused(options, error, match):
    with pytest.raises(error, match=match):
        ThermodynamicGPRegressor(**options).fit([[0.0], [1.0]], [0.0, 1.0])


@pytest.mark.parametrize(
    ("X", "y", "match"),
    [
        ([[0.0], [np.nan]], [0.0, 1.0], "NaN"),
        ([[0.0], [1.0]], [0.0, np.inf], "infinity"),
        ([[0.0], [1.0]], [0.0], "inconsistent"),
        ([0.0, 1.0], [0.0, 1.0], "2D array"),
    ],
)
def test_bad_data_are_refused(X, y, match):
    with pytest.raises(ValueError, match=match):
        ThermodynamicGPRegressor().fit(X, y)


def test_one_kind_of_uncertainty_at_a_time():
    with pytest.raises(ValueError, match="exclude"):
        ThermodynamicGPRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).predict([[0.0]], return_std=True, return_cov=True)


@pytest.mark.filterwarnings("ignore:The optimal value found", "ignore:Fisher scoring of the kernel")
@pytest.mark.parametrize("seed", [5, 6, 8, 25])
def test_functions_that_the_data_tell_to_rounding_are_drawn(seed):
    """Covariances of 1e-11 are what cancellation leaves of variances of one: some are not definite."""
    X = np.random.default_rng(seed).uniform(0, 1, (20, 1))
    draws = ThermodynamicGPRegressor(rng=0).fit(X, X[:, 0]).sample_y(X[:3], 1000, random_state=0)
    np.testing.assert_allclose(draws.mean(axis=1), X[:3, 0], atol=2e-6)
    assert np.all((draws.std(axis=1) > 1e-6) & (draws.std(axis=1) < 1e-5))
