"""What a refined answer is said to be worth: when it is a success, and where its error bar comes from."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import scipy.sparse
from cases import tensor
from helpers import spd
from scipy.sparse.linalg import aslinearoperator

from thermolinalg._arrays import to_numpy
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.certificate import (
    AGREEMENT,
    AT_FLOOR,
    LEFT,
    LONGER,
    PROBES,
    Certificate,
    ErrorBar,
    error_bar,
    rounding_bound,
)
from thermolinalg.estimation.refinement import Goal, State
from thermolinalg.operators import Dense, MatrixFree, Sparse
from thermolinalg.systems import Equation, Measure
from thermolinalg.systems.least_squares import Augmented

D = 12
EPS = np.finfo(float).eps
A = spd(D, 1e3)
INVERSE = np.linalg.inv(A)
X = np.random.default_rng(1).standard_normal((D, 2)) * [1.0, 1e3]
ONCE = Schedule(0.0, 1.0)
PLAIN = Measure()


@dataclass
class Exact:
    """Reads A⁻¹b, and says that its noise is `noise` whatever it loads."""

    noise: float = 0.0
    matrix: np.ndarray = field(default_factory=lambda: INVERSE)
    definite: bool = True
    loads: list = field(default_factory=list)

    def average(self, b, schedule, *, rng):
        assert schedule in (ONCE, ONCE.lengthened(LONGER))
        self.loads.append(b)
        value = self.matrix @ b
        return Reading(value, 1.0, schedule, replicas=lambda: np.full((value.shape[0], 32), self.noise))


def equation(b=None, measures=(PLAIN,), matrix=A, auxiliary=0):
    operator = matrix if hasattr(matrix, "apply") else Dense(matrix)
    b = A @ X if b is None else b
    return Equation(operator, b, measures, float(np.linalg.norm(to_numpy(operator.dense()), 2)), auxiliary)


def state_of(eq, x=X, low=None, **options):
    r = eq.residual(x) if low is None else eq.extended(x, low)
    return State(x, r, eq.norms(r), eq.lengths(x), low, **options)


def goal(*targets, k=2):
    return Goal(tuple(np.broadcast_to(np.asarray(t, float), (k,)) for t in targets), np.full(k, np.inf))


# -- success -----------------------------------------------------------------------------------------------------------


def test_the_numbers_of_a_certificate():
    weights = 2.0 ** np.arange(D)[:, None]
    eq = equation(measures=(Measure(weights, 1 / weights), Measure(columns=np.full((D, 1), 0.5))))
    x = X + 1e-5
    told = Certificate.of(eq, state_of(eq, x), goal(1.0, 1.0))
    r = A @ X - A @ x
    np.testing.assert_allclose(told.residual, r, rtol=1e-6)
    np.testing.assert_allclose(told.norms, np.linalg.norm(weights * r, axis=0), rtol=1e-6)
    scale = np.linalg.norm(A, 2) * np.linalg.norm(0.5 * x, axis=0) + np.linalg.norm(A @ X, axis=0)
    np.testing.assert_allclose(told.backward_error, np.linalg.norm(r, axis=0) / scale, rtol=1e-6)
    np.testing.assert_array_equal(told.targets, [1.0, 1.0])
    assert told.floor == (AT_FLOOR + D**0.5) * EPS


# Each: the backward errors of two columns over the floor, their residuals over the first and second targets; success.
OUTCOMES = [
    ((1e3, 1e3), (0.9, 0.9), (0.9, 0.9), True, True),
    ((1e3, 1e3), (0.9, 1.1), (0.9, 0.9), False, False),
    ((1e3, 1e3), (0.9, 0.9), (1.1, 0.9), False, False),
    ((1e3, 1e3), (1.0, 1.0), (1.0, 1.0), True, True),
    ((0.9, 0.9), (2.0, 3.0), (2.0, 3.0), False, True),
    ((1.1, 0.9), (2.0, 3.0), (0.5, 3.0), False, False),
    ((1e3, 0.9), (0.9, 2.0), (0.9, 2.0), False, True),  # one is as good as was asked for, the other as can be
    ((0.9, 1e3), (2.0, 2.0), (2.0, 0.9), False, False),
    ((1.0, 1.0), (2.0, 2.0), (2.0, 2.0), False, True),
]


@pytest.mark.parametrize(("backward", "first", "second", "met", "success"), OUTCOMES)
def test_success_is_judged_column_by_column(backward, first, second, met, success):
    targets = np.array([3.0, 1e-3])
    reached = (np.array(first) <= 1) & (np.array(second) <= 1)
    told = Certificate(np.ones((D, 2)), targets * first, targets, 1e-15 * np.array(backward), 1e-15, reached)
    assert (told.met, told.success) == (met, success)
    eq = equation(measures=(PLAIN, Measure(rows=np.full((D, 1), 3.0))))
    x = X + 1e-3
    r = np.linalg.norm(A @ (X - x), axis=0)
    made = Certificate.of(eq, state_of(eq, x), goal(r / first * (1 + 1e-9), 3 * r / second * (1 + 1e-9)))
    np.testing.assert_array_equal(made.reached, reached)


def test_columns_of_any_size_have_their_backward_error():
    small = 1e-20 * X
    eq = equation(A @ small)
    told = Certificate.of(eq, state_of(eq, small * (1 + 1e-3)), goal(1.0))
    big = equation(A @ X)
    expected = Certificate.of(big, state_of(big, X * (1 + 1e-3)), goal(1.0)).backward_error
    np.testing.assert_allclose(told.backward_error, expected, rtol=1e-9)
    assert np.all(expected > 1e-6)


def test_zero_columns_have_no_backward_error():
    eq = equation(np.zeros((D, 2)))
    told = Certificate.of(eq, state_of(eq, np.zeros((D, 2))), goal(0.0))
    np.testing.assert_array_equal(told.backward_error, 0)
    assert told.success
    assert told.met


def test_what_is_judged_is_the_rounded_answer():
    """An iterate x + low has no residual left; x alone, which is returned, has."""
    low = EPS / 4 * X
    eq = equation(A @ X)
    state = state_of(eq, X, low)
    told = Certificate.of(eq, state, goal(1.0))
    np.testing.assert_array_equal(told.residual, eq.extended(X, 0 * X))
    assert np.all(abs(told.residual - state.residual).max(axis=0) > 0.1 * EPS * abs(A @ low).max(axis=0))


def test_auxiliary_unknowns_keep_their_low_part():
    """Nobody is given the residual that least squares solves for, and its rounding is no error of the answer."""
    a = np.random.default_rng(2).standard_normal((5, 3))
    operator = Augmented(Dense(a, symmetric=False), 0.3, 0.0)
    z = np.random.default_rng(3).standard_normal((8, 1))
    low = EPS / 4 * z
    eq = Equation(operator, operator.apply(z), (PLAIN,), 1.0, auxiliary=5)
    kept = np.vstack([low[:5], np.zeros((3, 1))])
    told = Certificate.of(eq, state_of(eq, z, low), goal(1.0, k=1))
    np.testing.assert_array_equal(told.residual, eq.extended(z, kept))
    np.testing.assert_array_equal(eq.rounded(low), kept)


def test_without_extended_products_the_plain_residual_is_judged():
    operator = MatrixFree(aslinearoperator(A))
    eq = Equation(operator, A @ X, (PLAIN,), 1.0)
    told = Certificate.of(eq, state_of(eq, X + 1e-3), goal(1.0))
    np.testing.assert_allclose(told.residual, A @ (X - (X + 1e-3)), rtol=1e-6)


# -- the bound of rounding ---------------------------------------------------------------------------------------------


def exact_spread(matrix, x, b, eps=EPS):
    """The root of Σ_j (A⁻¹)_ij² w_j², w = eps (|A||x| + |b|)."""
    w = eps * (abs(matrix) @ abs(x) + abs(b))
    return (np.linalg.inv(matrix) ** 2 @ w**2) ** 0.5


@pytest.mark.parametrize("make", [Dense, lambda a: Sparse(scipy.sparse.csr_array(a))])
@pytest.mark.parametrize("eps", [EPS, 2.0**-64])
def test_the_rounding_bound_is_the_scatter_of_independent_errors(make, eps):
    eq, runs = equation(matrix=make(A)), 200
    # An inverse so large that the rounding of x itself plays no part.
    device = Exact(matrix=2.0**20 * INVERSE)
    squares = [rounding_bound(eq, device, X, ONCE, np.random.default_rng(seed), eps) ** 2 for seed in range(runs)]
    spread = exact_spread(A, X, A @ X, eps)
    # A mean square of PROBES sums of random signs has a variance of at most two over their number.
    np.testing.assert_allclose(
        np.mean(squares, axis=0) / (2.0**20 * spread) ** 2, 1.0, atol=5 * (2 / PROBES / runs) ** 0.5
    )
    worst = eps * abs(INVERSE) @ (abs(A) @ abs(X) + abs(A @ X))
    assert np.all((spread <= worst * (1 + 1e-12)) & (spread >= worst / D**0.5 / (1 + 1e-12)))


def test_no_answer_is_better_than_its_own_rounding():
    bound = rounding_bound(equation(), Exact(matrix=0 * A), X, ONCE, np.random.default_rng(0), 2.0**-64)
    np.testing.assert_array_equal(bound, EPS * abs(X))


def test_products_only_take_the_size_of_the_matrix():
    weights = 2.0 ** np.arange(D)[:, None]
    for measure in (PLAIN, Measure(weights, weights)):
        eq = Equation(MatrixFree(aslinearoperator(A)), A @ X, (measure,), 2.0)
        device = Exact()
        rounding_bound(eq, device, X, ONCE, np.random.default_rng(0), EPS)
        sizes = 2.0 * measure.solution(X) / D**0.5 * np.ones((D, 1))
        sizes = sizes if measure is PLAIN else sizes / weights
        for j, load in enumerate(device.loads):
            assert load.shape == (D, PROBES)
            np.testing.assert_allclose(abs(load), np.tile((sizes + abs(A @ X))[:, j : j + 1], PROBES), rtol=1e-12)
            assert 0.2 < (load > 0).mean() < 0.8


# -- error bars --------------------------------------------------------------------------------------------------------


def bar(eq, device, state, residual=None, seed=0):
    told = Certificate.of(eq, state, goal(*[1.0] * len(eq.measures)))
    if residual is not None:
        told = Certificate(residual, told.norms, told.targets, told.backward_error, told.floor, told.reached)
    return error_bar(eq, device, state, told, ONCE, np.random.default_rng(seed))


def reading(size):
    return Reading(X, 1.0, ONCE, replicas=lambda: np.full((D, 32), size))


def test_parts_add_up():
    told = ErrorBar(np.full((2, 1), 3.0), np.full((2, 1), 4.0))
    np.testing.assert_array_equal(told.total, np.full((2, 1), 7.0))


def test_the_noise_is_that_of_the_last_run():
    eq = equation()
    told = bar(eq, Exact(), state_of(eq, reading=reading(0.25)), 0 * X)
    np.testing.assert_allclose(told.noise, np.full((D, 2), 0.25))
    # Plain residuals bring the bound of their rounding.
    np.testing.assert_array_equal(told.rounding, rounding_bound(eq, Exact(), X, ONCE, np.random.default_rng(0), EPS))


def test_an_error_that_a_further_run_sees_widens_the_bar():
    eq = equation()
    error = np.linspace(0.1, 4.0, 2 * D).reshape(D, 2)
    told = bar(eq, Exact(noise=0.05), state_of(eq, reading=reading(0.25)), A @ error)
    np.testing.assert_allclose(told.noise, np.maximum(0.25, (error - 0.1) / AGREEMENT), rtol=1e-9)
    assert np.any(told.noise > 0.25)
    assert np.any(told.noise == 0.25)
    assert np.all(error <= 3 * told.noise + 0.1)


def test_one_column_with_a_residual_is_enough_for_a_further_run():
    eq = equation()
    error = np.zeros((D, 2))
    error[:, 1] = 4.0
    told = bar(eq, Exact(), state_of(eq, reading=reading(0.25)), A @ error)
    np.testing.assert_allclose(told.noise, np.array([[0.25, 4.0 / AGREEMENT]] * D), rtol=1e-9)


def test_conjugate_runs_have_the_error_that_a_further_run_sees():
    eq = equation()
    error = np.linspace(-4.0, 4.0, 2 * D).reshape(D, 2)
    told = bar(eq, Exact(noise=0.5), state_of(eq, reading=reading(99.0), conjugate=True), A @ error)
    np.testing.assert_allclose(told.noise, np.hypot(error, 0.5), rtol=1e-9)


def test_a_start_that_is_the_answer_has_no_noise():
    eq = equation()
    device = Exact(noise=1.0)
    told = bar(eq, device, state_of(eq), 0 * X)
    np.testing.assert_array_equal(told.noise, 0)
    assert len(device.loads) == 2  # the probes of rounding, for each column


@pytest.mark.parametrize("columns", [None, np.geomspace(0.1, 10, D)[:, None]])
def test_extended_residuals_leave_the_rounding_of_the_answer(columns):
    eq = equation(measures=(PLAIN, Measure(columns=columns)))
    norms = eq.balanced.solution(X)
    state = state_of(eq, low=0 * X, reading=reading(0.0))
    told = bar(eq, Exact(), state, 0 * X)
    np.testing.assert_array_equal(told.rounding, EPS * abs(X))
    # Corrections of the size of rounding say what is left, those far above it say noise.
    for size, stalled in ((0.1, 0), (1e6, 0), (1e6, 3)):
        state.correction = size * EPS * np.ones((D, 1)) * norms
        state.changes, state.contraction, state.stalled = eq.lengths(state.correction), np.array([0.5, 0.75]), stalled
        left = state.correction * [1.0, 1.0]
        little = eq.balanced.solution(left) <= LEFT * EPS * norms
        assert little.all() == little.any() == (size < 1)
        expected = np.where(little | (stalled > 0), np.maximum(EPS * abs(X), left), EPS * abs(X))
        np.testing.assert_allclose(bar(eq, Exact(), state, 0 * X).rounding, expected, rtol=1e-12)


def test_long_double_residuals_bring_their_own_bound():
    """2^-64 relative is not negligible at a condition number of 1e13."""

    class Wide(Dense):
        extended_eps = 2.0**-64

    matrix = spd(D, 1e13)
    x = np.ones((D, 1))
    eq = Equation(Wide(matrix), matrix @ x, (PLAIN,), 1.0)
    state = state_of(eq, x, 0 * x)
    device = Exact(matrix=np.linalg.inv(matrix))
    told = bar(eq, device, state, 0 * x)
    bound = rounding_bound(eq, device, x, ONCE, np.random.default_rng(0), 2.0**-64)
    np.testing.assert_array_equal(told.rounding, bound)
    assert bound.max() > 100 * EPS


def test_torch_bars_are_numpys():
    matrix = tensor(A)
    told = {}
    for name, put in (("numpy", np.asarray), ("torch", tensor)):
        eq = Equation(Dense(put(A)), put(A @ X), (PLAIN,), 1.0)

        class Device(Exact):
            def average(self, b, schedule, *, rng, put=put):
                value = put(INVERSE) @ b
                return Reading(value, 1.0, schedule, replicas=lambda: 0 * value[:, :1] + put(np.full((1, 32), 0.1)))

        x = put(X + 1e-9)
        r = eq.residual(x)
        state = State(x, r, eq.norms(r), eq.lengths(x), reading=Device().average(r, ONCE, rng=None))
        certificate = Certificate.of(eq, state, Goal((put(np.ones(2)),), put(np.full(2, np.inf))))
        assert type(certificate.norms) is np.ndarray
        made = error_bar(eq, Device(), state, certificate, ONCE, np.random.default_rng(0))
        told[name] = to_numpy(made.noise), to_numpy(made.rounding)
    assert matrix.shape == (D, D)
    np.testing.assert_allclose(told["torch"][0], told["numpy"][0], rtol=1e-12)
    np.testing.assert_allclose(told["torch"][1], told["numpy"][1], rtol=1e-9)
