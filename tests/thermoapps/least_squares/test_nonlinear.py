"""Nonlinear least squares on a device against SciPy's: solutions, bounds, losses, results, errors."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import Bounds, OptimizeResult, OptimizeWarning, least_squares
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermoapps.least_squares import thermodynamic_least_squares

INF = np.inf


def rosenbrock(x):
    return np.array([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def rosenbrock_jacobian(x):
    return np.array([[-20 * x[0], 10.0], [-1.0, 0.0]])


def decay(x, t, y):
    return x[0] * np.exp(-x[1] * t) + x[2] - y


def noisy_decay(seed=0, outliers=0):
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 5, 40)
    y = 2 * np.exp(-t) + 0.5 + 0.05 * rng.standard_normal(40)
    y[rng.choice(40, outliers, replace=False)] += 4
    return t, y


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs", rosenbrock_jacobian])
def test_jacobians(jac):
    result = thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], jac, rng=0)
    assert result.success
    assert np.allclose(result.x, 1, atol=1e-7)
    assert np.allclose(result.jac, rosenbrock_jacobian(result.x), atol=1e-6)


def test_sparse_jacobian():
    def jac(x):
        return sp.csr_array(rosenbrock_jacobian(x))

    assert np.allclose(thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], jac, rng=0).x, 1)


@pytest.mark.parametrize("scheme", ["2-point", "3-point"])
@pytest.mark.parametrize("x0", [[1.0, 1.0], [1.0 + 1e-9, 1.0 + 1e-9], [1.5, 1.0 + 1e-12], [2.0, 2.0]])
def test_differences_stay_within_bounds(scheme, x0):
    bounds = ([1.0, 1.0], [2.0, 2.0])

    def fun(x):
        assert np.all((x >= 1) & (x <= 2))
        return np.array([x[0] ** 2, np.sin(x[1]), x[0] * x[1]])

    jacobian = thermodynamic_least_squares(fun, x0, scheme, bounds, max_nfev=1, rng=0).jac
    a, b = x0
    assert np.allclose(jacobian, [[2 * a, 0], [0, np.cos(b)], [b, a]], atol=1e-5)


@pytest.mark.parametrize(
    ("bounds", "x0", "mask"),
    [
        ((-INF, 0.8), [-1.2, 0.5], [1, 0]),
        (([-INF, 1.5], INF), [2.0, 2.0], [0, -1]),
        (Bounds([-2, -2], [0.5, 2]), [-1.2, 1.0], [1, 0]),
        (([0, 0], [0.3, 0.05]), [0.1, 0.04], [0, 1]),
        (([-3, -3], [3, 3]), [-3.0, 3.0], [0, 0]),
    ],
)
def test_bounds(bounds, x0, mask):
    result = thermodynamic_least_squares(rosenbrock, x0, bounds=bounds, xtol=1e-12, ftol=1e-14, rng=0)
    standard = least_squares(rosenbrock, x0, bounds=bounds, xtol=1e-12, ftol=1e-14, method="dogbox")
    assert result.success
    assert np.allclose(result.x, standard.x, atol=1e-6)
    assert result.cost <= standard.cost * (1 + 1e-6) + 1e-15
    assert np.array_equal(result.active_mask, mask)


def log_loss(z):
    return np.array([np.log1p(z), 1 / (1 + z), -1 / (1 + z) ** 2])


@pytest.mark.parametrize("loss", ["linear", "soft_l1", "huber", "cauchy", "arctan", log_loss])
def test_losses(loss):
    data = noisy_decay(outliers=0 if loss == "linear" else 4)  # squares fit four outliers best by a straight line
    how = {"loss": loss, "f_scale": 0.1, "args": data, "ftol": 1e-12, "xtol": 1e-12, "gtol": 1e-12}
    result = thermodynamic_least_squares(decay, [1.5, 0.8, 0.4], rng=0, **how)
    standard = least_squares(decay, [1.5, 0.8, 0.4], **how)
    assert result.success
    assert np.allclose(result.x, standard.x, rtol=1e-4)
    assert np.isclose(result.cost, standard.cost, rtol=1e-8)
    assert np.linalg.norm(result.grad) < 1e-5
    assert np.allclose(result.x, [2, 1, 0.5], atol=0.2)


@given(
    st.integers(1, 4),
    st.integers(0, 6),
    st.floats(0, 2),
    st.sampled_from(["linear", "soft_l1", "huber", "cauchy"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_as_scipy(n, more, curvature, loss, bounded, seed):
    rng = np.random.default_rng(seed)
    design = rng.standard_normal((n + more, n)) + 2 * np.eye(n + more, n)
    y = rng.standard_normal(n + more)

    def fun(x):
        return design @ (x + curvature * np.tanh(x)) - y

    bounds = (-0.3, 0.4) if bounded else (-INF, INF)
    how = {"loss": loss, "bounds": bounds, "xtol": 1e-11, "ftol": 1e-13, "gtol": 1e-11, "x_scale": 1.0}
    result = thermodynamic_least_squares(fun, np.zeros(n), rng=seed, **how)
    standard = least_squares(fun, np.zeros(n), max_nfev=1000, **how)
    assert result.success
    if loss != "cauchy":  # convex enough for one minimum
        assert result.cost <= standard.cost * (1 + 1e-6) + 1e-10
    assert result.cost <= least_squares(fun, result.x, **how).cost * (1 + 1e-6) + 1e-10
    assert np.all((result.x >= bounds[0]) & (result.x <= bounds[1]))


@pytest.mark.parametrize("x_scale", [None, "jac", 1.0, 1e-3])
@pytest.mark.parametrize("loss", ["huber", "arctan"])
def test_from_where_the_loss_is_flat(loss, x_scale):
    result = thermodynamic_least_squares(
        lambda x: 4 * x - 6.5, [0.0], loss=loss, f_scale=0.5, x_scale=x_scale, xtol=1e-12, rng=0
    )
    assert result.success
    assert np.allclose(result.x, 1.625)


@pytest.mark.parametrize("unit", [1e-9, 1e9])
def test_units_do_not_matter(unit):
    result = thermodynamic_least_squares(
        lambda x: rosenbrock(x / [unit, 1]) * unit, [-1.2 * unit, 1.0], gtol=None, jac="cs", rng=0
    )
    assert result.success
    assert np.allclose(result.x, [unit, 1], rtol=1e-6)


def test_result_is_scipys():
    data = noisy_decay()
    result = thermodynamic_least_squares(decay, [1.0, 1.0, 1.0], args=data, rng=0)
    standard = least_squares(decay, [1.0, 1.0, 1.0], args=data)
    assert isinstance(result, OptimizeResult)
    assert set(standard) <= set(result)
    for name in set(standard):
        assert np.shape(result[name]) == np.shape(standard[name]), name
    assert np.isclose(result.cost, 0.5 * result.fun @ result.fun)
    assert np.allclose(result.grad, result.jac.T @ result.fun)
    assert np.isclose(result.optimality, np.max(abs(result.grad)))
    assert result.device_time > 0


@pytest.mark.parametrize(
    ("tolerances", "status"),
    [
        ({"ftol": None, "xtol": None}, {1}),
        ({"xtol": None, "gtol": None}, {2}),
        ({"ftol": None, "gtol": None}, {3}),
        ({"ftol": 0.1, "xtol": 0.5, "gtol": None}, {2, 3, 4}),
    ],
)
def test_status_names_the_test_that_was_met(tolerances, status):
    result = thermodynamic_least_squares(decay, [1.5, 0.8, 0.4], args=noisy_decay(), rng=0, **tolerances)
    assert result.status in status
    assert result.success


def test_start_at_the_solution():
    result = thermodynamic_least_squares(rosenbrock, [1.0, 1.0], rosenbrock_jacobian, rng=0)
    assert (result.status, result.nfev, result.device_time) == (1, 1, 0.0)


def test_more_variables_than_residuals():
    result = thermodynamic_least_squares(lambda x: [x[0] * x[1] - 1], [2.0, 3.0], rng=0)
    assert result.success
    assert np.isclose(np.prod(result.x), 1)


BOX_X, BOX_Y = np.array([1.0, 2, 3, 5, 7, 10]), np.array([109.0, 149, 149, 191, 213, 224])


def box(b):
    return b[0] * (1 - np.exp(-b[1] * BOX_X)) - BOX_Y


@pytest.mark.parametrize("x_scale", [None, "jac", 1.0, [1.0, 1e-2], [1e6, 1e-6]])
@pytest.mark.parametrize(("x0", "unit"), [([1.0, 1.0], 1.0), ([100.0, 0.75], 1e-12), ([1e5, 1.0], 1.0)])
def test_success_is_a_minimum_in_every_scale_of_the_variables(x_scale, x0, unit):
    result = thermodynamic_least_squares(lambda b: unit * box(b), x0, x_scale=x_scale, max_nfev=1000, rng=0)
    assert not result.success or np.isclose(result.cost, unit**2 * 584.0043828, rtol=1e-6)
    assert result.success or x_scale == [1e6, 1e-6]


@pytest.mark.parametrize("jac", ["2-point", "cs"])
def test_a_variable_that_ran_to_where_it_has_no_effect_is_no_success(jac):
    t, y = noisy_decay()
    result = thermodynamic_least_squares(decay, [1.0, 1.0, 1.0], jac, args=(t, 0 * y + 1), rng=0)
    assert (result.success, result.status) == (False, -3)
    assert "x[1]" in result.message


@pytest.mark.parametrize("jac", ["2-point", "3-point", "cs"])
def test_a_column_may_vanish_at_a_minimum(jac):
    result = thermodynamic_least_squares(lambda x: [x[0] ** 2 + 5.0, x[1] - 1], [2.0, 5.0], jac, rng=0)
    assert result.success
    assert np.allclose(result.x, [0, 1], atol=1e-4)


def test_a_start_at_a_minimum_where_the_column_is_zero():
    result = thermodynamic_least_squares(lambda x: x**2 + 5.0, [0.0], "cs", rng=0)  # warnings are errors
    assert result.success
    assert result.x == 0


@pytest.mark.parametrize("jac", ["3-point", "cs"])
def test_a_start_at_the_top_of_a_hill_is_left(jac):
    result = thermodynamic_least_squares(lambda x: [1 - x[0] ** 2, 0.1 * x[0] ** 3], [0.0], jac, rng=0)
    assert result.success
    assert abs(result.x[0]) > 0.9


def test_a_jacobian_that_is_not_that_of_fun_is_no_success():
    result = thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], lambda x: -rosenbrock_jacobian(x), rng=0)
    assert (result.success, result.status) == (False, -1)
    assert "Jacobian" in result.message


def test_a_jacobian_that_is_not_finite_is_a_step_too_far():
    def jac(x):
        return [[1 / x[0] if x[0] > 0.5 else np.nan], [1.0]]

    result = thermodynamic_least_squares(lambda x: [np.log(abs(x[0]) + 1e-300), x[0] - 1], [4.0], jac, rng=0)
    assert result.success
    assert np.allclose(result.x, 1)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_squares_that_over_or_underflow_are_refused(size):
    with pytest.raises(ValueError, match="other units"):
        thermodynamic_least_squares(lambda x: size * rosenbrock(x), [-1.2, 1.0], rng=0)


def chain(x):
    """A nonlinear chain, whose Jacobian has three diagonals."""
    middle = (3 - 2 * x) * x + 1
    middle[1:] -= x[:-1]
    middle[:-1] -= 2 * x[1:]
    return middle


def chain_jacobian(x):
    n = x.size
    return sp.diags_array([-np.ones(n - 1), 3 - 4 * x, -2 * np.ones(n - 1)], offsets=[-1, 0, 1]).tocsr()


@pytest.mark.parametrize("scheme", ["2-point", "3-point", "cs"])
def test_differences_of_a_sparse_jacobian_take_few_evaluations(scheme):
    calls = []

    def fun(x):
        calls.append(x)
        return chain(x)

    how = {"max_nfev": 1, "rng": 0}
    sparse = thermodynamic_least_squares(fun, -np.ones(60), scheme, jac_sparsity=chain_jacobian(np.ones(60)), **how)
    assert sp.issparse(sparse.jac)
    assert np.allclose(sparse.jac.toarray(), chain_jacobian(-np.ones(60)).toarray(), atol=1e-6)
    assert len(calls) <= 1 + 2 * 4


@pytest.mark.parametrize("kind", ["dense", "sparse", "operator", "sparsity"])
@pytest.mark.parametrize("bounds", [(-INF, INF), (-0.7, 1.0)], ids=["free", "bounded"])
@pytest.mark.parametrize("loss", ["linear", "soft_l1"])
def test_every_kind_of_jacobian_finds_the_same_minimum(kind, bounds, loss):
    kinds = {
        "dense": lambda x: chain_jacobian(x).toarray(),
        "sparse": chain_jacobian,
        "operator": lambda x: aslinearoperator(chain_jacobian(x)),
    }
    x0 = np.linspace(-0.6, -0.5, 30)
    pattern = chain_jacobian(np.ones(30)) if kind == "sparsity" else None
    how = {"bounds": bounds, "loss": loss, "jac_sparsity": pattern}
    result = thermodynamic_least_squares(chain, x0, kinds.get(kind, "2-point"), **how, rng=0)
    expected = least_squares(chain, x0, kinds["dense"], bounds=bounds, loss=loss, xtol=1e-12, ftol=1e-12, gtol=1e-12)
    assert result.success
    assert np.allclose(result.x, expected.x, atol=1e-4)


def test_fixed_variables_are_not_moved():
    bounds = ([-INF, -INF, 0.5], [INF, INF, 0.5])
    t, y = noisy_decay()
    result = thermodynamic_least_squares(decay, [1.0, 1.0, 0.5], bounds=bounds, args=(t, y), rng=0)
    expected = least_squares(lambda x: decay([*x, 0.5], t, y), [1.0, 1.0])
    assert result.success
    assert result.x[2] == 0.5
    assert np.allclose(result.x[:2], expected.x, rtol=1e-5)


def test_a_variable_without_effect_stays():
    with pytest.warns(OptimizeWarning, match=r"do not depend on x\[1\]"):
        result = thermodynamic_least_squares(lambda x: [x[0] - 1, x[0] + 1.5], [3.0, 7.0], rng=0)
    assert result.success
    assert np.allclose(result.x, [-0.25, 7])


def test_running_out_is_said():
    result = thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], max_nfev=3, rng=0)
    assert (result.success, result.status, result.nfev) == (False, 0, 3)
    assert "max_nfev" in result.message


def test_residuals_that_are_not_finite_are_steps_too_far():
    def fun(x):
        return np.array([np.log(x[0]) if x[0] > 0 else np.nan, x[0] - 1])

    result = thermodynamic_least_squares(fun, [30.0], lambda x: [[1 / x[0]], [1.0]], rng=0)
    assert result.success
    assert np.allclose(result.x, 1)


def test_callbacks():
    seen, costs = [], []
    thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], callback=seen.append, rng=0)
    assert np.allclose(seen[-1], 1)

    def stop(intermediate_result):
        costs.append(intermediate_result.cost)
        if len(costs) == 2:
            raise StopIteration

    result = thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], callback=stop, rng=0)
    assert (result.status, result.success, result.nit) == (-2, False, 2)
    assert costs[0] > costs[1] == result.cost


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (1, 1)])
def test_verbose(verbose, lines, capsys):
    thermodynamic_least_squares(rosenbrock, [-1.2, 1.0], verbose=verbose, rng=0)
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_reproducible_and_inputs_untouched():
    x0 = np.array([-1.2, 1.0])
    first, second = (thermodynamic_least_squares(rosenbrock, x0, rng=3, max_nfev=9) for _ in range(2))
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(x0, [-1.2, 1.0])


def test_a_coarse_device_finds_the_same_minimum():
    coarse = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8, mismatch=0.01, output_bits=8))
    data = noisy_decay()
    result = thermodynamic_least_squares(decay, [1.5, 0.8, 0.4], args=data, device=coarse, rng=0)
    assert result.success
    assert np.allclose(result.x, least_squares(decay, [1.5, 0.8, 0.4], args=data).x, rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fun": 3}, "fun must be callable"),
        ({"fun": lambda x: np.ones((2, 2))}, "one dimension"),
        ({"fun": lambda x: [np.nan, x[0]]}, "not finite in the initial point"),
        ({"fun": lambda x: x + 1j}, "real residuals"),
        ({"x0": [1j, 1]}, "x0 must be real"),
        ({"x0": [[1.0, 1.0]]}, "one dimension"),
        ({"x0": []}, "at least one entry"),
        ({"x0": [np.nan, 1]}, "x0 holds NaN"),
        ({"jac": "4-point"}, "jac must be"),
        ({"jac": None}, "jac must be"),
        ({"jac": lambda x: np.ones((3, 2))}, "jac must return shape"),
        ({"jac": lambda x: np.full((2, 2), np.nan)}, "jac is not finite"),
        ({"bounds": 3}, "bounds must be a pair"),
        ({"bounds": (0, 1, 2)}, "bounds must be a pair"),
        ({"bounds": ([0, 0, 0], 1)}, "shape"),
        ({"bounds": (1, 0)}, "above its upper"),
        ({"bounds": (np.nan, 0)}, "above its upper"),
        ({"bounds": (1.5, 3)}, "outside of provided bounds"),
        ({"method": "newton"}, "method must be"),
        ({"method": "lm", "bounds": (0, 3)}, "neither bounds nor robust"),
        ({"method": "lm", "loss": "huber"}, "neither bounds nor robust"),
        ({"ftol": -1}, "ftol"),
        ({"xtol": np.nan}, "xtol"),
        ({"ftol": None, "xtol": None, "gtol": 0}, "above machine epsilon"),
        ({"x_scale": "columns"}, "x_scale"),
        ({"x_scale": [1, -1]}, "x_scale must be positive"),
        ({"x_scale": [1, 1, 1]}, "x_scale"),
        ({"loss": "l1"}, "loss must be one of"),
        ({"loss": lambda z: z}, "loss must return"),
        ({"f_scale": 0}, "f_scale"),
        ({"f_scale": np.nan}, "f_scale"),
        ({"diff_step": -1e-3}, "diff_step must be positive"),
        ({"max_nfev": 0}, "max_nfev"),
        ({"max_nfev": 2.5}, "max_nfev"),
        ({"verbose": 3}, "verbose"),
        ({"callback": 3}, "callback"),
        ({"tr_solver": "best"}, "tr_solver must be"),
        ({"jac_sparsity": np.ones((3, 2))}, "jac_sparsity must have the shape"),
        ({"jac_sparsity": np.ones((2, 2)), "tr_solver": "exact"}, "dense"),
        ({"jac": lambda x: aslinearoperator(np.eye(2)), "x_scale": "jac"}, "LinearOperator"),
        ({"jac": lambda x: sp.eye_array(2), "method": "lm"}, "dense"),
        ({"fun": lambda x: x[:1], "method": "lm"}, "as many residuals"),
    ],
)
def test_bad_input_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        thermodynamic_least_squares(**{"fun": rosenbrock, "x0": [1.0, 1.2], "rng": 0, **change})
