"""Noise of every size and wherever it stands: answers right to rounding, or a warning in the user's words."""

import numpy as np
import pytest
import scipy.linalg

pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import (
    RBF,
    CompoundKernel,
    ConstantKernel,
    DotProduct,
    Exponentiation,
    Matern,
    Product,
    WhiteKernel,
)

from thermoapps.gaussian_process import ThermodynamicGPRegressor
from thermoapps.gaussian_process.white import white_noise
from thermolinalg import ThermodynamicWarning

LINE = np.linspace(0, 5, 20)[:, None]
SCATTERED = np.random.default_rng(0).uniform(0, 5, (25, 2))
PLACES = np.array([[0.51], [1.1], [4.4]])

WHITE = {
    "term": RBF(1.0) + WhiteKernel(0.3),
    "factor of a sum": ConstantKernel(2.0) * (RBF(1.0) + WhiteKernel(0.5)),
    "product with a kernel": RBF(1.0) + Product(WhiteKernel(0.5), Matern(1.0)),
    "product with one that varies": RBF(1.0) + Product(WhiteKernel(0.5), DotProduct(1.0)),
    "power of a sum": Exponentiation(RBF(1.0) + WhiteKernel(0.2), 2.0),
    "power of noise": RBF(1.0) + Exponentiation(WhiteKernel(0.4), 3.0),
    "two deep": 2.0 * (WhiteKernel(0.1) + 3.0 * (RBF(2.0) + WhiteKernel(0.2))) + WhiteKernel(0.05),
}


@pytest.mark.parametrize("kernel", WHITE.values(), ids=WHITE)
@pytest.mark.parametrize("X", [LINE, SCATTERED], ids=["line", "plane"])
def test_white_noise_is_noise_wherever_it_stands(kernel, X):
    np.testing.assert_allclose(np.diag(white_noise(kernel, X)), kernel(X) - kernel(X, X), atol=1e-14)
    y = np.sin(X[:, 0]) + 0.1 * np.random.default_rng(1).standard_normal(len(X))
    options = {"alpha": 1e-2, "optimizer": None}
    mine = ThermodynamicGPRegressor(kernel, rng=0, **options).fit(X, y)
    expected = GaussianProcessRegressor(kernel, **options).fit(X, y)
    for places in (X, X[:3]):
        for flag in ("return_std", "return_cov"):
            for ours, same in zip(
                mine.predict(places, **{flag: True}), expected.predict(places, **{flag: True}), strict=True
            ):
                np.testing.assert_allclose(ours, same, atol=5e-6)
    slope = mine.log_marginal_likelihood(kernel.theta, eval_gradient=True)[1]
    np.testing.assert_allclose(slope, expected.log_marginal_likelihood(kernel.theta, True)[1], rtol=1e-6, atol=1e-7)


def exactly(kernel, X, y, alpha, places):
    """Mean and standard deviation in extended precision, of the matrices as double precision has them."""
    M = kernel(X).astype(np.longdouble)
    M[np.diag_indices_from(M)] += np.asarray(alpha, dtype=np.longdouble)
    L, n = np.zeros_like(M), len(M)
    for i in range(n):
        for j in range(i + 1):
            left = M[i, j] - L[i, :j] @ L[j, :j]
            L[i, j] = np.sqrt(left) if i == j else left / L[j, j]
    cross = kernel(places, X).astype(np.longdouble)
    V, b = np.zeros((n, len(places)), np.longdouble), np.zeros(n, np.longdouble)
    for i in range(n):
        V[i] = (cross.T[i] - L[i, :i] @ V[:i]) / L[i, i]
        b[i] = (y[i] - L[i, :i] @ b[:i]) / L[i, i]
    return V.T @ b, np.sqrt(kernel.diag(places) - (V**2).sum(axis=0))


def weightless(value):
    noise = np.full(20, 1e-4)
    noise[3] = value
    return noise


@pytest.mark.parametrize("structure", ["auto", "dense"])
@pytest.mark.parametrize(
    ("scale", "alpha"),
    [
        (1.0, 1e-4),
        (1.0, 1e-8),
        (1.0, 1e-10),
        (1e12, 1e3),
        (1e-20, 1e-28),
        (1.0, weightless(1e12)),
        (1.0, weightless(1e-9)),
        (1.0, np.geomspace(1e-9, 1e9, 20)),
    ],
    ids=str,
)
def test_small_and_uneven_noise_in_any_units(structure, scale, alpha):
    kernel, y = ConstantKernel(scale) * RBF(1.0), np.sin(LINE[:, 0]) * scale**0.5
    model = ThermodynamicGPRegressor(kernel, alpha=alpha, optimizer=None, structure=structure, rng=0).fit(LINE, y)
    mean, std = model.predict(PLACES, return_std=True)
    right = exactly(kernel, LINE, y, alpha, PLACES)
    np.testing.assert_allclose(mean, right[0].astype(float), rtol=1e-4, atol=1e-7 * scale**0.5)
    np.testing.assert_allclose(std, right[1].astype(float), rtol=5e-3)


@pytest.mark.parametrize("alpha", [0.0, 1e-14])
@pytest.mark.parametrize("scale", [1.0, 1e12])
def test_noise_below_rounding_is_raised_and_told(alpha, scale):
    kernel, y = ConstantKernel(scale) * RBF(1.0), np.sin(LINE[:, 0]) * scale**0.5
    model = ThermodynamicGPRegressor(kernel, alpha=alpha, optimizer=None, structure="dense", rng=0)
    with pytest.warns(ThermodynamicWarning, match="alpha is below what rounding leaves of a kernel .* on these X"):
        model.fit(LINE, y)
    mean, std = model.predict(PLACES, return_std=True)
    np.testing.assert_allclose(mean, np.sin(PLACES[:, 0]) * scale**0.5, atol=1e-3 * scale**0.5)
    assert (std < 1e-3 * scale**0.5).all()


def test_no_noise_beside_white_noise_is_nothing_special():
    kernel, y = RBF(1.0) + WhiteKernel(0.1), np.sin(LINE[:, 0])
    mine = ThermodynamicGPRegressor(kernel, alpha=0.0, optimizer=None).fit(LINE, y)
    expected = GaussianProcessRegressor(kernel, alpha=0.0, optimizer=None).fit(LINE, y)
    np.testing.assert_allclose(mine.predict(PLACES), expected.predict(PLACES), rtol=1e-9)


def test_a_kernel_that_is_not_definite_is_refused_by_name():
    class Negative(RBF):
        def __call__(self, X, Y=None, eval_gradient=False):
            return -super().__call__(X, Y)

    with pytest.raises(np.linalg.LinAlgError, match=r"kernel makes of X .* larger alpha"):
        ThermodynamicGPRegressor(Negative(), optimizer=None).fit(SCATTERED, SCATTERED[:, 0])


def test_several_kernels_side_by_side_are_refused():
    with pytest.raises(ValueError, match="CompoundKernel"):
        ThermodynamicGPRegressor(CompoundKernel([RBF(), RBF()])).fit(LINE, LINE[:, 0])


BOUNDED = ConstantKernel(1.0) * RBF(1.0, (1e-2, 1e5))


@pytest.mark.parametrize("alpha", [1e-6, 1e-3])
def test_a_length_that_runs_to_its_bound_warns(alpha):
    model = ThermodynamicGPRegressor(BOUNDED, alpha=alpha, rng=0)
    with pytest.warns(ConvergenceWarning, match="close to the specified upper bound"):
        model.fit(SCATTERED, np.full(25, 3.0))
    np.testing.assert_allclose(model.predict(SCATTERED), 3.0, atol=1e-3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_where_slopes_drown_in_rounding_the_ascent_has_come_as_far_as_scikit_learns():
    y = np.full(25, 3.0)
    model = ThermodynamicGPRegressor(BOUNDED, alpha=1e-10, rng=0).fit(SCATTERED, y)
    expected = GaussianProcessRegressor(BOUNDED, alpha=1e-10).fit(SCATTERED, y)
    found = expected.log_marginal_likelihood(model.kernel_.theta)
    assert found > expected.log_marginal_likelihood_value_ - 0.1


def test_the_inverse_is_sharp(monkeypatch):
    from thermoapps import _inverse
    from thermoapps._inverse import Inverse, in_slices

    monkeypatch.setattr(_inverse, "COLUMNS", 4)
    widths = []
    M = scipy.linalg.hilbert(6) + 1e-3 * np.eye(6)
    rough = np.linalg.inv(M) @ (np.eye(6) + 0.03 * np.random.default_rng(0).standard_normal((6, 6)))
    inverse = Inverse(M, in_slices(lambda B: (widths.append(B.shape[1]), rough @ B)[1])).sharpened()
    assert widths == [4, 2]
    np.testing.assert_allclose(M @ inverse.X, np.eye(6), atol=1e-9)
    x, within = inverse.solve(np.ones((6, 1)), 1e-10)
    assert within
    np.testing.assert_allclose(M @ x, 1.0, rtol=1e-9)
