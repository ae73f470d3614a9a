"""Problems written in CVXPY, solved on the device and by Clarabel."""

import numpy as np
import pytest

from thermoapps.quadratic_program import cvxpy_solver


@pytest.fixture(scope="module")
def cp():
    return pytest.importorskip("cvxpy")


def portfolio(cp):
    rng = np.random.default_rng(0)
    F = rng.standard_normal((3, 8))
    w, mean, goal = cp.Variable(8), rng.random(8), cp.Parameter(value=0.5)
    rows = [cp.sum(w) == 1, mean @ w >= goal, w >= 0]
    return cp.Problem(cp.Minimize(cp.sum_squares(F @ w) + 0.1 * cp.sum_squares(w) + 3), rows), w, goal


def test_a_portfolio_as_by_clarabel(cp):
    problem, w, goal = portfolio(cp)
    solver = cvxpy_solver()
    for value in (0.5, 0.55, 0.7):
        goal.value = value
        expected = problem.solve(solver="CLARABEL")
        weights, duals = w.value, [row.dual_value for row in problem.constraints]
        assert np.isclose(problem.solve(solver=solver, rng=0), expected, rtol=1e-6)
        assert problem.status == "optimal"
        assert np.allclose(w.value, weights, atol=1e-4)
        for row, dual in zip(problem.constraints, duals, strict=True):
            assert np.allclose(row.dual_value, dual, atol=1e-4)


def test_a_parameter_keeps_the_program(cp):
    problem, _, goal = portfolio(cp)
    solver = cvxpy_solver()
    problem.solve(solver=solver, rng=0)
    goal.value = 0.500001
    problem.solve(solver=solver, rng=0)
    assert problem.solver_stats.extra_stats.programs == 0
    problem.solve(solver=solver, rng=0, warm_start=False)
    assert problem.solver_stats.extra_stats.programs > 0


@pytest.mark.parametrize(("low", "high", "status"), [(1, 0, "infeasible"), (None, 0, "unbounded")])
def test_what_has_no_solution(cp, low, high, status):
    x = cp.Variable()
    rows = [x <= high] + ([x >= low] if low is not None else [])
    problem = cp.Problem(cp.Minimize(x), rows)
    problem.solve(solver=cvxpy_solver(), rng=0)
    assert problem.status == status


def test_cones_are_refused(cp):
    x = cp.Variable(3)
    problem = cp.Problem(cp.Minimize(cp.sum(x)), [cp.norm(x) <= 1])
    with pytest.raises(cp.error.SolverError):
        problem.solve(solver=cvxpy_solver())


def test_options_are_those_of_the_device(cp, capsys):
    x = cp.Variable(2)
    problem = cp.Problem(cp.Minimize(cp.sum_squares(x - 1)), [x >= 2])
    problem.solve(solver=cvxpy_solver(), rng=0, tol=1e-6, verbose=True)
    assert "thermolinalg: solved" in capsys.readouterr().out
    with pytest.raises(TypeError, match="no_such_option"):
        problem.solve(solver=cvxpy_solver(), no_such_option=1)
