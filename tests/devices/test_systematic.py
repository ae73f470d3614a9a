"""What the imperfections of a device imply of the error of one run, over many devices of a kind."""

import numpy as np
import pytest
from helpers import general, spd

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice, Overdamped
from thermolinalg.devices import PCB2024, Amplifiers, Capacitors, Converter, Couplings, Ensemble

DIES = 30
KINDS = {
    "mismatch": Imperfections(mismatch=0.02),
    "bits": Imperfections(matrix_bits=8, input_bits=8, output_bits=8),
    "offsets": Imperfections(inputs=Converter(offset=0.01), outputs=Converter(offset=0.02)),
    "writes": Imperfections(couplings=Couplings(write_noise=0.01)),
    "amplifiers": Imperfections(amplifiers=Amplifiers(offset=0.003)),
    "gain": Imperfections(amplifiers=Amplifiers(gain=400.0)),
    "drift": Imperfections(couplings=Couplings(drift=0.01, age=10.0)),
    "wires": Imperfections(couplings=Couplings(series_resistance=0.02)),
    "resistors of their own": Imperfections(couplings=Couplings(mismatch=0.02, symmetric=False)),
    "capacitors": Imperfections(capacitors=Capacitors(mismatch=0.1)),
    "a board": PCB2024(),
}
SYMMETRIC = {"gain", "resistors of their own", "a board", "capacitors"}
"""What a general matrix would go through its normal operator for, which squares the condition."""


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", KINDS)
def test_errors_are_as_large_as_the_error_bar_says(name):
    b, device = np.random.default_rng(0).standard_normal(8), LangevinDevice(Overdamped(1e-6), imperfections=KINDS[name])
    kinds = {"symmetric": lambda seed: spd(8, 8.0, seed)}
    if name not in SYMMETRIC:
        kinds["general"] = lambda seed: general(np.geomspace(0.2, 1, 8), seed=seed)
    for make in kinds.values():
        squares = []
        for seed in range(DIES):
            A = make(seed)
            y, info = tla.solve(A, b, device=device, refine=False, rtol=1e-3, rng=seed, return_info=True)
            np.testing.assert_allclose(info.standard_error, info.noise + info.rounding + info.systematic)
            squares.append(np.mean((y - np.linalg.solve(A, b)) ** 2) / np.mean(info.standard_error**2))
        # A soft mode has most of an error, so that this averages 30 squares; the largest entries are not rounded.
        assert 0.6 < np.mean(squares) ** 0.5 < 1.5


def test_every_column_has_its_own():
    device = LangevinDevice(Overdamped(1e-8), imperfections=Imperfections(mismatch=0.02))
    b = np.array([[1.0, 1e3, 0.0], [1.0, -1e3, 0.0]])
    x, info = tla.solve(spd(2, 3.0), b, device=device, refine=False, rng=0, return_info=True)
    assert np.all(abs(x - np.linalg.solve(spd(2, 3.0), b)) <= 5 * info.standard_error)
    assert np.all(info.systematic[:, 1] > 50 * info.systematic[:, 0])
    np.testing.assert_allclose(info.systematic[:, 2], 0.0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:the device is not healthy")
@pytest.mark.parametrize(
    "parts",
    [
        {"couplings": Couplings(stuck_off=0.01)},
        {"amplifiers": Amplifiers(stuck=0.01)},
        {"couplings": Couplings(mismatch=0.3)},
        {"couplings": Couplings(bits=2)},
    ],
)
def test_what_first_order_does_not_tell_is_said_to_be_unknown(parts):
    device = LangevinDevice(imperfections=Imperfections(**parts, die=1))
    _, info = tla.solve(spd(6), np.ones(6), device=device, refine=False, rng=0, return_info=True)
    assert info.systematic is None
    assert "the error bar holds noise only" in info.message


@pytest.mark.parametrize("wrapped", [lambda device: device, lambda device: Ensemble(device, copies=4)])
@pytest.mark.parametrize("condition", [1e4, 1e8])
def test_errors_as_large_as_the_answer_are_no_success(wrapped, condition):
    """No error bar of noise alone passes for one of an answer whose residual is as large as its load."""
    A, b = spd(8, condition), np.random.default_rng(1).standard_normal(8)
    device = wrapped(LangevinDevice(imperfections=Imperfections(mismatch=0.01)))
    with pytest.warns(tla.ThermodynamicWarning, match=r"its reading fails residual \(\d+ standard errors off\)"):
        x, info = tla.solve(A, b, device=device, refine=False, rng=0, return_info=True)
    assert np.linalg.norm(b - A @ x) > 0.5 * np.linalg.norm(b)
    assert info.systematic is None
    assert not info.success
    assert info.health.failed
    # A start that is not forgotten has a residual of its own, and no device is blamed for it.
    short = tla.Schedule(burn_in=1.0, duration=1e6)
    _, info = tla.solve(A, b, device=device, refine=False, schedule=short, rng=0, return_info=True)
    assert info.success
    assert "burn-in is too short" in info.message


@pytest.mark.parametrize("wrapped", [lambda device: device, lambda device: Ensemble(device, copies=4)])
def test_what_is_ideal_passes_whatever_the_condition(wrapped):
    for seed in range(20):
        _, info = tla.solve(
            spd(8, 1e8), np.ones(8), device=wrapped(LangevinDevice()), refine=False, rng=seed, return_info=True
        )
        assert info.success


def test_the_device_time_is_that_of_the_answer():
    schedule = tla.Schedule(burn_in=1000.0, duration=1e5)
    device = LangevinDevice(imperfections=Imperfections(mismatch=0.01))
    _, info = tla.solve(spd(4), np.ones(4), device=device, refine=False, schedule=schedule, rng=0, return_info=True)
    assert info.device_time == schedule.total
    assert info.ledger.device_time > schedule.total
