"""Variances from conditional ones: right on average, with the error they say, from few readings."""

import numpy as np
import pytest
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg.estimation.conditional import conditional_variances
from thermolinalg.operators import Dense, Sparse

SIDE = 12
A = grid_laplacian(SIDE, 0.1)
EXACT = np.diag(np.linalg.inv(A.toarray()))


def read(operator, rtol, seed, most=10**6):
    program = tla.LangevinDevice().program(operator)
    return conditional_variances(program, operator, rtol, most, rng=np.random.default_rng(seed))


@pytest.mark.parametrize(
    "scale", [pytest.param(1e-12, marks=pytest.mark.slow), 1.0, pytest.param(1e12, marks=pytest.mark.slow)]
)
def test_error_bars_cover(scale):
    found = [read(Sparse(scale * A), 0.05, seed) for seed in range(120)]
    z = np.array([(f.value - EXACT / scale) / f.noise for f in found])
    assert z.mean() == pytest.approx(0, abs=0.15)  # small spreads have small error bars: a little skew
    assert (abs(z) < 1.96).mean() == pytest.approx(0.95, abs=0.02)
    relative = np.array([f.value * scale / EXACT - 1 for f in found])
    assert 0.02 < np.sqrt((relative**2).mean()) <= 0.05
    assert max((f.noise / f.value).max() for f in found) <= 0.05


def test_as_many_readings_as_the_formula_says():
    share = (1 - 1 / (A.diagonal() * EXACT)).max()
    readings = read(Sparse(A), 0.02, 0).schedule.readings
    assert 2 * share**2 / 0.02**2 <= readings <= 1.6 * 2 * share**2 / 0.02**2
    assert readings < 0.4 * 2 / 0.02**2


def test_where_others_say_little_it_is_no_worse_than_the_spread():
    matrix = spd(30, 100)
    found = read(Dense(matrix), 0.05, 0)
    assert found.schedule.readings <= 1.5 * 2 / 0.05**2
    assert np.all(abs(found.value - np.diag(np.linalg.inv(matrix))) < 4.5 * found.noise)
    assert read(Dense(matrix), 1e-3, 0, most=50).schedule.readings == 50


def test_a_large_sparse_matrix_takes_few_readings():
    side = 70
    waves = 2 - 2 * np.cos(np.arange(1, side + 1) * np.pi / (side + 1))
    modes = (
        np.sin(np.outer(np.arange(1, side + 1), np.arange(1, side + 1)) * np.pi / (side + 1)) * (2 / (side + 1)) ** 0.5
    )
    exact = (modes**2 @ (1 / (waves[:, None] + waves + 0.1)) @ (modes**2).T).ravel()
    value, info = tla.inv_diagonal(grid_laplacian(side, 0.1), rtol=0.05, rng=0, return_info=True)
    assert info.success
    assert info.schedule.readings < 400
    assert np.sqrt(np.mean((value / exact - 1) ** 2)) <= 0.05
    assert np.sqrt(np.mean(((value - exact) / info.standard_error) ** 2)) == pytest.approx(1, abs=0.1)
