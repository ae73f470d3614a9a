"""Forms of covariance matrices: which one is found, and that all say what the dense one says."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("sklearn")

from helpers import close
from processes import CASES, STRUCTURED
from sklearn.gaussian_process.kernels import RBF

from thermoapps.gaussian_process import Wendland
from thermoapps.gaussian_process.finding import structure_of
from thermoapps.gaussian_process.structures import Dense
from thermoapps.gaussian_process.white import white_noise


@pytest.mark.parametrize("name", CASES)
def test_every_form_is_the_same_matrix(name):
    case = CASES[name]
    X, _ = case.make()
    form, dense = structure_of(case.kernel, X), Dense(X)
    assert form.name == case.form
    V, back = np.random.default_rng(1).standard_normal((len(X), 3)), np.argsort(form.order)
    parts, expected = form.parts(case.kernel), case.kernel(X)
    expected = expected - np.diag(white_noise(case.kernel, X))
    assert close(form.times(parts, V[form.order])[back], expected @ V, 1e-12)
    assert close((form.system(parts, 0.3) @ V[form.order])[back], expected @ V + 0.3 * V, 1e-12)
    for actual, slope in zip(form.slopes(case.kernel, V[form.order]), dense.slopes(case.kernel, V), strict=True):
        assert close(actual[back], slope, 1e-9)
    assert form.variance(parts) == pytest.approx(expected.diagonal().max())


@pytest.mark.parametrize("name", STRUCTURED)
def test_prior_draws_have_the_kernel_as_covariance(name):
    case = STRUCTURED[name]
    X, _ = case.make()
    form, count = structure_of(case.kernel, X), 4000
    parts = form.parts(case.kernel)
    rng = np.random.default_rng(0)

    def read(A, count):
        dense = A.dense() if hasattr(A, "dense") else A.toarray() if sp.issparse(A) else A
        values, vectors = np.linalg.eigh(dense)
        return (vectors / np.sqrt(values)) @ rng.standard_normal((A.shape[0], count))

    draws = form.draws(parts, read, count)
    expected = (case.kernel(X) - np.diag(white_noise(case.kernel, X)))[np.ix_(form.order, form.order)]
    variances = expected.diagonal()
    error = np.sqrt((np.multiply.outer(variances, variances) + expected**2) / count)
    assert np.max(np.abs(np.cov(draws) - expected) / error) < 6


def test_data_with_noise_of_their_own_have_no_grid():
    X, _ = CASES["Gaussian on a grid"].make()
    assert structure_of(CASES["Gaussian on a grid"].kernel, X, np.ones(len(X))).name == "dense"
    assert structure_of(Wendland(), X, np.ones(len(X))).name == "sparse"


@pytest.mark.parametrize("X", [[[0.0]], [[0.0], [0.0]], [[1.0, 2.0]], [[0.0, 0.0], [0.0, 1.0]]])
def test_few_and_equal_points_are_no_grid(X):
    assert structure_of(RBF(), np.array(X)).name == "dense"


@given(seed=st.integers(0, 2**32 - 1), d=st.integers(1, 3), length=st.floats(0.1, 10))
def test_wendlands_function_is_positive_definite(seed, d, length):
    X = np.random.default_rng(seed).uniform(0, 3, (25, d))
    kernel = Wendland(length)
    K, slope = kernel(X, eval_gradient=True)
    assert np.linalg.eigvalsh(K).min() > -1e-12
    assert close(K, kernel(X, X), 1e-12)
    assert close(kernel.diag(X), K.diagonal(), 1e-12)
    ahead, behind = (kernel.clone_with_theta(kernel.theta + h)(X) for h in (1e-6, -1e-6))
    np.testing.assert_allclose(slope[:, :, 0], (ahead - behind) / 2e-6, atol=1e-8)


def test_wendlands_kernel_is_one_of_scikit_learns():
    fixed = Wendland(2.0, "fixed")
    assert fixed.n_dims == 0
    assert fixed([[0.0], [1.0]], eval_gradient=True)[1].shape == (2, 2, 0)
    assert fixed == Wendland(2.0, "fixed") != Wendland(3.0, "fixed")
    assert "length_scale=2" in repr(fixed)
    with pytest.raises(ValueError, match="eval_gradient"):
        Wendland()([[0.0]], [[1.0]], eval_gradient=True)
