from __future__ import annotations

import numpy as np
import pytest
from helpers import rotated
from numpy.testing import assert_allclose

from thermolinalg.laws.work import Drive, WorkMoments, work_moments
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Dense
from thermolinalg.simulation.drives import work_by_products, work_of_modes

LAM = np.array([0.1, 0.7, 4.0])
DRIVE = Drive(1.0, "geometric", (0.1, 4.0))
STEPS, RUNS = 12, 60_000


def assert_moments(work, moments):
    """Mean and variance of independent works in standard errors; the variance of a variance from fourth moments."""
    mean, variance = moments.mean.sum(), moments.variance.sum()
    centred = (work - mean) ** 2
    assert abs(work.mean() - mean) < 4 * np.sqrt(variance / len(work))
    assert abs(centred.mean() - variance) < 4 * centred.std() / np.sqrt(len(work))


@pytest.mark.parametrize("dwell", [None, 0.2])
@pytest.mark.parametrize("backwards", [False, True])
def test_modes_have_the_exact_moments(dwell, backwards):
    path = DRIVE.path(LAM, STEPS)[:: -1 if backwards else 1]
    work = work_of_modes(path, RUNS, rng=np.random.default_rng(1), temperature=0.5, dwell=dwell)
    assert work.shape == (RUNS,)
    assert_moments(work, work_moments(path, temperature=0.5, dwell=dwell))


def test_modes_that_occur_many_times_or_a_fraction_of_once():
    path, multiplicity = DRIVE.path(LAM, STEPS), np.array([3.0, 0.4, 50.0])
    work = work_of_modes(path, RUNS, rng=np.random.default_rng(1), temperature=0.5, multiplicity=multiplicity)
    once = work_moments(path, temperature=0.5)
    assert_moments(work, WorkMoments(*(multiplicity * moment for moment in once)))


@pytest.mark.parametrize("dwell", [None, 0.2])
@pytest.mark.parametrize("backwards", [False, True])
def test_products_have_the_exact_moments(dwell, backwards):
    engines = Engines(Dense(rotated(LAM)))
    work = work_by_products(
        engines, DRIVE, STEPS, 20_000, rng=np.random.default_rng(2), reverse=backwards, temperature=0.5, dwell=dwell
    )
    path = DRIVE.path(LAM, STEPS)[:: -1 if backwards else 1]
    assert_moments(work, work_moments(path, temperature=0.5, dwell=dwell))


def test_crooks_relation():
    """⟨e^{−W/T}⟩ = e^{−ΔF/T} forward and backward, far from equilibrium."""
    path = DRIVE.path(LAM, 4)
    free_energy = work_moments(path).free_energy.sum()
    for way, sign in ((path, 1), (path[::-1], -1)):
        weights = np.exp(-work_of_modes(way, RUNS, rng=np.random.default_rng(7), dwell=0.05))
        assert abs(weights.mean() - np.exp(-sign * free_energy)) < 4 * weights.std() / np.sqrt(RUNS)


def test_a_block_at_a_time(monkeypatch):
    monkeypatch.setattr("thermolinalg.simulation.drives._NUMBERS", 300)
    path = DRIVE.path(LAM, STEPS)
    work = work_of_modes(path, 1001, rng=np.random.default_rng(1))
    assert work.shape == (1001,)
    assert_allclose(np.unique(work).size, 1001)


def test_torch():
    torch = pytest.importorskip("torch")
    path = DRIVE.path(torch.as_tensor(LAM), STEPS)
    work = work_of_modes(path, RUNS, rng=np.random.default_rng(1), dwell=0.2)
    assert_moments(work, work_moments(DRIVE.path(LAM, STEPS), dwell=0.2))
