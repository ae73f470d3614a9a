"""Residuals sent back to a device: contraction, biased devices, extended precision, and what every state tells."""

import math
from dataclasses import dataclass, field
from itertools import islice, pairwise

import numpy as np
import pytest
from cases import tensor
from exact import exact_solve
from helpers import orthogonal, spd

from thermolinalg._arrays import to_numpy
from thermolinalg.devices import Reading, Schedule
from thermolinalg.estimation.directions import HISTORY, Directions, _conjugate
from thermolinalg.estimation.refinement import FASTEST, NEAR_FLOOR, PROBED, SLOWEST, UNSEEN, Goal, State, refine
from thermolinalg.operators import Dense, MatrixFree
from thermolinalg.systems import Equation, Measure

D = 20
A = spd(D, 100.0)
B = np.random.default_rng(1).standard_normal((D, 3))
EPS = np.finfo(float).eps
PLAIN = Measure()


@dataclass
class Fake:
    """A device that reads G (r + noise), G for A⁻¹ and the noise white and of a size relative to r."""

    matrix: np.ndarray
    noise: float = 0.0
    definite: bool = True
    loads: list = field(default_factory=list)

    def average(self, b, schedule, *, rng):
        self.loads.append(b)
        size = np.linalg.norm(b, axis=0) / len(b) ** 0.5
        noise = self.noise * size * rng.standard_normal(b.shape)
        return Reading(self.matrix @ (b + noise).astype(b.dtype), 1.0, schedule)


def equation(matrix=A, b=B, measures=(PLAIN,)):
    operator = matrix if hasattr(matrix, "apply") else Dense(matrix, symmetric=bool(np.all(matrix == matrix.T)))
    return Equation(operator, b, measures, float(np.linalg.norm(to_numpy(operator.dense()), 2)))


def states(device, eq=None, x=None, seed=0, schedule=None, **options):
    eq = eq or equation()
    timetable = schedule or (lambda r: Schedule(0.0, 1.0))
    return refine(eq, device, x, timetable, np.random.default_rng(seed), **options)


def after(n, *args, **options):
    """The state after n runs."""
    return next(islice(states(*args, **options), n, None))


# -- plain refinement --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [1e-1, 1e-2, 1e-4])
def test_residuals_shrink_by_the_noise_of_a_run(noise):
    """Each run leaves the noise of its reading: relative, a factor noise·χ_d/√d, known to 1/√(2d) each."""
    norms = [s.norms[-1] for s in islice(states(Fake(np.linalg.inv(A), noise)), 6)]
    ratios = np.array([later / earlier for earlier, later in pairwise(norms) if np.all(later > 1e-12)])
    assert ratios.shape[0] >= 2
    np.testing.assert_allclose(ratios, noise, rtol=4.5 / (2 * D) ** 0.5)


def test_zero_is_a_start_without_a_product():
    states_of = [after(3, Fake(np.linalg.inv(A), 0.1), x=x) for x in (None, np.zeros((D, 3)))]
    np.testing.assert_array_equal(*(state.x for state in states_of))
    assert [state.n_matvec for state in states_of] == [3, 4]


def test_an_exact_inverse_needs_one_run():
    state = after(1, Fake(np.linalg.inv(A)))
    np.testing.assert_allclose(state.x, np.linalg.solve(A, B), rtol=1e-12)
    assert not state.conjugate


def test_states_are_one_object_that_tells_the_truth():
    eq, device = equation(measures=(Measure(2.0 ** np.arange(D)[:, None]), Measure())), Fake(np.linalg.inv(A), 0.1)
    seen, start = [], np.ones((D, 3))
    before = start.copy()
    for n, state in enumerate(islice(states(device, eq, start), 5)):
        seen.append(state)
        assert state.n_runs == len(state.schedules) == len(device.loads) == n
        np.testing.assert_allclose(state.residual, B - A @ state.x, atol=1e-13)
        np.testing.assert_allclose(
            state.norms[0], np.linalg.norm(2.0 ** np.arange(D)[:, None] * state.residual, axis=0)
        )
        np.testing.assert_allclose(state.norms[1], np.linalg.norm(state.residual, axis=0))
        np.testing.assert_allclose(state.sizes[1], np.linalg.norm(state.x, axis=0))
        assert state.n_matvec == 1 + n
        if n == 0:
            assert state.correction is state.left is state.reading is None
        else:
            np.testing.assert_allclose(state.changes[1], np.linalg.norm(state.correction, axis=0))
            np.testing.assert_array_equal(state.correction, state.reading.value)
    assert all(state is seen[0] for state in seen)
    np.testing.assert_array_equal(start, before)
    np.testing.assert_allclose(device.loads[0], B - A @ before)


def test_the_schedule_is_made_for_every_load():
    asked = []

    def schedule(r):
        asked.append(r)
        return Schedule(0.0, float(len(asked)))

    device = Fake(np.linalg.inv(A), 0.1)
    state = after(3, device, schedule=schedule)
    assert [s.duration for s in state.schedules] == [1.0, 2.0, 3.0]
    for load, r in zip(device.loads, asked, strict=True):
        assert load is r


def test_a_consumer_may_stop_at_any_time():
    device = Fake(np.linalg.inv(A), 0.1)
    generator = states(device)
    next(generator)
    assert not device.loads
    next(generator)
    generator.close()
    assert len(device.loads) == 1
    with pytest.raises(StopIteration):
        next(generator)


def test_columns_of_zeros_are_left_alone():
    b = B.copy()
    b[:, 1] = 0.0
    for device in (Fake(np.linalg.inv(A), 0.3), Noisy(np.linalg.inv(A)), Fake(np.eye(D))):
        for state in islice(states(device, equation(b=b)), 8):
            np.testing.assert_array_equal(state.x[:, 1], 0)
            assert state.norms[-1][1] == 0


def test_a_column_without_a_load_does_not_hide_that_others_make_no_progress():
    """Its residual is at the floor from the first run on, and says nothing of theirs."""
    b = np.stack([B[:, 0], 0 * B[:, 0]], axis=1)
    *_, state = islice(states(Fake(5.0 * np.linalg.inv(A)), equation(b=b)), 8)
    assert state.conjugate
    assert state.norms[-1][0] < 1e-10 * np.linalg.norm(b[:, 0])


@dataclass
class Noisy(Fake):
    """Reads noise even where there is no load."""

    def average(self, b, schedule, *, rng):
        value = self.matrix @ b
        return Reading(value + 1e-3 * rng.standard_normal(value.shape), 1.0, schedule)


def test_columns_of_any_size_side_by_side():
    b = B * np.array([1e-30, 1.0, 1e30])
    state = after(8, Fake(np.linalg.inv(A), 0.01), equation(b=b))
    assert np.all(state.norms[-1] <= 1e-14 * np.linalg.norm(b, axis=0))


@pytest.mark.parametrize("factor", [1e-6, 1.0])
def test_what_is_left_is_told_by_the_last_correction(factor):
    """θ/(1 − θ) times the last correction, θ the ratio of the last two."""
    device = Fake(factor * np.linalg.inv(A) if factor == 1 else 0.9 * np.linalg.inv(A), 0.0)
    run = states(device)
    next(run)
    first = next(run)
    np.testing.assert_allclose(first.contraction, UNSEEN)
    np.testing.assert_allclose(first.left, 1.0)
    if factor != 1:
        state = next(run)
        np.testing.assert_allclose(state.contraction, 0.1, rtol=1e-9)
        truth = np.linalg.solve(A, B)
        told = state.left * state.changes[-1]
        np.testing.assert_allclose(told, np.linalg.norm(state.x - truth, axis=0), rtol=1e-8)


def test_slow_corrections_say_twenty_times_themselves():
    state = after(3, Fake(1e-9 * np.linalg.inv(A)), equation())
    assert np.all(state.contraction <= SLOWEST)
    assert np.all(state.left <= SLOWEST / (1 - SLOWEST) * (1 + 1e-14))


FIRST = np.r_[np.full(D // 2, 1e6), np.ones(D // 2)][:, None]
"""Weights with which a user's own measure looks at the first half of the unknowns only."""


def halves(first, second):
    """A device for the identity that leaves these shares of the error in either half."""
    return Fake(np.diag(np.r_[np.full(D // 2, 1 - first), np.full(D // 2, 1 - second)]))


@pytest.mark.parametrize(("first", "second", "conjugate"), [(0.9, 0.1, False), (0.1, 0.9, True)])
def test_progress_is_judged_in_the_balanced_measure(first, second, conjugate):
    """The half that is slow is a hundredth of the load; a user's measure may see nothing else."""
    b = np.ones((D, 1))
    b[: D // 2] = 0.01
    eq = equation(np.eye(D), b, (Measure(FIRST, FIRST), PLAIN))
    run = states(halves(first, second), eq)
    corrections = []
    for n, state in enumerate(islice(run, 4)):
        if n:
            corrections.append(np.linalg.norm(state.correction, axis=0))
        if n == 1:
            assert state.conjugate == conjugate
        if n > 1 and not conjugate:
            ratio = corrections[-1] / corrections[-2]
            np.testing.assert_allclose(state.contraction, np.clip(ratio, FASTEST, SLOWEST), rtol=1e-9)


def test_the_floor_is_that_of_the_balanced_measure():
    """The half that the user's measure hides has its residual at rounding long before the other half has."""
    b = np.ones((D, 1))
    eq = equation(np.eye(D), b, (Measure(FIRST, FIRST), PLAIN))
    began = next(s.n_runs for s in islice(states(halves(0.5, 1e-3), eq), 60) if s.low is not None)
    # ‖r‖ = 0.5^n √(D/2) against 30 eps 2 √D.
    expected = math.ceil(math.log2(1 / (NEAR_FLOOR * EPS * 2 * 2**0.5)))
    assert began == expected
    tiny = equation(np.eye(D), b, (Measure(1 / FIRST, 1 / FIRST), PLAIN))
    assert next(s.n_runs for s in islice(states(halves(0.5, 1e-3), tiny), 60) if s.low is not None) == expected


def test_one_column_near_its_floor_brings_extended_precision():
    x = np.linalg.solve(A, B)
    x[:, 1:] = 0
    state = after(1, Fake(np.linalg.inv(A), 0.1), x=x)
    assert state.low is not None
    assert np.all(state.norms[-1][1:] > 1e-4)


def test_one_column_that_makes_progress_is_progress():
    class Half(Fake):
        def average(self, b, schedule, *, rng):
            reading = super().average(b, schedule, rng=rng)
            reading.value[:, 1:] = 0
            return reading

    for state in islice(states(Half(np.linalg.inv(A), 0.1)), 8):
        assert state.stalled == 0
        np.testing.assert_array_equal(state.x[:, 1:], 0)
    assert state.norms[-1][0] < 1e-6


# -- biased devices ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [0.05, 3.0, 50.0])
def test_a_wrong_factor_is_found_at_once(wrong):
    state = after(1, Fake(wrong * np.linalg.inv(A)))
    assert state.conjugate
    np.testing.assert_allclose(state.x, np.linalg.solve(A, B), rtol=1e-10)


def test_a_device_that_ignores_a_is_plain_conjugate_gradients():
    """In exact arithmetic they end after as many steps as there are distinct eigenvalues, and not before."""
    matrix = np.diag(np.repeat([1.0, 2.0, 5.0, 9.0], 5))
    relative = [s.norms[-1] / np.linalg.norm(B, axis=0) for s in islice(states(Fake(np.eye(D)), equation(matrix)), 5)]
    assert np.all(relative[3] > 1e-4)
    assert np.all(relative[4] < 1e-13)


def bias(size, seed=4):
    """A⁻¹ with an error of relative size in all entries."""
    g = np.random.default_rng(seed).standard_normal((D, D)) / D**0.5
    return np.linalg.inv(A) @ (np.eye(D) + size * (g + g.T))


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("size", [0.6, 1.0])
def test_biased_devices_converge_along_conjugate_directions(size, definite):
    matrix = A if definite else A + 0.3 * np.triu(A, 1)
    device = Fake(np.linalg.inv(matrix) @ A @ bias(size), 0.01, definite)
    norms, used = [], False
    for state in islice(states(device, equation(matrix)), 2 * D + 6):
        norms.append(state.norms[-1])
        used |= state.conjugate
    assert used
    truth = np.linalg.solve(matrix, B)
    assert np.all(norms[-1] <= 1e-12 * np.linalg.norm(B, axis=0))
    np.testing.assert_allclose(state.x, truth, atol=1e-10 * abs(truth).max())
    if not definite:
        # The residual is what is minimised: it never rises above its rounding.
        floor = 1e-13 * np.linalg.norm(B, axis=0)
        assert all(np.all(later <= earlier * (1 + 1e-9) + floor) for earlier, later in pairwise(norms))


def test_a_run_that_made_no_progress_is_taken_back():
    """The first step of a device that reads five times too much would double the error."""
    device = Fake(5 * np.linalg.inv(A) @ (np.eye(D) + 0.01 * np.diag(np.arange(D))))
    for earlier, later in pairwise([s.norms[-1] for s in islice(states(device), 6)]):
        assert np.all(later <= earlier + 1e-14)


def test_slow_but_steady_progress_needs_no_directions():
    """A device that leaves 0.6 of the error each time is left to itself; one that leaves 0.8 is not."""
    assert not after(5, Fake(0.4 * np.linalg.inv(A))).conjugate
    assert after(1, Fake(0.2 * np.linalg.inv(A))).conjugate


def test_directions_are_conjugate_and_steps_along_them_exact():
    for definite in (True, False):
        directions = Directions(equation(), definite)
        rng = np.random.default_rng(3)
        for _ in range(6):
            z = rng.standard_normal((D, 3))
            directions.add(z, A @ z)
        for i, (p, q) in enumerate(directions.pairs):
            np.testing.assert_allclose(q, A @ p, atol=1e-12)
            for other, image in directions.pairs[:i]:
                overlap = np.sum((other if definite else image) * q, axis=0)
                np.testing.assert_allclose(overlap, 0, atol=1e-12)
        step, foretold = directions.step(B)
        r = B - A @ step
        np.testing.assert_allclose(foretold, r, atol=1e-12)
        for p, q in directions.pairs:
            np.testing.assert_allclose(np.sum((p if definite else q) * r, axis=0), 0, atol=1e-12)


def test_only_so_many_directions_are_kept(monkeypatch):
    directions = Directions(equation(), True)
    rng = np.random.default_rng(3)
    for _ in range(HISTORY + 5):
        z = rng.standard_normal((D, 3))
        directions.add(z, A @ z)
    assert len(directions.pairs) == HISTORY + 5
    monkeypatch.setattr("thermolinalg.estimation.directions.KEPT", 3 * D)
    directions.add(z, A @ z)
    assert len(directions.pairs) == HISTORY


@pytest.mark.parametrize("definite", [True, False])
def test_a_known_direction_again_stays_the_reading(definite):
    """What conjugation leaves of a direction that is there already is rounding."""
    z = np.random.default_rng(3).standard_normal((D, 1))
    p, q = _conjugate(z, A @ z, [(z, A @ z)], definite)
    np.testing.assert_array_equal(p, z)
    np.testing.assert_array_equal(q, A @ z)


def test_conjugation_that_adds_energy_is_not_believed():
    """Conjugation takes energy away, unless an earlier product is off: then the reading is the better direction."""
    rng = np.random.default_rng(0)
    p, earlier = rng.standard_normal((2, D, 1))
    q, product = A @ p, A @ earlier
    overlap = float(np.sum(p * product))
    for off, believed in ((0.0, True), (-2.0, False)):
        # The overlap with a product that is off has the wrong sign, and what is taken away is added.
        wrong = product + off * overlap * p / np.sum(p * p)
        assert np.sum(earlier * wrong) > 0
        weight = np.sum(p * wrong) / np.sum(earlier * wrong)
        longer, image = p - weight * earlier, q - weight * wrong
        assert (np.sum(longer * image) <= np.sum(p * q)) == believed
        found, found_image = _conjugate(p, q, [(earlier, wrong)], True)
        np.testing.assert_allclose(found, longer if believed else p, rtol=1e-13)
        np.testing.assert_allclose(found_image, image if believed else q, rtol=1e-13)


@pytest.mark.parametrize("run", [1, 2])
def test_negative_curvature_is_refused_with_the_evidence(run):
    matrix = np.diag(np.r_[-5.0, np.ones(D - 1)])
    b = np.ones((D, 1))
    with pytest.raises(np.linalg.LinAlgError, match=r"not positive definite: a direction p with pᵀAp = -"):
        for _ in islice(states(Fake(np.diag(np.r_[5.0, np.ones(D - 1)])), equation(matrix, b)), run + 1):
            pass
    general = Fake(np.eye(D), definite=False)
    assert np.all(after(6, general, equation(matrix, b)).norms[-1] < 1e-10)


@pytest.mark.parametrize("run", [1, 2, 3, 4])
def test_first_readings_are_probed_even_where_they_help(run):
    """A soft negative direction that a reading contains does not keep its residual from shrinking."""
    matrix = np.diag(np.r_[-0.01, np.ones(D - 1)])

    class Soft(Fake):
        def average(self, b, schedule, *, rng):
            reading = super().average(b, schedule, rng=rng)
            reading.value[0] = 50 * np.linalg.norm(b) / D**0.5 if len(self.loads) == run else 0
            return reading

    b = np.r_[0.0, np.ones(D - 1)][:, None]
    generator = states(Soft(np.diag(np.r_[0.0, np.ones(D - 1)]), 0.1), equation(matrix, b))
    for _ in range(run):
        next(generator)
    if run <= PROBED:
        with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
            next(generator)
    else:
        assert not next(generator).conjugate


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize("column", [0, 2])
def test_curvature_counts_as_negative_beyond_rounding(column, scale):
    """zᵀAz < −d eps (‖z‖‖Az‖ + ‖z‖(‖A‖‖z‖ + ‖b‖)), in any column."""
    eq = equation()
    directions = Directions(eq, True)
    z = np.zeros((D, 3))
    z[0] = scale
    limit = D * EPS * (np.linalg.norm(A, 2) * scale + np.linalg.norm(B, axis=0)[column])
    for share, refused in ((0.9, False), (1.1, True)):
        image = z.copy()
        image[0, column] = -share * limit
        if refused:
            with pytest.raises(np.linalg.LinAlgError, match=r"pᵀAp = -1 ‖p‖‖Ap‖"):
                directions.refuse_negative(z, image)
        else:
            directions.refuse_negative(z, image)
        Directions(eq, False).refuse_negative(z, image)


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize(("size", "new"), [(3e-15, False), (1e-12, True)])
def test_what_is_known_but_for_rounding_is_no_new_direction(size, new, definite):
    """What conjugation leaves has to stand ten times above d eps of the products that it came from."""
    rng = np.random.default_rng(3)
    z, other = rng.standard_normal((2, D, 1))
    p = z + size * other
    found, image = _conjugate(p, A @ p, [(z, A @ z)], definite)
    assert np.array_equal(found, p) != new
    assert np.array_equal(image, A @ p) != new


@pytest.mark.parametrize("kappa", [1e2, 1e10, 1e13])
def test_rounding_is_no_negative_curvature(kappa):
    matrix = spd(D, kappa)
    for seed in range(20):
        after(4, Fake(np.linalg.inv(matrix), 0.1), equation(matrix, matrix @ np.ones((D, 1))), seed=seed)


# -- near rounding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kappa", [1e4, 1e10])
@pytest.mark.parametrize("definite", [True, False])
def test_extended_residuals_give_the_rounded_solution(kappa, definite):
    matrix = spd(D, kappa)
    if not definite:
        matrix = matrix @ orthogonal(D, 1)
    b = np.random.default_rng(2).standard_normal((D, 1))
    # A device that solves as well as it can in double precision, with a noise of a per cent.
    state = after(16, Fake(np.linalg.inv(matrix), 0.01, definite), equation(matrix, b))
    assert state.low is not None
    truth, _ = exact_solve(matrix, b[:, 0])
    assert np.linalg.norm(state.x[:, 0] - truth) <= EPS * np.linalg.norm(truth)
    assert abs(state.low).max() <= EPS * abs(state.x).max()
    np.testing.assert_array_equal(state.x + state.low, state.x)
    plain = np.linalg.solve(matrix, b)[:, 0]
    if kappa > 1e6:
        assert np.linalg.norm(plain - truth) > 1e3 * EPS * np.linalg.norm(truth)


@pytest.mark.parametrize("matrix", [A, np.eye(D)], ids=["condition 100", "identity"])
def test_extended_precision_begins_near_the_floor_and_stays(matrix):
    eq = equation(matrix)
    began = False
    for state in islice(states(Fake(np.linalg.inv(matrix), 0.1), eq), 25):
        floor = NEAR_FLOOR * EPS * to_numpy(eq.floor(state.x))
        if state.low is None:
            assert np.all(np.linalg.norm(state.residual, axis=0) > floor)
        else:
            began = True
            with np.errstate(over="ignore"):
                wide = B - matrix.astype(np.longdouble) @ (state.x.astype(np.longdouble) + state.low)
            np.testing.assert_allclose(state.residual, wide.astype(float), atol=1e-18 * D)
    assert began
    assert np.all(state.norms[-1] < 1e-22)


def test_without_extended_residuals_the_iteration_stays_plain():
    operator = MatrixFree(_products_only(A))
    eq = Equation(operator, B, (PLAIN,), 1.0)
    state = after(60, Fake(np.linalg.inv(A), 0.1), eq)
    assert state.low is None
    relative = state.norms[-1] / np.linalg.norm(B, axis=0)
    assert np.all(relative <= 1e-14 * D)  # and does not leave its floor again
    assert relative.max() > 1e-19  # extended residuals get below


def _products_only(matrix):
    from scipy.sparse.linalg import aslinearoperator

    return aslinearoperator(matrix)


def test_runs_without_progress_are_counted():
    class Deaf(Fake):
        def average(self, b, schedule, *, rng):
            return Reading(np.zeros_like(b), 1.0, schedule)

    stalled = [s.stalled for s in islice(states(Deaf(A)), 7)]
    assert stalled == [0, 0, 1, 2, 3, 4, 5]
    assert [s.stalled for s in islice(states(Fake(np.linalg.inv(A), 0.1)), 8)] == [0] * 8


# -- a digital preconditioner beside the device, other arrays, goals ---------------------------------------------------


def test_a_digital_direction_is_searched_beside_the_device():
    seen = []

    def precondition(r):
        seen.append(r)
        return np.linalg.solve(A, r)

    device = Fake(np.eye(D))
    state = after(1, device, preconditioner=precondition)
    assert state.conjugate
    assert seen[0] is device.loads[0]
    assert state.n_matvec == 3 + (state.low is not None)
    np.testing.assert_allclose(state.x, np.linalg.solve(A, B), rtol=1e-11)
    plain = after(4, Fake(np.eye(D)), preconditioner=lambda r: 0.0 * r)
    cg = after(4, Fake(np.eye(D)))
    np.testing.assert_allclose(plain.x, cg.x, rtol=1e-8)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_torch_is_refined_as_numpy_is(dtype):
    matrix, b = A.astype(dtype), B.astype(dtype)
    inverse = np.linalg.inv(A).astype(dtype)

    class Torch(Fake):
        def average(self, load, schedule, *, rng):
            reading = super().average(to_numpy(load), schedule, rng=rng)
            return Reading(tensor(reading.value.astype(dtype)), 1.0, schedule)

    eq = Equation(Dense(tensor(matrix)), tensor(b), (PLAIN,), 1.0)
    state = after(10, Torch(inverse, 0.01), eq)
    expected = after(10, Fake(inverse, 0.01), equation(matrix, b))
    assert str(state.x.dtype) == f"torch.{dtype}"
    np.testing.assert_allclose(to_numpy(state.x), expected.x, rtol=10 * np.finfo(dtype).eps)
    truth = np.stack([exact_solve(matrix, column.astype(float))[0] for column in b.T], axis=1)
    np.testing.assert_allclose(to_numpy(state.x), truth, rtol=np.finfo(dtype).eps)


def goal(targets, forward=np.inf):
    return Goal(tuple(np.full(3, t) for t in targets), np.full(3, forward))


def test_goals_ask_for_residual_and_error_in_every_measure():
    eq = equation(measures=(Measure(columns=np.full((D, 1), 0.5)), Measure()))
    x = np.ones((D, 3))
    state = State(x, x, (np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.2, 0.3])), eq.lengths(x))
    assert goal([3.0, 0.3]).reached(eq, state)
    assert not goal([2.9, 0.3]).reached(eq, state)
    assert not goal([3.0, 0.29]).reached(eq, state)
    # Before the first run nothing is known of the error.
    assert goal([3.0, 0.3], 1e-9).reached(eq, state)
    state.correction = 1e-3 * x
    state.changes = eq.lengths(state.correction)
    state.contraction = np.full(3, 0.5)
    assert goal([3.0, 0.3], 1.001e-3).reached(eq, state)
    assert not goal([3.0, 0.3], 0.999e-3).reached(eq, state)
    state.contraction = np.array([0.5, 0.6, 0.5])
    assert not goal([3.0, 0.3], 1.001e-3).reached(eq, state)
    assert goal([3.0, 0.3], 1.501e-3).reached(eq, state)
    assert goal([3.0, 0.3]).reached(eq, state)
    assert not goal([3.0, 0.3]).asks_for_x
    assert Goal(goal([3.0]).targets, np.array([np.inf, 1e-3, np.inf])).asks_for_x
