"""Nodes with capacitors of their own, inertia and coloured noise: against closed forms and plain stepping."""

import numpy as np
import pytest
import scipy.linalg
from helpers import spd

from thermolinalg.simulation import LinearSDE, integrate
from thermolinalg.simulation._transition import Transition
from thermolinalg.simulation.doubling import Doubling
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.testing import assert_covariance, assert_mean

G = spd(3, 5.0)
D = 2.0 * (0.9 * np.eye(3) + 0.1)
C = np.array([1.0, 1.3, 0.8])

EVERY = {
    "plain": {},
    "inertia": {"bandwidth": 3.0},
    "colour": {"correlation_time": 0.4},
    "both": {"bandwidth": 3.0, "correlation_time": 0.4},
}


def test_capacitors_of_their_own_solve_a_lyapunov_equation():
    law = NodeProcess(G, D, C).stationary
    expected = scipy.linalg.solve_continuous_lyapunov(G / C[:, None], D / C[:, None] / C)
    np.testing.assert_allclose(law.covariance, expected, rtol=1e-12)
    np.testing.assert_allclose(law.response, np.linalg.inv(G), rtol=1e-12)


@pytest.mark.parametrize("tau", [0.01, 0.5, 10.0])
def test_coloured_noise_lowers_each_mode_by_its_law(tau):
    lam, Q = np.linalg.eigh(G)
    covariance = NodeProcess(G, 2 * np.eye(3), np.ones(3), correlation_time=tau).stationary.covariance
    np.testing.assert_allclose(Q.T @ covariance @ Q, np.diag(1 / (lam * (1 + lam * tau))), atol=1e-12)


@pytest.mark.parametrize("bandwidth", [0.5, 3.0, 1e4])
def test_inertia_leaves_the_variance_under_white_noise(bandwidth):
    covariance = NodeProcess(G, 2 * np.eye(3), np.ones(3), bandwidth=bandwidth).stationary.covariance
    np.testing.assert_allclose(covariance, np.linalg.inv(G), rtol=1e-9)


def test_modes_ring_beyond_a_quarter_of_the_bandwidth():
    def slowest(bandwidth):
        return NodeProcess(np.eye(1), np.eye(1), np.ones(1), bandwidth=bandwidth).slowest

    assert slowest(4.1).imag == 0
    assert slowest(3.9).imag != 0
    assert slowest(3.9).real == pytest.approx(3.9 / 2)


@pytest.mark.parametrize("options", EVERY.values(), ids=EVERY)
def test_plain_stepping_agrees(options):
    process = NodeProcess(G, D, C, **options)
    n, copies, time = len(process.process.M), 4_000, 0.8
    b, x0, rng = np.array([1.0, -0.5, 0.2]), np.array([0.3, 0.0, -1.0]), np.random.default_rng(0)
    start = np.zeros((n, copies))
    start[:3] = x0[:, None]
    start += np.linalg.cholesky(process.start + 1e-300 * np.eye(n)) @ rng.standard_normal((n, copies))
    weights, vectors = np.linalg.eigh(process.process.D)
    noise = vectors * np.sqrt(np.clip(weights, 0, None))
    sde = LinearSDE(process.process.M, process.entry @ b, noise)
    end = integrate(sde, start, step=time / 400, n_steps=400, every=400, rng=rng)[-1][:3]
    law = process.after(time)
    assert_mean(end.T, law.mean(x0, b), n_se=5)
    assert_covariance(end.T, law.covariance, n_se=5)


@pytest.mark.parametrize("options", EVERY.values(), ids=EVERY)
def test_long_windows_follow_from_equilibrium(options):
    process = NodeProcess(G, D, C, **options)
    time = 40 / process.slowest.real
    law = process.process.window_law(time, time)
    rows = np.r_[0:3, len(process.process.M) : len(process.process.M) + 3]
    quick = process.window(time, time, None)
    np.testing.assert_allclose(quick.covariance, law.covariance[np.ix_(rows, rows)], atol=1e-11)
    np.testing.assert_allclose(quick.response, law.response[rows] @ process.entry, atol=1e-11)


@pytest.mark.parametrize("readings", [None, 3])
@pytest.mark.parametrize("options", EVERY.values(), ids=EVERY)
def test_short_windows_agree_with_a_path_of_readings(options, readings):
    process = NodeProcess(G, D, C, **options)
    b, x0, fine = np.array([1.0, -0.5, 0.2]), np.array([0.3, 0.0, -1.0]), readings or 400
    law = process.window(0.5, 1.2, readings)
    # The average of readings: mean and covariance of sums along the exact transitions.
    M, n = process.process, len(process.process.M)
    h = 1.2 / fine
    first, step = M.transition(0.5), M.transition(h)
    state = np.concatenate([x0, np.zeros(n - 3)])
    mean = first.mean(state, process.entry @ b)
    total, path = 0.0, mean
    for _ in range(fine):
        total = total + path[:3] / fine
        path = step.mean(path, process.entry @ b)
    np.testing.assert_allclose(law.mean(x0, b)[3:], total, rtol=1e-9 if readings else 0.02, atol=2e-3)


def test_paths_have_the_laws_of_their_steps():
    process = NodeProcess(G, D, C, bandwidth=3.0, correlation_time=0.4)
    apart = 20 / process.slowest.real
    path = process.path(np.zeros(3), np.ones(3), apart * np.arange(1, 4001), np.random.default_rng(1))
    assert_mean(path, np.linalg.solve(G, np.ones(3)))
    assert_covariance(path, process.stationary.covariance)


def test_readings_a_lag_apart_covary_as_the_decay_says():
    plain, lag = NodeProcess(G, D, C), 0.3
    spread = plain.stationary.covariance
    np.testing.assert_allclose(plain.autocovariance(lag), scipy.linalg.expm(-lag * G / C[:, None]) @ spread, rtol=1e-10)
    for options in EVERY.values():
        process = NodeProcess(G, D, C, **options)
        np.testing.assert_allclose(process.autocovariance(0.0), process.stationary.covariance, rtol=1e-12)


def drifting(kind):
    """Matrices that keep a device stable, from symmetric to far from normal and badly scaled."""
    rng = np.random.default_rng(3)
    A = spd(12, 30.0)
    if kind == "mismatched":
        A = A * (1 + 0.03 * rng.standard_normal(A.shape))
    if kind == "far from normal":
        A = np.diag(np.linspace(1.0, 2.0, 12)) + np.triu(4.0 * rng.standard_normal(A.shape), 1)
    if kind == "badly scaled":
        scale = np.geomspace(1e-4, 1e4, 12)
        A = scale[:, None] * A * scale
    return A


@pytest.mark.parametrize("options", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize("kind", ["symmetric", "mismatched", "far from normal", "badly scaled"])
def test_modes_tell_what_the_whole_drift_does(kind, options):
    G, rng = drifting(kind), np.random.default_rng(4)
    options = options | ({"bandwidth": 400.0} if "bandwidth" in options else {})
    root = rng.standard_normal(G.shape) * np.sqrt(np.abs(np.diag(G)))[:, None]
    C = (np.abs(np.diag(G)) if kind == "badly scaled" else np.ones(12)) * rng.uniform(0.8, 1.2, 12)
    D, scale = root @ root.T, np.sqrt(np.abs(np.diag(G)))
    process = NodeProcess(G, D, C, **options)
    outer = np.outer(scale, scale)
    even = NodeProcess(G / outer, D / outer, C / scale**2, **options).process  # the same in units of each node
    whole = Doubling(even.M).covariance(even.D)[:12, :12] / outer
    sizes = np.sqrt(np.outer(np.diag(whole), np.diag(whole)))
    np.testing.assert_allclose(process.stationary.covariance / sizes, whole / sizes, atol=1e-11)
    assert process.slowest.real == pytest.approx(np.linalg.eigvals(even.M).real.min(), rel=1e-6)


def test_modes_that_cannot_tell_leave_it_to_the_whole_drift():
    G = np.eye(8) + np.diag(np.full(7, 30.0), 1)  # a single Jordan block
    process = NodeProcess(G, np.eye(8), np.ones(8), correlation_time=0.4)
    assert process.modes.spread(np.eye(8)) is None
    M, noise = process.process.M, process.process.D
    exact = scipy.linalg.solve_continuous_lyapunov(M, noise)[:8, :8]
    np.testing.assert_allclose(process.stationary.covariance, exact, rtol=1e-8)


def test_large_covariances_have_roots_of_factors_where_these_are_certain():
    n = 300
    for covariance in (spd(n, 50.0), np.ones((n, n)), np.diag(np.r_[1e-30, np.zeros(n - 2), 1.0])):
        root = Transition(np.eye(n), covariance, np.eye(n)).root
        np.testing.assert_allclose(root @ root.T, covariance, rtol=1e-12, atol=1e-12)
    assert np.allclose(root[0, :] @ root[0, :], 1e-30, rtol=1e-12, atol=0)
    assert not np.triu(Transition(np.eye(n), spd(n, 50.0), np.eye(n)).root, 1).any()


def test_a_drift_without_equilibrium_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="too close to unstable"):
        _ = NodeProcess(np.diag([1.0, -1e-3]), np.eye(2), np.ones(2), bandwidth=10.0).stationary
