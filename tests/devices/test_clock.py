"""Readings whose instants jitter."""

import numpy as np
import pytest
import scipy.linalg
from helpers import spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import Amplifiers, Clock, Noise
from thermolinalg.testing import check_device

A, JITTER, SPACING = spd(3, 4.0), 0.1, 0.8
CLOSE = Schedule(40.0, readings=6, spacing=SPACING)


def jittering(jitter=JITTER, **parts):
    return LangevinDevice(Overdamped(1.0), AsWritten(), Imperfections(clock=Clock(jitter), **parts))


def test_the_autocovariance_is_that_of_its_law():
    program = jittering().program(A, rng=0)
    M, sigma = program.laws.process.process.M, program.laws.process.stationary.covariance
    for lag in (1, 2, 5):
        expected = scipy.linalg.expm(-M * lag * SPACING + M @ M * JITTER**2) @ sigma
        np.testing.assert_allclose(program._spread(lag * SPACING), expected, rtol=1e-6)
        assert np.linalg.norm(expected - program.laws.process.autocovariance(lag * SPACING)) > 1e-3
    np.testing.assert_allclose(program._spread(0.0), sigma)


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{}, {"amplifiers": Amplifiers(bandwidth=5.0), "noise": Noise(correlation_time=0.3)}])
def test_readings_and_averages_follow_it(parts):
    program, rng = jittering(**parts).program(A, rng=0), np.random.default_rng(1)
    paths = np.array([program.readings(np.zeros(3), CLOSE, rng=rng).value for _ in range(1500)])
    lags = [abs(k - m) * SPACING for k in range(6) for m in range(6)]
    summed = sum((program._spread(lag) + program._spread(lag).T) / 2 for lag in lags) / 36
    np.testing.assert_allclose(np.cov(paths.mean(axis=1).T), summed, atol=0.2 * summed.max())
    np.testing.assert_allclose(np.cov(paths[:, 3].T), program._spread(0.0), atol=0.2 * summed.max())
    runs = [program.average(np.ones((3, 40)), CLOSE, rng=rng) for _ in range(30)]
    spread = np.var(np.hstack([run.value for run in runs]), axis=1)
    np.testing.assert_allclose(spread, summed.diagonal(), rtol=0.25)
    told = np.mean([run.standard_error[:, 0] ** 2 for run in runs], axis=0)
    np.testing.assert_allclose(told, summed.diagonal(), rtol=0.25)


def test_windows_that_integrate_do_not_depend_on_it():
    b, window = np.ones((3, 2)), Schedule(5.0, 20.0)
    plain = LangevinDevice(Overdamped(1.0), AsWritten(), Imperfections(noise=Noise(spread=1e-12)))
    one, other = (
        each.program(A, rng=0).average(b, window, rng=np.random.default_rng(2)) for each in (plain, jittering())
    )
    np.testing.assert_allclose(one.value, other.value, rtol=1e-9)
    x, info = tla.solve(A, np.ones(3), device=jittering(), rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(A @ x, 1.0)


def test_instants_stay_in_order_and_readings_that_are_too_close_are_refused():
    program = jittering().program(A, rng=0)
    times = program.laws.instants(Schedule(0.0, readings=20_000, spacing=SPACING), np.random.default_rng(0))
    assert np.all(np.diff(times) >= 0)
    assert times[0] >= 0
    off = times - SPACING * np.arange(20_000)
    assert np.std(off[1:]) == pytest.approx(JITTER, rel=0.03)
    with pytest.raises(ValueError, match=r"spacing of at least 0\.8"):
        program.readings(np.zeros(3), Schedule(5.0, readings=3, spacing=0.5), rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match="jitter"):
        Clock(-1.0)
    kept = Imperfections(clock=Clock(0.01))
    assert Imperfections.from_json(kept.to_json()) == kept
    assert str(kept).splitlines()[0].split() == ["clock.jitter", "0.01", "τ", "assumption"]


@pytest.mark.slow
def test_it_does_all_that_a_device_must():
    passed = check_device(LangevinDevice(imperfections=Imperfections(clock=Clock(1e-3))))
    assert {"covariance", "autocovariance", "readings", "error bars"} <= set(passed)
