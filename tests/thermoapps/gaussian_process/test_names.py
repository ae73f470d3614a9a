"""The names that scikit-learn's users know: parameters, attributes, sources of randomness, optimisers."""

import copy
import inspect
import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from processes import CASES
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF

from thermoapps.gaussian_process import ThermodynamicGPRegressor


def described(kind):
    """The attributes that a docstring lists."""
    section = kind.__doc__.split("Attributes\n    ----------\n")[1].split("\n\n    See Also")[0]
    return set(re.findall(r"^    (\w+_) : ", section, re.MULTILINE))


def test_attributes_are_scikit_learns():
    X, y = [[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]], [0.0, 1.0, 0.5]
    options = {"alpha": 0.1, "optimizer": None, "normalize_y": True}
    mine, expected = ThermodynamicGPRegressor(**options).fit(X, y), GaussianProcessRegressor(**options).fit(X, y)
    names = described(GaussianProcessRegressor)
    assert {"X_train_", "alpha_", "feature_names_in_"} < names
    for name in names - {"kernel_", "L_", "log_marginal_likelihood_value_", "feature_names_in_"}:
        np.testing.assert_allclose(getattr(mine, name), getattr(expected, name), rtol=1e-9, atol=1e-9)
    assert mine.kernel_ == expected.kernel_
    assert mine.log_marginal_likelihood_value_ == pytest.approx(expected.log_marginal_likelihood_value_, abs=0.05)
    assert mine.log_marginal_likelihood_value_ == mine.log_marginal_likelihood_value_
    with pytest.raises(AttributeError, match="no Cholesky factor"):
        _ = mine.L_


def test_parameters_are_scikit_learns_and_more():
    theirs_, ours = (
        inspect.signature(kind).parameters for kind in (GaussianProcessRegressor, ThermodynamicGPRegressor)
    )
    assert set(theirs_) <= set(ours)
    for name in set(theirs_) - {"optimizer"}:
        assert ours[name].default == theirs_[name].default


@pytest.mark.parametrize("state", [3, np.random.RandomState(3)], ids=["int", "state"])
def test_random_state_is_another_name_of_rng(state):
    X, y = CASES["one Gaussian"].make()
    model = ThermodynamicGPRegressor(RBF(1.5), alpha=0.1, optimizer=None, random_state=copy.deepcopy(state)).fit(X, y)
    draws = [model.sample_y(X[:3], 2, copy.deepcopy(state)) for _ in range(2)]
    np.testing.assert_array_equal(*draws)
    if isinstance(state, int):
        np.testing.assert_array_equal(draws[0], model.sample_y(X[:3], 2, rng=state))


def test_two_sources_of_randomness_are_refused():
    with pytest.raises(ValueError, match="both rng and random_state"):
        ThermodynamicGPRegressor(rng=0, random_state=0).fit([[0.0], [1.0]], [0.0, 1.0])
    with pytest.raises(ValueError, match="both rng and random_state"):
        ThermodynamicGPRegressor().sample_y([[0.0]], random_state=0, rng=0)


def steepest(objective, theta, bounds):
    """A crude optimiser of the user's own."""
    for _ in range(60):
        theta = np.clip(theta - 0.02 * objective(theta)[1], bounds[:, 0], bounds[:, 1])
    return theta, objective(theta, eval_gradient=False)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["fmin_l_bfgs_b", steepest])
def test_other_optimisers_find_the_same_optimum(optimizer):
    case = CASES["Gaussian on a grid"]
    X, y = case.make()
    mine = ThermodynamicGPRegressor(case.kernel, alpha=0.01, optimizer=optimizer, rng=0).fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = GaussianProcessRegressor(case.kernel, alpha=0.01).fit(X, y)
    found = expected.log_marginal_likelihood(mine.kernel_.theta)
    assert found > expected.log_marginal_likelihood_value_ - 0.1
    assert mine.n_iter_ > 1


def test_the_number_of_targets_is_that_of_the_prior():
    X = [[0.0], [1.0]]
    mine, expected = (kind(RBF(), n_targets=2) for kind in (ThermodynamicGPRegressor, GaussianProcessRegressor))
    for ours, same in zip(mine.predict(X, return_cov=True), expected.predict(X, return_cov=True), strict=True):
        np.testing.assert_array_equal(ours, same)
    assert mine.sample_y(X, 5).shape == (2, 2, 5)
    with pytest.raises(ValueError, match="n_targets is 2"):
        mine.fit(X, [0.0, 1.0])


def test_the_data_are_copied_or_not():
    X, y = np.array([[0.0], [1.0]]), [0.0, 1.0]
    assert ThermodynamicGPRegressor(optimizer=None, copy_X_train=False).fit(X, y).X_train_ is X
    assert ThermodynamicGPRegressor(optimizer=None).fit(X, y).X_train_ is not X


def test_log_marginal_likelihood_may_move_the_kernel():
    X, y = CASES["one Gaussian"].make()
    model = ThermodynamicGPRegressor(RBF(1.5), alpha=0.1, optimizer=None, rng=0).fit(X, y)
    model.log_marginal_likelihood([0.1])
    assert model.kernel_.length_scale == 1.5
    model.log_marginal_likelihood([0.1], clone_kernel=False)
    assert model.kernel_.theta == pytest.approx([0.1])
