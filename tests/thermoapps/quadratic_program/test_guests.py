"""qpsolvers' own problems and solutions, and its list of solvers."""

import sys

import numpy as np
import pytest
import scipy.sparse as sp

from thermoapps import quadratic_program
from thermoapps.quadratic_program.guests import register


def guest():
    return pytest.importorskip("qpsolvers")


def problem(qpsolvers, kind=np.asarray):
    rng = np.random.default_rng(0)
    F = rng.standard_normal((6, 4))
    G, A = rng.standard_normal((3, 4)), np.ones((1, 4))
    return qpsolvers.Problem(
        kind(F.T @ F),
        rng.standard_normal(4),
        kind(G),
        np.ones(3),
        kind(A),
        np.ones(1),
        np.full(4, -1.0),
        np.full(4, 2.0),
    )


@pytest.mark.parametrize("kind", [np.asarray, sp.csc_matrix])
def test_a_problem_of_qpsolvers_has_a_solution_of_qpsolvers(kind):
    given = problem(guest(), kind)
    solution = quadratic_program.solve_problem(given, rng=0)
    assert solution.is_optimal(1e-6)
    assert solution.extras["thermolinalg"].device_time > 0


def test_the_device_is_one_of_its_solvers():
    qpsolvers = guest()
    register(quadratic_program.solve_problem)
    given = problem(qpsolvers)
    assert qpsolvers.available_solvers.count("thermolinalg") == 1
    solution = qpsolvers.solve_problem(given, "thermolinalg", rng=0)
    assert solution.is_optimal(1e-6)
    x = qpsolvers.solve_qp(given.P, given.q, given.G, given.h, given.A, given.b, solver="thermolinalg", rng=0)
    assert np.all(given.G @ x <= given.h + 1e-6)


@pytest.mark.parametrize("bounds", [(None, None), ([0.0, 0.0], None)])
def test_parts_that_are_not_there(bounds):
    qpsolvers = guest()
    given = qpsolvers.Problem(np.eye(2), np.array([-1.0, 1.0]), lb=bounds[0] and np.array(bounds[0]), ub=bounds[1])
    solution = quadratic_program.solve_problem(given, rng=0)
    assert solution.is_optimal(1e-6)


def test_problems_derived_from_those_of_qpsolvers_are_taken():
    """As those of qpbenchmark are."""
    qpsolvers = guest()

    class Named(qpsolvers.Problem):
        __module__ = "elsewhere"

    solution = qpsolvers.solve_problem(Named(np.eye(2), np.array([-1.0, 1.0])), "thermolinalg", rng=0)
    assert solution.is_optimal(1e-9)


def test_what_has_no_solution_is_not_found():
    qpsolvers = guest()
    given = qpsolvers.Problem(np.eye(1), np.zeros(1), A=np.ones((2, 1)), b=np.array([0.0, 1.0]))
    solution = quadratic_program.solve_problem(given, rng=0)
    assert not solution.found
    assert solution.extras["thermolinalg"].status == "primal infeasible"


def test_other_problems_are_refused():
    with pytest.raises(TypeError, match="a Problem of this package or of qpsolvers, got dict"):
        quadratic_program.solve_problem({})


def test_nothing_is_registered_without_it(monkeypatch):
    monkeypatch.setattr("thermoapps.quadratic_program.guests.find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "qpsolvers", None)
    register(quadratic_program.solve_problem)
