"""How A is brought into range: scalings that change nothing are left out, small matrices are diagonalised once."""

import numpy as np
import pytest

from thermolinalg._arrays import eigh
from thermolinalg.devices import LangevinDevice, Schedule
from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions import _eigenvectors, select
from thermolinalg.operators import Dense


def matrix(d, diagonal=1.0):
    rng = np.random.default_rng(d)
    coupling = rng.standard_normal((d, d)) / (4 * d)
    a = coupling + coupling.T
    np.fill_diagonal(a, diagonal)
    return a


def test_a_scaling_of_ones_is_none():
    a = Dense(matrix(5))
    program = LangevinDevice().program(a)
    assert program.scaling is None
    assert program.effective is a


@pytest.mark.parametrize("diagonal", [4.0, [1.0, 1.0, 4.0, 1.0, 1.0]])
def test_other_scalings_give_a_unit_diagonal(diagonal):
    program = LangevinDevice().program(Dense(matrix(5, diagonal)))
    np.testing.assert_array_equal(program.scaling, np.asarray(diagonal) ** -0.5 * np.ones(5))
    np.testing.assert_array_equal(program.effective.diagonal(), np.ones(5))


@pytest.mark.parametrize("diagonal", [1.0, 4.0, [1.0, 1.0, 4.0, 1.0, 1.0]])
def test_values_are_in_the_users_units(diagonal):
    a, b = matrix(5, diagonal), np.arange(1.0, 6.0)[:, None]
    reading = LangevinDevice().program(Dense(a)).average(b, Schedule(100.0, 1e20), rng=np.random.default_rng(0))
    np.testing.assert_allclose(reading.value, np.linalg.solve(a, b), rtol=1e-7)


@pytest.mark.parametrize("d", [1, 2, 30])
def test_small_matrices_are_diagonalised_once(d, monkeypatch):
    made = []
    monkeypatch.setattr(_eigenvectors, "eigh", lambda a: made.append(a) or eigh(a))
    program = LangevinDevice().program(Dense(matrix(d)))
    assert program.largest == pytest.approx(np.linalg.eigvalsh(matrix(d))[-1], rel=1e-14)
    assert program.interval()[1] == pytest.approx(1.0, rel=1e-14)
    program.average(np.ones((d, 1)), Schedule(100.0, 1e3), rng=np.random.default_rng(0))
    assert len(made) == 1


def test_the_largest_eigenvalue_of_a_large_matrix_takes_products_only():
    a = matrix(select.SMALL + 1)
    program = LangevinDevice().program(Dense(a))
    assert 0.95 < program.largest / np.linalg.eigvalsh(a)[-1] <= 1 + 1e-14
    assert not program.engines._built
    assert program.engines.largest == program.largest


@pytest.mark.parametrize("temperature", [0.01, 1.0])
def test_timetables_follow_the_weakest_load(temperature):
    a, rng = matrix(20, np.geomspace(1.0, 256.0, 20)), np.random.default_rng(0)
    program, b = LangevinDevice(law=Overdamped(temperature)).program(Dense(a)), rng.standard_normal((20, 3))
    b[0, 1] = 1e3  # far above the others: at full range, these are weak
    load = program.scaling[:, None] * b
    signals = np.sqrt(np.mean((load / abs(load).max(axis=0)) ** 2, axis=0))
    assert np.argmin(signals) == 1
    expected = Schedule.for_residual(0.01, signals[1], temperature, program.rate())
    assert expected.bound == "residual noise 0.01"
    assert program.timetable(b, 0.01) == expected
    assert program.timetable(np.hstack([np.zeros((20, 1)), b]), 0.01) == expected
    assert program.timetable(np.zeros((20, 2)), 0.01) == Schedule.for_residual(0.01, 1.0, temperature, program.rate())
