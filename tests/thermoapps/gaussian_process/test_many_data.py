"""Forms for many data, on few: of low rank beside the noise, and known by products."""

import numpy as np
import pytest
from helpers import close

pytest.importorskip("sklearn")

from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, Matern, WhiteKernel

import thermolinalg as tla
from thermoapps.gaussian_process import ThermodynamicGPRegressor, finding, low_rank
from thermoapps.gaussian_process.low_rank import LowRank, Products, pivots_of
from thermoapps.gaussian_process.structures import Dense

N = 240
FORMS = {"low rank": 2.0 * RBF([1.0, 2.0]) + WhiteKernel(0.01), "products": Matern(2.0, nu=1.5) + WhiteKernel(0.05)}


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(finding, "LARGE", 100)
    monkeypatch.setattr(low_rank, "RANK", 120)
    monkeypatch.setattr(low_rank, "TILE", 16)  # several blocks, the last one smaller


def data():
    rng = np.random.default_rng(0)
    X = rng.uniform(0, 5, (N, 2))
    return X, np.sin(X[:, 0]) * np.cos(X[:, 1]) + 0.1 * rng.standard_normal(N)


@pytest.mark.parametrize("noise", [1e-3, np.geomspace(1e-3, 1e2, N)], ids=["even", "uneven"])
@pytest.mark.parametrize("form", FORMS)
def test_the_posterior_is_scikit_learns(form, noise):
    X, y = data()
    mine = ThermodynamicGPRegressor(FORMS[form], alpha=noise, optimizer=None, rng=0).fit(X, y)
    expected = GaussianProcessRegressor(FORMS[form], alpha=noise, optimizer=None).fit(X, y)
    assert mine.structure_ == form
    for places in (X, X[:7] + 0.1):
        for ours, same in zip(mine.predict(places, True), expected.predict(places, True), strict=True):
            np.testing.assert_allclose(ours, same, rtol=1e-4, atol=1e-5)
    value, error = mine.log_marginal_likelihood(return_std=True)
    assert abs(value - expected.log_marginal_likelihood_value_) < 5 * error + 1e-3


@pytest.mark.parametrize("form", FORMS)
def test_slopes_are_those_of_the_dense_matrix(form):
    X, _ = data()
    kernel, V = FORMS[form], np.random.default_rng(1).standard_normal((N, 3))
    found = finding.structure_of(kernel, X)
    assert found.name == form
    assert isinstance(found, LowRank | Products)
    for ours, same in zip(found.slopes(kernel, V), Dense(X).slopes(kernel, V), strict=True):
        assert close(ours, same, 1e-4)
    parts = found.parts(kernel)
    assert close(found.system(parts, found.white(kernel)) @ V, kernel(X) @ V, 1e-6)
    assert found.variance(parts) == pytest.approx(kernel.diag(X).max() - found.white(kernel))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_parameters_from_probes_are_within_their_errors(form):
    X, y = data()
    measured = ThermodynamicGPRegressor(FORMS[form], n_readings=200, tol=1e-3, rng=0).fit(X, y)
    exact = ThermodynamicGPRegressor(FORMS[form], structure="dense", rng=0).fit(X, y)
    error = 2 * exact.theta_std_ / 200**0.5
    assert np.max(np.abs(measured.kernel_.theta - exact.kernel_.theta) / error) < 5


def test_pivots_reach_what_is_asked_for_or_say_so():
    X, _ = data()
    pivots, reached = pivots_of(RBF(2.0), X, 1e-6)
    cross, inner = RBF(2.0)(X, X[pivots]), RBF(2.0)(X[pivots])
    left = np.trace(RBF(2.0)(X) - cross @ np.linalg.solve(inner, cross.T))
    assert reached
    assert left < 2e-6
    assert not pivots_of(Matern(0.1), X, 1e-6)[1]
    assert len(set(pivots)) == len(pivots)
    assert pivots_of(RBF(), np.zeros((30, 2)), 1e-6)[0].tolist() == [0]


def test_functions_at_all_data_need_a_matrix():
    X, y = data()
    model = ThermodynamicGPRegressor(FORMS["products"], optimizer=None, rng=0).fit(X, y)
    with pytest.raises(ValueError, match="fewer places"):
        model.sample_y(X)
    assert model.sample_y(X[:5], 3, rng=0).shape == (5, 3)


def test_a_program_with_an_approximate_inverse():
    rng = np.random.default_rng(0)
    A = np.diag(np.geomspace(1, 1e6, 700)) + 0.1 * np.ones((700, 700))
    b = rng.standard_normal(700)
    x, info = tla.program(A, assume_a="pos", M=np.diag(1 / A.diagonal()), rng=0).solve(b, return_info=True)
    assert info.success
    np.testing.assert_allclose(A @ x, b, atol=1e-8)
    with pytest.raises(ValueError, match="must be the same"):
        tla.program(A, M=np.eye(3))
