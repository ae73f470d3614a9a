"""Exact transitions against known values and 50-digit arithmetic, where eigenvectors and symmetric parts go wrong."""

from __future__ import annotations

from functools import cache

import mpmath
import numpy as np
import pytest
import scipy.linalg
from helpers import spd
from numpy.testing import assert_allclose

from thermolinalg.simulation import LinearProcess, transition

GOLDEN = np.array([[1.0, 5.0], [0.0, 2.0]])
TIMES = [1e-10, 1e-5, 1e-2, 0.3, 1.0, 10.0]


def random_drift(d):
    return np.random.default_rng(d).standard_normal((d, d)) + 3 * np.eye(d)


def low_rank_noise(d):
    b = np.random.default_rng(d).standard_normal((d, 2))
    return b @ b.T


def underdamped(stiffness, mass, friction):
    d = len(stiffness)
    drift = np.block([[np.zeros((d, d)), -np.eye(d)], [stiffness / mass, friction / mass * np.eye(d)]])
    return drift, np.diag([0.0] * d + [2 * friction / mass**2] * d)


CHAIN = 2 * np.eye(3) - np.eye(3, k=1) - np.eye(3, k=-1)
LAPLACIAN = np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, -1.0], [0.0, -1.0, 1.0]])

CASES = {
    "symmetric": (spd(6), 2 * np.eye(6)),
    "symmetric, correlated noise": (spd(3), low_rank_noise(3)),
    "non-normal": (GOLDEN, 2 * np.eye(2)),
    "random, singular noise": (random_drift(5), low_rank_noise(5)),
    "defective": (np.eye(4) + 3 * np.eye(4, k=1), np.diag([0.0, 0.0, 0.0, 1.0])),
    "singular drift": (LAPLACIAN, 2 * np.eye(3)),
    "nilpotent": (np.array([[0.0, -1.0], [0.0, 0.0]]), np.diag([0.0, 1.0])),
    "no drift": (np.zeros((2, 2)), np.eye(2)),
    "underdamped": underdamped(CHAIN, 0.5, 0.8),
    "critically damped": underdamped(np.eye(1), 1.0, 2.0),
    "unstable": (np.array([[-1.0, 2.0], [0.0, 0.5]]), np.eye(2)),
    "stiff": (np.diag([1e-3, 1.0, 20.0]), np.eye(3)),
}


@cache
def reference(case, t):
    """P, Q and R of a transition from two block exponentials with 50 digits to spare."""
    M, D = CASES[case]
    d = len(M)
    with mpmath.workdps(50 + int(3 * np.linalg.norm(M, 1) * t)):
        drift, time = mpmath.matrix(M.tolist()), mpmath.mpf(t)
        block = mpmath.zeros(2 * d)
        block[:d, :d], block[:d, d:], block[d:, d:] = -drift * time, mpmath.matrix(D.tolist()) * time, drift.T * time
        exponential = mpmath.expm(block)
        decay = (exponential[d:, d:] ** -1).T
        covariance = exponential[:d, d:] * decay.T
        block = mpmath.zeros(2 * d)
        block[:d, :d], block[:d, d:] = -drift * time, mpmath.eye(d) * time
        return decay, covariance, mpmath.expm(block)[:d, d:]


def relative_error(value, exact):
    with mpmath.workdps(50):
        return float(mpmath.mnorm(mpmath.matrix(value.tolist()) - exact, "f") / (mpmath.mnorm(exact, "f") or 1))


@pytest.mark.thinned(4)
@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("case", CASES)
def test_transition_against_50_digits(case, t):
    M, D = CASES[case]
    law = transition(M, D, t)
    # The law of M perturbed by rounding: an error of 1e-16·‖M‖t is in the nature of the problem, and beyond it nothing.
    tolerance = max(1e-14, 4e-16 * np.linalg.norm(M, 1) * t)
    for value, exact in zip((law.decay, law.covariance, law.response), reference(case, t), strict=True):
        assert relative_error(value, exact) <= tolerance


@pytest.mark.parametrize("t", TIMES)
@pytest.mark.parametrize("case", [name for name in CASES if name not in ("stiff", "unstable")])
def test_covariance_to_1e_14(case, t):
    M, D = CASES[case]
    assert relative_error(transition(M, D, t).covariance, reference(case, t)[1]) <= 1e-14


@pytest.mark.parametrize("t", [1e-8, 1e-4, 1e-1])
def test_every_entry_of_a_short_underdamped_step_is_exact(t):
    """Positions are t³, velocities t: an error relative to the norm alone would drown the positions."""
    law = transition(*CASES["critically damped"], t)
    exact = reference("critically damped", t)[1]
    assert_allclose(law.covariance, np.array(exact.tolist(), dtype=float), rtol=1e-14)


def test_golden_covariance():
    assert_allclose(transition(GOLDEN, 2 * np.eye(2), 1.0).covariance, [[3.079, -0.713], [-0.713, 0.491]], atol=5e-4)


def test_golden_stationary_law():
    _, covariance = LinearProcess(GOLDEN, 2 * np.eye(2)).stationary()
    assert_allclose(covariance, [[31 / 6, -5 / 6], [-5 / 6, 1 / 2]], rtol=1e-14)


def symmetric_part_covariance(M, t):
    """The mistaken ∫ e^{−(M + Mᵀ)s} · 2 ds: right for normal M only."""
    rates, vectors = np.linalg.eigh((M + M.T) / 2)
    return vectors * (-np.expm1(-2 * rates * t) / rates) @ vectors.T


@pytest.mark.parametrize(("t", "error"), [(0.1, 0.037), (1.0, 1.35), (20.0, 3e17)])
def test_symmetric_part_is_no_substitute(t, error):
    """The shortcut misses the golden law by the known amount, and ours has not fallen for it."""
    exact = transition(GOLDEN, 2 * np.eye(2), t).covariance
    shortcut = symmetric_part_covariance(GOLDEN, t)
    assert_allclose(np.linalg.norm(shortcut - exact) / np.linalg.norm(exact), error, rtol=0.05)


def test_symmetric_part_serves_normal_matrices():
    rotation = np.array([[1.0, 3.0], [-3.0, 1.0]])
    exact = transition(rotation, 2 * np.eye(2), 1.0).covariance
    assert_allclose(exact, symmetric_part_covariance(rotation, 1.0), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize(
    "case", ["symmetric", "non-normal", "random, singular noise", "defective", "underdamped", "stiff"]
)
def test_stationary_law_against_scipy(case):
    M, D = CASES[case]
    c = np.arange(1.0, len(M) + 1)
    mean, covariance = LinearProcess(M, D, c).stationary()
    expected = scipy.linalg.solve_continuous_lyapunov(M, D)
    assert_allclose(covariance, expected, rtol=0, atol=1e-11 * np.abs(expected).max())
    assert_allclose(M @ mean, c, rtol=0, atol=1e-12 * np.linalg.norm(M) * np.linalg.norm(mean))
