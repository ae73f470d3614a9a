"""Loads scaled to the converters' range, and lowered where readings clip."""

import numpy as np
import pytest
from helpers import spd

import thermolinalg as tla
from thermolinalg import AsWritten, Equilibrated, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import Capacitors, Converter

EQUILIBRATED = Equilibrated()
A, B = spd(5, 100.0), np.ones((5, 1))
ALIKE = Capacitors(mismatch=1e-12)
"""Makes an uneven program of it, with the same law."""


def device(full_scale, *, temperature=1e-6, loading=EQUILIBRATED, **parts):
    outputs = Converter(full_scale=full_scale)
    return LangevinDevice(Overdamped(temperature), loading, Imperfections(outputs=outputs, **parts))


@pytest.mark.parametrize("parts", [{}, {"capacitors": ALIKE}], ids=["law", "nodes"])
def test_a_reading_that_clips_is_taken_again_with_a_lower_load(parts):
    program, rng = device(2.0, **parts).program(A, rng=0), np.random.default_rng(0)
    schedule = Schedule(burn_in=20 / program.rate(), duration=1e6)
    x = program.average(B, schedule, rng=rng).value
    np.testing.assert_allclose(A @ x, B, atol=1e-2)
    tries = program.ledger.rescaled
    assert tries > 0
    assert program.ledger.runs == tries + 1
    assert program.ledger.device_time == pytest.approx((tries + 1) * schedule.total)
    # The next load starts where that one ended.
    program.average(B, schedule, rng=rng)
    program.settle(B, np.inf, rng=rng)
    assert program.ledger.rescaled == tries
    wide = device(1e6, **parts).program(A, rng=0)
    wide.average(B, schedule, rng=rng)
    assert wide.ledger.rescaled == 0


@pytest.mark.parametrize("parts", [{}, {"capacitors": ALIKE}], ids=["law", "nodes"])
def test_refinement_meets_its_tolerance_within_the_range(parts):
    x, info = tla.solve(A, B, device=device(1.5, **parts), rng=0, return_info=True)
    assert info.success
    assert info.ledger.rescaled > 0
    np.testing.assert_allclose(A @ x, B, rtol=1e-9)


@pytest.mark.parametrize("parts", [{}, {"capacitors": ALIKE}], ids=["law", "nodes"])
def test_noise_that_clips_is_refused(parts):
    noisy = device(0.1, temperature=1.0, **parts)
    with pytest.raises(ValueError, match="by their noise; pass a law of lower temperature"):
        noisy.program(A, rng=0).settle(B, np.inf, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="larger one"):
        tla.inv(A, device=noisy, refine=False, rtol=0.1, rng=0)
    with pytest.raises(ValueError, match="larger one"):
        tla.inv_diagonal(A, device=noisy, rtol=0.1, rng=0)
    with pytest.raises(ValueError, match="larger one"):
        tla.sample(A, 100, device=noisy, rng=0)


def test_loads_as_they_are_written_clip_and_are_counted():
    program = device(3.0, loading=AsWritten(), temperature=0.0).program(A, rng=0)
    value = program.settle(B, np.inf, rng=np.random.default_rng(0)).value
    np.testing.assert_allclose(value, np.clip(np.linalg.solve(A, B), -3, 3))
    assert program.ledger.clipped == (abs(np.linalg.solve(A, B)) >= 3).sum() > 0
    narrow = LangevinDevice(loading=AsWritten(), imperfections=Imperfections(inputs=Converter(full_scale=0.5)))
    with pytest.raises(ValueError, match=r"the load reaches 1 where the input converters end at ±0\.5; scale b"):
        narrow.program(A, rng=0).settle(B, 1.0, rng=np.random.default_rng(0))


def test_loads_come_up_to_the_full_scale_of_the_input_converters():
    narrow = LangevinDevice(Overdamped(0.0), imperfections=Imperfections(inputs=Converter(full_scale=0.5)))
    load, gain = narrow.program(A, rng=0).load(B)
    assert load.max() == 0.5
    program = narrow.program(A, rng=0)
    np.testing.assert_allclose(program.settle(B, np.inf, rng=np.random.default_rng(0)).value, np.linalg.solve(A, B))
    assert np.all(gain > 0)
