"""What disturbs devices of more nodes than every law is kept for: averages from one factor, with all that is added."""

import numpy as np
import pytest
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import (
    Capacitors,
    Clock,
    Couplings,
    Flicker,
    Interference,
    Noise,
    PreparedStart,
    Warming,
    disturbed,
)
from thermolinalg.simulation.averages import NodeAverages
from thermolinalg.simulation.nodes import NodeProcess

D, PHASE = 150, np.exp(0.4j)
A, B = spd(D, 10.0), np.random.default_rng(0).standard_normal(D)
HUM, PINK = Interference(0.2, 0.05, 0.03), Flicker(0.1, 1.0, 1e4)
UNEVEN = {"capacitors": Capacitors(mismatch=0.1), "noise": Noise(spread=0.1, correlation=0.1)}
SETTLED, SHORT = Schedule(400.0, 6e4), Schedule(2.0, 50.0)


def program(temperature=1e-2, **parts):
    device = LangevinDevice(Overdamped(temperature), AsWritten(), Imperfections(**parts, die=1))
    return device.program(A, rng=0)


@pytest.fixture
def by_factor(monkeypatch):
    """Counts the averages that one factor makes."""
    taken, sample = [], NodeAverages.sample
    monkeypatch.setattr(NodeAverages, "sample", lambda self, *given: taken.append(1) or sample(self, *given))
    return taken


def followed(hummed, times):
    """Voltages (d, n) without noise at some times, mode by mode, from rest, at the phase of 0.4."""
    laws, line = hummed.laws, hummed.disturbance.line
    root = np.sqrt(laws.capacity)
    weights, modes = np.linalg.eigh(laws.G / root / root[:, None])
    force = modes.T @ (hummed.imperfections.frozen("interference", None).standard_normal((2, D))[0] * 0.2 / root)
    driven = force * PHASE / (weights + 1j * line.frequency)
    at, left = np.exp(1j * line.frequency * times), np.exp(-weights[:, None] * times)
    steady = (modes.T @ (B / root) / weights)[:, None] * (1 - left)
    return modes @ (steady + (driven[:, None] * (at - left)).real) / root[:, None]


@pytest.mark.parametrize("schedule", [SETTLED, SHORT], ids=["one factor", "all nodes"])
def test_a_line_is_that_of_modes_by_themselves(schedule, monkeypatch, by_factor):
    monkeypatch.setattr(disturbed, "_phases", lambda runs, rng: np.full(runs, PHASE))
    hummed = program(0.0, interference=HUM, **UNEVEN)
    read = hummed.average(B[:, None], schedule, rng=np.random.default_rng(0)).value[:, 0]
    assert len(by_factor) == (schedule is SETTLED)
    spacing = schedule.duration / 20_000
    middles = schedule.burn_in + spacing * (np.arange(20_000) + 0.5)
    pickup = 0.05 * hummed.imperfections.frozen("interference", None).standard_normal((2, D))[1]
    expected = followed(hummed, middles).mean(axis=1) + pickup * (PHASE * np.exp(0.03j * middles)).real.mean()
    np.testing.assert_allclose(read, expected, atol=2e-5)
    assert np.max(abs(read - np.linalg.solve(A, B))) > 1e-4


def test_readings_of_a_line_are_taken_when_the_clock_says(monkeypatch):
    monkeypatch.setattr(disturbed, "_phases", lambda runs, rng: np.full(runs, PHASE))
    hummed = program(0.0, interference=HUM, clock=Clock(0.3), **UNEVEN)
    schedule = Schedule(2.0, readings=6, spacing=3.0)
    instants = hummed.laws.instants(schedule, np.random.default_rng(3))
    assert np.std(np.diff(instants)) > 0.1
    pickup = 0.05 * hummed.imperfections.frozen("interference", None).standard_normal((2, D))[1]
    expected = followed(hummed, instants) + np.outer(pickup, (PHASE * np.exp(0.03j * instants)).real)
    path = hummed.readings(B, schedule, rng=np.random.default_rng(3)).value
    np.testing.assert_allclose(path, expected.T, atol=1e-9)
    read = hummed.average(B[:, None], schedule, rng=np.random.default_rng(3)).value[:, 0]
    np.testing.assert_allclose(read, expected.mean(axis=1), atol=1e-9)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tensors_of_torch_are_disturbed_alike(dtype):
    torch = pytest.importorskip("torch")
    device = LangevinDevice(
        imperfections=Imperfections(interference=HUM, flicker=PINK, clock=Clock(1e-3), **UNEVEN, die=1)
    )
    a, b = (torch.tensor(each, dtype=getattr(torch, dtype)) for each in (A, B))
    asked = {"refine": False, "rng": 4, "device": device, "return_info": True}
    for schedule in (None, Schedule(400.0, readings=5, spacing=20.0)):
        x, info = tla.solve(a, b, schedule=schedule, **asked)
        assert x.dtype == a.dtype
        expected, _ = tla.solve(A, B, schedule=schedule, **asked)  # of the same draws
        assert np.max(abs(x.numpy() - expected) / info.noise.numpy()) < 0.05
    x, info = tla.solve(a, b, device=device, rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose((a @ x).numpy(), B, atol={"float64": 1e-9, "float32": 1e-4}[dtype])


def test_pink_noise_is_added_to_what_one_factor_draws(by_factor):
    pink = program(flicker=PINK, **UNEVEN)
    reading = pink.average(np.tile(B[:, None], 2000), SETTLED, rng=np.random.default_rng(1))
    assert by_factor
    inverse = np.linalg.inv(A)
    added = pink.disturbance.pink.variance_of_average(SETTLED.duration, None)
    expected = inverse @ pink.laws.noise.covariance @ inverse / SETTLED.duration + added * np.eye(D)
    assert added > 0.5 * expected.diagonal().max()
    np.testing.assert_allclose(reading.value.var(axis=1), expected.diagonal(), rtol=5 * (2 / 2000) ** 0.5)
    off = abs(reading.value.mean(axis=1) - inverse @ B) / np.sqrt(expected.diagonal() / 2000)
    assert off.max() < 5
    told = reading.standard_error[:, 0] ** 2 / expected.diagonal()
    assert abs(told.mean() - 1) < 5 * (2 / 32 / D) ** 0.5


def test_what_warms_up_is_drawn_by_the_law_of_all_nodes(by_factor):
    cold = program(warming=Warming(0.5, -0.2, 1e12), **UNEVEN)  # so slowly that nothing changes
    reading = cold.average(np.tile(B[:, None], 2000), SETTLED, rng=np.random.default_rng(2)).value
    assert not by_factor
    held, noise = 0.8 * A, 1.5 * cold.laws.noise.covariance
    law = NodeProcess(held, noise, cold.laws.capacity).window(400.0, SETTLED.duration, None)
    spread = law.covariance[D:, D:].diagonal()
    np.testing.assert_allclose(reading.var(axis=1), spread, rtol=5 * (2 / 2000) ** 0.5)
    # A level is the mean over a step of the staircase, half of 1/128 from its end.
    np.testing.assert_allclose(reading.mean(axis=1), np.linalg.solve(held, B), rtol=2e-3, atol=5e-4)


DISTURBED = {
    "hum": {"interference": HUM},
    "hum, 1/f noise and wires": {
        "interference": HUM,
        "flicker": PINK,
        "couplings": Couplings(wire_resistance=2e-5, mismatch=0.01),
    },
    "1/f noise and a clock": {"flicker": PINK, "clock": Clock(1e-3), **UNEVEN},
    "warming up, 1/f noise and a clock": {
        "warming": Warming(-0.05, 0.02, 1e3),
        "flicker": PINK,
        "clock": Clock(1e-3),
    },
}
SYSTEMS = {
    "dense": A,
    "negated": -A,
    "sparse": grid_laplacian(13, 0.1).tocsr(),
    "single": A.astype(np.float32),
    "one node": np.array([[3.0]]),
    "general": np.random.default_rng(1).standard_normal((D, D)).T + 20 * np.eye(D),
}
SLOWLY = [("hum", "sparse"), ("hum", "negated"), ("hum", "general"), ("1/f noise and a clock", "dense")]
CASES = [
    pytest.param(name, system, id=f"{name}, {system}", marks=[] if (name, system) in SLOWLY else pytest.mark.slow)
    for name in DISTURBED
    for system in SYSTEMS
]


@pytest.mark.parametrize(("name", "system"), CASES)
@pytest.mark.parametrize("prepared", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["alone", "prepared"])
def test_systems_are_solved_to_the_tolerance_call_after_call(name, system, prepared):
    matrix = SYSTEMS[system]
    device = LangevinDevice(Overdamped(1e-4), imperfections=Imperfections(**DISTURBED[name], die=1))
    if prepared:
        if system == "general":
            pytest.skip("starts are prepared for symmetric matrices")
        device = PreparedStart(device, modes=1 if system == "one node" else 4)
    held = tla.program(matrix, device=device, rng=0)
    for seed in range(2):
        b = np.random.default_rng(seed).standard_normal(matrix.shape[0]).astype(matrix.dtype)
        x, info = held.solve(b, return_info=True)
        assert info.success
        assert x.dtype == b.dtype
        residual = np.linalg.norm(b - matrix.astype(np.float64) @ x) / np.linalg.norm(b)
        assert residual < (1e-5 if system == "single" else 1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hum", "hum, 1/f noise and wires", "1/f noise and a clock"])
@pytest.mark.parametrize("prepared", [False, True], ids=["alone", "prepared"])
def test_raw_runs_are_within_what_they_tell(name, prepared):
    alone = LangevinDevice(Overdamped(1e-4), imperfections=Imperfections(**DISTURBED[name], die=1))
    device = PreparedStart(alone) if prepared else alone
    squares = []
    for seed in range(8):
        x, info = tla.solve(A, B, refine=False, device=device, rtol=1e-3, rng=seed, return_info=True)
        off = (x - np.linalg.solve(A, B)) / info.standard_error
        assert abs(off).max() < 7  # of a phase, and 32 further runs
        squares.append(np.mean(off**2))
    assert 0.5 < np.mean(squares) ** 0.5 < 1.6
