"""Gaussian process classification: scikit-learn's checks and answers."""

import pickle
import warnings
from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import norm

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import RBF, CompoundKernel, ConstantKernel, Matern, WhiteKernel
from sklearn.utils.estimator_checks import parametrize_with_checks

from thermoapps.gaussian_process import ThermodynamicGPClassifier
from thermoapps.gaussian_process.laplace import averaged_logistic
from thermolinalg import Imperfections, LangevinDevice


@pytest.mark.filterwarnings("ignore:The optimal value:sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([ThermodynamicGPClassifier(), ThermodynamicGPClassifier(1.0 * RBF(1.0), tol=0.01)])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def two_classes(n=60, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-2, 2, (n, 2))
    return X, np.where(X[:, 0] * X[:, 1] + 0.3 * rng.standard_normal(n) > 0, "up", "down")


def theirs(*options, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return GaussianProcessClassifier(*options, **settings).fit(*two_classes())


@pytest.mark.parametrize("kernel", [None, 2.0 * RBF(0.7), 50.0 * Matern(0.5) + WhiteKernel(0.1)], ids=str)
def test_the_mode_is_scikit_learns(kernel):
    X, y = two_classes()
    mine = ThermodynamicGPClassifier(kernel, optimizer=None, rng=0).fit(X, y)
    expected = theirs(kernel, optimizer=None)
    places = np.random.default_rng(1).uniform(-3, 3, (30, 2))
    for ours, same in zip(
        mine.latent_mean_and_variance(places), expected.latent_mean_and_variance(places), strict=True
    ):
        np.testing.assert_allclose(ours, same, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(mine.predict(places), expected.predict(places))
    np.testing.assert_allclose(mine.predict_proba(places), expected.predict_proba(places), atol=3e-3)
    assert mine.log_marginal_likelihood_value_ == pytest.approx(expected.log_marginal_likelihood_value_, abs=0.03)


def test_slopes_of_the_evidence():
    kernel = 2.0 * RBF([0.7, 1.1]) + WhiteKernel(0.2)
    mine = ThermodynamicGPClassifier(kernel, optimizer=None, rng=0).fit(*two_classes())
    expected = theirs(kernel, optimizer=None)
    value, slope = mine.log_marginal_likelihood(kernel.theta + 0.2, eval_gradient=True)
    right, gradient = expected.log_marginal_likelihood(kernel.theta + 0.2, eval_gradient=True)
    np.testing.assert_allclose(slope, gradient, rtol=1e-4, atol=1e-5)
    assert value == pytest.approx(right, abs=0.03)


def test_the_optimum_is_scikit_learns():
    kernel = ConstantKernel(1.0) * RBF(1.0)
    mine = ThermodynamicGPClassifier(kernel, rng=0).fit(*two_classes())
    expected = theirs(kernel)
    np.testing.assert_allclose(mine.kernel_.theta, expected.kernel_.theta, atol=1e-2)
    assert expected.log_marginal_likelihood(mine.kernel_.theta) > expected.log_marginal_likelihood_value_ - 1e-4
    assert mine.device_time_ > 0


@pytest.mark.parametrize("multi_class", ["one_vs_rest", "one_vs_one"])
def test_several_classes(multi_class):
    X, y = load_iris(return_X_y=True)
    X, y = X[::3, 2:], y[::3]
    options = {"optimizer": None, "multi_class": multi_class}
    mine, expected = (
        ThermodynamicGPClassifier(**options, rng=0).fit(X, y),
        GaussianProcessClassifier(**options).fit(X, y),
    )
    np.testing.assert_array_equal(mine.predict(X), expected.predict(X))
    assert isinstance(mine.kernel_, CompoundKernel)
    assert mine.n_classes_ == 3
    assert mine.log_marginal_likelihood_value_ == pytest.approx(expected.log_marginal_likelihood_value_, abs=0.03)
    if multi_class == "one_vs_rest":
        np.testing.assert_allclose(mine.predict_proba(X), expected.predict_proba(X), atol=3e-3)
    else:
        with pytest.raises(ValueError, match="one_vs_rest"):
            mine.predict_proba(X)
    with pytest.raises(ValueError, match="two classes"):
        mine.latent_mean_and_variance(X)


@pytest.mark.parametrize("mean", [-30.0, -1.0, 0.0, 0.3, 5.0])
@pytest.mark.parametrize("deviation", [0.0, 0.1, 1.0, 2.9, 3.1, 30.0, 1e4])
def test_the_average_of_a_logistic(mean, deviation):
    if deviation == 0:
        right = expit(mean)
    else:
        step = (-mean + np.array([-40.0, 0.0, 40.0])) / deviation  # where the logistic rises
        edges = sorted({*np.clip(step, -9, 9), *np.linspace(-9, 9, 13)})
        parts = pairwise(edges)
        right = sum(quad(lambda z: expit(mean + deviation * z) * norm.pdf(z), *part, epsabs=1e-13)[0] for part in parts)
    found = averaged_logistic(np.array([mean]), np.array([deviation**2]))[0]
    assert found == pytest.approx(right, abs=1e-8)


def test_separable_classes_in_large_units_have_a_mode():
    X = np.linspace(-1, 1, 30)[:, None]
    model = ThermodynamicGPClassifier(1e8 * RBF(0.5), optimizer=None, rng=0).fit(X, X[:, 0] > 0)
    assert model.score(X, X[:, 0] > 0) == 1


def test_pickle_clone_and_warm_start():
    X, y = two_classes()
    model = ThermodynamicGPClassifier(1.0 * RBF(1.0), optimizer=None, warm_start=True, rng=0).fit(X, y)
    cold = model.device_time_
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))
    np.testing.assert_allclose(clone(model).fit(X, y).predict_proba(X), model.predict_proba(X), atol=1e-9)
    before = model.predict_proba(X)
    np.testing.assert_allclose(model.fit(X, y).predict_proba(X), before, atol=1e-5)
    assert model.device_time_ < cold


def test_an_imperfect_device_gives_the_same_classes():
    X, y = two_classes()
    device = LangevinDevice(imperfections=Imperfections(output_bits=10, mismatch=1e-3))
    mine, ideal = (ThermodynamicGPClassifier(optimizer=None, device=one, rng=0).fit(X, y) for one in (device, None))
    np.testing.assert_allclose(mine.predict_proba(X), ideal.predict_proba(X), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "y", "match"),
    [
        ({}, [1, 1], "one class"),
        ({"multi_class": "all"}, [0, 1], "multi_class"),
        ({"optimizer": "adam", "kernel": RBF()}, [0, 1], "optimizer"),
        ({"max_iter_predict": 0}, [0, 1], "max_iter_predict"),
        ({"kernel": CompoundKernel([RBF(), RBF()])}, [0, 1], "CompoundKernel"),
        ({"rng": 0, "random_state": 0}, [0, 1], "both rng"),
    ],
)
def test_bad_settings_are_refused(options, y, match):
    with pytest.raises(ValueError, match=match):
        ThermodynamicGPClassifier(**options).fit([[0.0], [1.0]], y)


def test_a_mode_that_is_not_found_is_told():
    with pytest.warns(ConvergenceWarning, match="max_iter_predict"):
        ThermodynamicGPClassifier(100.0 * RBF(1.0), optimizer=None, max_iter_predict=1).fit(*two_classes())
