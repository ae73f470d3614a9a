"""The lattice random walk: simulated step by step, against its exact moments and against Euler's."""

import pickle

import numpy as np
import pytest
from helpers import rotated, spd

import thermolinalg as tla
from thermolinalg.devices import LatticeDevice, PreparedStart, Schedule
from thermolinalg.simulation.lattice import LatticeMoments, LatticeWalk
from thermolinalg.testing import assert_covariance, assert_mean, check_device

COUPLED = np.array([[1.0, 0.6, -0.3], [0.6, 0.9, 0.2], [-0.3, 0.2, 0.8]]) / 1.6
LOAD = np.array([[0.5], [-0.3], [0.25]])
WALKED, BY_MOMENTS = LatticeDevice(longest=np.inf), LatticeDevice(longest=0)


def one_step(A, step, temperature, covariance):
    """The covariance one step later, written out."""
    M, noise = np.eye(len(A)) - step * A, 2 * temperature * step * np.eye(len(A))
    return M @ covariance @ M + noise - step**2 * np.diag(np.diag(A @ covariance @ A))


@pytest.mark.parametrize("step", [0.01, 0.3])
def test_its_covariance_stays_as_it_is_under_a_step_and_solves_its_equation(step):
    for d in (1, 3, 12):
        A = spd(d, 30.0) if d > 1 else np.array([[0.7]])
        A = A / np.linalg.norm(A, 2)
        sigma = LatticeMoments(A, 2.0, step, 0.5).covariance
        np.testing.assert_allclose(one_step(A, step, 0.5, sigma), sigma, rtol=1e-12, atol=1e-12)
        coupled = A @ sigma @ A
        off = coupled - np.diag(np.diag(coupled))
        np.testing.assert_allclose(A @ sigma + sigma @ A - step * off, np.eye(d), atol=1e-12)


def test_walkers_have_the_covariance_of_the_law_and_not_that_of_eulers_rule():
    pair, load, copies = np.array([[0.6, 0.3], [0.3, 0.6]]), np.array([[0.5], [-0.3]]), 100_000
    walk = LatticeWalk(pair, spacing=0.6, step=0.15, temperature=1.0)
    ends, clipped = walk.run(np.zeros((2, copies)), np.repeat(load, copies, axis=1), 200, np.random.default_rng(0))
    assert clipped < 1e-4 * 200 * copies
    sigma = walk.moments.covariance
    assert_mean(ends.T, np.linalg.solve(pair, load)[:, 0], covariance=sigma)
    assert_covariance(ends.T, sigma)
    for other in (np.linalg.inv(pair @ (np.eye(2) - walk.step / 2 * pair)), np.linalg.inv(pair)):
        with pytest.raises(AssertionError):
            assert_covariance(ends.T, other)


def test_a_diagonal_matrix_has_its_exact_variance_at_any_step():
    A = np.diag([1.0, 0.5, 0.2])
    walk = LatticeWalk(A, spacing=0.8, step=0.3, temperature=1.0)
    np.testing.assert_allclose(walk.moments.covariance, np.linalg.inv(A), rtol=1e-13)
    assert walk.moments.bias < 1e-13
    ends, _ = walk.run(np.zeros((3, 20_000)), np.zeros((3, 20_000)), 300, np.random.default_rng(1))
    assert_covariance(ends.T, np.linalg.inv(A))


@pytest.mark.parametrize(("stride", "readings"), [(1, 37), (5, 8), (400, 3)])
def test_windows_by_moments_are_those_of_walks(stride, readings):
    walk, copies = LatticeWalk(COUPLED, 0.5, 0.1, 1.0), 4000
    load = np.repeat(LOAD, copies, axis=1)
    average, last, _ = walk.window(np.zeros((3, copies)), load, 700, stride, readings, np.random.default_rng(2))
    root = walk.moments.window(stride, readings, state=True)
    mean = np.tile(np.linalg.solve(COUPLED, LOAD)[:, 0], 2)
    both = np.concatenate([average, last]).T
    assert_mean(both, mean, covariance=root @ root.T)
    assert_covariance(both, root @ root.T)
    alone = walk.moments.window(stride, readings, state=False)
    np.testing.assert_allclose(alone @ alone.T, (root @ root.T)[:3, :3], rtol=1e-10, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("device", [WALKED, BY_MOMENTS], ids=["walked", "moments"])
def test_readings_in_time_decay_as_the_law_says(device):
    program = device.program(COUPLED)
    program.factor = 1.0
    spacing, n = 40 * device.step, 1500
    schedule = Schedule(burn_in=20 / program.rate(), readings=n, spacing=spacing)
    x = program.readings(0 * LOAD[:, 0], schedule, rng=np.random.default_rng(3), temperature=1.0).value
    C0, moments = x.T @ x / n, program.walk.moments
    late = x[1:].T @ x[:-1] / (n - 1) * program.gain_at(1.0) ** 2
    expected = moments.memory(40) @ moments.covariance
    worth = n * program.rate() * spacing / 4
    assert np.all(abs(late - expected) < 5 * np.sqrt(np.outer(np.diag(C0), np.diag(C0)) * 2 / worth))


@pytest.mark.thinned(4)
@pytest.mark.parametrize("device", [LatticeDevice(), BY_MOMENTS], ids=["default", "moments"])
@pytest.mark.filterwarnings("ignore:.*of the lattice walk:thermolinalg.ThermodynamicWarning")
def test_it_conforms(device):
    """The warm start from far away is clipped: it comes back at the speed limit of the walk, and says so."""
    assert "warm start" in check_device(device)


@pytest.mark.parametrize("seed", range(3))
def test_systems_are_solved(seed):
    A, b = spd(8, 100.0, seed), np.random.default_rng(seed).standard_normal(8)
    x, info = tla.solve(A, b, device=LatticeDevice(), rng=seed, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) < 1e-9 * np.linalg.norm(b)
    assert "lattice walk" in info.engine
    assert info.ledger.clipped == 0


def test_matrices_that_are_not_symmetric_go_another_way():
    A = np.array([[1.0, 0.3], [0.0, 1.0]])
    x, info = tla.solve(A, [1.0, 2.0], rtol=1e-6, device=LatticeDevice(), rng=0, return_info=True)
    np.testing.assert_allclose(A @ x, [1.0, 2.0], rtol=1e-5)
    assert "AᵀA" in info.reason


def test_slow_modes_that_start_near_where_they_settle_lack_their_noise_only():
    """The law of a window that only the other modes have settled for, against walks."""
    A, copies, first, (stride, readings) = rotated([0.04, 0.6, 0.9]), 8000, 160, (2, 60)
    walk, settled = LatticeWalk(A, 0.5, 0.1, 1.0), np.linalg.solve(A, LOAD)
    slow = np.linalg.eigh(A)[1][:, :1]
    start = slow @ (slow.T @ settled) + 8.0 * slow
    load = np.repeat(LOAD, copies, axis=1)
    begun = np.repeat(start, copies, axis=1)
    average, last, _ = walk.window(begun, load, first, stride, readings, np.random.default_rng(2))
    root = walk.moments.window(stride, readings, state=True, before=first)
    left, small = walk.moments.left(first, start - settled)
    assert small
    assert not walk.moments.left(0, start - settled)[1]
    means = settled + walk.moments.averaged(stride, readings, left), settled
    later, _ = walk.moments.left(stride * (readings - 1), left)
    both, mean = np.concatenate([average, last]).T, np.concatenate([means[0], means[1] + later])[:, 0]
    assert_mean(both, mean, covariance=root @ root.T)
    assert_covariance(both, root @ root.T)
    rested = walk.moments.window(stride, readings, state=True)
    with pytest.raises(AssertionError):
        assert_covariance(both, rested @ rested.T)


def test_prepared_starts_need_no_walk():
    A, b = rotated(np.geomspace(0.03, 1, 20)), np.ones(20)
    x, info = tla.solve(A, b, device=PreparedStart(LatticeDevice(), modes=2), rng=0, return_info=True)
    assert info.start.modes == 2
    assert info.engine == "moments of the lattice walk"
    np.testing.assert_allclose(A @ x, b, atol=1e-9)
    reading = PreparedStart(LatticeDevice(), modes=2).program(A)
    schedule = reading.timetable(b[:, None], 0.1)
    averages = reading.average(np.tile(b[:, None], 400), schedule, rng=np.random.default_rng(0))
    off = (averages.value - np.linalg.solve(A, b)[:, None]) / averages.standard_error
    assert 0.8 < off.std() < 1.25


def test_inverses_diagonals_and_samples():
    A = spd(5, 8.0)
    exact = np.linalg.inv(A)
    np.testing.assert_allclose(tla.inv(A, device=LatticeDevice(), rng=0), exact, rtol=1e-7, atol=1e-8)
    value, info = tla.inv_diagonal(A, rtol=0.05, device=LatticeDevice(), rng=0, return_info=True)
    assert info.success
    assert np.all(abs(value - np.diag(exact)) < 4 * info.standard_error)
    told = LatticeDevice().program(A).variances(1000, rng=np.random.default_rng(0))
    assert 0 < told.systematic < 0.01
    np.testing.assert_allclose(info.systematic, told.systematic * value)
    assert_covariance(tla.sample(A, 3000, device=LatticeDevice(), rng=0), exact)


def test_raw_runs_have_error_bars_that_hold():
    A, b = spd(6, 10.0), np.linspace(-1, 1, 6)
    ratios = []
    for seed in range(20):
        x, info = tla.solve(A, b, refine=False, rtol=0.05, device=LatticeDevice(), rng=seed, return_info=True)
        ratios.append((x - np.linalg.solve(A, b)) / info.noise)
    assert 0.7 < np.std(ratios) < 1.3


def test_clipped_draws_are_counted_and_warned_of():
    coarse = LatticeDevice(spacing=1.3)
    program = coarse.program(COUPLED)
    with pytest.warns(tla.ThermodynamicWarning, match="smaller spacing"):
        reading = program.average(LOAD, Schedule(burn_in=200.0, duration=5e5), rng=np.random.default_rng(0))
    assert np.isfinite(reading.value).all()
    assert program.ledger.clipped > 0
    assert "draws were clipped" in program.describe()["reason"]


def test_the_expected_number_of_clipped_draws_is_about_the_one_that_is_met():
    walk = LatticeWalk(COUPLED, 0.9, 0.05, 1.0)
    rng, copies = np.random.default_rng(0), 500
    settled, _ = walk.run(np.zeros((3, copies)), np.zeros((3, copies)), 600, rng)
    _, clipped = walk.run(settled, np.zeros((3, copies)), 600, rng)
    draws = 600 * copies * 3
    assert 0.4 < clipped / (draws * walk.moments.clipped_share) < 1.2  # tails of a coarse walk are shorter than normal


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"spacing": -1.0}, "spacing"),
        ({"step": 1.0}, "must not exceed 1"),
        ({"longest": -1}, "longest"),
    ],
)
def test_parameters_that_make_no_walk(wrong, words):
    with pytest.raises(ValueError, match=words):
        LatticeDevice(**wrong)


def test_what_it_does_not_hold_is_refused():
    with pytest.raises(TypeError, match="symmetric"):
        LatticeDevice().program(np.array([[1.0, 2.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="λ_max"):
        LatticeDevice(loading=tla.AsWritten()).program(1e3 * np.eye(2))
    with pytest.raises(TypeError, match="can be driven"):
        tla.slogdet(COUPLED, device=LatticeDevice())
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.solve(np.ones((2, 2)), [1.0, 2.0], device=LatticeDevice(), rng=0)
    with pytest.raises(np.linalg.LinAlgError):
        LatticeDevice().program(np.diag([1.0, -1.0])).rate()


def test_one_node_and_single_precision_and_a_pickle():
    x = tla.solve([[4.0]], [2.0], device=LatticeDevice(), rng=0)
    np.testing.assert_allclose(x, [0.5], rtol=1e-9)
    x = tla.solve(spd(4).astype(np.float32), np.ones(4, np.float32), device=LatticeDevice(), rng=0)
    assert x.dtype == np.float32
    np.testing.assert_allclose(spd(4) @ x, np.ones(4), rtol=1e-4)
    program = pickle.loads(pickle.dumps(LatticeDevice().program(COUPLED)))
    schedule = Schedule(burn_in=5.0, duration=5.0)
    first, second = (
        p.average(LOAD, schedule, rng=np.random.default_rng(0)) for p in (program, WALKED.program(COUPLED))
    )
    assert first.value.shape == second.value.shape == (3, 1)
