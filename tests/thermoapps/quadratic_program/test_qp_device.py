"""One problem after another on the same device, each as solved afresh."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from thermoapps.quadratic_program import Problem, QPDevice, solve_problem


def random_problem(rng, n, kind=np.asarray):
    """A strictly convex problem with inequalities, one equality and bounds, feasible at zero."""
    F, G = rng.standard_normal((n + 2, n)), rng.standard_normal((2 * n, n))
    A = rng.standard_normal((1, n))
    return Problem(
        kind(F.T @ F),
        3 * rng.standard_normal(n),
        kind(G),
        rng.random(2 * n),
        kind(A),
        [0.0],
        np.full(n, -1),
        np.ones(n),
    )


def agree(found, again):
    assert found.status == again.status == "solved"
    assert np.allclose(found.x, again.x, atol=1e-6)
    assert np.isclose(found.obj, again.obj, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
@settings(max_examples=6)
@given(st.integers(1, 8), st.integers(0, 10**6), st.booleans())
def test_a_walk_is_solved_as_each_step_alone(n, seed, sparse):
    rng = np.random.default_rng(seed)
    device = QPDevice(random_problem(rng, n, sp.csr_array if sparse else np.asarray), rng=seed)
    for _ in range(2):
        problem = device.problem
        agree(device.solve(), solve_problem(problem, rng=0))
        device.update(q=problem.q + rng.standard_normal(n), h=problem.h + 0.1 * rng.random(2 * n))


def test_a_set_that_stays_is_not_programmed_again():
    P = np.array([[1.0, 0.9, 0.0], [0.9, 1.2, 0.0], [0.0, 0.0, 3.0]])
    device = QPDevice(Problem(P, [-0.9, -0.97, 3.0], lb=np.zeros(3), ub=np.ones(3)), rng=0)
    assert device.solve().programs > 0
    again = device.update(q=[-0.95, -1.05, 3.0]).solve()
    assert again.found
    assert again.programs == 0
    assert again.iterations == {"active sets": 1}
    assert again.device_time > 0
    assert np.allclose(again.x, [0.5, 0.5, 0.0])


def test_all_vectors():
    problem = Problem(np.eye(2), [0.0, 0.0], G=[[1.0, 1.0]], h=[1.0], A=[[1.0, -1.0]], b=[0.0], lb=[-1, -1], ub=[1, 1])
    device = QPDevice(problem, rng=0)
    device.solve()
    device.update(b=[0.5])
    assert np.allclose(device.solve().x, [0.25, -0.25])
    device.update(h=[-0.5])
    assert np.allclose(device.solve().x, [0.0, -0.5])
    device.update(lb=[0.2, -1.0])
    assert device.solve().status == "primal infeasible"
    device.update(h=[1.0], ub=[1.0, np.inf])
    assert np.allclose(device.solve().x, [0.25, -0.25])
    assert problem.b == [0.0]


def test_bounds_that_come_and_go():
    device = QPDevice(Problem(np.eye(2), [-3.0, -3.0], ub=[np.inf, 1.0]), rng=0)
    assert np.allclose(device.solve().x, [3, 1])
    assert np.allclose(device.update(ub=[2.0, np.inf]).solve().x, [2, 3])
    assert device.update(lb=[2.5, 0.0]).solve().status == "primal infeasible"
    assert np.allclose(device.update(lb=[0.0, 0.0]).solve().x, [2, 3])


@pytest.mark.parametrize(
    ("P", "q", "x"),
    [([[0.0, 0.0], [0.0, 0.0]], [1.0, -1.0], [0, 1]), ([[1.0, 1.0], [1.0, 1.0]], [-2.0, 0.0], [1, 0])],
    ids=["linear", "singular"],
)
def test_matrices_that_leave_directions_free(P, q, x):
    device = QPDevice(Problem(P, q, lb=[0, 0], ub=[1, 1]), rng=0)
    assert np.allclose(device.solve().x, x, atol=1e-7)
    assert np.allclose(device.update(q=np.negative(q)).solve().found, True)


def test_dependent_rows():
    problem = Problem(np.eye(2), [-2.0, -2.0], G=[[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]], h=[1.0, 2.0, 1.0])
    assert np.allclose(QPDevice(problem, rng=0).solve().x, [0.5, 0.5])


def test_an_unbounded_problem_and_then_a_bounded_one():
    device = QPDevice(Problem([[0.0]], [1.0], ub=[1.0]), rng=0)
    assert device.solve().status == "dual infeasible"
    assert np.allclose(device.update(lb=[-2.0]).solve().x, [-2.0])


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units(scale):
    rng = np.random.default_rng(0)
    plain = random_problem(rng, 4)
    problem = Problem(
        plain.P / scale**2, plain.q / scale, plain.G / scale, plain.h, plain.A / scale, plain.b,
        plain.lb * scale, plain.ub * scale,
    )  # fmt: skip
    found, expected = QPDevice(problem, rng=0).solve(), QPDevice(plain, rng=0).solve()
    assert found.found
    assert np.allclose(found.x / scale, expected.x, atol=1e-6)


BAD = {
    "short q": ({"q": [1.0]}, "q has 1 entries, expected 2"),
    "nan": ({"q": [np.nan, 1.0]}, "q holds NaN"),
    "no rows": ({"h": [1.0]}, "h belongs to a matrix that the problem does not have"),
    "no equalities": ({"b": [1.0]}, "b belongs to a matrix"),
    "bound": ({"lb": [np.inf, 0.0]}, "lb holds"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_updates_leave_the_problem_as_it_was(name):
    vectors, message = BAD[name]
    device = QPDevice(Problem(np.eye(2), [1.0, 1.0]), rng=0)
    with pytest.raises(ValueError, match=message):
        device.update(**vectors)
    assert np.allclose(device.solve().x, [-1, -1])


def test_bad_devices():
    with pytest.raises(TypeError, match="must be a Problem"):
        QPDevice({})
    with pytest.raises(ValueError, match="tol must lie"):
        QPDevice(Problem([[1.0]], [0.0]), tol=0)
