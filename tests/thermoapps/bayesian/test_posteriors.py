"""Posteriors beside quadrature, long chains and closed forms; calibration, evidence, units, interrupts, bad input."""

import pickle

import numpy as np
import pytest
import scipy.stats
from scipy.special import expit

pytest.importorskip("sklearn")

import thermolinalg as tla
from thermoapps.bayesian import (
    Chains,
    ThermodynamicBayesianLinearRegression,
    ThermodynamicBayesianLogisticRegression,
    ThermodynamicBayesianPoissonRegressor,
)
from thermoapps.bayesian._design import Columns
from thermoapps.bayesian.evidence import work_of_bridge
from thermoapps.bayesian.likelihoods import Bernoulli, Poisson
from thermolinalg.simulation.nonlinear import BAOAB, LeimkuhlerMatthews

MODELS = {
    "logistic": (ThermodynamicBayesianLogisticRegression, Bernoulli),
    "poisson": (ThermodynamicBayesianPoissonRegressor, Poisson),
}
EITHER = pytest.mark.parametrize("kind", MODELS)
SLOWLY = pytest.mark.parametrize("kind", ["logistic", pytest.param("poisson", marks=pytest.mark.slow)])
INTEGRATORS = pytest.mark.parametrize(
    "integrator",
    [None, *(pytest.param(each, marks=pytest.mark.slow) for each in (LeimkuhlerMatthews(), BAOAB()))],
    ids=["MALA", "LM", "BAOAB"],
)


def data(kind, n=20, p=1, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, p))
    scores = X @ np.linspace(1.0, -0.5, p) + 0.3
    return X, (rng.random(n) < expit(scores)).astype(int) if kind == "logistic" else rng.poisson(np.exp(scores))


def by_quadrature(kind, X, y, precision, own):
    """Mean and covariance of (β, b), and the log evidence, on a grid around where the posterior is."""
    likelihood, grid = MODELS[kind][1](y.astype(float)), np.linspace(-7, 7, 701)
    beta, b = (each.ravel() for each in np.meshgrid(grid, grid, indexing="ij"))
    logs = -likelihood.loss(X @ beta[None] + b).sum(axis=0) - precision * beta**2 / 2 - own * b**2 / 2
    logs += np.log(precision * own) / 2 - np.log(2 * np.pi)
    weights = np.exp(logs)
    evidence = np.log(weights.sum() * (grid[1] - grid[0]) ** 2)
    both = np.stack([beta, b])
    mean = both @ weights / weights.sum()
    return mean, ((both - mean[:, None]) * weights) @ (both - mean[:, None]).T / weights.sum(), evidence


@EITHER
@INTEGRATORS
def test_two_coefficients_agree_with_quadrature(kind, integrator):
    X, y = data(kind)
    model = MODELS[kind][0](
        prior_precision=0.5, intercept_precision=0.3, draws=150, chains=32, integrator=integrator, rng=0
    ).fit(X, y)
    mean, covariance, evidence = by_quadrature(kind, X, y, 0.5, 0.3)
    chains = model.chains_
    bias = 0.0 if integrator is None else 0.02
    assert np.all(np.abs(chains.mean - mean) < 4.5 * chains.standard_error + bias * chains.std)
    assert np.allclose(np.cov(chains.flat.T), covariance, rtol=0.15, atol=0.1 * covariance.diagonal().min())
    free = model.log_evidence(rng=1)
    assert abs(free.value - evidence) < 4.5 * free.standard_error
    assert free.standard_error < 0.05


@SLOWLY
def test_means_have_honest_error_bars(kind):
    X, y = data(kind)
    mean, _, _ = by_quadrature(kind, X, y, 0.5, 0.3)
    model = MODELS[kind][0](prior_precision=0.5, intercept_precision=0.3, draws=80, chains=400, rng=3).fit(X, y)
    runs = [Chains(part) for part in np.split(model.chains_.draws, 50)]
    scores = np.array([(run.mean - mean) / run.standard_error for run in runs])
    within = np.sum(np.abs(scores) < 1, axis=0)
    low, high = scipy.stats.binom.ppf([1e-4, 1 - 1e-4], 50, 0.683)
    assert np.all((low <= within) & (within <= high))


@EITHER
def test_the_evidence_by_work_is_unbiased(kind):
    X, y = data(kind, n=8)
    model = MODELS[kind][0](prior_precision=0.5, intercept_precision=0.3, draws=60, rng=0).fit(X, y)
    _, _, evidence = by_quadrature(kind, X, y, 0.5, 0.3)
    known = model._energy.laplace + model._columns.log_prior
    for jumps in (1, 4):
        work = work_of_bridge(model._energy, jumps, 5_000, step=0.5, rng=np.random.default_rng(jumps))
        ratios = np.exp(-work)
        assert abs(ratios.mean() - np.exp(evidence - known)) < 4.5 * ratios.std() / np.sqrt(len(ratios))


@SLOWLY
def test_ten_coefficients_agree_with_importance_sampling(kind):
    X, y = data(kind, n=60, p=9, seed=1)
    model = MODELS[kind][0](prior_precision=1.0, intercept_precision=1.0, rng=0).fit(X, y)
    rows, likelihood = np.hstack([X, np.ones((60, 1))]), MODELS[kind][1](y.astype(float))
    rng, chains = np.random.default_rng(0), model.chains_
    proposal = scipy.stats.multivariate_t(chains.mean, 1.2 * np.cov(chains.flat.T), df=8)
    theta = proposal.rvs(60_000, random_state=rng).T
    logs = -likelihood.loss(rows @ theta).sum(axis=0) - np.sum(theta**2, axis=0) / 2 - proposal.logpdf(theta.T)
    weights = np.exp(logs - logs.max())
    known, size = theta @ weights / weights.sum(), weights.sum() ** 2 / np.sum(weights**2)
    assert size > 5000
    error = np.hypot(chains.standard_error, chains.std / np.sqrt(size))
    assert np.all(np.abs(chains.mean - known) < 4.5 * error)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::thermolinalg.ThermodynamicWarning"
)  # chains this short cannot vouch for error bars
@EITHER
@pytest.mark.parametrize("p", [1, 3])
def test_ranks_of_the_truth_are_uniform(kind, p):
    """Simulation-based calibration at a level of 1e-4: the truth among the last draws of 31 chains."""
    bins, rng, ranks = 8, np.random.default_rng(p), []
    while len(ranks) < 120:
        X, theta = rng.standard_normal((12, p)), rng.standard_normal(p + 1) * np.append(np.ones(p), 0.5)
        scores = X @ theta[:p] + theta[p]
        y = (rng.random(12) < expit(scores)).astype(int) if kind == "logistic" else rng.poisson(np.exp(scores))
        if np.ptp(y) == 0:  # ranks are uniform given any data, so that data may be left out
            continue
        model = MODELS[kind][0](intercept_precision=4.0, draws=4, chains=31, rng=len(ranks)).fit(X, y)
        ranks.append(np.sum(model.chains_.draws[:, -1] < theta, axis=0))
    counts = np.array([np.bincount(each * bins // 32, minlength=bins) for each in np.array(ranks).T])
    expected = len(ranks) / bins
    assert np.all(np.sum((counts - expected) ** 2, axis=1) / expected < scipy.stats.chi2.ppf(1 - 1e-4, bins - 1))


@EITHER
def test_units_change_nothing(kind):
    X, y = data(kind, p=2)
    X, units = X + np.array([0.0, 10.0]), np.array([1e12, 1e-12])
    plain = MODELS[kind][0](prior_precision=[1.0, 2.0], draws=60, rng=0).fit(X, y)
    scaled = MODELS[kind][0](prior_precision=[1.0, 2.0] * units**2, draws=60, rng=0).fit(X * units, y)
    assert np.allclose(plain.coef_, scaled.coef_ * units, rtol=1e-4)
    assert np.isclose(plain.intercept_, scaled.intercept_, rtol=1e-4)
    assert np.isclose(plain.log_evidence(rng=1).value, scaled.log_evidence(rng=1).value, atol=1e-3)


@EITHER
def test_large_means_and_constant_features(kind):
    X, y = data(kind, p=2)
    X[:, 1] = 0.1
    model = MODELS[kind][0](draws=120, chains=32, rng=0).fit(X + np.array([1e8, 0]), y)
    plain = MODELS[kind][0](draws=120, chains=32, rng=1).fit(X, y)
    error = np.hypot(model.chains_.standard_error, plain.chains_.standard_error)[:2]
    assert np.all(np.abs(model.coef_ - plain.coef_) < 4.5 * error)
    assert np.isclose(model.chains_.std[1], 1.0, rtol=0.1)


def test_predictions_are_means_over_the_posterior():
    X, y = data("logistic", p=2)
    model = ThermodynamicBayesianLogisticRegression(draws=60, rng=0).fit(X, np.where(y, "yes", "no"))
    flat = model.chains_.flat
    known = expit(X @ flat[:, :2].T + flat[:, 2]).mean(axis=1)
    assert np.allclose(model.predict_proba(X), np.stack([1 - known, known], axis=1))
    assert np.array_equal(model.predict(X), np.where(known > 0.5, "yes", "no"))
    X, y = data("poisson", p=2)
    counts = ThermodynamicBayesianPoissonRegressor(draws=60, fit_intercept=False, rng=0).fit(X, y)
    rates = np.exp(X @ counts.chains_.flat.T)
    mean, std = counts.predict(X, return_std=True)
    assert np.allclose(mean, rates.mean(axis=1))
    assert np.allclose(std, np.sqrt(rates.mean(axis=1) + rates.var(axis=1)))
    assert counts.intercept_ == 0


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")  # of 17 draws
@SLOWLY
@pytest.mark.parametrize("integrator", [None, LeimkuhlerMatthews(), BAOAB()], ids=["MALA", "LM", "BAOAB"])
def test_what_was_interrupted_goes_on_bit_for_bit(kind, integrator, monkeypatch):
    from thermoapps.bayesian import _sampled

    X, y = data(kind)
    options = {"chains": 24, "integrator": integrator, "rng": 0}
    whole = MODELS[kind][0](draws=40, **options).fit(X, y)
    broken = MODELS[kind][0](draws=40, **options)
    onwards, calls = _sampled._onwards, []

    def breaks(*given):
        calls.append(0)
        reading = onwards(*given)
        if len(calls) == 18:
            raise KeyboardInterrupt
        return reading

    monkeypatch.setattr(_sampled, "_onwards", breaks)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(X, y)
    assert broken.chains_.draws.shape[1] == 17
    broken.draw_more(10)
    monkeypatch.undo()
    broken.walk_._advance = whole.walk_._advance  # what is patched by a test does not pickle
    broken = pickle.loads(pickle.dumps(broken)).draw_more(13)
    assert np.array_equal(whole.chains_.draws, broken.chains_.draws)


@pytest.mark.parametrize("p", [1, 2])
def test_separated_classes_have_a_posterior_under_a_proper_prior_only(p):
    X = np.linspace(-1, 1, 10)[:, None] ** np.arange(1, p + 1)
    y = (X[:, 0] > 0).astype(int)
    model = ThermodynamicBayesianLogisticRegression(prior_precision=0.1, draws=60, rng=0).fit(X, y)
    assert np.isfinite(model.coef_).all()
    with pytest.raises(ValueError, match=r"separates the classes.*pass prior_precision > 0"):
        ThermodynamicBayesianLogisticRegression(prior_precision=0.0).fit(X, y)
    mixed = 1 - y if p == 1 else y.copy()
    mixed[[0, 9]] = 1 - mixed[[0, 9]]
    flat = ThermodynamicBayesianLogisticRegression(prior_precision=0.0, draws=60, rng=0).fit(X[:, :1], mixed)
    assert np.isfinite(flat.coef_).all()


TWO, RISE = [[0.0], [1.0]], [1, 2]
BAD = {
    "three classes": ("logistic", {}, [[0.0], [1.0], [2.0]], [0, 1, 2], "Only binary"),
    "one class": ("logistic", {}, TWO, [1, 1], "one class only"),
    "NaN": ("logistic", {}, [[np.nan], [1.0]], [0, 1], "NaN"),
    "zeros": ("poisson", {}, TWO, [0, 0], "rates may fall to zero"),
    "zeros of a feature": ("poisson", {"prior_precision": 0}, [[0.0], [0.0], [1.0]], [1, 2, 0], "pass prior_precision"),
    "repeated features": (
        "poisson",
        {"prior_precision": 0},
        [[0.0, 0], [1, 1], [2, 2]],
        [1, 2, 3],
        "repeat each other",
    ),
    "negative counts": ("poisson", {}, TWO, [1, -1], "negative entries"),
    "negative precision": ("poisson", {"prior_precision": -1}, TWO, RISE, "prior_precision must be finite and ≥ 0"),
    "two precisions": ("poisson", {"prior_precision": [1, 2]}, TWO, RISE, "a number or 1 numbers"),
    "infinite intercept": ("poisson", {"intercept_precision": np.inf}, TWO, RISE, "intercept_precision must be finite"),
    "three draws": ("poisson", {"draws": 3}, TWO, RISE, "draws must be an integer ≥ 4"),
    "no chains": ("poisson", {"chains": 0}, TWO, RISE, "chains must be an integer ≥ 1"),
    "both sources": ("poisson", {"rng": 0, "random_state": 0}, TWO, RISE, "both rng and random_state"),
}


@pytest.mark.parametrize("case", BAD, ids=str)
def test_bad_input_is_refused(case):
    kind, options, X, y, text = BAD[case]
    with pytest.raises(ValueError, match=text):
        MODELS[kind][0](**options).fit(X, y)


def test_a_precision_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="prior_precision must be a number"):
        ThermodynamicBayesianPoissonRegressor(prior_precision="weak").fit(TWO, RISE)


def test_few_draws_are_warned_of():
    X, y = data("logistic")
    with pytest.warns(tla.ThermodynamicWarning, match="take more draws"):
        ThermodynamicBayesianLogisticRegression(draws=4, chains=2, rng=0).fit(X, y)


# -- linear models ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [0.0, 0.3, None], ids=["flat", "proper", "none"])
def test_linear_models_are_those_of_closed_form(own):
    rng = np.random.default_rng(0)
    X, units = rng.standard_normal((15, 3)) + 2.0, np.array([1.0, 1e6, 1e-6])
    y = X @ [1.0, -0.5, 0.2] + 0.3 + 0.1 * rng.standard_normal(15)
    prior, alpha = np.array([0.5, 1.0, 2.0]), 50.0
    model = ThermodynamicBayesianLinearRegression(
        prior * units**2, alpha, fit_intercept=own is not None, intercept_precision=own or 0.0, rng=0
    ).fit(X * units, y)
    rows = X if own is None else np.hstack([X, np.ones((15, 1))])
    P = np.diag(prior if own is None else np.append(prior, own))
    covariance = np.linalg.inv(alpha * rows.T @ rows + P)
    mean = alpha * covariance @ rows.T @ y
    assert np.allclose(np.append(model.coef_ * units, model.intercept_)[: len(mean)], mean, rtol=1e-8)
    predicted, std = model.predict(X * units, return_std=True)
    assert np.allclose(predicted, rows @ mean)
    assert np.allclose(std**2, np.sum((rows @ covariance) * rows, axis=1) + 1 / alpha)
    draws = model.sample_coef(4000, rng=1) * np.append(units, 1.0)[: len(mean)]
    scores = (draws - mean) @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    assert scipy.stats.kstest(scores.ravel(), "norm").pvalue > 1e-4
    flat = own == 0.0
    whole = np.eye(15) / alpha + (X / prior) @ X.T + (0 if own is None else 1 / (1e-6 if flat else own))
    known = scipy.stats.multivariate_normal(np.zeros(15), whole).logpdf(y)
    known -= np.log(1e-6 / (2 * np.pi)) / 2 if flat else 0
    free = model.log_evidence(rng=2)
    assert abs(free.value - known) < 5 * free.standard_error + 1e-4


def test_predictive_draws_have_the_predictive_moments():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 2))
    model = ThermodynamicBayesianLinearRegression(1.0, 4.0, rng=0).fit(X, X[:, 0] + 0.5 * rng.standard_normal(12))
    mean, std = model.predict(X, return_std=True)
    draws = model.sample_y(X, 4000, rng=1)
    assert np.all(np.abs(draws.mean(axis=1) - mean) < 5 * std / np.sqrt(4000))
    assert np.allclose(draws.std(axis=1), std, rtol=0.08)


def test_precisions_by_evidence_are_those_of_bayesian_ridge():
    from sklearn.linear_model import BayesianRidge

    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 3))
    y = X @ [1.0, -1.0, 0.0] + 0.3 * rng.standard_normal(30)
    model, known = ThermodynamicBayesianLinearRegression(rng=0).fit(X, y), BayesianRidge().fit(X, y)
    assert np.isclose(model.noise_precision_, known.alpha_, rtol=1e-4)
    assert np.allclose(model.coef_, known.coef_, rtol=1e-5, atol=1e-7)


def test_a_flat_prior_that_determines_nothing_is_refused():
    with pytest.raises(tla.SingularError, match=r"the precision of the posterior.*prior_precision > 0"):
        ThermodynamicBayesianLinearRegression(0.0, 1.0, rng=0).fit(
            [[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [1.0, 2.0, 4.0]
        )


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_bad_noise_is_refused(value):
    with pytest.raises(ValueError, match="noise_precision must be"):
        ThermodynamicBayesianLinearRegression(1.0, value).fit([[0.0], [1.0]], [0.0, 1.0])


def test_columns_keep_the_prior_of_the_user():
    X, precision = np.array([[1.0, 5.0], [3.0, -1.0], [0.0, 2.0]]), np.array([2.0, 3.0])
    columns = Columns(X, precision, intercept=True, intercept_precision=0.7)
    theta = np.random.default_rng(0).standard_normal((3, 4))
    beta, b = columns.coefficients(theta)
    assert np.allclose(columns.rows @ theta, X @ beta + b)
    known = np.sum(precision[:, None] * beta**2, axis=0) + 0.7 * b**2
    assert np.allclose(np.sum(theta * (columns.prior @ theta), axis=0), known)
