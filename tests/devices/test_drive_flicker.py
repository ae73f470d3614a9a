"""Devices whose drive has 1/f noise: what primitives and wrappers make of them."""

import numpy as np
import pytest
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import (
    PCB2024,
    Averaged,
    Calibrated,
    Capacitors,
    Clock,
    DriveFlicker,
    Ensemble,
    Flicker,
    IntegratedCMOS,
    Interference,
    Noise,
    Pessimistic,
    SaturatingDevice,
    Shots,
    Sourced,
    Warming,
)
from thermolinalg.estimation.covariance import standard_error
from thermolinalg.simulation.averages import NodeAverages
from thermolinalg.testing import check_device

EQUILIBRATED = tla.Equilibrated()
WRAPPED = {
    "averaged": lambda d: Averaged(d, runs=4),
    "calibrated": Calibrated,
    "ensemble": lambda d: Ensemble(d, copies=4),
}


def device(drive_flicker, temperature=1e-2, loading=EQUILIBRATED, **parts):
    return LangevinDevice(Overdamped(temperature), loading, Imperfections(drive_flicker=drive_flicker, die=1, **parts))


@pytest.mark.parametrize("corner", [1e-3, 0.05])
@pytest.mark.parametrize(
    "A", [spd(8), -spd(3), np.triu(np.ones((4, 4)))], ids=["definite", "negative", "not symmetric"]
)
def test_systems_are_solved_to_the_tolerance(A, corner):
    x, info = tla.solve(A, np.ones(len(A)), device=device(DriveFlicker(corner)), rng=0, return_info=True)
    assert info.success
    assert "1/f noise in their drive" in info.reason
    assert np.linalg.norm(A @ x - 1) < 1e-8


@pytest.mark.parametrize("preset", [PCB2024, IntegratedCMOS, Pessimistic])
def test_presets_take_it(preset):
    A, b = spd(8, 10.0), np.random.default_rng(0).standard_normal(8)
    rough = LangevinDevice(Overdamped(1e-4), imperfections=preset(die=1, drive_flicker=DriveFlicker(1e-3)))
    x, info = tla.solve(A, b, device=rough, rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)


def test_many_nodes_take_one_factor(monkeypatch):
    taken, sample = [], NodeAverages.sample
    monkeypatch.setattr(NodeAverages, "sample", lambda self, *given: taken.append(1) or sample(self, *given))
    A, b = grid_laplacian(70, 0.1), np.random.default_rng(0).standard_normal(4900)
    x, info = tla.solve(A, b, device=device(DriveFlicker(1e-3)), rng=0, return_info=True)
    assert info.success
    assert taken
    assert np.linalg.norm(A @ x - b) < 1e-8 * np.linalg.norm(b)


@pytest.mark.parametrize("d", [5, 129])
def test_raw_runs_know_that_averages_hardly_gain(d):
    """Root mean square of errors over error bars, which no longer window makes smaller."""
    A, off, bars = spd(d, 4.0), [], []
    flickers = device(DriveFlicker(0.02, 1.0, 1e7))
    for seed in range(12 if d < 100 else 1):
        for duration in (2e3, 2e5):
            b = np.random.default_rng(seed).standard_normal(d)
            long = Schedule(100.0, duration)
            x, info = tla.solve(A, b, device=flickers, refine=False, schedule=long, rng=seed, return_info=True)
            off.append((x - np.linalg.solve(A, b)) / info.standard_error)
            bars.append(np.mean(info.standard_error**2))
            assert np.linalg.norm(info.budget["thermal"]) > 0.99 * np.linalg.norm(info.budget.total)
    assert abs(np.sqrt(np.mean(np.square(off))) - 1) < 5 / np.sqrt(2 * np.size(off)) + 0.03
    assert np.mean(bars[1::2]) > np.mean(bars[::2]) / 4


@pytest.mark.slow
def test_readings_are_those_of_the_law():
    A, rng = spd(3, 4.0), np.random.default_rng(0)
    program = device(DriveFlicker(0.3, 1.0, 100.0), 1.0, AsWritten()).program(A, rng=0)
    paths = np.array(
        [program.readings(np.ones(3), Schedule(60.0, readings=3, spacing=2.0), rng=rng).value for _ in range(400)]
    )
    paths = paths - np.linalg.solve(A, np.ones(3))
    for lag in (0, 1, 2):
        expected = program.laws.process.autocovariance(2.0 * lag)
        found = np.mean(paths[:, lag, :, None] * paths[:, 0, None, :], axis=0)
        spread = np.sqrt(2 * np.outer(expected.diagonal(), expected.diagonal()) / 400) * 1.5
        assert np.all(abs(found - expected) < 5 * spread)
    settled = program.settle(np.zeros((3, 8000)), np.inf, rng=rng).value
    np.testing.assert_allclose(np.cov(settled), program.laws.process.stationary.covariance, rtol=0.15)
    assert program.laws.process.autocovariance(4.0)[0, 0] > 2 * np.linalg.inv(A)[0, 0] * np.exp(-4 * 0.25)


def test_spreads_and_samples_are_no_success_where_it_shows():
    A = spd(4, 4.0)
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        _, info = tla.sample(A, 1000, device=device(DriveFlicker(0.05, 1.0, 100.0)), rng=0, return_info=True)
    assert not info.success
    assert "1/f noise correlates over up to 1e+02 τ" in info.message


@pytest.mark.slow
def test_diagonals_know_what_it_adds():
    A = spd(4, 4.0)
    with pytest.warns(tla.ThermodynamicWarning):
        x, info = tla.inv_diagonal(A, rtol=0.05, device=device(DriveFlicker(0.01)), rng=0, return_info=True)
    assert not info.success
    assert np.all(abs(x - np.linalg.inv(A).diagonal()) < 5 * info.standard_error)
    assert np.all(info.systematic > 0.05 * x)
    _, info = tla.inv_diagonal(A, rtol=0.05, device=device(DriveFlicker(1e-7)), rng=0, return_info=True)
    assert info.success


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the device is not healthy")
def test_error_bars_of_covariances_know_how_long_it_lasts():
    """A run that is not much longer than the noise: the scatter of variances over runs."""
    A = np.diag([1.0, 0.5])
    program = device(DriveFlicker(2.0, 1.0, 1e3), 1.0, AsWritten()).program(A, rng=0)
    schedule, rng = Schedule(40.0, readings=200, spacing=40.0), np.random.default_rng(0)
    found = [program.covariance(schedule, rng=rng) for _ in range(32)]
    told = np.mean([standard_error(each) for each in found], axis=0).diagonal()
    seen = np.std([each.value.diagonal() for each in found], axis=0)
    assert np.all((seen / told > 0.6) & (seen / told < 1.5))
    blind = (2 / 200) ** 0.5 * np.mean([each.value.diagonal() for each in found], axis=0)
    assert np.all(told > 1.5 * blind)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the device is not healthy")
@pytest.mark.parametrize("wrapper", ["alone", *WRAPPED])
def test_they_do_what_a_device_must_but_for_their_bias(wrapper):
    alone = device(DriveFlicker(1e-3), 0.1)
    biased = ["mean", "variance", "stationarity", "warm start", "readings", "scaling", "timetable", "singular"]
    biased += ["spectrum", "temperature", "covariance", "autocovariance", "readings along", "work"]
    counted = ["ledger"] if wrapper in ("averaged", "ensemble") else []
    wrapped = WRAPPED.get(wrapper, lambda device: device)(alone)
    passed = check_device(wrapped, temperature=0.1, skip=[*biased, *counted], copies=400)
    assert set(passed) >= {"error bars", "noise", "inputs", "protocol"}


@pytest.mark.slow
def test_a_device_that_hardly_flickers_is_the_ideal_one():
    passed = check_device(device(DriveFlicker(1e-9), 0.1), temperature=0.1, copies=400)
    assert {"covariance", "stationarity", "variance"} <= set(passed)


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_take_it(wrapper):
    A, b, wrapped = spd(6, 10.0), np.ones(6), WRAPPED[wrapper](device(DriveFlicker(1e-3)))
    _, info = tla.solve(A, b, device=wrapped, rng=0, return_info=True)
    assert info.success
    assert wrapped.program(A, rng=np.random.default_rng(0)).remembers == 1e6


@pytest.mark.parametrize("others", ["interference", "flicker", "clock", "uneven"])
def test_other_parts_stand_beside_it(others):
    parts = {
        "interference": {"interference": Interference(0.01, 1e-3, 0.03)},
        "flicker": {"flicker": Flicker(0.001)},
        "clock": {"clock": Clock(1e-3)},
        "uneven": {"capacitors": Capacitors(mismatch=0.1), "noise": Noise(spread=0.1, correlation=0.1)},
    }[others]
    A, b, mixed = spd(6, 5.0), np.ones(6), device(DriveFlicker(1e-3), **parts)
    x, info = tla.solve(A, b, device=mixed, rng=0, return_info=True)
    assert info.success
    read = Schedule(100.0, readings=8, spacing=1.0)
    raw, told = tla.solve(A, b, device=mixed, refine=False, schedule=read, rng=0, return_info=True)
    assert np.all(abs(raw - x) < 6 * told.standard_error)


def test_it_is_printed_and_kept():
    flicker = Imperfections(drive_flicker=DriveFlicker(Sourced(0.01, "data sheet of a noise diode"), 0.5, 1e5))
    assert "drive_flicker.corner  0.01  1/τ  data sheet of a noise diode" in str(flicker)
    assert Imperfections.from_json(flicker.to_json()) == flicker
    assert not flicker.is_symmetric
    assert Imperfections(drive_flicker=DriveFlicker(None)).is_perfect


REFUSED = {
    "corner must not be negative": lambda: DriveFlicker(-0.1),
    "0 < fastest < slowest": lambda: DriveFlicker(0.1, 2.0, 2.0),
    "drive_flicker must be a DriveFlicker": lambda: Imperfections(drive_flicker=Flicker(0.1)),
    "simulated without warming=": lambda: device(DriveFlicker(0.1), warming=Warming(0.1, time=5.0)).program(spd(2)),
    "leave these out": lambda: device(DriveFlicker(0.1), shots=Shots(1.0)).program(spd(2)),
    "shots=, drive_flicker= and": lambda: SaturatingDevice(
        imperfections=Imperfections(drive_flicker=DriveFlicker(0.1))
    ),
    "averages over windows": lambda: tla.sample(spd(140), 20, device=device(DriveFlicker(0.1)), rng=0),
    "drive_flicker= and couplings": lambda: tla.slogdet(spd(2), device=device(DriveFlicker(0.1)), rng=0),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_is_refused(sentence):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=sentence):
        REFUSED[sentence]()
