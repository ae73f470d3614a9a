"""Residuals sent back to a device: convergence, what stops it, and what error is left."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from cases import spd

import thermolinalg as tla
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.refinement import refine

A = spd(20, 100.0)
B = np.random.default_rng(1).standard_normal((20, 3))
ONE_RUN = Schedule(burn_in=0.0, duration=1.0)


@dataclass
class Inverse:
    """A device that reads f(A) r plus relative noise."""

    matrix: np.ndarray
    noise: float = 0.0
    loads: list = field(default_factory=list)

    def average(self, b, schedule, *, rng):
        self.loads.append(b.copy())
        value = self.matrix @ b
        value = value + self.noise * np.linalg.norm(value, axis=0) * rng.standard_normal(value.shape)
        return Reading(value, 1.0, schedule)


def run(program, matrix=A, b=B, *, rtol=1e-10, maxiter=100, x0=None, definite=True, **options):
    def residual(x, low):
        r = b - matrix @ x
        norms = np.linalg.norm(r, axis=0)
        if low is not None:
            r = (b - matrix.astype(np.longdouble) @ (x.astype(np.longdouble) + low)).astype(float)
        return r, norms

    x0 = np.zeros_like(b) if x0 is None else x0
    target = rtol * np.linalg.norm(b, axis=0)
    rng = np.random.default_rng(0)
    return refine(
        program, lambda p: matrix @ p, residual, x0, target, lambda r: ONE_RUN, rng,
        maxiter=maxiter, definite=definite, **options,
    )  # fmt: skip


def test_an_exact_inverse_needs_one_run():
    state = run(Inverse(np.linalg.inv(A)))
    assert state.converged
    assert state.n_runs == 1
    np.testing.assert_allclose(state.x, np.linalg.solve(A, B), rtol=1e-8)


@pytest.mark.parametrize("noise", [1e-3, 0.1, 0.5])
def test_noise_is_sent_back(noise):
    state = run(Inverse(np.linalg.inv(A), noise))
    assert state.converged
    assert np.all(np.linalg.norm(B - A @ state.x, axis=0) <= state.target)
    np.testing.assert_allclose(state.residual_norm, np.linalg.norm(B - A @ state.x, axis=0))
    assert len(state.schedules) == state.n_runs
    assert state.n_matvec == 1 + 2 * state.n_runs


@pytest.mark.parametrize("wrong", [0.01, 1.0, 5.0])
def test_a_device_that_is_wrong_by_a_factor_converges_at_once(wrong):
    assert run(Inverse(wrong * np.linalg.inv(A))).n_runs <= 2


def test_a_device_that_ignores_a_is_plain_conjugate_gradients():
    """In exact arithmetic they end after as many steps as there are distinct eigenvalues."""
    matrix = np.diag(np.repeat([1.0, 2.0, 5.0, 9.0], 5))
    state = run(Inverse(np.eye(20)), matrix)
    assert state.converged
    assert state.n_runs <= 5


def test_non_symmetric_systems_minimise_the_residual():
    matrix = A + 0.3 * np.triu(np.ones((20, 20)), 1)
    state = run(Inverse(np.linalg.inv(matrix), 0.1), matrix, definite=False)
    assert state.converged
    np.testing.assert_allclose(matrix @ state.x, B, atol=1e-8)


def test_residuals_never_rise():
    state_of = []
    run(Inverse(np.linalg.inv(A), 0.3), callback=lambda state: state_of.append(state.residual_norm.copy()))
    assert all(np.all(later <= earlier) for earlier, later in pairwise(state_of))


def test_a_start_is_used_and_not_overwritten():
    exact = np.linalg.solve(A, B)
    start = exact + 1e-6
    before = start.copy()
    device = Inverse(np.linalg.inv(A))
    state = run(device, x0=start)
    np.testing.assert_array_equal(start, before)
    np.testing.assert_allclose(device.loads[0], B - A @ before, atol=1e-12)
    assert state.converged
    assert run(Inverse(np.eye(20)), x0=exact).n_runs == 0


def test_runs_end_at_maxiter():
    state = run(Inverse(np.eye(20)), maxiter=3)
    assert state.n_runs == 3
    assert not state.converged


def test_a_callback_may_stop():
    def stop(state):
        if state.n_runs == 2:
            raise StopIteration

    state = run(Inverse(np.eye(20)), callback=stop)
    assert state.stopped
    assert state.n_runs == 2


def test_stagnation_ends_the_runs():
    """A device that returns nothing of use is not asked a hundred times."""

    class Deaf(Inverse):
        def average(self, b, schedule, *, rng):
            return Reading(np.zeros_like(b), 1.0, schedule)

    state = run(Deaf(A))
    assert not state.converged
    assert state.n_runs < 20
    np.testing.assert_array_equal(state.x, 0)


def test_negative_curvature_is_refused_with_evidence():
    with pytest.raises(np.linalg.LinAlgError, match=r"pᵀAp = -.* pass assume_a='gen'"):
        run(Inverse(np.eye(20)), np.diag(np.r_[-5.0, np.ones(19)]), np.ones((20, 1)))


def test_a_digital_preconditioner_is_searched_beside_the_device():
    state = run(Inverse(np.eye(20)), preconditioner=lambda r: np.linalg.solve(A, r))
    assert state.n_runs == 1
    assert state.converged


def test_the_rounding_of_the_iterate_does_not_limit_the_residual():
    """At a condition number where eps κ is above the tolerance, for a solution that floating point can hold."""
    matrix = spd(20, 1e11)
    b = matrix @ np.ones((20, 1))
    state = run(Inverse(np.linalg.inv(matrix), 0.05), matrix, b)
    assert state.converged


def test_what_remains_of_errors_is_conjugate_to_all_directions():
    state = run(Inverse(np.linalg.inv(A), 0.3), rtol=1e-4)
    errors = np.random.default_rng(2).standard_normal((20, 5))
    for column in range(3):
        left, products = state.remaining(errors, A @ errors, column, definite=True)
        np.testing.assert_allclose(products, A @ left, atol=1e-10)
        for p, q in state.directions:
            size = np.linalg.norm(q[:, column]) * np.linalg.norm(errors, axis=0)
            assert np.all(abs(q[:, column] @ left) <= 1e-8 * size)
            assert np.any(p[:, column] != 0)


def test_columns_finish_on_their_own():
    b = B * np.array([1.0, 0.0, 1e-30])
    _, info = tla.solve(A, b, rng=0, return_info=True)
    assert info.success
    assert np.all(info.residual_norm <= 1e-10 * np.linalg.norm(b, axis=0))
