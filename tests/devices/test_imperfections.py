"""Departures of a device from its ideal: what is written, loaded and read."""

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import spd

from thermolinalg import Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices.imperfections import quantise
from thermolinalg.operators import Dense, Sparse
from thermolinalg.testing import assert_covariance, assert_mean, check_device


@pytest.mark.parametrize("bits", [1, 2, 8, 16])
def test_rounding_to_a_converter(bits):
    x = np.random.default_rng(0).uniform(-3, 3, (50, 4))
    rounded = quantise(x, bits, axis=0)
    spans = abs(x).max(axis=0)
    step = spans / max(2 ** (bits - 1) - 1, 1)
    assert np.all(abs(rounded - x) <= step / 2 * (1 + 1e-12))
    assert all(len(np.unique(column.round(12))) <= max(2**bits - 1, 3) for column in rounded.T)
    np.testing.assert_allclose(abs(rounded).max(axis=0), spans)
    assert quantise(x, 0) is x
    np.testing.assert_array_equal(quantise(0 * x, bits), 0)


@pytest.mark.parametrize("operator", [Dense(spd(6)), Sparse(grid(3, 0.1))], ids=["dense", "sparse"])
def test_what_is_written_is_symmetric_and_near(operator):
    imperfect = Imperfections(matrix_bits=8, mismatch=0.01)
    before = operator.dense().copy()
    written = imperfect.write(operator, np.random.default_rng(0)).dense()
    np.testing.assert_array_equal(written, written.T)
    assert 0 < np.max(abs(written - before)) < 0.1 * abs(before).max()
    np.testing.assert_array_equal(operator.dense(), before)
    assert np.array_equal(written != 0, before != 0) or not scipy.sparse.issparse(operator)
    assert Imperfections().write(operator, np.random.default_rng(0)) is operator


def test_mismatch_has_the_size_it_says():
    operator = Dense(np.full((200, 200), 0.5))
    written = Imperfections(mismatch=0.03).write(operator, np.random.default_rng(0)).dense()
    lower = written[np.tril_indices(200)] / 0.5 - 1
    assert_mean(lower[:, None], [0.0])
    assert_covariance(lower[:, None], [[0.03**2]])


def test_each_program_is_another_copy_of_the_hardware():
    device = LangevinDevice(imperfections=Imperfections(mismatch=0.1))
    first, again, other = (
        device.program(Dense(spd(4)), rng=np.random.default_rng(s)).effective.dense() for s in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_a_hot_device_scatters_more():
    imperfect = Imperfections(temperature_error=0.44)
    hot = LangevinDevice(law=Overdamped(temperature=2.0), imperfections=imperfect)
    # Determinants take it at its word: their readings are over the temperature it was designed for.
    assert "variance" in check_device(hot, temperature=2.88, skip=["readings along", "work"])


def test_an_offset_shifts_every_run_alike():
    device = LangevinDevice(imperfections=Imperfections(offset=0.1))
    rng = np.random.default_rng(0)
    program = device.program(Dense(spd(4)), rng=rng)
    schedule = Schedule(burn_in=200 / program.rate(), duration=1e6)
    b = np.ones((4, 200))
    shift = program.average(b, schedule, rng=rng).value - np.linalg.solve(spd(4), b)
    assert np.all(abs(shift.mean(axis=1)) > 10 * shift.std(axis=1) / 200**0.5)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"matrix_bits": -1}, ValueError),
        ({"input_bits": 2.5}, TypeError),
        ({"mismatch": -0.1}, ValueError),
        ({"offset": np.nan}, ValueError),
        ({"temperature_error": -1.0}, ValueError),
        ({"temperature_error": np.inf}, ValueError),
    ],
)
def test_nonsense_is_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Imperfections(**options)
