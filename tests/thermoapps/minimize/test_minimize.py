"""Newton's method and natural gradients: beside SciPy, at saddles, in odd units, at bounds, without a minimum."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import (
    BFGS,
    Bounds,
    LinearConstraint,
    OptimizeResult,
    minimize,
    rosen,
    rosen_der,
    rosen_hess,
    rosen_hess_prod,
)
from scipy.sparse.linalg import LinearOperator

import thermolinalg as tla
from thermoapps._programmed import Programmed
from thermoapps.minimize import natural_gradient, newton
from thermoapps.minimize._curvature import largest, lowest, probed_scales, read_curvature, restricted, shifted
from thermoapps.minimize._region import TrustRegion

HESSIANS = {
    "dense": {"hess": rosen_hess},
    "sparse": {"hess": lambda x: sp.csr_array(rosen_hess(x))},
    "operator": {"hess": lambda x: LinearOperator((x.size, x.size), matvec=lambda p: rosen_hess_prod(x, np.ravel(p)))},
    "products": {"hessp": rosen_hess_prod},
    "differences": {},
    "updates": {"hess": BFGS()},
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("x0", [[-1.2, 1.0], np.zeros(4), np.full(70, 1.3)], ids=["2", "4", "70"])
@pytest.mark.parametrize("kind", sorted(HESSIANS.keys() - {"updates"}))
def test_rosenbrock(kind, x0):
    found = minimize(rosen, x0, jac=rosen_der, method=newton, options={"rng": 0}, **HESSIANS[kind])
    assert found.success
    assert found.status == 0
    assert np.allclose(found.x, 1, rtol=0, atol=1e-6)
    assert found.fun == rosen(found.x)
    assert np.array_equal(found.jac, rosen_der(found.x))
    assert found.device_time > 0


def test_a_hessian_of_updates():
    found = newton(rosen, [-1.2, 1.0], jac=rosen_der, rng=0, **HESSIANS["updates"])
    assert found.success
    assert np.allclose(found.x, 1, atol=1e-6)


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", None])
def test_gradients_by_differences(jac):
    found = newton(rosen, [0.0, 0.0], jac=jac, hess=rosen_hess, rng=0)
    assert found.success
    assert np.allclose(found.x, 1, atol=1e-4)
    assert found.nfev > found.nit + found.njev


def test_both_from_one_call():
    found = newton(lambda x, c: (rosen(x - c), rosen_der(x - c)), [0.0, 0.0], (1.0,), jac=True, rng=0)
    assert np.allclose(found.x, 2, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-12, 1e6, 1e12])
@pytest.mark.parametrize("kind", ["dense", "products"])
def test_units_do_not_matter(unit, kind):
    units = np.array([unit, 1 / unit])
    found = newton(
        lambda y: unit * rosen(y * units),
        np.array([-1.2, 1.0]) / units,
        jac=lambda y: unit * units * rosen_der(y * units),
        rng=0,
        **{
            "dense": {"hess": lambda y: unit * np.outer(units, units) * rosen_hess(y * units)},
            "products": {"hessp": lambda y, p: unit * units * (rosen_hess(y * units) @ (units * p))},
        }[kind],
    )
    assert found.success
    assert np.allclose(found.x * units, 1, atol=1e-7)
    assert found.nit < 50


def test_a_power_of_two_changes_no_bit():
    plain, scaled = (
        newton(
            lambda y: rosen(y * u), [-1.2 / u, 1 / u], jac=lambda y: u * rosen_der(y * u),
            hess=lambda y: u * u * rosen_hess(y * u), rng=0,
        )
        for u in (1.0, 2.0**40)
    )  # fmt: skip
    assert np.array_equal(plain.x, scaled.x * 2.0**40)


@pytest.mark.parametrize("slope", [0.0, 1e-14])
@pytest.mark.parametrize("unit", [1.0, 1e5])
def test_from_a_saddle_to_a_minimum(slope, unit):
    def fun(y):
        x = y * unit
        return x[0] ** 2 + x[0] * x[1] - x[1] ** 2 + x[1] ** 4 + slope * x[1]

    found = newton(
        fun,
        [0.0, 0.0],
        jac=lambda y: (
            unit * np.array([2 * y[0] * unit + y[1] * unit, y[0] * unit - 2 * y[1] * unit + 4 * (y[1] * unit) ** 3])
        ),
        hess=lambda y: unit**2 * np.array([[2, 1], [1, -2 + 12 * (y[1] * unit) ** 2]]),
        rng=0,
    )
    assert found.success
    assert np.allclose(np.abs(found.x[1] * unit), np.sqrt(2.5 / 4), rtol=1e-6)


def quadratic(H, b):
    return {
        "fun": lambda x: 0.5 * x @ (H @ x) - b @ x,
        "jac": lambda x: H @ x - b,
        "hess": lambda x: H,
    }


@pytest.mark.parametrize(
    ("H", "b"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], [2.0, 2.0]),
        ([[0.0, 0.0], [0.0, 3.0]], [0.0, 3.0]),
        ([[1e-14, 0.0], [0.0, 1e14]], [1e-14, 1e14]),
        ([[0.0]], [0.0]),
        ([[5.0]], [10.0]),
    ],
    ids=["singular", "zero row", "28 decades", "constant", "d = 1"],
)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.linalg.aslinearoperator])
def test_quadratics(H, b, kind):
    H, b = np.array(H), np.array(b)
    parts = quadratic(H, b) | {"hess": lambda x: kind(H)}
    found = newton(x0=np.full(len(b), 7.0), rng=0, **parts)
    assert found.success
    assert np.all(abs(H @ found.x - b) <= 1e-7 * abs(b))
    assert found.nit <= 8


@pytest.mark.parametrize("offset", [0.0, 1e10])
def test_where_the_function_is_rounding_the_gradient_judges(offset):
    found = newton(
        lambda x: offset + np.cosh(x[0] - 1),
        [5.0],
        jac=lambda x: np.sinh(x - 1),
        hess=lambda x: [np.cosh(x - 1)],
        rng=0,
    )
    assert found.success
    assert np.isclose(found.x[0], 1, rtol=1e-7)


def test_a_minimum_without_curvature():
    found = newton(lambda x: x[0] ** 4, [1.0], jac=lambda x: 4 * x**3, hess=lambda x: [12 * x**2], rng=0)
    assert found.success
    assert abs(found.x[0]) < 1e-7


BOUNDS = {
    "below": (-1.0, 0.5),
    "above": (1.1, 3.0),
    "fixed": (0.3, 0.3),
    "none": (None, None),
    "half": (None, 0.9),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("kind", ["dense", "sparse", "products"])
@pytest.mark.parametrize("box", BOUNDS)
def test_bounds(box, kind):
    bounds = [BOUNDS[box], (None, None), (-5, 0.2), (None, None)]
    found = newton(rosen, np.zeros(4), jac=rosen_der, bounds=bounds, rng=0, **HESSIANS[kind])
    theirs = minimize(
        rosen, np.zeros(4), jac=rosen_der, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}
    )
    assert found.success
    assert np.allclose(found.x, theirs.x, atol=1e-5)
    lower, upper = (np.array([np.nan if b[k] is None else b[k] for b in bounds]) for k in (0, 1))
    assert not np.any((found.x < lower) | (found.x > upper))


def test_the_others_go_on_from_where_one_met_its_bound():
    parts = quadratic(np.array([[2.0, 1.5], [1.5, 2.0]]), np.array([4.0, 1.0]))
    found = newton(x0=[0.0, 0.0], bounds=[(0, 1), (None, None)], rng=0, **parts)
    assert found.success
    assert np.allclose(found.x, [1, -0.25], atol=1e-7)
    first = newton(x0=[0.0, 0.0], bounds=[(0, 1), (None, None)], maxiter=1, rng=0, **parts)
    assert np.allclose(first.x, [1, -0.25], atol=1e-5)


def test_all_variables_fixed():
    found = newton(rosen, [0.5, 0.5], jac=rosen_der, hess=rosen_hess, bounds=Bounds([0.0, 0.5], [0.0, 0.5]), rng=0)
    assert found.success
    assert np.array_equal(found.x, [0.0, 0.5])


@given(st.integers(1, 6), st.integers(0, 10**6), st.booleans())
def test_convex_quadratics_in_boxes_meet_the_conditions(n, seed, flat):
    rng = np.random.default_rng(seed)
    F = rng.standard_normal((n - 1 if flat and n > 1 else n + 2, n))
    H, b = F.T @ F, F.T @ rng.standard_normal(len(F))
    lower = rng.uniform(-1, 0, n)
    upper = lower + rng.uniform(0, 1.5, n)
    parts = quadratic(H, b)
    found = newton(x0=rng.standard_normal(n), bounds=Bounds(lower, upper), rng=seed, **parts)
    assert found.success
    moved = np.clip(found.x - parts["jac"](found.x), lower, upper)
    assert np.allclose(moved, found.x, atol=1e-6)


@pytest.mark.parametrize(
    ("curve", "radius"),
    [([1.0, 4.0], 0.1), ([1.0, 4.0], 10.0), ([-1.0, 2.0], 0.5), ([-1.0, 2.0], 5.0), ([0.0, 1.0], 2.0)],
)
@pytest.mark.parametrize("g", [[1.0, 1.0], [0.0, 1.0], [0.1, 1.0], [1e-9, 1.0], [0.0, 0.0]])
def test_the_step_is_the_best_within_the_radius(curve, radius, g):
    A, g = np.diag(curve), np.array(g)
    step = TrustRegion(Programmed(None, np.random.default_rng(0)), 1e-8).step(A, g, radius)
    angles = np.linspace(0, 2 * np.pi, 721)
    disc = np.array([np.outer(np.linspace(0, radius, 201), f(angles)).ravel() for f in (np.cos, np.sin)])
    best = np.min(g @ disc + 0.5 * np.sum(disc * (A @ disc), axis=0))
    assert np.linalg.norm(step.p) <= radius * (1 + 1e-12)
    assert g @ step.p + 0.5 * step.p @ A @ step.p <= 0.97 * best + 1e-9
    assert step.curved == (min(curve) < 0)


# -- what is no minimum -----------------------------------------------------------------------------------------------


def positive(x):
    return np.nan if x[0] <= 0 else x[0] - np.log(x[0])


@pytest.mark.parametrize("start", [1e-6, 100.0, 1e6])
def test_a_step_to_nan_is_shortened(start):
    found = newton(positive, [start], jac=lambda x: 1 - 1 / x, hess=lambda x: [1 / x**2], rng=0)
    assert found.success
    assert np.isclose(found.x[0], 1, rtol=1e-7)


NO_MINIMUM = {
    "nan": (lambda x: np.nan, lambda x: x, lambda x: [[1.0]], 3),
    "infinite": (lambda x: np.inf, lambda x: x, lambda x: [[1.0]], 3),
    "nan gradient": (lambda x: 1.0, lambda x: x * np.nan, lambda x: [[1.0]], 3),
    "nan curvature": (lambda x: x[0] ** 2, lambda x: 2 * x, lambda x: [[np.nan]], 3),
    "falls for ever": (lambda x: -x[0], lambda x: [-1.0], lambda x: [[0.0]], 1),
    "falls to -inf": (lambda x: -np.exp(np.exp(x[0])), lambda x: -np.exp(x + np.exp(x)), lambda x: [[-1.0]], 4),
    "another's gradient": (lambda x: (x[0] - 1) ** 2, lambda x: -2 * x, lambda x: [[2.0]], 2),
    "always overflows": (lambda x: 0.0 if x[0] == 2 else np.inf, lambda x: x, lambda x: [[1.0]], 2),
}


@pytest.mark.parametrize("name", NO_MINIMUM)
def test_no_minimum_is_no_success(name):
    fun, jac, hess, status = NO_MINIMUM[name]
    with np.errstate(over="ignore", invalid="ignore"):
        found = newton(fun, [2.0], jac=jac, hess=hess, rng=0, maxiter=30)
    assert not found.success
    assert found.status == status
    assert found.message


BAD = {
    "empty": ({"x0": []}, ValueError, "no entries"),
    "matrix": ({"x0": [[1.0]]}, ValueError, "one dimension"),
    "complex": ({"x0": [1j]}, ValueError, "must be real"),
    "nan": ({"x0": [np.nan]}, ValueError, "NaN"),
    "vector": ({"fun": lambda x: x}, ValueError, "must return a scalar"),
    "no function": ({"fun": 3}, TypeError, "fun must be callable"),
    "short gradient": ({"jac": lambda x: [1.0]}, ValueError, "as many entries as x0 has, 2, got 1"),
    "no derivatives": ({"jac": None, "hess": None}, ValueError, "pass a callable jac="),
    "differences twice": ({"jac": "2-point", "hess": "2-point"}, ValueError, "pass a callable jac="),
    "unknown scheme": ({"jac": "4-point"}, ValueError, "jac must be callable, True, or one of"),
    "unknown hess": ({"hess": "exact"}, ValueError, "hess must be callable or one of"),
    "hess of a number": ({"hess": 3}, TypeError, "hess must be callable"),
    "hessp of a number": ({"hessp": 3}, TypeError, "hessp must be callable"),
    "large hess": ({"hess": lambda x: np.eye(3)}, ValueError, r"hess must return shape \(2, 2\)"),
    "asymmetric": ({"hess": lambda x: [[1.0, 1.0], [0.0, 1.0]]}, ValueError, "not symmetric"),
    "operator": ({"hess": lambda x: sp.linalg.aslinearoperator(np.eye(3))}, ValueError, "hess must return shape"),
    "one pair": ({"bounds": [(0, 1)]}, ValueError, "one pair"),
    "three bounds": ({"bounds": Bounds([0] * 3, [1] * 3)}, ValueError, "as many as x0 has entries"),
    "crossed": ({"bounds": [(1, 0), (0, 1)]}, ValueError, "An upper bound is less"),
    "constraints": ({"constraints": LinearConstraint([1, 1], 0, 1)}, ValueError, "constraints are not supported"),
    "tol": ({"tol": -1}, ValueError, "tol must be a finite number from 0"),
    "gtol": ({"gtol": "small"}, TypeError, "gtol must be a number"),
    "maxiter": ({"maxiter": np.nan}, ValueError, "maxiter must be a number"),
    "x_scale": ({"x_scale": [1.0, 0.0]}, ValueError, "x_scale must be positive"),
    "callback": ({"callback": 3}, TypeError, "callback must be callable"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    given, error, message = BAD[name]
    with pytest.raises(error, match=message):
        newton(**({"fun": rosen, "x0": [0.0, 0.0], "jac": rosen_der, "hess": rosen_hess} | given))


# -- SciPy's contract -------------------------------------------------------------------------------------------------


def test_callbacks_and_what_is_returned():
    seen, named = [], []
    options = {"rng": 0, "return_all": True, "maxiter": 3}
    found = minimize(
        rosen, [0.0, 0.0], jac=rosen_der, hess=rosen_hess, method=newton, callback=seen.append, options=options
    )
    assert found.status == 1
    assert not found.success
    assert found.nit == len(seen) == len(found.allvecs) - 1 == 3
    assert all(np.array_equal(a, b) for a, b in zip(seen, found.allvecs[1:], strict=True))

    def stopping(intermediate_result: OptimizeResult):
        named.append(intermediate_result)
        if len(named) == 2:
            raise StopIteration

    again = newton(rosen, [0.0, 0.0], jac=rosen_der, hess=rosen_hess, callback=stopping, rng=0)
    assert (again.status, again.success, again.nit) == (99, False, 2)
    assert named[1].fun == again.fun == rosen(named[1].x)


def test_an_interrupt_passes():
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        newton(rosen, [0.0, 0.0], jac=rosen_der, hess=rosen_hess, callback=interrupted, rng=0)


def test_the_same_seed_gives_the_same_bits():
    first, second = (newton(rosen, np.zeros(5), jac=rosen_der, hess=rosen_hess, rng=3) for _ in range(2))
    assert np.array_equal(first.x, second.x)
    assert first.device_time == second.device_time


def test_display(capsys):
    newton(rosen, [1.0, 1.0], jac=rosen_der, hess=rosen_hess, disp=True, rng=0)
    assert "Optimization terminated successfully." in capsys.readouterr().out
    with pytest.warns(RuntimeWarning, match="Maximum number of iterations"):
        newton(rosen, [0.0, 0.0], jac=rosen_der, hess=rosen_hess, disp=True, maxiter=1, rng=0)


def test_gtol_is_scipys():
    found = newton(rosen, [0.0, 0.0], jac=rosen_der, hess=rosen_hess, gtol=1.0, rng=0)
    assert found.success
    assert np.all(abs(found.jac) <= 1)
    assert np.any(abs(found.x - 1) > 1e-3)


def test_arrays_of_the_user_are_left_alone():
    x0 = np.zeros(2)

    def spoiling(x):
        x *= x
        return float(np.sum((x - 1) ** 2))

    newton(spoiling, x0, jac=lambda x: 4 * x * (x**2 - 1), hess=lambda x: np.diag(12 * x**2 - 4), rng=0)
    assert not x0.any()


def test_a_coarse_device_still_finds_it():
    device = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        found = newton(rosen, [-1.2, 1.0], jac=rosen_der, hess=rosen_hess, device=device, rng=0)
    assert found.success
    assert np.allclose(found.x, 1, atol=1e-5)


# -- natural gradients ------------------------------------------------------------------------------------------------


def normal_likelihood():
    """The negative log-likelihood of a mean and the logarithm of a deviation, with gradient and Fisher information."""
    y = np.random.default_rng(0).normal(3.0, 0.5, 200)

    def fun(t):
        return len(y) * t[1] + np.sum((y - t[0]) ** 2) / 2 * np.exp(-2 * t[1])

    def jac(t):
        weight = np.exp(-2 * t[1])
        return np.array([np.sum(t[0] - y) * weight, len(y) - np.sum((y - t[0]) ** 2) * weight])

    return y, fun, jac, lambda t: len(y) * np.diag([np.exp(-2 * t[1]), 2.0])


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.linalg.aslinearoperator])
def test_maximum_likelihood(kind):
    y, fun, jac, fisher = normal_likelihood()
    options = {"fisher": lambda t: kind(fisher(t)), "rng": 0}
    found = minimize(fun, [0.0, 0.0], jac=jac, method=natural_gradient, options=options)
    assert found.success
    assert np.allclose(found.x, [y.mean(), np.log(y.std())], rtol=1e-7)


def test_what_natural_gradients_refuse():
    _, fun, jac, fisher = normal_likelihood()
    with pytest.raises(ValueError, match="fisher is required"):
        minimize(fun, [0.0, 0.0], jac=jac, method=natural_gradient)
    with pytest.raises(ValueError, match="takes fisher= and no Hessian"):
        natural_gradient(fun, [0.0, 0.0], jac=jac, fisher=fisher, hess=fisher)
    with pytest.raises(ValueError, match="fisher has a negative eigenvalue"):
        natural_gradient(fun, [0.0, 0.0], jac=jac, fisher=lambda t: np.diag([1.0, -1.0]), rng=0)


# -- matrices of every kind -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 3, 100])
def test_arrays_sparse_arrays_and_maps_are_alike(n):
    rng = np.random.default_rng(n)
    B = rng.standard_normal((n, n))
    B = B + B.T
    free, scale, lift = rng.random(n) < 0.7, rng.uniform(1, 2, n), rng.random(n)
    free[0] = True
    expected = (B / scale / scale[:, None] + np.diag(lift))[np.ix_(free, free)] + 0.5 * np.eye(free.sum())
    for kind in (np.asarray, sp.csr_array, sp.linalg.aslinearoperator):
        part = shifted(restricted(read_curvature(kind(B), n, "hess"), free, scale, lift), 0.5)
        assert np.allclose(part @ np.eye(free.sum()), expected)
        value, vector = lowest(part, np.random.default_rng(0))
        spread = np.ptp(np.linalg.eigvalsh(expected)) or 1.0
        assert abs(value - np.linalg.eigvalsh(expected)[0]) <= 0.01 * spread
        assert abs(vector @ (part @ vector) - value) <= 0.01 * spread
        assert largest(part, rng) > 0


def test_scales_of_a_map_are_found_over_many_decades():
    rng = np.random.default_rng(0)
    units = np.geomspace(1e-6, 1e6, 12)
    F = rng.standard_normal((20, 12))
    B = units[:, None] * (F.T @ F) * units
    found = probed_scales(sp.linalg.aslinearoperator(B), rng) / units
    assert found.max() < 10 * found.min()
