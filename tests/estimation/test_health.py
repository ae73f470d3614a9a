"""Health checks: silent for what equilibrium reads, and each sees what it is there for."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from helpers import rotated

from thermolinalg.estimation.health import (
    LIMIT,
    Examination,
    correlation_health,
    covariance_health,
    residual_health,
)
from thermolinalg.operators import Dense

D = 6
A = rotated(np.geomspace(0.01, 1, D))
ROOT = np.linalg.inv(np.linalg.cholesky(A)).T


def readings(n, seed=0, root=ROOT):
    return np.random.default_rng(seed).standard_normal((n, len(root))) @ root.T


def examined(*blocks, matrix=A, **options):
    examination = Examination(Dense(matrix), **options)
    for block in blocks:
        examination.take(block)
    return examination.verdict()


def _heavy(x, rng):
    return x / np.sqrt(rng.chisquare(6, (len(x), 1)) / 4)


FAULTS = {
    "gain": (lambda x, rng: 1.1 * x, "spread"),
    "offset": (lambda x, rng: x + 0.3, "mean"),
    "stuck node": (lambda x, rng: x * (np.arange(D) != 2), "spread"),
    "soft mode too small": (lambda x, rng: x - 0.3 * np.outer(x @ SOFT, SOFT), "equipartition"),
    "heavy tails": (_heavy, "normality"),
    "every reading twice": (lambda x, rng: x[np.arange(len(x)) // 2 * 2], "independence"),
    "heats up": (lambda x, rng: x * np.linspace(0.8, 1.2, len(x))[:, None], "drift"),
    "mean wanders": (lambda x, rng: x + np.linspace(-0.3, 0.3, len(x))[:, None], "drift"),
    "not a number": (lambda x, rng: np.where(rng.random(x.shape) < 1e-3, np.nan, x), "mean"),
}
SOFT = scipy.linalg.eigh(A)[1][:, 0]


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_fails_the_check_that_is_there_for_it(name):
    change, check = FAULTS[name]
    x = change(readings(8000), np.random.default_rng(1))
    for blocks in ([x], np.array_split(x, 3)):
        health = examined(*blocks)
        assert check in health.failed, health.scores
        assert check in health.complaint


@pytest.mark.parametrize("blocks", [1, 4])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize(("tails", "seen"), [("normal", False), ("laplace", True), ("uniform", True)])
def test_nodes_that_are_not_normal_are_seen_however_many_they_are(tails, seen, centred, blocks):
    """By themselves: sums of 200 independent ones along random directions are normal."""
    rng, shape = np.random.default_rng(0), (4096, 200)
    x = {
        "normal": lambda: rng.standard_normal(shape),
        "laplace": lambda: rng.laplace(scale=0.5**0.5, size=shape),
        "uniform": lambda: rng.uniform(-(3**0.5), 3**0.5, shape),
    }[tails]() + centred * 5.0
    parts = np.array_split(x, blocks)
    health = examined(*parts, matrix=np.eye(200), centred=centred)
    assert ("normality" in health.failed) == seen
    few = examined(*np.array_split(x, 40), matrix=np.eye(200), centred=centred)
    assert ("normality" in few.failed) == (seen and not centred)  # a hundred readings tell no centre


def test_offsets_do_no_harm_where_only_the_spread_is_wanted():
    x = readings(8000) + 3.0
    assert not examined(x, centred=True).failed
    assert examined(1.1 * x, centred=True).failed


@pytest.mark.parametrize("n", [1, 10, 300, pytest.param(4000, marks=pytest.mark.slow)])
def test_healthy_readings_pass(n):
    """Of 200 runs in any condition, loads and temperatures included, none comes near the limit."""
    worst = 0.0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        d, T = int(rng.integers(1, 9)), float(10.0 ** rng.uniform(-3, 3))
        matrix, b = rotated(np.geomspace(10.0 ** -rng.uniform(0, 6), 1, d), seed), rng.standard_normal((d, 1))
        root = np.linalg.inv(np.linalg.cholesky(matrix)).T
        x = np.linalg.solve(matrix, b)[:, 0] + T**0.5 * readings(n, seed, root)
        health = examined(*np.array_split(x, 1 + seed % 2), matrix=matrix, load=b, temperature=T)
        assert health.readings == n
        worst = max(worst, *health.scores.values())
    assert 2 < worst < 0.9 * LIMIT


def test_schedules_are_looked_at_for_reversibility():
    """A field that turns keeps the law of each reading, but not detailed balance."""
    rng, n, decay = np.random.default_rng(0), 20_000, 0.9
    turn = scipy.linalg.expm(0.3 * (np.eye(D, k=1) - np.eye(D, k=-1)))
    for step, fails in ((decay * np.eye(D), False), (decay * turn, True)):
        y = np.empty((n, D))
        y[0] = rng.standard_normal(D)
        for k in range(1, n):
            y[k] = step @ y[k - 1] + (1 - decay**2) ** 0.5 * rng.standard_normal(D)
        health = examined(y, matrix=np.eye(D), share=(1 - decay) / (1 + decay))
        assert ("reversibility" in health.failed) == fails, health.scores


@pytest.mark.parametrize("d", [1, 3, 40])
def test_covariances(d):
    worst = 0.0
    for seed in range(60):
        matrix = rotated(np.geomspace(10.0 ** -(seed % 5), 1, d), seed)
        x = readings(3000, seed, np.linalg.inv(np.linalg.cholesky(matrix)).T)
        covariance = np.cov(x.T).reshape(d, d)
        health = covariance_health(covariance, Dense(matrix), 2999)
        worst = max(worst, *health.scores.values())
        assert covariance_health(1.3 * covariance, Dense(matrix), 2999).failed
    assert worst < LIMIT
    lopsided = covariance + np.triu(np.full((d, d), 1e-3 * abs(covariance).max()), 1)
    assert ("symmetry" in covariance_health(lopsided, Dense(matrix), 2999).failed) == (d > 1)
    assert covariance_health(np.nan * covariance, Dense(matrix), 2999).failed == ["finiteness"]


def test_correlations():
    drift, n, rng = np.array([[1.0, 0.4], [-0.4, 0.7]]), 4000, np.random.default_rng(0)

    def lagged(t):
        P = scipy.linalg.expm(-drift * t)
        early, noise = rng.standard_normal((2, n)), rng.standard_normal((2, n))
        return (P @ early + np.linalg.cholesky(np.eye(2) - P @ P.T + 1e-12 * np.eye(2)) @ noise) @ early.T / n

    start = rng.standard_normal((2, n))
    identity, half, whole = start @ start.T / n, lagged(0.5), lagged(1.0)
    assert not correlation_health(identity, half, whole, n).failed
    assert correlation_health(1.2 * identity, half, whole, n).failed == ["equipartition"]
    assert correlation_health(identity, half, 3 * whole, n).failed == ["semigroup"]


def test_residuals():
    rng = np.random.default_rng(0)
    noise, floor = rng.standard_normal((50, 32)), np.zeros(1)
    scores = [residual_health(rng.standard_normal((50, 1)), noise, floor).scores["residual"] for _ in range(200)]
    assert max(scores) < 5
    assert residual_health(4 * rng.standard_normal((50, 1)), noise, floor).failed == ["residual"]
    assert residual_health(np.r_[9.0, np.zeros(49)][:, None], noise, floor).failed == ["residual"]
    assert not residual_health(np.full((50, 1), 9.0), noise, np.full(1, 10.0)).failed
    # Noise of a single run has no scatter of its own.
    assert not residual_health(noise[:, :1], noise[:, 1:2], floor).failed
