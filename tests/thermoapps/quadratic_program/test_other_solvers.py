"""Quadratic programs against solvers of others, where they are installed."""

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import sparse

from thermoapps.quadratic_program import Problem, solve_problem


@pytest.fixture(params=range(3))
def problem(request):
    rng = np.random.default_rng(request.param)
    root, inside = sparse((60, 40), 0.2, rng), rng.standard_normal(40)
    G, A = sparse((30, 40), 0.3, rng), sparse((8, 40), 0.3, rng)
    h = G @ inside + rng.random(30)
    return Problem(root.T @ root, rng.standard_normal(40), G, h, A, A @ inside, inside - 1, inside + rng.random(40))


def test_same_minimum_as_clarabel(problem):
    clarabel = pytest.importorskip("clarabel")
    C = sp.csc_matrix(sp.vstack([problem.A, problem.G, sp.eye_array(40), -sp.eye_array(40)]))
    limits = np.concatenate([problem.b, problem.h, problem.ub, -problem.lb])
    cones = [clarabel.ZeroConeT(8), clarabel.NonnegativeConeT(110)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    other = clarabel.DefaultSolver(sp.csc_matrix(sp.triu(problem.P)), problem.q, C, limits, cones, settings).solve()
    assert solve_problem(problem, rng=0).obj == pytest.approx(other.obj_val, rel=1e-6)


def test_same_minimum_as_osqp(problem):
    osqp = pytest.importorskip("osqp")
    C, below, above = problem.rows()
    solver, accuracy = osqp.OSQP(), {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iter": 100_000}
    upper = sp.csc_matrix(sp.triu(problem.P))
    solver.setup(upper, problem.q, sp.csc_matrix(C), below, above, verbose=False, **accuracy)
    assert solve_problem(problem, rng=0).obj == pytest.approx(
        problem.objective(solver.solve(raise_error=True).x), rel=1e-6
    )
