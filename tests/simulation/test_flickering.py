"""1/f noise of the drive: laws of modes against those of all states at once, and plain stepping."""

import numpy as np
import pytest
import scipy.linalg
from helpers import spd

from thermolinalg.simulation import LinearProcess, LinearSDE, integrate
from thermolinalg.simulation.averages import NodeAverages, NodeNoise
from thermolinalg.simulation.disturbances import PinkNoise
from thermolinalg.simulation.flickering import FOLLOWED, FlickeringProcess
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.testing import assert_covariance, assert_mean

G, B, X0 = spd(2, 4.0), np.array([1.0, -0.7]), np.array([0.4, 2.0])
D, PINK = np.array([[2.0, 0.3], [0.3, 1.5]]), PinkNoise.of_corner(0.3, 0.9, 7.0)
UNEVEN, SKEW = np.array([1.0, 1.4]), np.array([[0.0, 0.3], [-0.3, 0.0]])
KINDS = {
    "plain": (G, np.ones(2), np.inf, 0.0),
    "uneven, coloured": (G, UNEVEN, np.inf, 0.5),
    "inert": (G, UNEVEN, 7.0, 0.0),
    "ringing, coloured": (G, UNEVEN, 1.5, 0.5),
    "not symmetric": (G + SKEW, UNEVEN, np.inf, 0.0),
}


def flickering(kind, pink=PINK):
    held, capacity, bandwidth, memory = KINDS[kind]
    return FlickeringProcess(held, D, capacity, bandwidth, memory, pink)


def enlarged(kind):
    """Drift, noise, entry of the loads and covariance of the start, of all states with those of every octave."""
    held, capacity, bandwidth, memory = KINDS[kind]
    base = NodeProcess(held, D, capacity, bandwidth, memory)
    n, octaves, one = len(base.process.M), len(PINK.times), np.eye(2)
    entry = base.entry.copy()
    if memory:
        entry[-2:] = 0.0
        # Currents enter where the coloured noise does.
        into = -base.process.M[:, -2:].copy()
        into[-2:] = 0.0
    else:
        into = entry
    M = np.zeros((n + 2 * octaves, n + 2 * octaves))
    noise, start = np.zeros_like(M), np.zeros_like(M)
    M[:n, :n], noise[:n, :n], start[:n, :n] = base.process.M, base.process.D, base.start
    for k, time in enumerate(PINK.times):
        own = slice(n + 2 * k, n + 2 * k + 2)
        M[:n, own], M[own, own] = -into, one / time
        noise[own, own], start[own, own] = 2 * PINK.power / time * D, PINK.power * D
    return M, noise, np.vstack([base.entry, np.zeros((2 * octaves, 2))]), start


@pytest.mark.parametrize("kind", KINDS)
def test_in_equilibrium_they_solve_the_lyapunov_equation_of_all_states(kind):
    M, noise, _, _ = enlarged(kind)
    expected = scipy.linalg.solve_continuous_lyapunov(M, noise)
    process = flickering(kind)
    np.testing.assert_allclose(process.stationary.covariance, expected[:2, :2], rtol=1e-9)
    np.testing.assert_allclose(process.stationary.response, np.linalg.inv(process.G), rtol=1e-12)
    for lag in (0.0, 0.7, 30.0):
        later = (scipy.linalg.expm(-M * lag) @ expected)[:2, :2]
        np.testing.assert_allclose(process.autocovariance(lag), later, atol=1e-9)
    white = NodeProcess(process.G, D, *KINDS[kind][1:]).stationary.covariance
    assert abs(expected[:2, :2] - white).max() > 0.1 * abs(white).max()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [(0.0, 3.0, None), (2.0, 5.0, None), (2.0, 5.0, 4), (0.5, 1.0, 1), (150.0, 90.0, None)])
def test_windows_are_those_of_all_states(kind, key):
    M, noise, entry, start = enlarged(kind)
    n, process = len(M), flickering(kind)
    law = LinearProcess(M, noise).window_law(*key)
    rows = [0, 1, n, n + 1]
    found, kept = process.window(*key), law.decay[rows]
    expected = law.covariance[np.ix_(rows, rows)] + kept @ start @ kept.T
    np.testing.assert_allclose(found.covariance, expected, atol=1e-8 * abs(expected).max())
    mean = law.mean(np.concatenate([X0, np.zeros(n - 2)]), entry @ B)[rows]
    np.testing.assert_allclose(found.mean(X0, B), mean, atol=1e-6)
    after = LinearProcess(M, noise).transition(key[0] + 0.3)
    spread = (after.covariance + after.decay @ start @ after.decay.T)[:2, :2]
    np.testing.assert_allclose(process.after(key[0] + 0.3).covariance, spread, atol=1e-9)


def test_octaves_as_fast_as_a_mode_are_moved_by_a_millionth():
    pink = PinkNoise.of_corner(0.3, 1.0, 8.0)
    for lam in (1.0, 0.25, 1 + 1e-9):
        process = FlickeringProcess(np.diag([lam, 0.7]), D, np.ones(2), np.inf, 0.0, pink)
        summed = NodeProcess(process.G, D, np.ones(2)).window(1.0, 3.0, None).covariance
        summed = summed + sum(octave.window(1.0, 3.0, None).covariance for octave in process._octaves)
        np.testing.assert_allclose(process.window(1.0, 3.0, None).covariance, summed, atol=3e-6)


def test_its_spectrum_is_that_of_white_noise_at_the_corner():
    for corner in (0.01, 0.3):
        pink = PinkNoise.of_corner(corner, 1e-2, 1e5)
        for omega in (1e-3, corner, 1.0):
            told = sum(2 * pink.power * time / (1 + (omega * time) ** 2) for time in pink.times)
            assert told == pytest.approx(corner / omega, rel=0.03)


@pytest.mark.parametrize("duration", [40.0, 1e3, 1e5])
def test_averages_from_one_factor_leave_out_less_than_they_say(duration):
    pink, noise = PinkNoise.of_corner(0.05, 1.0, 1e3), NodeNoise(2 * np.ones(2), 0.0)
    averages = NodeAverages(G, np.ones(2), noise, np.linalg.eigvalsh(G)[0], pink=pink)
    drawn = averages.sample(np.zeros((2, 20_000)), duration, np.random.default_rng(0))
    inverse = np.linalg.inv(G)
    whole = 2 * (1 / duration + pink.variance_of_average(duration, None)) * inverse @ inverse
    assert_covariance(drawn.T, whole)
    exact = FlickeringProcess(G, noise.covariance, np.ones(2), np.inf, 0.0, pink).window(200.0, duration, None)
    left_out = np.linalg.eigvals(np.linalg.solve(whole, whole - exact.covariance[2:, 2:]))
    assert 0 < left_out.real.min() <= left_out.real.max() <= averages.ends(duration)


def test_averages_hardly_gain():
    process = flickering("plain", PinkNoise.of_corner(0.1, 1.0, 1e6))
    spreads = [process.window(100.0, duration, None).covariance[2, 2] for duration in (1e2, 1e4, 1e8)]
    assert spreads[1] > spreads[0] / 3  # white noise would leave a hundredth
    assert spreads[2] < spreads[1] / 100


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "inert", "ringing, coloured"])
def test_plain_stepping_and_paths_agree(kind):
    process, rng, copies, time = flickering(kind), np.random.default_rng(0), 4000, 1.2
    M, noise, entry, start = enlarged(kind)
    begun = np.concatenate([np.tile(X0[:, None], copies), np.zeros((len(M) - 2, copies))])
    begun = begun + np.linalg.cholesky(start + 1e-14 * np.eye(len(M))) @ rng.standard_normal(begun.shape)
    weights, vectors = np.linalg.eigh(noise)
    sde = LinearSDE(M, entry @ B, vectors * np.sqrt(np.clip(weights, 0, None)))
    stepped = integrate(sde, begun, step=time / 600, n_steps=600, every=600, rng=rng)[-1][:2]
    law = process.after(time)
    assert_mean(stepped.T, law.mean(X0, B), tolerance=2e-3)
    assert_covariance(stepped.T, law.covariance, tolerance=2e-3)
    columns = (np.tile(x[:, None], copies) for x in (X0, B))
    path = process.path(*columns, np.array([0.4, time]), rng)
    assert_mean(path[1].T, law.mean(X0, B))
    assert_covariance(path[1].T, law.covariance)
    changes = process.window(0.4, 2 * (time - 0.4), 2)
    assert_covariance(path.mean(axis=0).T, changes.covariance[2:, 2:])


@pytest.mark.parametrize("kind", KINDS)
def test_paths_under_hardly_any_white_noise_have_the_law_of_windows(kind):
    process, copies = flickering(kind, PinkNoise.of_corner(300.0, 0.9, 7.0)), 10_000
    starts, loads = (np.tile(x[:, None], copies) for x in (X0, B))
    path = process.path(starts, loads, np.array([0.4, 1.6, 2.8]), np.random.default_rng(1))
    law = process.window(0.4, 3.6, 3)
    drawn = np.vstack([path[-1], path.mean(axis=0)]).T
    assert_mean(drawn, law.mean(X0, B))
    assert_covariance(drawn, law.covariance)


def test_what_has_no_modes_or_too_many_nodes_is_refused():
    args = (np.ones(2), np.inf, 0.0, PINK)
    with pytest.raises(ValueError, match="leave out drive_flicker="):
        FlickeringProcess(np.array([[1.0, 1.0], [0.0, 1.0]]), D, *args).stationary  # noqa: B018
    with pytest.raises(ValueError, match="change bandwidth= by a millionth"):
        FlickeringProcess(np.eye(2), D, np.ones(2), 4.0, 0.0, PINK).after(1.0)
    FlickeringProcess(np.eye(2), D, np.ones(2), 4.00001, 0.0, PINK).after(1.0)
    many = FOLLOWED + 1
    large = FlickeringProcess(np.eye(many), 2 * np.eye(many), np.ones(many), np.inf, 0.0, PINK)
    with pytest.raises(ValueError, match="averages over windows"):
        large.path(np.zeros(many), np.zeros(many), np.array([1.0]), np.random.default_rng(0))
