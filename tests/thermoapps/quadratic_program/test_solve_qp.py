"""Quadratic programs against an enumeration of active sets, their certificates, and what is refused."""

import itertools
from time import process_time

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla
from benchmarks.applications.programs import HARD
from thermoapps.quadratic_program import Problem, solve_problem, solve_qp


def enumerated(problem):
    """The minimum by trying every active set: slow, and independent of everything tested here."""
    C, below, above = (np.asarray(part.todense()) if sp.issparse(part) else part for part in problem.rows())
    P, q, n = problem.P.toarray(), problem.q, problem.n
    equal = [i for i in range(len(C)) if below[i] == above[i]]
    limits = [
        (i, limit) for i in range(len(C)) if i not in equal for limit in (below[i], above[i]) if np.isfinite(limit)
    ]
    best, where = np.inf, None
    for size in range(n - len(equal) + 1):
        for chosen in itertools.combinations(limits, size):
            J = equal + [i for i, _ in chosen]
            K = np.block([[P, C[J].T], [C[J], np.zeros((len(J), len(J)))]])
            right = np.concatenate([-q, below[equal], [limit for _, limit in chosen]])
            x = np.linalg.lstsq(K, right, rcond=None)[0][:n]
            feasible = (C @ x >= below - 1e-8).all() and (C @ x <= above + 1e-8).all()
            if feasible and problem.objective(x) < best:
                best, where = problem.objective(x), x
    return best, where


@st.composite
def problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m, p = draw(st.integers(1, 3)), draw(st.integers(0, 2)), draw(st.integers(0, 1))
    root, inside = rng.standard_normal((n, n)), rng.standard_normal(n)
    G, A = rng.standard_normal((m, n)), rng.standard_normal((min(p, n - 1), n))
    lb = np.where(rng.random(n) < 0.5, inside - rng.random(n), -np.inf)
    ub = np.where(rng.random(n) < 0.5, inside + rng.random(n), np.inf)
    P = root @ root.T + 0.1 * np.eye(n)
    return Problem(P, 3 * rng.standard_normal(n), G, G @ inside + rng.random(m), A, A @ inside, lb, ub)


@pytest.mark.slow
@given(problems())
def test_minimum_is_that_of_the_best_active_set(problem):
    best, where = enumerated(problem)
    solution = solve_problem(problem, rng=0)
    assert solution.found
    assert solution.obj == pytest.approx(best, rel=1e-7, abs=1e-7)
    np.testing.assert_allclose(solution.x, where, atol=1e-6 * (1 + abs(where).max()))


@pytest.mark.slow
@given(problems())
def test_multipliers_meet_the_conditions_of_optimality(problem):
    s = solve_problem(problem, rng=0)
    size = 1 + max(abs(problem.P @ s.x).max(), abs(problem.q).max(), abs(problem.G.T @ s.z).max(initial=0))
    gradient = problem.P @ s.x + problem.q + problem.G.T @ s.z + problem.A.T @ s.y + s.z_box
    assert abs(gradient).max() <= 1e-7 * size
    assert (s.z >= 0).all()
    assert abs(s.z * (problem.G @ s.x - problem.h)).max(initial=0) <= 1e-6 * size
    assert (s.z_box[np.isinf(problem.lb)] >= 0).all()
    assert (s.z_box[np.isinf(problem.ub)] <= 0).all()


def test_signature_is_that_of_qpsolvers():
    M = np.array([[1.0, 2.0, 0.0], [-8.0, 3.0, 2.0], [0.0, 1.0, 1.0]])
    P, q = M.T @ M, np.array([3.0, 2.0, 3.0]) @ M
    G, h = np.array([[1.0, 2.0, 1.0], [2.0, 0.0, 1.0], [-1.0, 2.0, -1.0]]), np.array([3.0, 2.0, -2.0])
    copies = [part.copy() for part in (P, q, G, h)]
    x = solve_qp(P, q, G, h, np.ones(3), np.array([1.0]), rng=0)
    _, where = enumerated(Problem(P, q, G, h, np.ones(3), np.array([1.0])))
    np.testing.assert_allclose(x, where, atol=1e-8)
    assert all(np.array_equal(before, after) for before, after in zip(copies, (P, q, G, h), strict=True))
    sparse = solve_qp(sp.csc_matrix(P), q, sp.csr_array(G), h, sp.coo_array(np.ones((1, 3))), [1.0], rng=0)
    np.testing.assert_allclose(sparse, where, atol=1e-8)


def test_a_linear_program_is_a_quadratic_one_without_curvature():
    x = solve_qp(np.zeros((2, 2)), [-1.0, -2.0], [[1.0, 1.0]], [1.0], lb=[0.0, 0.0], rng=0)
    np.testing.assert_allclose(x, [0, 1], atol=1e-8)


def test_a_problem_without_constraints_is_a_linear_system():
    np.testing.assert_allclose(solve_qp(np.diag([1.0, 4.0]), [1.0, 2.0], rng=0), [-1, -0.5], atol=1e-8)


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
def test_every_sparse_format_is_read(kind):
    x = solve_qp(
        sp.eye_array(2).asformat(kind), [-1.0, -3.0], A=sp.csr_array([[1.0, 1.0]]).asformat(kind), b=[1], rng=0
    )
    np.testing.assert_allclose(x, [-0.5, 1.5], atol=1e-8)


def test_infinite_limits_do_not_constrain():
    problem = Problem(np.eye(2), [-1.0, -1.0], np.eye(2), [np.inf, 0.5], lb=[-np.inf, 0.0], ub=[np.inf, np.inf])
    solution = solve_problem(problem, rng=0)
    np.testing.assert_allclose(solution.x, [1, 0.5], atol=1e-8)
    np.testing.assert_allclose(solution.z, [0, 0.5], atol=1e-8)


def test_primal_infeasibility_is_proved():
    problem = Problem(np.eye(2), [0.0, 0.0], [[1.0, 1.0], [-1.0, 0.0]], [-1.0, 0.0], lb=[-np.inf, 0.0])
    solution = solve_problem(problem, rng=0)
    assert (solution.status, solution.x, solution.obj) == ("primal infeasible", None, None)
    C, below, above = problem.rows()
    v = solution.certificate
    support = above[v > 0] @ v[v > 0] + below[v < 0] @ v[v < 0]
    assert support < -0.1
    assert abs(C.T @ v).max() < 1e-3 * -support
    assert solve_qp(np.eye(1), [0.0], A=[[1.0], [1.0]], b=[0.0, 1.0], rng=0) is None


def test_dual_infeasibility_is_proved():
    problem = Problem(np.diag([1.0, 0.0]), [0.0, -1.0], [[1.0, -1.0]], [0.0], lb=[-1.0, -1.0])
    solution = solve_problem(problem, rng=0)
    assert solution.status == "dual infeasible"
    assert not solution.found
    d = solution.certificate
    assert problem.q @ d < -0.1
    assert abs(problem.P @ d).max() < 1e-3
    assert (problem.G @ d).max() < 1e-3
    assert d.min() > -1e-3


@pytest.mark.thinned(4)
@pytest.mark.parametrize("seed", range(12))
def test_badly_scaled_problems_are_never_called_infeasible(seed):
    rng = np.random.default_rng(seed)
    root, G = rng.standard_normal((rng.integers(0, 9), 8)), rng.standard_normal((6, 8))
    inside = rng.standard_normal(8) * 10 ** rng.uniform(-3, 4)
    h, A = G @ inside + rng.random(6) * (rng.random(6) < 0.5), G[:2] - G[2:4]
    q = root.T @ rng.standard_normal(len(root)) * 10 ** rng.uniform(-3, 3)  # in the range of P: bounded below
    solution = solve_problem(
        Problem(root.T @ root * 10 ** rng.uniform(-4, 4), q, G, h, A, A @ inside), maxiter=400, rng=0
    )
    assert solution.status in {"solved", "not certified"}


def test_crossed_bounds_have_no_solution():
    assert solve_problem(Problem(np.eye(1), [0.0], lb=[1.0], ub=[0.0]), rng=0).status == "primal infeasible"


def test_what_is_not_certified_is_not_returned():
    solution = solve_problem(HARD["degenerate vertex"](6, np.random.default_rng(0)), maxiter=1, rng=0)
    assert solution.status == "not certified"
    assert (solution.x, solution.obj, solution.z) == (None, None, None)
    assert max(solution.residuals.values()) > 1e-9


def test_a_warm_start_saves_steps():
    rng = np.random.default_rng(1)
    root = rng.standard_normal((30, 30))
    problem = Problem(root @ root.T, rng.standard_normal(30), lb=np.zeros(30), ub=np.ones(30))
    cold = solve_problem(problem, rng=0)
    warm = solve_problem(problem, initvals=cold, rng=0)
    assert warm.device_time < cold.device_time
    np.testing.assert_allclose(
        solve_qp(problem.P, problem.q, lb=problem.lb, ub=problem.ub, initvals=cold.x), cold.x, atol=1e-7
    )


def test_an_imperfect_device_costs_runs_and_no_digits():
    device = tla.LangevinDevice(imperfections=tla.Imperfections(output_bits=8, matrix_bits=40))
    x = solve_qp(np.diag([2.0, 1.0]), [-2.0, -3.0], [[1.0, 1.0]], [2.0], rng=0, device=device)
    np.testing.assert_allclose(x, [1 / 3, 5 / 3], atol=1e-7)


@pytest.mark.parametrize("imperfections", [{"matrix_bits": 1}, {"matrix_bits": 4, "mismatch": 0.01}, {"mismatch": 1.0}])
def test_a_coarse_copy_costs_runs_and_no_digits(imperfections):
    """Copies that are not definite are lifted, and the residual is that of the problem."""
    device = tla.LangevinDevice(imperfections=tla.Imperfections(**imperfections))
    x = solve_qp(np.diag([2.0, 1.0]), [-2.0, -3.0], [[1.0, 1.0]], [2.0], rng=0, device=device)
    np.testing.assert_allclose(x, [1 / 3, 5 / 3], atol=1e-7)


def test_same_seed_same_answer_and_booked_time():
    problem = Problem(np.eye(3), [1.0, -2.0, 3.0], lb=[0.0, 0.0, 0.0])
    first, second = (solve_problem(problem, rng=3) for _ in range(2))
    assert np.array_equal(first.x, second.x)
    assert first.device_time > 0
    assert first.programs >= 1


def test_verbose_prints_one_line(capsys):
    solve_qp([[1.0]], [1.0], verbose=True, rng=0)
    assert capsys.readouterr().out.startswith("solved: objective -0.5")


I2 = np.eye(2)
BAD = {
    "P shape": (dict(P=np.eye(3), q=[0, 0]), "columns"),
    "P rows": (dict(P=np.ones((3, 2)), q=[0, 0]), r"P must be \(2, 2\)"),
    "P asymmetric": (dict(P=[[1, 1], [0, 1]], q=[0, 0]), "symmetric"),
    "P indefinite": (dict(P=np.diag([1, -1]), q=[0, 0]), "not convex"),
    "P indefinite, zero diagonal": (dict(P=[[0, 1], [1, 0]], q=[0, 0]), "not convex"),
    "P NaN": (dict(P=np.diag([1, np.nan]), q=[0, 0]), "P holds NaN"),
    "q infinite": (dict(P=I2, q=[0, np.inf]), "q holds NaN"),
    "q empty": (dict(P=np.zeros((0, 0)), q=[]), "q must be a vector"),
    "q matrix": (dict(P=I2, q=I2), "q must be a vector"),
    "G without h": (dict(P=I2, q=[0, 0], G=I2), "belong together"),
    "b without A": (dict(P=I2, q=[0, 0], b=[1]), "belong together"),
    "h length": (dict(P=I2, q=[0, 0], G=I2, h=[1]), "h has 1 entries, expected 2"),
    "h -inf": (dict(P=I2, q=[0, 0], G=I2, h=[1, -np.inf]), "no x satisfies"),
    "h NaN": (dict(P=I2, q=[0, 0], G=I2, h=[1, np.nan]), "h holds NaN"),
    "A columns": (dict(P=I2, q=[0, 0], A=[[1, 1, 1]], b=[1]), "A has 3 columns"),
    "b infinite": (dict(P=I2, q=[0, 0], A=[[1, 1]], b=[np.inf]), "finite right-hand sides"),
    "lb length": (dict(P=I2, q=[0, 0], lb=[0]), "lb has 1 entries"),
    "lb +inf": (dict(P=I2, q=[0, 0], lb=[0, np.inf]), "no x satisfies"),
    "ub NaN": (dict(P=I2, q=[0, 0], ub=[0, np.nan]), "ub holds NaN"),
    "initvals": (dict(P=I2, q=[0, 0], initvals=[1]), "initvals"),
    "tol": (dict(P=I2, q=[0, 0], tol=0), "tol"),
    "maxiter": (dict(P=I2, q=[0, 0], maxiter=0), "maxiter"),
    "time_limit": (dict(P=I2, q=[0, 0], time_limit=0), "time_limit"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        solve_qp(**arguments)


@pytest.mark.parametrize("value", [1j * I2, np.array([["a", "b"], ["c", "d"]]), sp.csr_array(1j * I2)])
def test_what_is_not_real_is_refused(value):
    with pytest.raises(TypeError, match="P must hold real numbers"):
        solve_qp(value, [0.0, 0.0])


@pytest.mark.parametrize("rank", [20, 50])
def test_a_covariance_in_single_precision_is_convex(rank):
    rows = np.random.default_rng(rank).standard_normal((rank, 80))
    P = (rows.T @ rows / rank).astype(np.float32)
    assert np.linalg.eigvalsh(P.astype(float)).min() < 0  # by rounding
    x = solve_qp(P, -np.ones(80), lb=np.zeros(80), ub=np.ones(80), rng=0)
    exact = solve_qp(rows.T @ rows / rank, -np.ones(80), lb=np.zeros(80), ub=np.ones(80), rng=0)
    cost = [Problem(rows.T @ rows / rank, -np.ones(80)).objective(point) for point in (x, exact)]
    assert cost[0] == pytest.approx(cost[1], rel=1e-5)


def test_an_indefinite_cost_in_single_precision_is_refused():
    with pytest.raises(ValueError, match="not convex"):
        Problem(np.diag([1.0, -1e-3]).astype(np.float32), np.zeros(2))


@pytest.mark.parametrize("gap", [1e-6, 1e-7, 1e-8])
def test_stagnation_ends_early_and_says_how_far_it_got(gap):
    A = np.ones((2, 3))
    began = process_time()
    solution = solve_problem(Problem(np.eye(3), np.zeros(3), A=A, b=[1.0, 1.0 + gap]), rng=0)
    assert process_time() - began < 20  # 46 seconds and more before it was noticed
    assert not solution.found
    np.testing.assert_allclose(A @ solution.last, 1.0, atol=1e-5)
    assert gap / 4 < solution.residuals["primal"] < 4 * gap


def test_a_time_limit_leaves_the_last_point():
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 60))
    problem = Problem(rows @ rows.T, rng.standard_normal(60), G=rng.standard_normal((90, 60)), h=np.ones(90))
    solution = solve_problem(problem, time_limit=1e-3, rng=0)
    assert solution.status == "not certified"
    assert solution.x is None
    assert solution.last.shape == (60,)
    assert solve_problem(problem, time_limit=600, rng=0).found
