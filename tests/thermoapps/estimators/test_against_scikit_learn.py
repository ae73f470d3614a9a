"""The answers are scikit-learn's: hypothesis over shapes, weights and penalties; and what is refused."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import assume, given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn import __version__, linear_model
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from thermoapps.generalized_linear import ThermodynamicLogisticRegression, ThermodynamicPoissonRegressor
from thermoapps.least_squares import ThermodynamicBayesianRidge, ThermodynamicRidge
from thermolinalg import Imperfections, LangevinDevice

VERSION = parse_version(__version__)

seeds = st.integers(0, 2**32 - 1)
ALL = [
    ThermodynamicRidge,
    ThermodynamicBayesianRidge,
    ThermodynamicLogisticRegression,
    ThermodynamicPoissonRegressor,
]


def data(seed, n, p):
    rng = np.random.default_rng(seed)
    return rng, rng.standard_normal((n, p)) + rng.standard_normal(p), rng.uniform(0, 3, n)


@given(
    seed=seeds,
    n=st.integers(2, 25),
    p=st.integers(1, 25),
    k=st.integers(1, 3),
    intercept=st.booleans(),
    sparse=st.booleans(),
)
def test_ridge(seed, n, p, k, intercept, sparse):
    rng, X, weights = data(seed, n, p)
    Y, alpha = rng.standard_normal((n, k)), 10 ** rng.uniform(-2, 2, k)
    theirs = linear_model.Ridge(alpha, fit_intercept=intercept, solver="cholesky").fit(X, Y, weights)
    mine = ThermodynamicRidge(alpha, fit_intercept=intercept).fit(sp.csr_array(X) if sparse else X, Y, weights)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-7)


def test_ridge_without_penalty_is_least_squares():
    rng, X, _ = data(0, 30, 4)
    y = rng.standard_normal(30)
    mine, theirs = ThermodynamicRidge(0.0).fit(X, y), linear_model.LinearRegression().fit(X, y)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-7)
    assert mine.device_time_ > 0


@pytest.mark.parametrize("k", [None, 2])
def test_ridge_standard_deviation_is_that_of_the_posterior(k):
    rng, X, weights = data(1, 40, 5)
    y = rng.standard_normal(40 if k is None else (40, k))
    model = ThermodynamicRidge(2.0, n_posterior_samples=20_000, rng=0).fit(X, y, weights)
    _, std = model.predict(X, return_std=True)
    centred = X - np.average(X, axis=0, weights=weights)
    covariance = np.linalg.inv(centred.T * weights @ centred + 2 * np.eye(5))
    parameter = np.sum(centred @ covariance * centred, axis=1)
    exact = np.sqrt(np.multiply.outer(1 + parameter, model.noise_variance_))
    np.testing.assert_allclose(std, exact, rtol=5 / np.sqrt(40_000))


@given(seed=seeds, n=st.integers(3, 30), p=st.integers(1, 12), intercept=st.booleans())
def test_bayesian_ridge(seed, n, p, intercept):
    rng, X, weights = data(seed, n, p)
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    options = {"fit_intercept": intercept, "max_iter": 5, "tol": 1e-300}
    weights = weights if parse_version("1.7") <= VERSION else None  # before, it counted rows instead of their weights
    theirs = linear_model.BayesianRidge(**options).fit(X, y, weights)
    assume(theirs.lambda_ > 0)
    assume(weights is None or weights.sum() > min(n, p))  # fewer are refused where scikit-learn's noise may be negative
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        mine = ThermodynamicBayesianRidge(**options).fit(X, y, weights)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    mean, std = mine.predict(X, return_std=True)
    expected_mean, expected_std = theirs.predict(X, return_std=True)
    np.testing.assert_allclose(mean, expected_mean, rtol=1e-4, atol=1e-5)
    # Before 1.9 its deviations were those of data that are not centred; before 1.7, of the span of too few rows.
    if parse_version("1.9") <= VERSION or (not intercept and n >= p):
        np.testing.assert_allclose(std, expected_std, rtol=1e-3, atol=1e-5)


def test_weights_that_sum_to_less_than_the_coefficients_are_refused():
    # scikit-learn goes on with a negative λ here.
    rng, X, _ = data(0, 6, 2)
    y = X @ [1.0, -1.0] + rng.standard_normal(6)
    model = ThermodynamicBayesianRidge(alpha_init=1e6)
    with pytest.raises(ValueError, match=r"the weights sum to 0\.6, below the 2 .*; scale sample_weight up"):
        model.fit(X, y, np.full(6, 0.1))
    assert model.fit(X, y, np.ones(6)).lambda_ > 0


@pytest.mark.parametrize(("n", "p"), [(40, 5), (6, 9)])
def test_evidence_is_within_its_error_bars(n, p):
    rng, X, _ = data(2, n, p)
    y = X @ rng.standard_normal(p) + rng.standard_normal(n)
    theirs = linear_model.BayesianRidge(compute_score=True).fit(X, y)
    mine = ThermodynamicBayesianRidge(compute_score=True, rng=0).fit(X, y)
    assert mine.n_iter_ == theirs.n_iter_
    assert np.all(np.abs(mine.scores_ - theirs.scores_) < 5 * mine.scores_std_ + 1e-6)
    assert np.all(mine.scores_std_ <= 0.005)


def test_bayesian_ridge_draws_coefficients_from_its_posterior():
    rng, X, _ = data(3, 50, 3)
    model = ThermodynamicBayesianRidge(rng=0).fit(X, X @ [1.0, -1.0, 0.0] + rng.standard_normal(50))
    draws = model.sample_coef(20_000, rng=1)
    whitened = (draws - model.coef_) @ np.linalg.cholesky(np.linalg.inv(model.sigma_))
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(3), atol=5 * np.sqrt(2 / 20_000))
    np.testing.assert_allclose(whitened.mean(axis=0), 0, atol=5 / np.sqrt(20_000))


@given(
    seed=seeds,
    n=st.integers(12, 40),
    p=st.integers(1, 6),
    k=st.integers(2, 4),
    intercept=st.booleans(),
    sparse=st.booleans(),
)
def test_logistic_regression(seed, n, p, k, intercept, sparse):
    rng, X, weights = data(seed, n, p)
    y, weights = np.concatenate([np.arange(k), rng.integers(0, k, n - k)]), weights + 0.1
    C = 10 ** rng.uniform(-2, 1)
    theirs = linear_model.LogisticRegression(C=C, fit_intercept=intercept, tol=1e-12, max_iter=1000, solver="newton-cg")
    theirs.fit(X, y, weights)
    mine = ThermodynamicLogisticRegression(C=C, fit_intercept=intercept)
    mine.fit(sp.csr_array(X) if sparse else X, y, weights)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.exp(mine.predict_log_proba(X)), mine.predict_proba(X), rtol=1e-10)


@given(seed=seeds, n=st.integers(3, 40), p=st.integers(1, 8), intercept=st.booleans(), sparse=st.booleans())
def test_poisson_regression(seed, n, p, intercept, sparse):
    rng, X, weights = data(seed, n, p)
    y, alpha = rng.poisson(2.0, n) + (np.arange(n) == 0), 10 ** rng.uniform(-2, 1)
    theirs = linear_model.PoissonRegressor(
        alpha=alpha, fit_intercept=intercept, tol=1e-10, solver="newton-cholesky", max_iter=1000
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # its Newton steps may end in another solver
        theirs.fit(X, y, weights + 0.1)
    mine = ThermodynamicPoissonRegressor(alpha=alpha, fit_intercept=intercept)
    mine.fit(sp.csr_array(X) if sparse else X, y, weights + 0.1)
    np.testing.assert_allclose(mine.coef_, theirs.coef_, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mine.predict(X), theirs.predict(X), rtol=1e-4, atol=1e-5)
    if np.ptp(y) > 0:  # else scikit-learn divides by zero
        assert mine.score(X, y) == pytest.approx(theirs.score(X, y), abs=1e-4)


def test_score_of_equal_targets():
    X = np.arange(6.0)[:, None]
    fitted = ThermodynamicPoissonRegressor(alpha=1.0).fit(X, np.full(6, 2.0))
    assert fitted.score(X, np.full(6, 2.0)) == 1.0
    assert fitted.score(X, np.full(6, 3.0)) == 0.0


def test_a_coarse_device_gives_the_same_answer():
    coarse = LangevinDevice(imperfections=Imperfections(matrix_bits=8, mismatch=0.01))
    rng, X, _ = data(4, 40, 5)
    y = rng.standard_normal(40)
    mine = ThermodynamicRidge(device=coarse, rng=0).fit(X, y)
    np.testing.assert_allclose(mine.coef_, linear_model.Ridge().fit(X, y).coef_, rtol=1e-6)


@pytest.mark.parametrize("kind", ALL)
def test_clone_pickle_and_reproducibility(kind):
    rng, X, _ = data(5, 40, 3)
    y = rng.integers(0, 3, 40)
    model = kind(rng=0, device=LangevinDevice()).fit(X, y)
    same = clone(model).fit(X, y)
    np.testing.assert_array_equal(model.coef_, same.coef_)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


@pytest.mark.parametrize(("kind", "name"), list(zip(ALL, ["alpha", "lambda_1", "C", "alpha"], strict=True)))
def test_pipelines_and_grid_searches(kind, name):
    rng, X, _ = data(6, 45, 3)
    y = rng.integers(0, 3, 45)
    pipeline = make_pipeline(StandardScaler(), kind(rng=0))
    parameter = f"{kind.__name__.lower()}__{name}"
    search = GridSearchCV(pipeline, {parameter: [0.1, 1.0]}, cv=3).fit(X, y)
    assert search.best_params_[parameter] in (0.1, 1.0)
    assert search.predict(X).shape == y.shape


X0, Y0 = np.arange(8.0).reshape(4, 2) ** 2, np.array([0.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize(
    ("model", "y", "weight", "error", "match"),
    [
        (ThermodynamicRidge(-1.0), Y0, None, ValueError, "alpha"),
        (ThermodynamicRidge(np.inf), Y0, None, ValueError, "alpha"),
        (ThermodynamicRidge("much"), Y0, None, TypeError, "alpha"),
        (ThermodynamicRidge([1.0, 2.0]), Y0, None, ValueError, "2 entries for 1 targets"),
        (ThermodynamicRidge(), Y0, [1, 1, 1, -1], ValueError, "sample_weight"),
        (ThermodynamicRidge(), Y0, [0, 0, 0, 0], ValueError, "weight"),
        (ThermodynamicRidge(), [np.nan, 1, 1, 0], None, ValueError, "NaN"),
        (ThermodynamicRidge(rtol=-1.0), Y0, None, ValueError, "rtol"),
        (ThermodynamicRidge(device="fast"), Y0, None, TypeError, "device"),
        (ThermodynamicBayesianRidge(max_iter=0), Y0, None, ValueError, "max_iter"),
        (ThermodynamicBayesianRidge(alpha_init=0.0), Y0, None, ValueError, "alpha_init"),
        (ThermodynamicBayesianRidge(lambda_2=-1.0), Y0, None, ValueError, "lambda_2"),
        (ThermodynamicLogisticRegression(C=0.0), Y0, None, ValueError, "C must be"),
        (ThermodynamicLogisticRegression(), np.ones(4), None, ValueError, "one class"),
        (ThermodynamicLogisticRegression(), Y0, [1, 0, 0, 1], ValueError, "throughout a class"),
        (ThermodynamicLogisticRegression(tol=-1.0), Y0, None, ValueError, "tol"),
        (ThermodynamicPoissonRegressor(), Y0 - 1, None, ValueError, "negative"),
        (ThermodynamicPoissonRegressor(), 0 * Y0, None, ValueError, "zero"),
        (ThermodynamicPoissonRegressor(alpha=-1.0), Y0, None, ValueError, "alpha"),
    ],
)
def test_bad_input_is_refused(model, y, weight, error, match):
    with pytest.raises(error, match=match):
        model.fit(X0, y, weight)


def test_a_standard_deviation_needs_samples():
    with pytest.raises(ValueError, match="n_posterior_samples"):
        ThermodynamicRidge().fit(X0, Y0).predict(X0, return_std=True)


@pytest.mark.parametrize("kind", [ThermodynamicLogisticRegression, ThermodynamicPoissonRegressor])
def test_steps_that_run_out_are_reported(kind):
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        kind(max_iter=1).fit(X0, Y0)
