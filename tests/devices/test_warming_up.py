"""Devices that warm up while a run lasts."""

import numpy as np
import pytest
import scipy.integrate
from helpers import spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import Amplifiers, Interference, Noise, Sourced, Warming
from thermolinalg.testing import check_device

COLD = Warming(
    temperature=Sourced(-0.046, "measured on an independent two-node RC breadboard: −2.3 % in volts without settling"),
    time=Sourced(7.5e8, "the same: 10 to 15 minutes, at RC = 1 µs"),
)


AS_WRITTEN = AsWritten()


def device(temperature=1.0, loading=AS_WRITTEN, **parts):
    return LangevinDevice(Overdamped(temperature), loading, Imperfections(**parts))


@pytest.mark.slow
@pytest.mark.parametrize("w", [3.0, 1e3])
def test_readings_follow_the_temperature_and_the_couplings(w):
    program = device(warming=Warming(0.5, -0.2, w)).program(spd(3, 4.0), rng=0)
    rng, b = np.random.default_rng(1), np.array([1.0, 0.0, -2.0])
    late = Schedule(1.5, readings=3, spacing=2.0)
    paths = np.array([program.readings(b, late, rng=rng).value for _ in range(400)])
    averages = program.average(np.repeat(b[:, None], 4000, axis=1), late, rng=rng).value
    np.testing.assert_allclose(paths.mean(axis=(0, 1)), averages.mean(axis=1), atol=0.2)
    np.testing.assert_allclose(paths.mean(axis=1).var(axis=0), averages.var(axis=1), rtol=0.35)
    if w == 1e3:  # as good as constant
        held = np.linalg.inv(0.8 * spd(3, 4.0))
        settled = program.settle(np.repeat(b[:, None], 4000, axis=1), 40.0, rng=rng).value
        np.testing.assert_allclose(settled.mean(axis=1), held @ b, atol=0.2)
        np.testing.assert_allclose(np.cov(settled), 1.5 * held, atol=0.15 * held.max())
    equilibrium = program.settle(np.repeat(b[:, None], 4000, axis=1), np.inf, rng=rng).value
    np.testing.assert_allclose(np.cov(equilibrium), np.linalg.inv(spd(3, 4.0)), atol=0.3)


WARMING = {
    "temperature": {"warming": COLD},
    "couplings": {"warming": Warming(conductance=0.02, time=1e3)},
    "both, fast": {
        "warming": Warming(0.5, -0.3, 20.0),
        "amplifiers": Amplifiers(bandwidth=20.0),
        "noise": Noise(correlation_time=0.1),
    },
}


@pytest.mark.parametrize("name", WARMING)
def test_systems_are_solved_to_the_tolerance(name):
    for A in (spd(8), -spd(3), np.triu(np.ones((4, 4)))):
        cold = device(1e-4, tla.Equilibrated(), **WARMING[name])
        x, info = tla.solve(A, np.ones(len(A)), device=cold, rng=0, return_info=True)
        assert info.success
        assert np.linalg.norm(A @ x - 1) < 1e-8


@pytest.mark.parametrize("w", [pytest.param(50.0, marks=pytest.mark.slow), 1e4, 1e8])
def test_a_raw_run_knows_how_cold_it_was(w):
    ratios = []
    for seed in range(8):
        A, b = spd(8, 8.0, seed), np.random.default_rng(seed).standard_normal(8)
        cold = device(1e-10, tla.Equilibrated(), warming=Warming(conductance=0.03, time=w))
        x, info = tla.solve(A, b, refine=False, device=cold, rtol=1e-4, rng=seed, return_info=True)
        ratios.append(np.linalg.norm(x - np.linalg.solve(A, b)) / np.linalg.norm(info.budget.total))
    assert 0.7 < np.mean(ratios) < 1.3


def test_spreads_that_are_not_of_one_temperature_are_no_success():
    A = spd(6, 20.0)
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        _, info = tla.inv_diagonal(A, rtol=0.05, device=device(warming=Warming(0.5, time=1e9)), rng=0, return_info=True)
    assert not info.success
    _, info = tla.inv_diagonal(A, rtol=0.05, device=device(warming=COLD), rng=0, return_info=True)
    assert info.systematic is None
    assert "errs in ways that it does not tell" in info.message


@pytest.mark.slow
def test_a_device_that_is_hardly_cold_is_the_ideal_one():
    hardly = {"warming": Warming(1e-6, -1e-6, 1e4)}
    assert {"covariance", "stationarity", "variance"} <= set(check_device(device(loading=tla.Equilibrated(), **hardly)))


def test_the_mean_over_a_window_is_that_of_its_integral():
    cold = Warming(conductance=-0.3, time=5.0)
    integral, _ = scipy.integrate.quad(lambda t: -0.3 * np.exp(-t / 5.0), 2.0, 9.0)
    assert cold.excess(2.0, 7.0) == pytest.approx(integral / 7)
    assert cold.excess(2.0, 1e-9) == pytest.approx(-0.3 * np.exp(-0.4))
    assert Warming(0.1, 0.0, 5.0).excess(2.0, 7.0) == 0.0


def test_it_is_printed_kept_and_refused():
    cold = Imperfections(warming=COLD)
    assert "−2.3 % in volts" in str(cold)
    assert Imperfections.from_json(cold.to_json()) == cold
    assert Imperfections(warming=Warming(time=5.0)).is_perfect
    with pytest.raises(ValueError, match="time must be known and positive"):
        Warming(0.1)
    with pytest.raises(ValueError, match="temperature must be finite and above -1"):
        Warming(-1.0, time=1.0)
    with pytest.raises(ValueError, match="leave out one of them"):
        device(warming=Warming(conductance=0.02, time=1e3), interference=Interference(0.1, frequency=1.0)).program(
            spd(2)
        )
