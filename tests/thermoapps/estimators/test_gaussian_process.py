"""Gaussian process regression: scikit-learn's checks and answers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern
from sklearn.utils.estimator_checks import parametrize_with_checks

from thermoapps.gaussian_process import ThermodynamicGPRegressor


@parametrize_with_checks([ThermodynamicGPRegressor()])
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@given(
    seed=st.integers(0, 2**32 - 1),
    n=st.integers(1, 30),
    k=st.integers(1, 3),
    kernel=st.sampled_from([RBF(0.7), 2.0 * Matern(1.3)]),
)
def test_posterior_is_scikit_learns(seed, n, k, kernel):
    rng = np.random.default_rng(seed)
    X, Y, Z = rng.standard_normal((n, 2)), rng.standard_normal((n, k)), rng.standard_normal((7, 2))
    theirs = GaussianProcessRegressor(kernel, alpha=0.01, optimizer=None).fit(X, Y)
    mine = ThermodynamicGPRegressor(kernel, alpha=0.01).fit(X, Y)
    for flag in ("return_std", "return_cov"):
        for ours, expected in zip(mine.predict(Z, **{flag: True}), theirs.predict(Z, **{flag: True}), strict=True):
            np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("k", [1, 3])
def test_evidence_is_within_its_error_bar(k):
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((20, 2)), rng.standard_normal((20, k))
    theirs = GaussianProcessRegressor(RBF(0.7), alpha=0.1, optimizer=None).fit(X, Y)
    value, error = ThermodynamicGPRegressor(RBF(0.7), alpha=0.1, rng=0).fit(X, Y).log_marginal_likelihood()
    assert abs(value - theirs.log_marginal_likelihood_value_) < 5 * error
    assert error <= k * 0.005


@pytest.mark.parametrize("alpha", [0.0, -1.0, np.nan])
def test_noise_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha"):
        ThermodynamicGPRegressor(alpha=alpha).fit([[0.0], [1.0]], [0.0, 1.0])


def test_one_kind_of_uncertainty_at_a_time():
    with pytest.raises(ValueError, match="exclude"):
        ThermodynamicGPRegressor().fit([[0.0], [1.0]], [0.0, 1.0]).predict([[0.0]], return_std=True, return_cov=True)
