"""Features in odd units, that repeat each other, or with large means: the answer of exact arithmetic, or a refusal."""

import mpmath
import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sklearn")

from sklearn import linear_model
from sklearn.exceptions import ConvergenceWarning

from thermoapps._design import Design, row_space
from thermoapps.generalized_linear import ThermodynamicLogisticRegression, ThermodynamicPoissonRegressor
from thermoapps.least_squares import ThermodynamicBayesianRidge, ThermodynamicRidge
from thermolinalg import SingularError

KINDS = [np.asarray, sp.csr_array]
UNITS = np.array([1e6, 1.0, 1e-6, 1e3])


def samples(n=30, p=4, seed=0):
    return np.random.default_rng(seed).standard_normal((n, p))


def exact_ridge(X, y, alpha):
    """Ridge regression with an intercept, in sixty digits."""
    with mpmath.workdps(60):
        n, p = X.shape
        rows, targets = mpmath.matrix(X.tolist()), mpmath.matrix(list(y))
        for j in range(p):
            mean = mpmath.fsum(rows[:, j]) / n
            for i in range(n):
                rows[i, j] -= mean
        load = rows.T * (targets - mpmath.ones(n, 1) * (mpmath.fsum(targets) / n))
        return np.array(mpmath.lu_solve(rows.T * rows + alpha * mpmath.eye(p), load).T.tolist()[0], dtype=float)


def nearly_collinear():
    X = samples()
    X[:, 3] = X[:, 0] + 1e-7 * X[:, 3]
    return X


HARD = {
    "units": samples() * UNITS,
    "wide": samples(8, 12),
    "wide and large": 1e7 * samples(8, 12),
    "large means": 1e8 + samples(),
    "one large mean": samples() + np.array([1e8, 0, 0, 0]),
    "nearly collinear": nearly_collinear(),
    "repeated and large": 1e8 * np.repeat(samples(30, 2), 2, axis=1),
    "zero column": samples() * [1, 1, 0, 1],
    "constant column": samples() * [1, 1, 0, 1] + [0, 0, 0.1, 0],
    "repeated samples": np.repeat(samples(4, 9), 3, axis=0),
}


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")  # the warning band: right, and said so
@pytest.mark.parametrize("alpha", [1e-10, 1.0, 1e3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", HARD)
def test_ridge(name, kind, alpha):
    X = HARD[name]
    y = X[:, 0] / X[:, 0].std() + samples(len(X), 1, seed=1)[:, 0]
    exact = exact_ridge(X, y, alpha)
    coef = ThermodynamicRidge(alpha, rng=0).fit(kind(X), y).coef_
    assert np.linalg.norm(coef - exact) <= 2e-9 * np.linalg.norm(exact)
    assert np.all(coef[np.ptp(X, axis=0) == 0] == 0)


@pytest.mark.parametrize("units", [1.0, UNITS**2])
def test_ridge_without_penalty_in_any_units(units):
    X = samples()
    y = X @ np.ones(4) + samples(30, 1, seed=1)[:, 0]
    coef = ThermodynamicRidge(0.0, rng=0).fit(X * units, y).coef_ * units
    np.testing.assert_allclose(coef, linear_model.LinearRegression().fit(X, y).coef_, rtol=1e-8)


def test_ridge_without_penalty_has_least_norm():
    X = samples(30, 2)
    coef = ThermodynamicRidge(0.0, rng=0).fit(np.c_[X, X[:, 0], 0 * X[:, 1] + 0.1], X @ [2.0, 1.0]).coef_
    np.testing.assert_allclose(coef, [1, 1, 1, 0], atol=1e-9)


def test_a_posterior_that_is_singular_to_working_precision_is_refused_by_name():
    X = HARD["repeated and large"]
    with pytest.raises(SingularError, match=r"^XᵀX \+ alpha·I is singular .*; scale the features"):
        ThermodynamicRidge(1.0, n_posterior_samples=10, rng=0).fit(X, X[:, 0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name in HARD if "repeated and large" not in name])
def test_bayesian_ridge(name, kind):
    X = HARD[name]
    y = X[:, 0] / X[:, 0].std() + 0.1 * samples(len(X), 1, seed=1)[:, 0]
    theirs = linear_model.BayesianRidge().fit(X, y)
    mine = ThermodynamicBayesianRidge(rng=0).fit(kind(X), y)
    tolerance = {"nearly collinear": 1e-4, "wide and large": 1e-5}.get(name, 1e-7)  # scikit-learn's own rounding
    np.testing.assert_allclose([mine.alpha_, mine.lambda_], [theirs.alpha_, theirs.lambda_], rtol=tolerance)
    Q = X[:5] + 0.1 * (X[5:6] - X[:5])
    for answer, expected in zip(
        mine.predict(kind(Q), return_std=True), theirs.predict(Q, return_std=True), strict=True
    ):
        np.testing.assert_allclose(answer, expected, rtol=tolerance, atol=tolerance)


def test_bayesian_ridge_of_repeated_features_in_large_units():
    # scikit-learn's own coefficients and deviations are rounding errors here.
    X = HARD["repeated and large"]
    y = X[:, 0] / 1e8 + 1e-3 * samples(30, 1, seed=1)[:, 0]
    plain = linear_model.BayesianRidge().fit(X[:, ::2] / 1e8, y)
    mine = ThermodynamicBayesianRidge(rng=0).fit(X, y)
    mean, std = mine.predict(X, return_std=True)
    expected, expected_std = plain.predict(X[:, ::2] / 1e8, return_std=True)
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(std, expected_std, rtol=1e-2)
    np.testing.assert_allclose(mine.coef_[0::2], mine.coef_[1::2], rtol=1e-6)


@pytest.mark.parametrize("n", [300, 100])
def test_bayesian_ridge_by_readings(n):
    rng = np.random.default_rng(3)
    X = rng.standard_normal((n, 120))
    y = X @ rng.standard_normal(120) + rng.standard_normal(n)
    theirs, mine = linear_model.BayesianRidge().fit(X, y), ThermodynamicBayesianRidge(rng=0).fit(X, y)
    assert mine.lambda_ == pytest.approx(theirs.lambda_, rel=1e-5)
    np.testing.assert_allclose(mine.sigma_, theirs.sigma_, rtol=1e-4, atol=1e-6 * np.max(theirs.sigma_))
    draws = mine.sample_coef(4000, rng=1) - mine.coef_
    ratio = np.mean(draws**2, axis=0) / np.diag(mine.sigma_)
    assert np.all(np.abs(ratio - 1) < 5 * np.sqrt(2 / 4000))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("C", [1e8, np.inf])
def test_logistic_regression_in_any_units(classes, C, kind):
    X, y = samples(60, 3), np.arange(60) % classes
    moved = X * [1e5, 1e7, 1.0] + [1.7e9, 0, 0]
    theirs = linear_model.LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(X, y)
    mine = ThermodynamicLogisticRegression(C=C, rng=0).fit(kind(moved), y)
    np.testing.assert_allclose(mine.predict_proba(kind(moved)), theirs.predict_proba(X), rtol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize(("n", "p"), [(20, 60), (60, 3)])
def test_logistic_regression_of_repeated_features(n, p, classes):
    X, y = samples(n, p), np.arange(n) % classes
    once = ThermodynamicLogisticRegression(C=2.0, rng=0).fit(X, y)
    twice = ThermodynamicLogisticRegression(C=1.0, rng=0).fit(np.hstack([X, X]), y)
    theirs = linear_model.LogisticRegression(C=2.0, tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(once.coef_, theirs.coef_, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.hsplit(twice.coef_, 2), [once.coef_ / 2] * 2, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 5), (6, 2)])
def test_constant_features_leave_the_intercept_alone(shape, kind):
    X = kind(np.full(shape, 0.1))
    labels, counts = np.arange(shape[0]) == 0, np.arange(1.0, shape[0] + 1)
    classifier = ThermodynamicLogisticRegression(C=np.inf, rng=0).fit(X, labels)
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], np.mean(labels), rtol=1e-8)
    regressor = ThermodynamicPoissonRegressor(alpha=0.0, rng=0).fit(X, counts)
    np.testing.assert_allclose(regressor.predict(X), np.mean(counts), rtol=1e-8)
    assert not np.any(classifier.coef_)
    assert not np.any(regressor.coef_)


def test_separated_classes_without_a_penalty_are_reported():
    X = samples(30, 2)
    with pytest.warns(ConvergenceWarning, match="separated .* pass a finite C"):
        ThermodynamicLogisticRegression(C=np.inf, rng=0).fit(X, X[:, 0] > 0)


@pytest.mark.parametrize("intercept", [False, True])
def test_poisson_regression_of_dependent_features_has_least_norm(intercept):
    groups, counts = np.kron(np.eye(3), np.ones((10, 1))), np.random.default_rng(2).poisson(3, 30)
    model = ThermodynamicPoissonRegressor(alpha=0.0, fit_intercept=intercept, rng=0).fit(groups, counts)
    means = counts.reshape(3, 10).mean(axis=1)
    np.testing.assert_allclose(model.predict(np.eye(3)), means, rtol=1e-7)
    if intercept:
        assert abs(model.coef_.sum()) < 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_poisson_regression_in_any_units(kind):
    X, y = samples(60, 3), np.random.default_rng(2).poisson(3, 60)
    moved = X * [1e5, 1e7, 1.0] + [1.7e9, 0, 0]
    theirs = linear_model.PoissonRegressor(alpha=0, solver="newton-cholesky", tol=1e-12).fit(X, y)
    mine = ThermodynamicPoissonRegressor(alpha=0.0, rng=0).fit(kind(moved), y)
    np.testing.assert_allclose(mine.predict(kind(moved)), theirs.predict(X), rtol=1e-6)


@pytest.mark.parametrize("centre", [False, True])
@pytest.mark.parametrize("fill", [0.2, 0.95])
def test_sparse_designs_have_the_products_of_dense_ones(fill, centre):
    rng = np.random.default_rng(4)
    X = (rng.standard_normal((20, 6)) + np.array([1e6, 0, 1, 1, 1, 1])) * (rng.uniform(size=(20, 6)) < fill)
    weights, v, u = rng.uniform(0, 2, 20), rng.standard_normal((6, 2)), rng.standard_normal((20, 2))
    full, sparse = Design(X, weights, centre=centre), Design(sp.csr_array(X), weights, centre=centre)
    rows = X - (np.average(X, axis=0, weights=weights) if centre else 0)
    scale = np.linalg.norm(rows)
    for design in (full, sparse):
        np.testing.assert_allclose(design.dense(), rows, atol=1e-12 * scale)
        np.testing.assert_allclose(design.times(v), rows @ v, atol=1e-12 * scale)
        np.testing.assert_allclose(design.transposed(u), rows.T @ u, atol=1e-12 * scale)
        np.testing.assert_allclose(design.gram(weights), rows.T * weights @ rows, atol=1e-12 * scale**2)
        np.testing.assert_allclose(design.gram(weights**2), rows.T * weights**2 @ rows, atol=1e-12 * scale**2)
        np.testing.assert_allclose(design.kernel(), rows @ rows.T, atol=1e-12 * scale**2)
        np.testing.assert_allclose(design.scales**2, np.average(rows**2, axis=0, weights=weights), rtol=1e-9)


@pytest.mark.parametrize("units", [1.0, UNITS])
def test_the_space_of_rows_does_not_depend_on_units(units):
    X = samples(9, 3)
    rows = np.c_[X, X[:, :1]] * units
    basis = row_space(rows)
    assert basis.shape == (4, 3)
    np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-14)
    np.testing.assert_allclose((rows @ basis) @ basis.T / units, rows / units, atol=1e-12)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (ThermodynamicRidge(), linear_model.Ridge()),
        (ThermodynamicBayesianRidge(compute_score=True), linear_model.BayesianRidge(compute_score=True)),
        (ThermodynamicLogisticRegression(), linear_model.LogisticRegression()),
        (ThermodynamicPoissonRegressor(), linear_model.PoissonRegressor()),
    ],
)
def test_the_attributes_are_scikit_learns(mine, theirs):
    X, y = np.abs(samples(40, 3)).astype(np.float32), np.arange(40) % 2
    fitted = [model.fit(X, y) for model in (theirs, mine)]
    names = {name for name in vars(fitted[0]) if name.endswith("_") and not name.startswith("_")}
    assert names <= {name for name in dir(mine) if name.endswith("_")}
    for name in names:
        assert np.shape(getattr(mine, name)) == np.shape(getattr(theirs, name)), name
    assert mine.coef_.dtype == theirs.coef_.dtype == np.float32


@pytest.mark.parametrize("kind", [ThermodynamicRidge, ThermodynamicBayesianRidge, ThermodynamicPoissonRegressor])
def test_random_state_is_another_name_of_rng(kind):
    X, y = samples(), np.arange(30) % 3
    one, other = kind(random_state=3).fit(X, y), kind(rng=3).fit(X, y)
    np.testing.assert_array_equal(one.coef_, other.coef_)
    kind(random_state=np.random.RandomState(0)).fit(X, y)
    with pytest.raises(ValueError, match="both rng and random_state"):
        kind(rng=0, random_state=0).fit(X, y)
