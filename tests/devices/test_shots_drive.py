"""Devices that are driven by shots: what primitives and wrappers make of them."""

import numpy as np
import pytest
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import (
    PCB2024,
    Amplifiers,
    Averaged,
    Calibrated,
    Capacitors,
    Clock,
    Couplings,
    CovarianceReading,
    Ensemble,
    Flicker,
    Interference,
    Noise,
    SaturatingDevice,
    Shots,
    Sourced,
    Warming,
)
from thermolinalg.estimation.covariance import standard_error
from thermolinalg.simulation.averages import NodeAverages
from thermolinalg.testing import check_device

UNEVEN = {"capacitors": Capacitors(mismatch=0.1), "noise": Noise(spread=0.1, correlation=0.1)}
EQUILIBRATED = tla.Equilibrated()


def device(shots, temperature=1e-2, loading=EQUILIBRATED, **parts):
    return LangevinDevice(Overdamped(temperature), loading, Imperfections(shots=shots, die=1, **parts))


@pytest.mark.parametrize("shots", [Shots(2.0), Shots(30.0, "laplace"), Shots(1e5, "normal")])
@pytest.mark.parametrize(
    "A", [spd(8), -spd(3), np.triu(np.ones((4, 4)))], ids=["definite", "negative", "not symmetric"]
)
def test_systems_are_solved_to_the_tolerance(A, shots):
    x, info = tla.solve(A, np.ones(len(A)), device=device(shots), rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(A @ x - 1) < 1e-8
    x, info = tla.solve(A.astype(np.float32), np.ones(len(A)), rtol=1e-4, device=device(shots), rng=0, return_info=True)
    assert info.success


@pytest.mark.parametrize("others", ["interference", "flicker", "clock", "couplings", "amplifiers", "uneven"])
def test_other_parts_stand_beside_them(others):
    parts = {
        "interference": {"interference": Interference(0.01, 1e-3, 0.03)},
        "flicker": {"flicker": Flicker(0.01)},
        "clock": {"clock": Clock(1e-3)},
        "couplings": {"couplings": Couplings(bits=8, mismatch=0.01, symmetric=False)},
        "amplifiers": {"amplifiers": Amplifiers(gain=1e4, bandwidth=5.0, stuck=0.0)},
        "uneven": UNEVEN,
    }[others]
    A, b = spd(6, 5.0), np.ones(6)
    mixed = device(Shots(4.0, "normal"), **parts)
    x, info = tla.solve(A, b, device=mixed, rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(A @ x - b) < 1e-8
    raw, told = tla.solve(A, b, device=mixed, refine=False, rtol=0.05, rng=0, return_info=True)
    assert np.all(abs(raw - x) < 6 * told.standard_error)
    assert told.budget.total is not None


def test_many_nodes_take_one_factor(monkeypatch):
    taken, sample = [], NodeAverages.sample
    monkeypatch.setattr(NodeAverages, "sample", lambda self, *given: taken.append(1) or sample(self, *given))
    A = grid_laplacian(13, 0.1)
    b = np.random.default_rng(0).standard_normal(169)
    _, info = tla.solve(A, b, device=device(Shots(10.0)), rng=0, return_info=True)
    assert info.success
    assert taken
    stiff, window = A / 16 + 0.5 * np.eye(169), Schedule(300.0, 40.0, rough=True)
    for rate, alone in ((4.4, False), (4.6, True)):  # from 180 shots of each on
        taken.clear()
        program = device(Shots(rate), loading=AsWritten()).program(stiff, rng=0)
        program.average(b[:, None], window, rng=np.random.default_rng(0))
        assert bool(taken) == alone


@pytest.mark.parametrize("shots", [Shots(20.0), Shots(40.0, "laplace")])
def test_samples_say_that_they_are_not_normal(shots):
    A, driven = spd(4, 4.0), device(shots)
    _, info = tla.sample(A, 400, device=driven, rng=0, return_info=True)
    largest = {"signs": 1.0, "laplace": 6.0}[shots.jumps] / shots.rate
    assert f"excess kurtosis of up to {largest:.2g}" in info.message
    assert f"excess kurtosis of {largest:.2g} at most" in info.reason
    assert info.success


def test_enough_readings_show_it():
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        _, info = tla.sample(spd(2, 2.0), 4000, device=device(Shots(0.5, "laplace")), rng=0, return_info=True)
    assert not info.success
    assert info.health.failed[0] == "normality"
    _, info = tla.sample(spd(2, 2.0), 4000, device=device(Shots(1000.0)), rng=0, return_info=True)
    assert info.success
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        _, info = tla.inv_diagonal(
            spd(2, 2.0), rtol=0.03, device=device(Shots(0.5, "laplace")), rng=0, return_info=True
        )
    assert not info.success


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the device is not healthy")
@pytest.mark.parametrize("call", ["solve", "inv", "inv_diagonal", "short"])
def test_error_bars_are_honest(call):
    """Root mean square of errors over error bars, over devices."""
    A, b, driven, off = spd(4, 5.0), np.ones(4), device(Shots(2.0, "laplace")), []
    inverse = np.linalg.inv(A)
    for seed in range(60):
        if call == "solve":
            x, info = tla.solve(A, b, device=driven, refine=False, rtol=0.05, rng=seed, return_info=True)
            exact = inverse @ b
        elif call == "short":
            short = Schedule(100.0, 10.0)
            x, info = tla.solve(A, b, device=driven, refine=False, schedule=short, rng=seed, return_info=True)
            exact = inverse @ b
        elif call == "inv":
            x, info = tla.inv(A, device=driven, refine=False, rtol=0.1, rng=seed, return_info=True)
            exact = inverse
        else:
            x, info = tla.inv_diagonal(A, rtol=0.1, device=driven, rng=seed, return_info=True)
            exact = inverse.diagonal()
        off.append(((x - exact) / info.standard_error).ravel())
    spread = np.sqrt(np.mean(np.square(off)))
    # Covariances take the largest excess kurtosis for all of them.
    assert (0.45 if "inv" in call else 0.85) < spread < 1.2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the device is not healthy")
def test_they_do_what_a_device_must():
    passed = check_device(device(Shots(20.0), 0.1), temperature=0.1, copies=400)
    assert {"mean", "covariance", "variance", "stationarity", "error bars", "readings", "ledger"} <= set(passed)


@pytest.mark.parametrize(
    "wrapper",
    [lambda d: Averaged(d, runs=4), Calibrated, lambda d: Ensemble(d, copies=4)],
    ids=["averaged", "calibrated", "ensemble"],
)
def test_wrappers_take_them(wrapper):
    A, b, wrapped = spd(6, 10.0), np.ones(6), wrapper(device(Shots(5.0)))
    _, info = tla.solve(A, b, device=wrapped, rng=0, return_info=True)
    assert info.success
    program = wrapped.program(A, rng=np.random.default_rng(0))
    assert program.excess_kurtosis == pytest.approx(0.2)
    assert program.covariance(Schedule.for_covariance(50, program.rate()), rng=np.random.default_rng(0)).excess > 0.1


def test_error_bars_of_covariances_are_those_of_fourth_moments():
    told = CovarianceReading(np.diag([2.0, 3.0]), 1.0, Schedule(1.0, readings=101, spacing=1.0), excess=0.5)
    np.testing.assert_allclose(standard_error(told).diagonal(), np.array([2.0, 3.0]) * (2.5 / 100) ** 0.5)
    np.testing.assert_allclose(standard_error(told)[0, 1], (6.0 * 1.5 / 100) ** 0.5)


def test_they_are_printed_and_kept():
    shots = Imperfections(shots=Shots(Sourced(25.0, "data sheet of a noise diode"), "laplace"))
    assert "shots.rate  25  1/τ  data sheet of a noise diode" in str(shots)
    assert Imperfections.from_json(shots.to_json()) == shots
    assert not shots.is_symmetric
    assert Imperfections(shots=Shots(None)).is_perfect
    assert Imperfections.from_json(Imperfections().to_json()).is_perfect


REFUSED = {
    "rate must be positive": lambda: Shots(0.0),
    "jumps must be one of 'signs', 'normal', 'laplace'": lambda: Shots(1.0, "up"),
    "shots must be a Shots": lambda: Imperfections(shots=3.0),
    "without warming=, drive_flicker= and": lambda: device(Shots(1.0), warming=Warming(0.1, time=5.0)).program(spd(2)),
    "leave these out": lambda: (
        PCB2024(shots=Shots(1.0)) and LangevinDevice(imperfections=PCB2024(shots=Shots(1.0))).program(spd(2))
    ),
    "clock=, shots=, drive_flicker= and": lambda: SaturatingDevice(imperfections=Imperfections(shots=Shots(1.0))),
    "too few for an error bar": lambda: tla.solve(
        spd(2), np.ones(2), device=device(Shots(0.01)), refine=False, schedule=Schedule(1.0, 1.0), rng=0
    ),
    "warming=, clock=, shots=, drive_flicker= and": lambda: tla.slogdet(spd(2), device=device(Shots(1.0)), rng=0),
}


@pytest.mark.parametrize("sentence", REFUSED)
def test_what_cannot_be_is_refused(sentence):
    with pytest.raises((ValueError, TypeError, NotImplementedError), match=sentence):
        REFUSED[sentence]()
