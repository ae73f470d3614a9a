"""Averages over long windows from one factor, against the law of all nodes and dense eigenvalues."""

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from helpers import grid_laplacian, spd

from thermolinalg.simulation.averages import NodeAverages, NodeNoise
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.testing import assert_covariance, assert_mean

C = np.array([1.0, 1.3, 0.8])
NOISE = NodeNoise(np.array([2.0, 1.5, 0.5]), 0.2)
SKEW = np.array([[0.0, 0.2, -0.1], [-0.2, 0.0, 0.3], [0.1, -0.3, 0.0]])
MEMORIES = {"plain": (np.inf, 0.0), "inertia": (30.0, 0.0), "both": (30.0, 0.4)}


def lower(G):
    return np.linalg.eigvalsh((G + G.T) / 2)[0]


def test_noise_has_its_covariance():
    expected = [[2.0, 0.2 * 3**0.5, 0.2], [0.2 * 3**0.5, 1.5, 0.2 * 0.75**0.5], [0.2, 0.2 * 0.75**0.5, 0.5]]
    np.testing.assert_allclose(NOISE.covariance, expected, rtol=1e-14)
    assert_covariance(NOISE.sample(20_000, np.random.default_rng(0)).T, np.array(expected))


@pytest.mark.parametrize("memory", MEMORIES.values(), ids=MEMORIES)
@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_the_law_of_all_nodes_differs_by_the_ends_only(memory, skew):
    G = spd(3, 5.0) + skew * SKEW
    averages = NodeAverages(G, C, NOISE, lower(G), *memory)
    law = NodeProcess(G, NOISE.covariance, C, *memory).window(1e3, duration := 2e4, None)
    inverse = np.linalg.inv(G)
    first = inverse @ NOISE.covariance @ inverse.T / duration
    exact = law.covariance[3:, 3:]
    share = scipy.linalg.eigvals(exact - first, first)
    assert np.abs(share).max() < (1.0 + 30.0 / duration) * averages.ends(duration)
    load = np.tile([[1.0], [-2.0], [0.5]], 20_000)
    drawn = averages.sample(load, duration, np.random.default_rng(1)).T
    assert_mean(drawn, inverse @ load[:, 0])
    assert_covariance(drawn, exact)


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_either_storage_draws_the_same(form):
    matrix = grid_laplacian(12, 0.1)
    uneven = matrix + 0.01 * scipy.sparse.triu(matrix, k=1)
    noise, capacity = NodeNoise(np.linspace(1, 2, 144), 0.1), np.linspace(1, 1.2, 144)
    G = uneven.toarray() if form is np.asarray else form(uneven)
    averages = NodeAverages(G, capacity, noise, 0.09)
    drawn = averages.sample(np.ones((144, 2)), 50.0, np.random.default_rng(0))
    load = 1 + noise.sample(2, np.random.default_rng(0)) / 50**0.5
    np.testing.assert_allclose(drawn, np.linalg.solve(uneven.toarray(), load), rtol=1e-10)


@pytest.mark.parametrize("skew", [0.0, 1e-3, 0.02])
def test_the_slowest_rate_is_bounded_from_below_and_near(skew):
    rng = np.random.default_rng(0)
    S, capacity = rng.standard_normal((60, 60)), np.linspace(0.8, 1.3, 60)
    G = spd(60, 100.0) + skew * (S - S.T) / 16
    averages = NodeAverages(G, capacity, NodeNoise(np.ones(60), 0.0), lower(G), 40.0, 0.1)
    exact = NodeProcess(G, np.eye(60), capacity, 40.0, 0.1).slowest.real
    assert averages.slowest.real <= exact * (1 + 1e-9)
    assert averages.slowest.real >= (0.999 if skew < 0.01 else 0.5) * exact


def test_noise_that_remembers_longest_is_what_is_slowest():
    averages = NodeAverages(np.diag([1.0, 2.0, 3.0]), np.ones(3), NOISE, 1.0, correlation_time=5.0)
    assert averages.slowest.real == pytest.approx(0.2)
