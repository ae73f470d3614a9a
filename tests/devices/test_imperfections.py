"""Departures of a device from its ideal: what is written, loaded and read."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule, Underdamped
from thermolinalg.devices import Amplifiers, Capacitors, Converter, Couplings, Noise, Sourced
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
    assert "variance" in check_device(
        hot, temperature=2.88, skip=["readings along", "work", "covariance", "autocovariance", "temperature"]
    )


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
        ({"die": -1}, ValueError),
        ({"inputs": 8}, TypeError),
    ],
)
def test_nonsense_is_refused(options, error):
    with pytest.raises(error, match=next(iter(options))):
        Imperfections(**options)


@pytest.mark.parametrize(
    ("part", "options"),
    [
        (Converter, {"full_scale": 0.0}),
        (Converter, {"full_scale": -np.inf}),
        (Converter, {"noise": np.nan}),
        (Converter, {"rounding": "up"}),
        (Couplings, {"on_off_ratio": 0.5}),
        (Couplings, {"stuck_off": 1.0}),
        (Couplings, {"stuck_off": 0.6, "stuck_on": 0.5}),
        (Couplings, {"age": 0.5}),
        (Couplings, {"drift": -0.1}),
        (Amplifiers, {"gain": 0.0}),
        (Amplifiers, {"bandwidth": np.nan}),
        (Amplifiers, {"stuck": 2.0}),
        (Capacitors, {"error": -1.0}),
        (Noise, {"correlation": 1.0}),
        (Noise, {"correlation_time": -1.0}),
    ],
)
def test_numbers_that_a_part_cannot_have_are_refused_by_name(part, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        part(**options)


FULL = Imperfections(
    inputs=Converter(bits=8, full_scale=0.5, noise=1e-3, rounding="stochastic"),
    couplings=Couplings(
        bits=Sourced(6, "data sheet"),
        on_off_ratio=100,
        mismatch=0.01,
        write_noise=None,
        stuck_off=0.01,
        symmetric=False,
    ),
    amplifiers=Amplifiers(offset=1e-3, gain=None, bandwidth=Sourced(50, "measured")),
    capacitors=Capacitors(mismatch=0.05, error=-0.02),
    noise=Noise(temperature_error=0.1, spread=0.02, correlation=0.01, correlation_time=0.05),
    outputs=Converter(bits=10, full_scale=4.0),
    die=7,
)


def test_a_configuration_goes_through_json_with_its_sources():
    again = Imperfections.from_json(FULL.to_json())
    assert again == FULL
    assert hash(again) == hash(FULL)
    assert again.couplings.bits.source == "data sheet"
    assert again.couplings.write_noise is None
    assert str(again) == str(FULL)
    assert pickle.loads(pickle.dumps(FULL)).couplings.bits.source == "data sheet"
    assert Imperfections.from_dict({}) == Imperfections()
    with pytest.raises(ValueError, match=r"no part rails"):
        Imperfections.from_dict({"rails": {}})
    with pytest.raises(ValueError, match=r"Noise has no colour"):
        Imperfections.from_dict({"noise": {"colour": 1}})


def test_every_number_is_printed_with_its_source_or_as_an_assumption_or_unknown():
    lines = {line.split()[0]: line for line in str(FULL).splitlines()}
    assert lines["couplings.bits"].endswith("data sheet")
    assert lines["capacitors.error"].endswith("assumption")
    assert lines["amplifiers.gain"].split() == ["amplifiers.gain", "unknown"]
    assert str(Imperfections()) == "ideal"


def test_what_is_unknown_is_left_out_of_the_simulation():
    unknown = Imperfections(amplifiers=Amplifiers(offset=None, gain=None, bandwidth=None, stuck=None))
    assert unknown.is_perfect
    assert unknown != Imperfections()
    assert LangevinDevice(imperfections=unknown).program(spd(4)).ideal


def test_short_keywords_set_one_number_of_a_part():
    short = Imperfections(couplings=Couplings(mismatch=0.1, write_noise=0.2), matrix_bits=4)
    assert short.couplings == Couplings(bits=4, mismatch=0.1, write_noise=0.2)
    assert replace(short, matrix_bits=0, mismatch=0.0).couplings == Couplings(write_noise=0.2)
    sourced = Imperfections(matrix_bits=Sourced(4, "here"))
    assert not hasattr(replace(sourced, matrix_bits=4).couplings.bits, "source")


def test_a_die_keeps_its_errors_from_program_to_program_and_a_write_has_its_own():
    def held(die, seed, **couplings):
        imperfections = Imperfections(couplings=Couplings(**couplings), die=die)
        return LangevinDevice(imperfections=imperfections).program(Dense(spd(6)), rng=seed).effective.dense()

    assert np.array_equal(held(1, 0, mismatch=0.1), held(1, 5, mismatch=0.1))
    assert not np.array_equal(held(1, 0, mismatch=0.1), held(2, 0, mismatch=0.1))
    assert not np.array_equal(held(1, 0, write_noise=0.1), held(1, 5, write_noise=0.1))
    # One part more leaves the others as they are.
    alone = Imperfections(mismatch=0.1, die=3)
    device = LangevinDevice(imperfections=replace(alone, amplifiers=Amplifiers(offset=0.01)))
    both = device.program(Dense(spd(6)), rng=9)
    np.testing.assert_array_equal(
        both.effective.dense(), LangevinDevice(imperfections=alone).program(Dense(spd(6)), rng=0).effective.dense()
    )


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_elements_come_out_as_their_laws_say(form):
    a = np.array([[1.0, 0.3, 0.02], [0.3, 0.8, 0.004], [0.02, 0.004, 0.5]])

    def written(**couplings):
        operator = Dense(a) if form is np.asarray else Sparse(form(a))
        return Imperfections(couplings=Couplings(**couplings)).write(operator, np.random.default_rng(0)).dense()

    np.testing.assert_allclose(written(drift=0.1, age=100.0), a * 100**-0.1)
    np.testing.assert_allclose(written(series_resistance=0.1), a / (1 + 0.1 * a))
    limited = written(on_off_ratio=100.0)
    np.testing.assert_allclose(limited, np.where(a == 0.004, 0.0, a))
    np.testing.assert_allclose(written(on_off_ratio=25.0), np.where(a == 0.004, 0.0, np.maximum(a, 0.04)))
    stuck = written(stuck_off=0.5, stuck_on=0.2)
    assert np.all((stuck == 0) | (stuck == 1) | (stuck == a))


def test_stuck_elements_are_as_many_as_they_should_be():
    couplings, rng = Couplings(stuck_off=0.1, stuck_on=0.05), np.random.default_rng(0)
    g = couplings.realise(np.full((300, 300), -0.5), rng, rng)
    g[0, 0] = -1.0
    share = [(g == 0).mean(), (g == -0.5).mean()]
    np.testing.assert_allclose(share, [0.1, 0.9], atol=5 * (0.1 * 0.9 / 9e4) ** 0.5)


def test_stochastic_rounding_is_right_on_average():
    x = np.full((20_000, 1), 0.37)
    converter = Converter(bits=3, full_scale=1.0, rounding="stochastic")
    rounded = converter.convert(x, np.random.default_rng(0))
    assert set(np.unique(rounded.round(12))) == {0.333333333333, 0.666666666667}
    assert_mean(rounded, [0.37])
    assert len(np.unique(Converter(bits=3, full_scale=1.0).convert(x))) == 1
    np.testing.assert_array_equal(Converter(full_scale=0.2).convert(x), 0.2)


def test_amplifiers_shift_the_load_and_leak():
    operator, amplifiers = Dense(spd(5)), Amplifiers(offset=0.01, gain=50.0)
    connected = abs(spd(5)).sum(axis=1) + abs(spd(5)).max()
    device = LangevinDevice(Overdamped(0.0), AsWritten(), Imperfections(amplifiers=amplifiers))
    program = device.program(operator, rng=1)
    expected = spd(5) + np.diag(connected) / 50.0
    np.testing.assert_allclose(program.effective.dense(), expected)
    offsets = program.amplifier_offset[:, 0]
    through = (abs(expected).sum(axis=1) + abs(expected).max()) * offsets
    b = np.arange(5.0)
    reading = program.settle(b[:, None], np.inf, rng=np.random.default_rng(0))
    np.testing.assert_allclose(reading.value[:, 0], np.linalg.solve(expected, b + through))
    assert 0.001 < np.std(offsets) < 0.03


def test_a_finite_bandwidth_is_inertia_that_leaves_the_equilibrium():
    device = LangevinDevice(imperfections=Imperfections(amplifiers=Amplifiers(bandwidth=2.0)))
    passed = check_device(device)
    assert {"mean", "variance", "readings", "work"} <= set(passed)
    law = device.program(spd(4)).law
    assert (law.mass, law.friction) == (0.5, 1.0)
    with pytest.raises(TypeError, match="overdamped"):
        LangevinDevice(Underdamped(), imperfections=device.imperfections).program(spd(4))


def test_read_noise_adds_to_the_covariance_and_averages_out():
    noisy = Imperfections(outputs=Converter(noise=0.5))
    program = LangevinDevice(Overdamped(0.25), AsWritten(), noisy).program(Dense(spd(3, 4.0)), rng=0)
    expected = 0.25 * np.linalg.inv(spd(3, 4.0)) + 0.25 * np.eye(3)
    rng = np.random.default_rng(1)
    read = program.settle(np.zeros((3, 20_000)), np.inf, rng=rng).value
    assert_covariance(read.T, expected)
    apart = Schedule(200.0, readings=20_000, spacing=200.0)
    assert_covariance(program.readings(np.zeros(3), apart, rng=rng).value, expected)
    close = program.covariance(Schedule(200.0, readings=20_000, spacing=1.0), rng=rng)
    for estimate in (program.covariance(apart, rng=rng), close):
        np.testing.assert_allclose(0.25 * estimate.value, expected, atol=0.05)
    np.testing.assert_allclose(0.25 * close.autocovariance(0), expected, rtol=1e-12)
    # N readings average N conversions, and the error bar knows it.
    once = program.average(np.zeros((3, 4000)), Schedule(200.0, readings=4, spacing=200.0), rng=rng)
    assert_covariance(once.value.T, expected / 4)
    np.testing.assert_allclose(np.mean(once.standard_error**2), np.trace(expected) / 12, rtol=0.2)


def test_noise_of_the_input_converters_is_in_the_error_bar():
    noisy = Imperfections(inputs=Converter(noise=0.1))
    program = LangevinDevice(Overdamped(1e-6), imperfections=noisy).program(Dense(spd(3)), rng=0)
    assert "error bars" in check_device(
        LangevinDevice(Overdamped(1e-6), imperfections=noisy),
        temperature=1e-6,
        skip=[
            "mean",
            "variance",
            "stationarity",
            "warm start",
            "readings",
            "timetable",
            "temperature",
            "covariance",
            "autocovariance",
        ],
    )
    assert not program.ideal


@pytest.mark.parametrize("rewritten", [Couplings(mismatch=0.02), Couplings(bits=8, write_noise=0.01)])
def test_a_skew_embedding_takes_what_leaves_it_one(rewritten):
    A = np.triu(np.ones((5, 5)))
    device = LangevinDevice(imperfections=Imperfections(couplings=rewritten, outputs=Converter(bits=8)))
    x, info = tla.solve(A, np.ones(5), device=device, rng=0, return_info=True)
    assert info.success
    assert "skew embedding" in info.reason
    leaky = LangevinDevice(imperfections=Imperfections(couplings=rewritten, amplifiers=Amplifiers(gain=1e4)))
    x, info = tla.solve(A, np.ones(5), device=leaky, rng=0, return_info=True)
    assert info.success
    assert "AᵀA" in info.reason
    np.testing.assert_allclose(A @ x, np.ones(5), rtol=1e-9)


def test_elements_of_a_structured_matrix_too_large_to_form_are_refused():
    R = np.ones((2, 20_000))
    device = LangevinDevice(imperfections=Imperfections(amplifiers=Amplifiers(gain=1e4)))
    with pytest.raises(ValueError, match=r"20000² of them; pass a sparse array"):
        device.program(tla.operators.LowRankPlusIdentity(R, 1.0))
