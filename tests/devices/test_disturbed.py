"""Interference and 1/f noise: their laws against plain stepping and sums, and what primitives make of them."""

import numpy as np
import pytest
import scipy.integrate
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule
from thermolinalg.devices import (
    Amplifiers,
    Capacitors,
    Clock,
    Converter,
    Flicker,
    Interference,
    Noise,
    UnevenProgram,
    Warming,
)
from thermolinalg.simulation.disturbances import Line, PinkNoise
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.testing import assert_covariance, check_device

G = spd(3, 5.0)
PROCESSES = {
    "plain": NodeProcess(G, 0 * G, np.ones(3)),
    "inert, coloured, uneven": NodeProcess(G, 0 * G, np.array([1.0, 1.3, 0.8]), bandwidth=3.0, correlation_time=0.4),
}
CURRENTS = np.array([1.0, -0.5, 2.0])
EQUILIBRATED = tla.Equilibrated()
HUM = Interference(amplitude=0.2, pickup=0.05, frequency=0.7)


def stepped(process, frequency, phase, times, h=2e-3):
    """Voltages under the line by Runge and Kutta's method from rest, at multiples of h."""
    M, U = process.process.M, process.entry @ CURRENTS

    def slope(t, x):
        return U * np.cos(frequency * t + phase) - M @ x

    x, path = np.zeros(len(M)), [np.zeros(len(M))]
    for k in range(round(times[-1] / h)):
        t = k * h
        a = slope(t, x)
        b = slope(t + h / 2, x + h / 2 * a)
        c = slope(t + h / 2, x + h / 2 * b)
        x = x + h / 6 * (a + 2 * b + 2 * c + slope(t + h, x + h * c))
        path.append(x)
    return np.array(path)[np.rint(np.asarray(times) / h).astype(int), :3]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("burn_in", [0.0, 1.0])
def test_a_line_is_followed_as_in_plain_steps(name, burn_in):
    process, frequency, phase = PROCESSES[name], 2.0, 0.3
    line, turn = Line(process, frequency, CURRENTS), np.exp(0.3j)
    times = burn_in + 0.5 * np.arange(5)
    path = stepped(process, frequency, phase, times)
    np.testing.assert_allclose((line.path(times) * turn).real, path, atol=1e-10)
    np.testing.assert_allclose((line.after(times[3]) * turn).real, path[3], atol=1e-10)
    end, average = line.window(burn_in, 2.5, 5)
    np.testing.assert_allclose((end * turn).real, path[-1], atol=1e-10)
    np.testing.assert_allclose((average * turn).real, path.mean(axis=0), atol=1e-10)
    fine = stepped(process, frequency, phase, burn_in + 2e-3 * np.arange(1001))
    end, average = line.window(burn_in, 2.0, None)
    np.testing.assert_allclose((end * turn).real, fine[-1], atol=1e-10)
    trapezia = np.trapezoid(fine, axis=0) / 1000
    np.testing.assert_allclose((average * turn).real, trapezia, atol=1e-5)


def test_a_long_window_keeps_what_a_short_one_says():
    line = Line(PROCESSES["plain"], 0.7, CURRENTS)
    size = abs(np.linalg.solve(G + 0.7j * np.eye(3), CURRENTS))
    np.testing.assert_allclose(abs(line.settled), size)
    for duration in (10.0, 1e3, 1e5):
        _, average = line.window(1e4, duration, None)
        assert np.all(abs(average) <= size * 2 / (0.7 * duration) * (1 + 1e-9))
        end, once = line.window(1e4, duration, 1)
        np.testing.assert_allclose(end, once)
    # As many readings as periods all see the same phase.
    np.testing.assert_allclose(abs(line.window(1e4, 20 * np.pi / 0.7, 10)[1]), size)
    forgets = line.window(300.0, 40.0, 7)
    np.testing.assert_allclose(forgets, line.window(300.0 + 20 * np.pi / 0.7, 40.0, 7), atol=1e-10)


@given(
    octaves=st.integers(0, 12),
    n=st.integers(1, 40),
    spacing=st.sampled_from([1e-9, 1e-3, 1.0, 50.0, 1e6]),
)
def test_an_average_of_pink_noise_has_the_variance_of_its_sum(octaves, n, spacing):
    noise = PinkNoise(0.3, 0.5, 0.5 * 2.0**octaves)
    assert noise.autocovariance(0.0) == pytest.approx(0.09)
    lags = spacing * abs(np.arange(n)[:, None] - np.arange(n))
    double = np.mean([[noise.autocovariance(lag) for lag in row] for row in lags])
    assert noise.variance_of_average(n * spacing, n) == pytest.approx(double, rel=1e-6)
    if spacing <= 1.0:
        continuous = noise.variance_of_average(n * spacing, None)
        assert noise.variance_of_average(n * spacing, 10**6) == pytest.approx(continuous, rel=1e-4)


def test_pink_noise_is_pink():
    noise, frequencies = PinkNoise(1.0, 1.0, 2.0**20), np.geomspace(1e-4, 1e-2, 30)
    weights = 4 * noise.power * noise.times[:, None] / (1 + (2 * np.pi * frequencies * noise.times[:, None]) ** 2)
    np.testing.assert_allclose(weights.sum(axis=0) * frequencies * 21 * np.log(2), 1.0, rtol=0.03)
    # Hundredfold averaging gains a third, white noise would gain 99 %.
    assert noise.variance_of_average(1e4, 10000) > 0.3 * noise.variance_of_average(1e2, 100)


def test_pink_paths_have_their_covariance():
    noise = PinkNoise(0.5, 1.0, 64.0)
    path = noise.path(3.0, 4, 20_000, np.random.default_rng(0))
    lags = 3.0 * abs(np.arange(4)[:, None] - np.arange(4))
    assert_covariance(path.T, np.array([[noise.autocovariance(lag) for lag in row] for row in lags]))


def test_an_average_is_that_of_the_readings_whatever_the_phase():
    """The amplitude of averages over all phases, from a line that is fitted to the readings of one run."""
    program, rng = device(0.0, AsWritten(), interference=HUM, die=2).program(G, rng=0), np.random.default_rng(0)
    schedule = Schedule(300.0, readings=4, spacing=1.3)
    turned = np.exp(1j * HUM.frequency * (300.0 + 1.3 * np.arange(4)))
    path = program.readings(np.zeros(3), schedule, rng=rng).value
    (real, imaginary), *_ = np.linalg.lstsq(np.stack([turned.real, -turned.imag], axis=1), path)
    np.testing.assert_allclose(((real + 1j * imaginary) * turned[:, None]).real, path, atol=1e-12)
    expected = abs((real + 1j * imaginary) * turned.mean())
    averages = program.average(np.zeros((3, 3000)), schedule, rng=rng).value
    np.testing.assert_allclose(abs(averages).max(axis=1), expected, rtol=1e-4)
    # What is held at the end has no pickup, what is read has.
    ended = program.average(np.zeros((3, 3000)), schedule, rng=rng, state=True).state
    np.testing.assert_allclose(abs(ended).max(axis=1), abs(program.disturbance.line.settled), rtol=1e-4)
    settled = program.settle(np.zeros((3, 3000)), np.inf, rng=rng)
    np.testing.assert_allclose(abs(settled.value).max(axis=1), abs(real + 1j * imaginary), rtol=1e-4)
    np.testing.assert_allclose(abs(settled.state).max(axis=1), abs(program.disturbance.line.settled), rtol=1e-4)


def device(temperature=1e-6, loading=EQUILIBRATED, **parts):
    return LangevinDevice(Overdamped(temperature), loading, Imperfections(**parts))


IN_TIME = {"jitter": {"clock": Clock(0.1)}, "cold": {"warming": Warming(temperature=0.5, time=20.0)}}


def followed(program, instants):
    """What readings from rest are under the line at phase 0 and a quarter turn on, (n, d) each, by LSODA."""
    line, pickup = program.disturbance.line, program.disturbance.pickup
    process, frequency = line.process.process, line.frequency
    currents = (process.M + 1j * frequency * np.eye(3)) @ line.states

    def at(turn):
        path = scipy.integrate.solve_ivp(
            lambda t, x: (currents * turn * np.exp(1j * frequency * t)).real - process.M @ x,
            (0.0, instants[-1]),
            np.zeros(3),
            method="LSODA",
            t_eval=instants,
            rtol=1e-10,
            atol=1e-12,
        )
        return path.y.T + np.outer((turn * np.exp(1j * frequency * instants)).real, pickup)

    return at(1.0), at(1j)


@pytest.mark.parametrize("parts", IN_TIME.values(), ids=IN_TIME)
@pytest.mark.parametrize("burn_in", [0.3, 40.0])
def test_a_line_is_read_at_instants_that_jitter_and_while_nodes_warm_up(parts, burn_in):
    program = device(1e-20, AsWritten(), interference=HUM, die=2, **parts).program(G, rng=0)
    schedule, zero = Schedule(burn_in, readings=6, spacing=1.3), np.zeros(3)
    instants = program.laws.instants(schedule, np.random.default_rng(7))
    ways = np.stack([way.ravel() for way in followed(program, instants)], axis=1)
    path = program.readings(zero, schedule, rng=np.random.default_rng(7)).value
    phase, *_ = np.linalg.lstsq(ways, path.ravel())
    np.testing.assert_allclose(ways @ phase, path.ravel(), atol=1e-7)
    assert np.linalg.norm(phase) == pytest.approx(1.0, rel=1e-6)
    averages = program.average(np.zeros((3, 3000)), schedule, rng=np.random.default_rng(7)).value
    real, turned = ways.reshape(6, 3, 2).mean(axis=0).T
    largest = np.sqrt(real**2 + turned**2)  # of all phases
    np.testing.assert_allclose(abs(averages).max(axis=1), largest, rtol=1e-4)


def test_a_jitter_blurs_what_readings_have_of_a_line_in_common():
    hum = Interference(amplitude=0.2, pickup=0.05, frequency=3.0)
    program = device(1e-20, AsWritten(), interference=hum, clock=Clock(0.2), die=2).program(G, rng=0)
    rng, schedule = np.random.default_rng(0), Schedule(60.0, readings=400, spacing=1.7)
    instants = [program.laws.instants(schedule, rng) for _ in range(40)]
    paths = [program.disturbance.of_readings(schedule, each, rng).T for each in instants]
    for lag, spacing in ((0, 0.0), (1, 1.7)):
        found = np.mean([path[lag:].T @ path[: len(path) - lag] / (len(path) - lag) for path in paths], axis=0)
        expected = program.disturbance.autocovariance(spacing)
        np.testing.assert_allclose(found, expected, atol=0.03 * abs(program.disturbance.autocovariance(0.0)).max())


@pytest.mark.parametrize(
    "disturbed",
    [
        {"interference": HUM},
        {"flicker": Flicker(0.2, 1.0, 1e4)},
        *({"interference": HUM, **parts} for parts in IN_TIME.values()),
    ],
    ids=["hum", "pink", "hum and jitter", "hum from cold"],
)
def test_error_bars_hold_them(disturbed):
    device_ = LangevinDevice(Overdamped(0.01), AsWritten(), Imperfections(**disturbed, die=2))
    program, rng = device_.program(G, rng=0), np.random.default_rng(1)
    assert isinstance(program, UnevenProgram)
    for schedule in (Schedule(0.0, 8.0), Schedule(2.0, readings=4, spacing=1.7), Schedule(200.0, 500.0)):
        readings = [program.average(np.zeros((3, 500)), schedule, rng=rng) for _ in range(8)]
        spread = np.mean([reading.value**2 for reading in readings], axis=(0, 2))
        told = np.mean([reading.standard_error[:, 0] ** 2 for reading in readings], axis=0)
        np.testing.assert_allclose(told, spread, rtol=0.35)
        undisturbed = LangevinDevice(Overdamped(0.01), AsWritten()).program(G, rng=0)
        quiet = undisturbed.average(np.zeros((3, 4000)), schedule, rng=rng).value
        assert np.sum(spread) > np.sum(quiet.var(axis=1)) * 1.02


@pytest.mark.slow
@pytest.mark.parametrize("parts", [{}, {"amplifiers": Amplifiers(bandwidth=3.0), "noise": Noise(correlation_time=0.3)}])
def test_single_readings_spread_as_their_law_says(parts):
    disturbed = Imperfections(interference=HUM, flicker=Flicker(0.1, 1.0, 100.0), die=2, **parts)
    program = LangevinDevice(Overdamped(0.01), AsWritten(), disturbed).program(G, rng=0)
    bare = LangevinDevice(Overdamped(0.01), AsWritten(), Imperfections(capacitors=Capacitors(mismatch=1e-12), **parts))
    rng = np.random.default_rng(3)
    expected = bare.program(G, rng=0).laws.process.stationary.covariance + program.disturbance.autocovariance(0.0)
    settled = program.settle(np.zeros((3, 20_000)), np.inf, rng=rng)
    np.testing.assert_allclose(np.cov(settled.value), expected, atol=0.03 * expected.max())
    read = [program.readings(np.zeros(3), Schedule(60.0, readings=50, spacing=0.9), rng=rng).value for _ in range(400)]
    found = np.mean([np.outer(one[-1], one[-2]) for one in read], axis=0)
    expected = bare.program(G, rng=0).laws.process.autocovariance(0.9) + program.disturbance.autocovariance(0.9)
    np.testing.assert_allclose(found, expected, atol=0.3 * abs(expected).max())
    # From a start on, and as the mean of a path.
    one = Schedule(0.4, readings=3, spacing=0.9)
    paths = [program.readings(np.zeros(3), one, rng=rng).value.mean(axis=0) for _ in range(1500)]
    averages = program.average(np.zeros((3, 20_000)), one, rng=rng).value
    np.testing.assert_allclose(np.var(paths, axis=0), averages.var(axis=1), rtol=0.2)


DISTURBED = {
    "hum": {"interference": Interference(amplitude=0.05, pickup=0.01, frequency=3e-2)},
    "slow hum": {"interference": Interference(amplitude=0.05, frequency=1e-5)},
    "flicker": {"flicker": Flicker(0.05)},
    "all": {
        "interference": HUM,
        "flicker": Flicker(0.05),
        "amplifiers": Amplifiers(gain=1e4, bandwidth=20.0),
        "noise": Noise(correlation_time=0.1),
        "outputs": Converter(bits=10, full_scale=50.0),
    },
}


@pytest.mark.parametrize("name", DISTURBED)
def test_systems_are_solved_to_the_tolerance(name):
    for A in (spd(8), -spd(3), np.triu(np.ones((4, 4)))):
        x, info = tla.solve(A, np.ones(len(A)), device=device(**DISTURBED[name]), rng=0, return_info=True)
        assert info.success
        assert np.linalg.norm(A @ x - 1) < 1e-8


@pytest.mark.parametrize("name", ["hum", "slow hum", "flicker"])
def test_raw_runs_know_what_disturbs_them(name):
    squares = []
    for seed in range(12):
        A, b = spd(8, 8.0, seed), np.random.default_rng(seed).standard_normal(8)
        x, info = tla.solve(
            A, b, refine=False, device=device(1e-8, **DISTURBED[name]), rtol=1e-3, rng=seed, return_info=True
        )
        squares.append(np.mean((x - np.linalg.solve(A, b)) ** 2) / np.mean(info.budget.total**2))
        assert np.linalg.norm(info.budget["thermal"]) > 0.9 * np.linalg.norm(info.budget.total)
    assert 0.5 < np.mean(squares) ** 0.5 < 1.6


@pytest.mark.parametrize("name", ["hum", "flicker"])
def test_variances_tell_what_is_added_to_them_and_are_no_success(name):
    large = {"hum": {"interference": Interference(0.2, 0.1, 0.03)}, "flicker": {"flicker": Flicker(0.5)}}[name]
    A, imperfect = spd(6, 20.0), device(1.0, **large, die=0)
    exact = np.linalg.inv(A).diagonal()
    with pytest.warns(tla.ThermodynamicWarning):
        value, info = tla.inv_diagonal(A, device=imperfect, rng=0, rtol=0.05, return_info=True)
    assert not info.success
    assert np.all(abs(value - exact) < info.systematic + 5 * info.noise)
    assert np.max(abs(value - exact) / info.systematic) > 0.25
    with pytest.raises(TypeError, match="unequal parts"):
        tla.slogdet(A, device=imperfect)


@pytest.mark.parametrize("name", ["interference", "flicker"])
@pytest.mark.parametrize("call", [tla.inv, tla.inv_diagonal, tla.sample])
def test_large_ones_are_seen(name, call):
    parts = {"interference": Interference(2.0, 0.0, 0.03), "flicker": Flicker(2.0)}
    asked = {"size": 1000} if call is tla.sample else {"rtol": 0.05}
    asked |= {"refine": False} if call is tla.inv else {}
    with pytest.warns(tla.ThermodynamicWarning):
        _, info = call(spd(6, 20.0), device=device(1.0, **{name: parts[name]}), rng=0, return_info=True, **asked)
    assert not info.success
    assert "spread" in info.health.failed


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hum", "flicker"])
def test_they_do_all_that_a_device_must_but_for_the_spread(name):
    spreads = ["variance", "stationarity", "warm start", "readings", "temperature", "covariance", "autocovariance"]
    skip = [*spreads, "mean"] if name == "hum" else spreads
    passed = check_device(device(1.0, **DISTURBED[name]), skip=skip)
    assert {"error bars", "scaling", "noise", "ledger", "singular", "timetable"} <= set(passed)
    weak = {"interference": Interference(amplitude=1e-5, frequency=0.1), "flicker": Flicker(1e-5)}
    assert set(spreads) <= set(check_device(device(1.0, **weak)))


def test_where_they_are_not_is_left_as_it_was():
    still = Interference(frequency=3.0)
    assert still.is_perfect
    assert Imperfections(interference=still).is_perfect
    assert Interference(None, None, None).is_perfect
    again = Imperfections(interference=HUM, flicker=Flicker(0.1, 2.0, 8.0))
    assert Imperfections.from_json(again.to_json()) == again
    assert [row.name for row in again.rows()] == [
        "interference.amplitude",
        "interference.pickup",
        "interference.frequency",
        "flicker.size",
    ]
    for wrong in ({"amplitude": 0.1}, {"pickup": 0.1, "frequency": None}):
        with pytest.raises(ValueError, match="frequency must be known and positive"):
            Interference(**wrong)
    for ends in ((0.0, 1.0), (2.0, 1.0), (1.0, np.inf), (np.nan, 1.0)):
        with pytest.raises(ValueError, match="fastest and slowest"):
            Flicker(0.1, *ends)
    with pytest.raises(TypeError, match="overdamped"):
        LangevinDevice(tla.Underdamped(), imperfections=again).program(spd(3))


def test_a_stuck_node_follows_no_line():
    stuck = device(0.0, AsWritten(), interference=Interference(0.2, 0.0, 0.7), amplifiers=Amplifiers(stuck=0.4), die=0)
    program = stuck.program(spd(6), rng=0)
    assert 0 < program.stuck.sum() < 6
    value = program.settle(np.zeros((6, 2)), np.inf, rng=np.random.default_rng(0)).value
    np.testing.assert_array_equal(value[program.stuck], 0.0)
    assert np.all(value[~program.stuck] != 0)


def test_a_die_keeps_the_amplitudes_and_runs_have_phases_of_their_own():
    hummed = device(0.0, interference=HUM, die=1)
    first, second = (hummed.program(G, rng=seed) for seed in (0, 1))
    np.testing.assert_array_equal(first.disturbance.line.settled, second.disturbance.line.settled)
    one, other = (first.settle(np.ones((3, 2)), np.inf, rng=np.random.default_rng(s)).value for s in (0, 1))
    assert np.all(one != other)
    assert np.all(one[:, 0] != one[:, 1])
