"""All directions together: what is in equilibrium scores as normal numbers do, and small faults everywhere show."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import rotated

from thermolinalg.estimation.deviation import Deviation, energy_deviation
from thermolinalg.estimation.health import LIMIT, Examination
from thermolinalg.operators import Dense

D = 40
A = rotated(np.geomspace(0.1, 1, D))


def drawn(matrix, n, seed, heat=1.0):
    """Readings of N(0, T A⁻¹)."""
    root = np.linalg.inv(np.linalg.cholesky(matrix)).T
    return heat**0.5 * np.random.default_rng(seed).standard_normal((n, len(matrix))) @ root.T


def deviation(x, heat=1.0, **options):
    found = Deviation(D, heat, **options)
    for block in np.array_split(x, 2):
        found.take(block, block @ A)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("heat", [1.0, 0.01])
def test_scores_in_equilibrium_are_standard_normal(heat):
    found = [deviation(drawn(A, 600, seed, heat) + 3.0, heat) for seed in range(400)]
    energies = np.array([each.energy(1.0) for each in found])
    assert abs(energies.mean()) < 4 / 20
    assert abs(energies.std() - 1) < 4 / 28
    distances = np.array([each.distance() for each in found])  # the lower half of them is zero
    assert abs(np.mean(distances > 1) - 0.159) < 4 * 0.018
    assert distances.max() < LIMIT


def test_energy_sees_what_the_logarithm_of_the_determinant_is_off_by():
    n = 4000
    for scale in (1.02, 0.98):
        score = deviation(drawn(scale * A, n, 3)).energy(1.0)
        off = D * np.log(scale)  # of log det A
        assert abs(score + off / energy_deviation(D, n)) < 4
        assert abs(deviation(drawn(scale * A, n, 3), allowed=0.03).energy(1.0)) < 2


def test_couplings_at_random_show_where_no_node_tells():
    rng = np.random.default_rng(5)
    off = rng.choice([-0.14, 0.14], D)
    root, Q = np.linalg.cholesky(A), np.linalg.qr(rng.standard_normal((D, D)))[0]
    other = root @ (np.eye(D) + (Q * (off - off.mean())) @ Q.T) @ root.T
    examination = Examination(Dense(A))
    examination.take(drawn(other, 4000, 7))
    health = examination.verdict()
    assert health.failed == ["covariance"]
    assert deviation(drawn(other, 4000, 7), allowed=0.3).distance() < 1


def test_too_few_readings_tell_nothing():
    found = Deviation(3, 1.0)
    assert found.energy(1.0) == found.distance() == 0.0
    found.take(np.ones((1, 3)), np.ones((1, 3)))
    assert found.energy(1.0) == found.distance() == 0.0
