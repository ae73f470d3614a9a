"""Nodes that warm up during a run: their moments against plain integration of their equations."""

import numpy as np
import pytest
import scipy.integrate
from helpers import spd

from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.simulation.warming import WarmingProcess, WarmingProfile
from thermolinalg.testing import assert_covariance, assert_mean

G, D, B = spd(2, 4.0), np.array([[2.0, 0.3], [0.3, 1.5]]), np.array([1.0, -0.7])
KINDS = {"plain": (np.ones(2), np.inf, 0.0), "inert, coloured, uneven": (np.array([1.0, 1.4]), 4.0, 0.5)}
CHANGES = [(0.3, 0.0), (0.0, -0.4), (-0.2, 0.5)]


def warming(kind, w, stiffness, heat):
    return WarmingProcess(G, D, *KINDS[kind], WarmingProfile(w), stiffness, heat)


def integrated(kind, w, stiffness, heat, x0, burn_in, duration):
    """Mean and covariance of (voltages at the end, average over the window) by Runge and Kutta's method of order 8."""

    cold, held = (NodeProcess((1 + stiffness * p) * G, (1 + heat * p) * D, *KINDS[kind]) for p in (0.0, 1.0))
    n = len(held.process.M)

    def at(p):
        """Drift and noise, which follow p linearly."""
        both = ((cold.process.M, held.process.M), (cold.process.D, held.process.D))
        return ((1 - p) * settled + p * begun for settled, begun in both)

    entered = np.concatenate([held.entry @ B, np.zeros(n)])

    def slope(t, packed, averaging):
        M, noise = at(np.exp(-t / w))
        whole = np.zeros((2 * n, 2 * n))
        whole[:n, :n], whole[n:, :n] = M, -averaging * np.eye(n)
        mean, spread = packed[: 2 * n], packed[2 * n :].reshape(2 * n, 2 * n)
        driven = np.zeros((2 * n, 2 * n))
        driven[:n, :n] = noise
        return np.concatenate([entered - whole @ mean, (driven - whole @ spread - spread @ whole.T).ravel()])

    spread = np.zeros((2 * n, 2 * n))
    spread[:n, :n] = held.start
    packed = np.concatenate([x0, np.zeros(2 * n - 2), spread.ravel()])
    for begin, end, averaging in ((0.0, burn_in, 0.0), (burn_in, burn_in + duration, 1 / duration)):
        if end > begin:
            told = scipy.integrate.solve_ivp(
                slope, (begin, end), packed, "DOP853", args=(averaging,), rtol=1e-10, atol=1e-12
            )
            packed = told.y[:, -1]
    rows = [0, 1, n, n + 1]
    return packed[: 2 * n][rows], packed[2 * n :].reshape(2 * n, 2 * n)[np.ix_(rows, rows)]


@pytest.mark.thinned(3)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("w", "burn_in", "duration"), [(5.0, 0.0, 4.0), (2.0, 1.5, 6.0)])
def test_windows_are_those_of_the_equations(kind, change, w, burn_in, duration):
    process, x0 = warming(kind, w, *change), np.array([0.4, 2.0])
    mean, covariance = integrated(kind, w, *change, x0, burn_in, duration)
    law = process.window(burn_in, duration, None)
    np.testing.assert_allclose(law.mean(x0, B), mean, atol=5e-4)
    np.testing.assert_allclose(law.covariance, covariance, atol=5e-4)
    still = NodeProcess(G, D, *KINDS[kind]).window(burn_in, duration, None)
    missed = abs(still.mean(x0, B) - mean).max() + abs(still.covariance - covariance).max()
    assert missed > 5e-3
    after = process.after(burn_in + duration)
    np.testing.assert_allclose(after.mean(x0, B), mean[:2], atol=5e-4)
    np.testing.assert_allclose(after.covariance, covariance[:2, :2], atol=5e-4)


def test_temperature_alone_has_its_closed_form():
    lam, w, heat, t = 0.7, 3.0, 0.4, 2.0
    one = WarmingProcess(np.array([[lam]]), np.array([[2.0]]), np.ones(1), np.inf, 0.0, WarmingProfile(w), 0.0, heat)
    fades = 2 * lam - 1 / w
    expected = (1 - np.exp(-2 * lam * t)) / lam + heat * 2 * (np.exp(-t / w) - np.exp(-2 * lam * t)) / fades
    np.testing.assert_allclose(one.after(t).covariance, expected, rtol=2e-4)


@pytest.mark.thinned(5)
@pytest.mark.parametrize("readings", [1, 2, 7, 200])
@pytest.mark.parametrize("w", [0.5, 4.0, 1e9])
def test_readings_one_by_one_make_the_window(readings, w):
    """Against the same steps composed one after the other."""
    process, spacing, burn_in = warming("plain", w, 0.3, -0.4), 0.3, 0.7
    law = process.window(burn_in, readings * spacing, readings)
    end = process._chained(0.0, burn_in)
    means, kept = [end.mean(np.ones(2), B)], [end.covariance]
    decays = []
    for k in range(readings - 1):
        step = process._chained(burn_in + k * spacing, burn_in + (k + 1) * spacing)
        decays.append(step.decay)
        end = end.then(step)
        means.append(end.mean(np.ones(2), B))
        kept.append(end.covariance)
    np.testing.assert_allclose(law.mean(np.ones(2), B)[2:], np.mean(means, axis=0), rtol=1e-9)
    np.testing.assert_allclose(law.covariance[:2, :2], kept[-1], rtol=1e-9)
    total = np.zeros((2, 2))
    for k, spread in enumerate(kept):
        late = spread
        total += spread
        for decay in decays[k:]:
            late = decay @ late
            total += late + late.T
    np.testing.assert_allclose(law.covariance[2:, 2:], total / readings**2, rtol=1e-8)


@pytest.mark.slow
def test_paths_have_the_law_of_their_steps():
    process, times = warming("inert, coloured, uneven", 2.0, -0.2, 0.5), np.array([0.5, 0.9, 6.0])
    rng = np.random.default_rng(0)
    paths = np.array([process.path(np.ones(2), B, times, rng) for _ in range(1000)])
    for k, time in enumerate(times):
        law = process.after(time)
        assert_mean(paths[:, k], law.mean(np.ones(2), B))
        assert_covariance(paths[:, k], law.covariance)


def test_a_profile_is_a_staircase_of_its_means():
    profile = WarmingProfile(3.0)
    for begin, end in ((0.0, 0.0), (0.0, 1.0), (0.4, 30.0), (100.0, 101.0), (profile.begins[3], profile.begins[5])):
        pieces = profile.pieces(begin, end)
        assert sum(length for _, length in pieces) == pytest.approx(end - begin)
        area = sum(profile.levels[index] * length for index, length in pieces)
        assert area == pytest.approx(3 * (np.exp(-begin / 3) - np.exp(-end / 3)), abs=1e-3)
    assert sum(length for _, length in profile.pieces(0.0, 1e3)) == pytest.approx(1e3)
    # Long after, it is the process itself.
    process = warming("plain", 3.0, 0.3, 0.4)
    assert process.lasting < 60
    still = NodeProcess(G, D, np.ones(2))
    np.testing.assert_allclose(process.window(60.0, 5.0, None).covariance, still.window(60.0, 5.0, None).covariance)
    np.testing.assert_allclose(process.after(500.0).covariance, still.stationary.covariance, rtol=1e-6)
