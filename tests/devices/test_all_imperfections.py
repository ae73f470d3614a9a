"""Disturbed devices inside of others: presets and mitigation."""

import numpy as np
import pytest
from helpers import spd

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice, Overdamped
from thermolinalg.devices import (
    PCB2024,
    Averaged,
    Calibrated,
    Clock,
    Couplings,
    Ensemble,
    Flicker,
    IntegratedCMOS,
    Interference,
    PaperTNGD,
    Pessimistic,
    Warming,
)
from thermolinalg.testing import check_device

PARTS = {
    "interference": Interference(amplitude=0.01, pickup=1e-3, frequency=0.03),
    "flicker": Flicker(0.01),
    "warming": Warming(-0.05, 0.01, 1e4),
    "clock": Clock(1e-3),
    "couplings": Couplings(wire_resistance=1e-4, mismatch=1e-3),
}
WRAPPED = {
    "averaged": lambda device: Averaged(device, runs=4),
    "calibrated": Calibrated,
    "ensemble": lambda device: Ensemble(device, copies=4),
}
SOUND = {"error bars", "noise", "inputs", "protocol"}
BIASED = ["mean", "variance", "stationarity", "warm start", "readings", "scaling", "timetable", "singular", "spectrum"]
BIASED += ["temperature", "covariance", "autocovariance", "readings along", "work"]


@pytest.mark.thinned(3)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("preset", [PaperTNGD, PCB2024, IntegratedCMOS, Pessimistic])
def test_presets_take_each_of_them(part, preset):
    imperfections = preset(die=1, **{part: PARTS[part]})
    assert Imperfections.from_json(imperfections.to_json()) == imperfections
    A, b = spd(8, 10.0), np.random.default_rng(0).standard_normal(8)
    device = LangevinDevice(Overdamped(1e-4), imperfections=imperfections)
    x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) <= 1e-10 * np.linalg.norm(b)


@pytest.mark.filterwarnings("ignore:the device is not healthy")
@pytest.mark.thinned(3)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("wrapper", WRAPPED)
def test_wrappers_take_each_of_them(part, wrapper):
    device = WRAPPED[wrapper](
        LangevinDevice(Overdamped(1e-4), imperfections=Imperfections(**{part: PARTS[part]}, die=1))
    )
    A, b = spd(6, 10.0), np.ones(6)
    x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
    assert info.success
    raw, told = tla.solve(A, b, device=device, refine=False, rtol=0.05, rng=0, return_info=True)
    # What a calibration saw of couplings that change says nothing of a run of another length.
    assert (told.systematic is None) == ((part, wrapper) == ("warming", "calibrated"))
    if told.systematic is None:
        assert not told.success
        assert told.health.failed == ["residual"]
    else:
        assert np.all(abs(raw - x) < 6 * told.standard_error)


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("wrapper", ["alone", *WRAPPED])
def test_they_do_what_a_device_must_but_for_their_bias(part, wrapper):
    alone = LangevinDevice(Overdamped(0.1), imperfections=Imperfections(**{part: PARTS[part]}, die=1))
    device = WRAPPED.get(wrapper, lambda device: device)(alone)
    counted = ["ledger"] if wrapper in ("averaged", "ensemble") else []  # these count their own runs and programs
    assert set(check_device(device, temperature=0.1, skip=[*BIASED, *counted], copies=400)) >= SOUND
