"""Devices whose parts are not alike: their laws, and what primitives make of them."""

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
from helpers import grid_laplacian, spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped, Schedule, Underdamped
from thermolinalg.devices import (
    PCB2024,
    Amplifiers,
    Capacitors,
    Converter,
    Couplings,
    IntegratedCMOS,
    Noise,
    Pessimistic,
    UnevenProgram,
)
from thermolinalg.operators import Dense, Diagonal
from thermolinalg.simulation.averages import NodeAverages
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.testing import assert_covariance, assert_mean, check_device

UNEVEN = {
    "capacitors": Imperfections(capacitors=Capacitors(mismatch=0.1)),
    "slow capacitors": Imperfections(capacitors=Capacitors(error=0.5)),
    "sources": Imperfections(noise=Noise(spread=0.1)),
    "correlated noise": Imperfections(noise=Noise(correlation=0.1)),
    "coloured noise": Imperfections(noise=Noise(correlation_time=0.2)),
    "resistors of their own": Imperfections(couplings=Couplings(mismatch=0.02, symmetric=False)),
    "everything": Imperfections(
        inputs=Converter(bits=10, offset=1e-3),
        couplings=Couplings(bits=8, mismatch=0.01, write_noise=0.005, symmetric=False),
        amplifiers=Amplifiers(offset=1e-3, gain=1e4, bandwidth=20.0),
        capacitors=Capacitors(mismatch=0.05),
        noise=Noise(temperature_error=0.1, spread=0.05, correlation=0.02, correlation_time=0.1),
        outputs=Converter(bits=10, noise=1e-3, full_scale=50.0),
        die=1,
    ),
}
SPREADS = ["variance", "stationarity", "warm start", "readings", "temperature", "covariance", "autocovariance"]


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", [name for name in UNEVEN if name not in ("everything", "resistors of their own")])
def test_they_do_all_that_a_device_must_but_for_the_spread(name):
    skip = [*SPREADS, "timetable"] if name == "slow capacitors" else SPREADS
    passed = check_device(LangevinDevice(imperfections=UNEVEN[name]), skip=skip)
    assert {"mean", "error bars", "scaling", "noise", "ledger", "singular"} <= set(passed)


def test_parts_that_are_alike_after_all_make_the_ideal_device():
    alike = Imperfections(capacitors=Capacitors(mismatch=1e-9), noise=Noise(correlation_time=1e-9))
    assert set(SPREADS) <= set(check_device(LangevinDevice(imperfections=alike)))


def test_the_spread_of_the_readings_is_that_of_their_law():
    device = LangevinDevice(Overdamped(0.5), AsWritten(), UNEVEN["capacitors"])
    program, rng = device.program(Dense(spd(3, 4.0)), rng=0), np.random.default_rng(1)
    assert isinstance(program, UnevenProgram)
    C = np.exp(0.1 * np.random.default_rng(0).standard_normal(3))
    expected = scipy.linalg.solve_continuous_lyapunov(spd(3, 4.0) / C[:, None], np.diag(1.0 / C**2))
    read = program.settle(np.ones((3, 20_000)), np.inf, rng=rng).value
    assert_mean(read.T, np.linalg.solve(spd(3, 4.0), np.ones(3)))
    assert_covariance(read.T, expected)
    apart, close = Schedule(200.0, readings=20_000, spacing=200.0), Schedule(200.0, readings=20_000, spacing=1.0)
    assert_covariance(program.readings(np.zeros(3), apart, rng=rng).value, expected)
    for schedule in (apart, close):
        np.testing.assert_allclose(0.5 * program.covariance(schedule, rng=rng).value, expected, atol=0.1)
    np.testing.assert_allclose(0.5 * program.variances(20_000, rng=rng).value, np.diag(expected), rtol=0.05)


def test_slow_capacitors_make_less_noise():
    device = LangevinDevice(loading=AsWritten(), imperfections=UNEVEN["slow capacitors"])
    program = device.program(spd(3), rng=0)
    np.testing.assert_allclose(program.laws.process.stationary.covariance, np.linalg.inv(spd(3)) / 1.5, rtol=1e-10)
    assert program.rate() == pytest.approx(1 / 30 / 1.5)


@pytest.mark.parametrize("name", UNEVEN)
@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array, np.float32], ids=["dense", "sparse", "single"])
def test_systems_are_solved_to_the_tolerance(name, form):
    A, b = form(spd(8)), np.arange(16.0).reshape(8, 2)
    b = b.astype(np.float32) if form is np.float32 else b
    x, info = tla.solve(A, b, device=LangevinDevice(imperfections=UNEVEN[name]), rng=0, return_info=True)
    assert info.success
    assert x.dtype == b.dtype
    np.testing.assert_allclose(A @ x, b, atol=1e-4 if form is np.float32 else 1e-8)


def test_general_matrices_go_by_their_normal_operator_and_say_why():
    A = np.triu(np.ones((4, 4)))
    x, info = tla.solve(A, np.ones(4), device=LangevinDevice(imperfections=UNEVEN["sources"]), rng=0, return_info=True)
    assert info.success
    assert "equal parts" in info.reason
    np.testing.assert_allclose(x, [0, 0, 0, 1], atol=1e-9)


def test_a_stuck_node_stays_at_zero_and_refinement_does_not_call_it_a_success():
    stuck = Imperfections(amplifiers=Amplifiers(stuck=0.4), die=0)
    program = LangevinDevice(Overdamped(0.0), AsWritten(), stuck).program(spd(6), rng=0)
    dead = program.stuck
    assert 0 < dead.sum() < 6
    value = program.settle(np.ones((6, 1)), np.inf, rng=np.random.default_rng(0)).value[:, 0]
    np.testing.assert_array_equal(value[dead], 0.0)
    alive = ~dead
    np.testing.assert_allclose(value[alive], np.linalg.solve(spd(6)[np.ix_(alive, alive)], np.ones(alive.sum())))
    with pytest.warns(tla.ThermodynamicWarning):
        x, info = tla.solve(
            spd(6), np.ones(6), device=LangevinDevice(imperfections=stuck), rng=0, maxiter=30, return_info=True
        )
    assert not info.success
    assert np.isfinite(x).all()


def test_single_readings_say_that_their_error_bar_is_not_all():
    device = LangevinDevice(imperfections=UNEVEN["everything"])
    for call in (tla.inv, tla.inv_diagonal):
        options = {"refine": False} if call is tla.inv else {}
        _, info = call(spd(4), device=device, rng=0, rtol=0.05, return_info=True, **options)
        assert info.systematic is None
        assert info.message.startswith("the error bar holds noise")
    _, info = tla.sample(spd(4), 3, device=device, rng=0, return_info=True)
    assert info.message.startswith("of the law of this device, which errs in ways that it does not tell")


@pytest.mark.parametrize("preset", [PCB2024, IntegratedCMOS, Pessimistic])
def test_presets_have_determinants_once_what_differs_is_left_out(preset):
    made = preset(die=1)
    with pytest.raises(TypeError, match=r"Couplings\(symmetric=True\)"):
        tla.slogdet(spd(4), device=LangevinDevice(imperfections=made))
    alike = replace(
        made,
        capacitors=Capacitors(),
        noise=replace(made.noise, spread=0.0, correlation=0.0, correlation_time=0.0),
        couplings=replace(made.couplings, symmetric=True),
    )
    device = LangevinDevice(Overdamped(0.01), imperfections=alike)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)  # of the health of the worst
        (sign, logarithm), info = tla.slogdet(spd(4), atol=0.3, device=device, rng=0, return_info=True)
    assert sign == 1
    assert abs(logarithm - np.linalg.slogdet(spd(4))[1]) < 7 * info.standard_error or not info.success


def test_what_they_cannot_do_is_refused_with_a_way_out():
    device = LangevinDevice(imperfections=UNEVEN["sources"])
    for call in (tla.slogdet, tla.det, tla.logabsdet):
        with pytest.raises(TypeError, match=r"unequal parts settles to another law .* leave out capacitors="):
            call(spd(4), device=device)
    alike = Imperfections(couplings=Couplings(mismatch=1e-6, write_noise=1e-6), noise=Noise(temperature_error=1e-6))
    _, logarithm = tla.slogdet(spd(4), atol=0.05, device=LangevinDevice(imperfections=alike), rng=0)
    assert logarithm == pytest.approx(np.linalg.slogdet(spd(4))[1], abs=0.3)
    with pytest.raises(TypeError, match="overdamped"):
        LangevinDevice(Underdamped(), imperfections=UNEVEN["sources"]).program(spd(4))
    large = device.program(scipy.sparse.eye_array(5000, format="csr"), rng=0)
    with pytest.raises(ValueError, match="up to 4096 nodes"):
        device.program(Diagonal(np.ones(5000)))
    with pytest.raises(ValueError, match="solve to a tolerance"):
        large.settle(np.ones((5000, 1)), np.inf, rng=np.random.default_rng(0))
    with pytest.raises(np.linalg.LinAlgError, match="never relaxes"):
        device.program(np.ones((3, 3))).rate()


def test_one_node_and_none():
    device = LangevinDevice(imperfections=UNEVEN["everything"])
    assert tla.solve([[4.0]], [2.0], device=device, rng=0) == pytest.approx(0.5)
    assert tla.solve(np.zeros((0, 0)), np.zeros(0), device=device, rng=0).shape == (0,)


def test_scale_does_not_matter():
    device = LangevinDevice(imperfections=UNEVEN["everything"])
    for scale in (1e-200, 1e12, 1e200):
        x = tla.solve(scale * spd(4), np.ones(4), device=device, rng=0)
        np.testing.assert_allclose(scale * spd(4) @ x, np.ones(4), rtol=1e-8)


@pytest.mark.thinned(3)
@pytest.mark.parametrize("name", UNEVEN)
@pytest.mark.parametrize(("side", "form"), [(12, np.asarray), (12, None), (80, None)], ids=["dense", "sparse", "large"])
def test_large_systems_take_one_factor(monkeypatch, name, side, form):
    A = grid_laplacian(side, 0.1)
    A, b = A.toarray() if form else A, np.random.default_rng(0).standard_normal(side**2)
    monkeypatch.setattr(NodeProcess, "__init__", None)  # laws of all nodes
    x, info = tla.solve(A, b, device=LangevinDevice(imperfections=UNEVEN[name]), rng=0, return_info=True)
    assert info.success
    assert "one factor" in info.reason
    np.testing.assert_allclose(A @ x, b, atol=1e-7)


def test_one_run_of_a_large_sparse_system_has_no_last_state():
    A, device = grid_laplacian(80, 0.1), LangevinDevice(Overdamped(1e-3), imperfections=UNEVEN["sources"])
    options = {"device": device, "refine": False, "return_info": True}
    x, info = tla.solve(A, np.ones(6400), rng=0, schedule=Schedule(1e4, 1e6), **options)
    assert info.state is None
    truth = scipy.sparse.linalg.spsolve(A.tocsc(), np.ones(6400))
    assert (abs(x - truth) < 6 * info.standard_error).all()
    with pytest.raises(ValueError, match="500 relaxation times"):
        tla.solve(A, np.ones(6400), rng=0, schedule=Schedule(1e4, 1e3), **options)


def test_one_run_of_many_nodes_is_as_exact_as_its_window_is_long():
    A, b = spd(150, 10.0), np.ones(150)
    device = LangevinDevice(Overdamped(1e-2), AsWritten(), UNEVEN["correlated noise"])
    program = device.program(A, rng=0)
    for duration in (2e2, 1e5):  # by the law of all nodes, and by one factor
        reading = program.average(np.tile(b[:, None], 3000), Schedule(2e2, duration), rng=np.random.default_rng(1))
        noise = 0.02 * (0.9 * np.eye(150) + 0.1) / duration
        expected = np.linalg.solve(A, np.linalg.solve(A, noise).T)
        if duration < 1e3:
            expected = program.laws.process.window(2e2, duration, None).covariance[150:, 150:]
        found = np.cov(reading.value[:5])
        np.testing.assert_allclose(found, expected[:5, :5], atol=5 * np.diag(expected)[:5].max() * (2 / 3000) ** 0.5)
        assert_mean(reading.value[:5].T, np.linalg.solve(A, b)[:5])


def test_the_ends_of_a_window_are_left_out_of_runs_that_are_sent_back(monkeypatch):
    program = LangevinDevice(Overdamped(1e-2), AsWritten(), UNEVEN["sources"]).program(spd(150, 10.0), rng=0)
    taken = []
    monkeypatch.setattr(NodeAverages, "sample", lambda self, load, *_: taken.append(1) or load)
    for schedule in (Schedule(2e2, 2e2), Schedule(2e2, 2e5), replace(Schedule(2e2, 2e2), rough=True)):
        program.average(np.ones((150, 1)), schedule, rng=np.random.default_rng(0))
        taken.append(0)
    assert taken == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("form", [np.asarray, scipy.sparse.csr_array], ids=["dense", "sparse"])
def test_a_large_copy_is_lifted_by_its_smallest_eigenvalue(form):
    matrix = grid_laplacian(15, 1e-3).toarray()
    program = LangevinDevice(imperfections=Imperfections(mismatch=0.2, die=2)).program(form(matrix), rng=0)
    lifted = program.effective.dense()
    least, step = np.linalg.eigvalsh(lifted)[0], 0.2 * np.abs(lifted - program.lift * np.eye(225)).max()
    assert program.lift > 0
    assert 0.49 * step <= least <= 1.51 * step


def test_a_large_program_pickles():
    A, b = grid_laplacian(13, 0.1), np.ones(169)
    program = tla.program(A, device=LangevinDevice(imperfections=UNEVEN["everything"]), rng=0)
    program.solve(b)
    np.testing.assert_allclose(A @ pickle.loads(pickle.dumps(program)).solve(b), b, atol=1e-8)
