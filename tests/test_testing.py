"""What the public test tools accept, and what they must refuse."""

import math
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import scipy.sparse
from faulty_devices import FAULTS, Faulty
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla
from thermolinalg import Schedule
from thermolinalg.devices import PCB2024, Ideal, IntegratedCMOS, PaperTNGD, Pessimistic
from thermolinalg.operators import Operator
from thermolinalg.testing import (
    STRUCTURES,
    assert_covariance,
    assert_coverage,
    assert_mean,
    check_device,
    right_hand_sides,
    spd_matrices,
)
from thermolinalg.testing.conformance import CHECKS

# -- strategies --------------------------------------------------------------------------------


def as_dense(A):
    if isinstance(A, Operator):
        return A.dense()
    return A.toarray() if scipy.sparse.issparse(A) else A


@pytest.mark.parametrize("structure", STRUCTURES)
@given(data=st.data())
def test_matrices_are_what_was_asked_for(structure, data):
    A = as_dense(data.draw(spd_matrices(2, 9, condition=1e4, structure=structure)))
    assert 2 <= A.shape[0] == A.shape[1] <= 9
    np.testing.assert_allclose(A, A.T, rtol=1e-14)
    values = np.linalg.eigvalsh(A)
    assert values[0] > 0
    assert values[-1] <= 1e4 * values[0] * (1 + 1e-9)


@given(spd_matrices(2, condition=1e6).filter(lambda A: np.linalg.cond(A) > 1e5))
def test_large_condition_numbers_are_met(A):
    assert np.linalg.cond(A) < 1e6 * (1 + 1e-8)


@pytest.mark.parametrize("structure", STRUCTURES)
@given(data=st.data())
def test_single_precision(structure, data):
    A = data.draw(spd_matrices(dtype=np.float32, structure=structure, condition=100))
    assert A.dtype == np.float32


@given(spd_matrices(structure=["dense", "toeplitz"]))
def test_one_of_several_structures(A):
    assert isinstance(A, np.ndarray | tla.operators.Toeplitz)


@given(right_hand_sides(3, 2, dtype=np.complex64, scale=10.0))
def test_right_hand_sides(b):
    assert b.shape == (3, 2)
    assert b.dtype == np.complex64
    assert np.all(np.isfinite(b))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"structure": "round"}, "structure must be among dense"),
        ({"structure": []}, "structure must be among dense"),
        ({"min_size": 3, "max_size": 2}, "min_size must not exceed max_size"),
        ({"condition": 0.5}, "condition must be at least 1"),
    ],
)
def test_strategies_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        spd_matrices(**arguments)


@pytest.mark.parametrize("strategy", [spd_matrices, partial(right_hand_sides, 3)])
def test_without_hypothesis_the_extra_is_named(strategy, monkeypatch):
    monkeypatch.setitem(sys.modules, "hypothesis.strategies", None)
    with pytest.raises(ImportError, match=r"thermolinalg\[test\]"):
        strategy()


# -- assertions --------------------------------------------------------------------------------

COVARIANCE = np.array([[2.0, 0.5], [0.5, 1.0]])
SAMPLES = np.random.default_rng(1).multivariate_normal([1.0, -1.0], COVARIANCE, size=4000)


def test_right_moments_pass():
    assert_mean(SAMPLES, [1.0, -1.0])
    assert_mean(SAMPLES, [1.0, -1.0], covariance=COVARIANCE)
    assert_mean(SAMPLES, [1.0, -1.0], standard_error=0.025)
    assert_covariance(SAMPLES, COVARIANCE)


@pytest.mark.parametrize("mean", [[1.2, -1.0], [1.0, np.nan]])
def test_wrong_means_fail(mean):
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(SAMPLES, mean)


def test_the_known_covariance_counts():
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(SAMPLES, [1.1, -1.0], covariance=0.1 * COVARIANCE)


@pytest.mark.parametrize("wrong", [1.3 * COVARIANCE, np.diag(np.diag(COVARIANCE))])
def test_wrong_covariances_fail(wrong):
    with pytest.raises(AssertionError, match=r"covariance\[.*standard errors"):
        assert_covariance(SAMPLES, wrong)


def test_samples_without_spread_must_be_exact():
    assert_mean(np.ones((3, 2)), 1.0)
    with pytest.raises(AssertionError, match="expected"):
        assert_mean(np.ones((3, 2)), 1.0001)


def test_nan_never_passes():
    with pytest.raises(AssertionError, match="is nan"):
        assert_mean(np.full((3, 2), np.nan), 1.0)


def test_coverage():
    assert_coverage(np.arange(1000) >= 50)
    assert_coverage(680, 1000, level=0.68)
    with pytest.raises(AssertionError, match=r"cover 90\.0 % of 1000"):
        assert_coverage(np.arange(1000) >= 100)
    with pytest.raises(AssertionError, match=r"cover 100\.0 %"):
        assert_coverage(np.ones(1000, dtype=bool))


@pytest.mark.parametrize(
    "call",
    [
        lambda: assert_mean(1.0, 1.0),
        lambda: assert_mean(np.ones((1, 3)), 1.0),
        lambda: assert_covariance(np.ones(5), 1.0),
        lambda: assert_coverage(3, 4, level=1.5),
        lambda: assert_coverage(3, 0),
        lambda: assert_mean(SAMPLES, [1.0, -1.0], n_se=-1),
    ],
)
def test_assertions_refuse_nonsense(call):
    with pytest.raises(ValueError, match=r"samples|level|n must|n_se"):
        call()


# -- the conformance suite --------------------------------------------------------------------------------

GOOD = {
    "ideal": tla.LangevinDevice(),
    "as written": tla.LangevinDevice(loading=tla.AsWritten()),
    "underdamped": tla.LangevinDevice(law=tla.Underdamped()),
    "time stepping": tla.LangevinDevice(law=tla.EulerMaruyama(step_size=1e-3)),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_devices_pass(name):
    # Time stepping does not settle to its temperature, as drives would need; no Langevin device takes other noise.
    lacking = {"own noise", "work"} if name == "time stepping" else {"own noise"}
    assert set(check_device(GOOD[name])) == CHECKS.keys() - lacking


def test_the_temperature_is_checked_in_its_own_units():
    warm = tla.LangevinDevice(law=tla.Overdamped(temperature=2.5))
    assert "variance" in check_device(warm, temperature=2.5)
    with pytest.raises(AssertionError, match="variance: covariance"):
        check_device(warm)


class Broken:
    """A device with one thing wrong with it."""

    def program(self, operator, *, rng=None):
        return BrokenProgram(self, tla.LangevinDevice().program(operator, rng=rng))

    def average(self, program, b, schedule, **options):
        return program.average(b, schedule, **options)

    def settle(self, program, b, time, **options):
        return program.settle(b, time, **options)

    def readings(self, program, b, schedule, **options):
        return program.readings(b, schedule, **options)

    def rate(self, program):
        return program.rate()

    def covariance(self, program, schedule, **options):
        return program.covariance(schedule, **options)

    def variances(self, program, readings, **options):
        return program.variances(readings, **options)


class BrokenProgram:
    def __init__(self, flaw, program):
        self.flaw, self.inner = flaw, program

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def average(self, b, schedule, **options):
        return self.flaw.average(self.inner, b, schedule, **options)

    def settle(self, b, time, **options):
        return self.flaw.settle(self.inner, b, time, **options)

    def readings(self, b, schedule, **options):
        return self.flaw.readings(self.inner, b, schedule, **options)

    def rate(self):
        return self.flaw.rate(self.inner)

    def covariance(self, schedule, **options):
        return self.flaw.covariance(self.inner, schedule, **options)

    def variances(self, readings, **options):
        return self.flaw.variances(self.inner, readings, **options)


class IgnoresStart(Broken):
    def settle(self, program, b, time, *, rng, start=None):
        return program.settle(b, time, rng=rng)


class BiasedMean(Broken):
    def average(self, program, b, schedule, **options):
        reading = program.average(b, schedule, **options)
        return replace(reading, value=1.02 * reading.value)


class SameNoise(Broken):
    def average(self, program, b, schedule, *, rng, **options):
        return program.average(b, schedule, rng=np.random.default_rng(3), **options)


class NoiseOfItsOwn(Broken):
    def average(self, program, b, schedule, *, rng, **options):
        return program.average(b, schedule, rng=np.random.default_rng(), **options)


class SharedNoise(Broken):
    def settle(self, program, b, time, *, rng, start=None):
        reading = program.settle(b, time, rng=rng, start=start)
        value = reading.value[:, :1] + 0 * reading.value
        return replace(reading, value=value, state=value)


class SmallErrorBar(Broken):
    def average(self, program, b, schedule, **options):
        reading = program.average(b, schedule, **options)
        return replace(reading, gain=1.5 * reading.gain)


class LargeErrorBar(Broken):
    def average(self, program, b, schedule, **options):
        reading = program.average(b, schedule, **options)
        return replace(reading, gain=reading.gain / 1.5)


class Overwrites(Broken):
    def average(self, program, b, schedule, **options):
        reading = program.average(b, schedule, **options)
        b *= 2
        return reading


class KeepsNoLedger(Broken):
    def average(self, program, b, schedule, **options):
        before = replace(program.ledger)
        reading = program.average(b, schedule, **options)
        program.ledger = before
        return reading


class SlowerThanItSays(Broken):
    def rate(self, program):
        return 20 * program.rate()


class NeverSingular(Broken):
    def rate(self, program):
        try:
            return program.rate()
        except np.linalg.LinAlgError:
            return math.nan


class Drifts(Broken):
    def settle(self, program, b, time, *, rng, start=None):
        reading = program.settle(b, time, rng=rng, start=start)
        drift = 0.0 if math.isinf(time) else 0.6 * rng.standard_normal(reading.value.shape)
        return replace(reading, value=reading.value + drift)


class OneColumnOnly(Broken):
    def average(self, program, b, schedule, **options):
        return program.average(b[:, :1], schedule, **options)


class WrongUnits(Broken):
    """Its error bars do not follow the scale of the load."""

    def average(self, program, b, schedule, **options):
        return replace(program.average(b, schedule, **options), gain=1.0)


class DependentReadings(Broken):
    def readings(self, program, b, schedule, **options):
        reading = program.readings(b, schedule, **options)
        smooth = (reading.value + np.roll(reading.value, 1, axis=0)) / 2**0.5
        return replace(reading, value=smooth - (2**0.5 - 1) * reading.value.mean(axis=0))


class LoudTimetable(Broken):
    """Its timetables are a hundredth of what they should be."""

    def program(self, operator, *, rng=None):
        program = super().program(operator, rng=rng)
        program.timetable = lambda b, relative: Schedule(1.0, duration=1.0 + 0 * relative)
        return program


class OneTemperature(Broken):
    def readings(self, program, b, schedule, *, temperature=None, **options):
        return program.readings(b, schedule, **options)


class CovarianceOfVoltages(Broken):
    """In units of its own, whatever scale A has."""

    def covariance(self, program, schedule, **options):
        told = program.covariance(schedule, **options)
        return replace(told, value=told.value * program.factor)


class VariancesTooSmall(Broken):
    def variances(self, program, readings, **options):
        told = program.variances(readings, **options)
        return replace(told, value=0.85 * told.value)


class NeverCorrelated(Broken):
    def covariance(self, program, schedule, **options):
        return replace(program.covariance(schedule, **options), autocovariance=None, lags=0)


class TooSoonForgotten(Broken):
    def covariance(self, program, schedule, **options):
        told = program.covariance(schedule, **options)
        return replace(told, autocovariance=lambda lag: told.autocovariance(3 * lag))


class CorrelatedSpreadTooSmall(Broken):
    def covariance(self, program, schedule, **options):
        told = program.covariance(schedule, **options)
        return told if told.autocovariance is None else replace(told, value=0.6 * told.value)


class SecretSpread(Broken):
    def covariance(self, program, schedule, **options):
        before = replace(program.ledger)
        told = program.covariance(schedule, **options)
        program.ledger = before
        return told


class Raises(Broken):
    def settle(self, program, b, time, **options):
        raise RuntimeError("out of order")


BAD = {
    "warm start": IgnoresStart(),
    "mean": BiasedMean(),
    "noise: two runs": SameNoise(),
    "noise: equal seeds": NoiseOfItsOwn(),
    "noise: two columns": SharedNoise(),
    "error bars: averages scatter .1": SmallErrorBar(),
    "error bars: averages scatter .0": LargeErrorBar(),
    "inputs: the load was changed": Overwrites(),
    "ledger": KeepsNoLedger(),
    "warm start: covariance|warm start: mean": SlowerThanItSays(),
    "singular": NeverSingular(),
    "stationarity: covariance": Drifts(),
    "protocol: average of two loads": OneColumnOnly(),
    "scaling: averages scatter": WrongUnits(),
    "readings: readings 20 relaxation times apart": DependentReadings(),
    "variance: RuntimeError: out of order": Raises(),
    "timetable: timetable": LoudTimetable(),
    "temperature: covariance": OneTemperature(),
    "covariance: covariance is": CovarianceOfVoltages(),
    "covariance: variances is": VariancesTooSmall(),
    "covariance: covariances are not counted": SecretSpread(),
    "autocovariance: readings half a relaxation time": NeverCorrelated(),
    "autocovariance: covariance of readings 1 apart": TooSoonForgotten(),
    "autocovariance: covariance of correlated": CorrelatedSpreadTooSmall(),
}


@pytest.mark.parametrize("evidence", BAD)
def test_bad_devices_fail_with_the_evidence(evidence):
    name = evidence.partition(":")[0]
    with pytest.raises(AssertionError, match=evidence):
        check_device(BAD[evidence], skip=CHECKS.keys() - {name})


def test_every_clause_has_a_device_that_fails_it():
    elsewhere = {"spectrum", "readings along", "work", "own noise"}  # in tests/devices/test_protocols.py
    assert {evidence.partition(":")[0] for evidence in BAD} == CHECKS.keys() - elsewhere


# Two clipped or repeated numbers are no noise: seven bits do not tell two runs apart.
PRESETS = {
    Ideal: (0.0, []),
    PaperTNGD: (1e-3, []),
    PCB2024: (0.1, []),
    IntegratedCMOS: (0.1, []),
    Pessimistic: (1.2, ["noise"]),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("preset", PRESETS)
def test_presets_pass_to_their_precision(preset):
    tolerance, skip = PRESETS[preset]
    device = tla.LangevinDevice(tla.Overdamped(0.1), imperfections=preset(die=0))
    passed = check_device(device, temperature=0.1, tolerance=tolerance, skip=skip)
    driven = set() if device.program(np.eye(3)).describe()["engine"] == "node process" else {"spectrum", "work"}
    assert set(passed) >= CHECKS.keys() - {"own noise", "spectrum", "readings along", "work", *skip} | driven


@pytest.mark.parametrize("preset", [PCB2024, IntegratedCMOS, Pessimistic])
def test_without_their_tolerance_they_fail(preset):
    device = tla.LangevinDevice(tla.Overdamped(0.1), imperfections=preset(die=0))
    with pytest.raises(AssertionError, match="mean: mean"):
        check_device(device, temperature=0.1, skip=CHECKS.keys() - {"mean"})


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_devices_fail(fault):
    device = Faulty.general(fault) if fault == "transposed matrix" else Faulty(fault)
    with pytest.raises(AssertionError, match="checks failed"):
        check_device(device, copies=400)


def test_fewer_copies_and_more_tolerance_find_less():
    device = tla.LangevinDevice(imperfections=tla.Imperfections(temperature_error=0.1))
    only = CHECKS.keys() - {"variance"}
    with pytest.raises(AssertionError, match="variance: covariance"):
        check_device(device, copies=40_000, skip=only)
    assert check_device(device, copies=40_000, tolerance=0.11, skip=only) == ("variance",)
    assert check_device(device, copies=100, skip=only) == ("variance",)
    with pytest.raises(ValueError, match="at least 16, got 8"):
        check_device(device, copies=8)
    with pytest.raises(ValueError, match="tolerance"):
        check_device(device, tolerance=-1.0)


def test_known_imperfections_may_be_skipped():
    hot = tla.LangevinDevice(imperfections=tla.Imperfections(temperature_error=0.3))
    moments = ("variance", "stationarity", "warm start", "readings", "readings along", "work")
    moments = (*moments, "temperature", "covariance", "autocovariance")
    with pytest.raises(AssertionError, match="variance: covariance"):
        check_device(hot)
    assert set(check_device(hot, skip=moments)) == CHECKS.keys() - {*moments, "own noise"}
    with pytest.raises(ValueError, match="unknown checks"):
        check_device(hot, skip=["mood"])


def test_an_object_without_methods_is_no_device():
    class Thing:
        def program(self, operator, *, rng=None):
            return object()

    with pytest.raises(AssertionError, match="the program lacks rate, timetable"):
        check_device(Thing())
