"""Problems that are hard on purpose, beside Clarabel; and how a search is watched and ended."""

from time import process_time

import numpy as np
import pytest

from benchmarks.applications.programs import HARD, WITHOUT_SOLUTION, budget
from thermoapps.quadratic_program import Problem, QPDevice, solve_problem, solve_qp
from thermoapps.quadratic_program.scaled import Scaled
from thermoapps.quadratic_program.solution import conditions

LONGEST = 20.0  # s


def by_clarabel(problem):
    """Objective of the minimum, to 1e-10."""
    pytest.importorskip("clarabel")
    from benchmarks.applications.quadratic_program import of_clarabel

    return of_clarabel(problem, 1e-10)()


def check(kind, n, seed, rel=1e-7):
    problem = HARD[kind](n, np.random.default_rng(seed))
    began = process_time()
    solution = solve_problem(problem, rng=0)
    assert process_time() - began < LONGEST
    assert solution.found
    assert solution.obj == pytest.approx(by_clarabel(problem), rel=rel, abs=rel)
    assert (solution.x >= problem.lb).all()
    assert (solution.x <= problem.ub).all()


@pytest.mark.parametrize("kind", HARD)
def test_minimum_is_that_of_clarabel(kind):
    check(kind, 12, 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n", [1, 5, 60, 150])
@pytest.mark.parametrize("kind", HARD)
def test_minima_of_all_sizes_are_those_of_clarabel(kind, n, seed):
    check(kind, n, seed, rel=1e-6)  # Clarabel itself does not reach all its tolerances


def test_rows_of_small_numbers_count_beside_large_ones():
    """x = (1, 0) meets 10⁶ x₁ ≥ 10⁶ and violates 10⁻⁶ x₂ ≥ 10⁻⁶ as a whole, by 10⁻¹² of the largest term."""
    problem = Problem(np.eye(2), np.zeros(2), np.diag([-1e6, -1e-6]), [-1e6, -1e-6])
    x, z = np.array([1.0, 0.0]), np.array([1e-6, 0.0])
    as_given = conditions(problem.P, problem.q, problem.rows(), x, np.concatenate([z, np.zeros(2)]))
    assert all(residual <= 1e-9 * (1 + size) for residual, size in as_given.values())
    scaled = Scaled.of(problem)
    assert scaled.excess(*scaled.from_user(x, np.concatenate([z, np.zeros(2)]))) > 1e-4
    assert solve_problem(problem, rng=0).obj == pytest.approx(1.0)
    check("badly scaled", 70, 1, rel=1e-8)


@pytest.mark.parametrize("status", WITHOUT_SOLUTION)
@pytest.mark.parametrize("n", [6, pytest.param(60, marks=pytest.mark.slow)])
def test_what_has_no_solution_is_proved_to_have_none(status, n):
    solution = solve_problem(WITHOUT_SOLUTION[status](n, np.random.default_rng(1)), rng=0)
    assert (solution.status, solution.x) == (status, None)
    assert solution.certificate is not None


def test_one_program_solves_an_easy_problem():
    """What makes a fresh problem of three variables cheap."""
    solution = solve_problem(budget(3, np.random.default_rng(0)), rng=0)
    assert (solution.iterations, solution.programs) == ({"active sets": 1}, 1)
    assert solution.device_time > 0


@pytest.mark.parametrize("seed", range(4))
def test_bounds_are_met_exactly_without_a_multiplier(seed):
    """Where the minimum without bounds has zeros, rounding is on either side of them."""
    rng = np.random.default_rng(seed)
    root, inside = rng.standard_normal((30, 20)), np.where(np.arange(20) % 2, rng.random(20), 0.0)
    x = solve_qp(root.T @ root, -root.T @ (root @ inside), lb=np.zeros(20), rng=0)
    np.testing.assert_allclose(x, inside, atol=1e-7)
    assert x.min() == 0


@pytest.mark.parametrize("kind", ["factor portfolio", "multi-stage control"])
def test_another_vector_is_an_update(kind):
    problem = HARD[kind](60, np.random.default_rng(2))
    device = QPDevice(problem, rng=0)
    device.solve()
    b = problem.b * 1.001
    updated = device.update(b=b).solve()
    assert updated.programs == 0
    assert updated.obj == pytest.approx(by_clarabel(device.problem), rel=1e-7)


class TestWatching:
    problem = HARD["degenerate vertex"](5, np.random.default_rng(0))

    def test_every_step_is_shown_in_the_units_given(self):
        seen = []
        solution = solve_problem(self.problem, callback=seen.append, rng=0)
        assert solution.found
        assert len(seen) > 3
        assert np.allclose(seen[-1], solution.x, atol=1e-2)

    def test_true_ends_the_search_with_its_last_point(self):
        solution = solve_problem(self.problem, callback=lambda x: True, rng=0)
        assert (solution.status, solution.x) == ("not certified", None)
        assert solution.last.shape == (5,)
        assert sum(solution.iterations.values()) <= 2

    def test_an_interrupt_passes_through(self):
        device = QPDevice(self.problem, callback=self.interrupt, rng=0)
        with pytest.raises(KeyboardInterrupt):
            device.solve()
        assert device.solution is None

    @staticmethod
    def interrupt(x):
        raise KeyboardInterrupt

    def test_progress_is_a_bar(self, capsys):
        solve_problem(self.problem, progress=True, rng=0)
        assert "steps" in capsys.readouterr().err

    def test_a_callback_is_callable(self):
        with pytest.raises(TypeError, match="callback must be callable, got int"):
            solve_problem(Problem([[1.0]], [0.0]), callback=3)
