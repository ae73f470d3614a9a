"""Circuits against their laws: what they hold, where they settle, how they scatter."""

import shutil

import numpy as np
import pytest
from helpers import spd

import thermolinalg as tla
from thermolinalg.circuits import CapacitorArray, IntegratorArray, OpAmp, SpiceDevice, Transient, mirrored, run_netlist
from thermolinalg.testing import check_device
from thermolinalg.testing.conformance import CHECKS

A = np.array([[2.0, -0.5, 0.3], [-0.5, 1.5, 0.2], [0.3, 0.2, 1.0]])
B = np.array([0.3, -0.2, 0.1])

simulated = pytest.mark.skipif(shutil.which("ngspice") is None, reason="ngspice is not installed")


# -- layout -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("matrix", [A, spd(6, 100.0), A + np.triu(A, 1)], ids=["3", "6", "not symmetric"])
def test_resistors_hold_the_matrix(matrix):
    circuit = IntegratorArray(matrix, resistance=470.0)
    assert np.allclose(circuit.realised, matrix, rtol=1e-14)
    assert circuit.resistors.min() == pytest.approx(470.0)
    assert circuit.time_constant == pytest.approx(1e-9 * 470.0 * abs(matrix).max())


def test_preferred_values_are_half_a_step_off_at_most():
    circuit = IntegratorArray(A, B, series="E96")
    assert 0 < abs(circuit.realised / A - 1).max() < 0.0125


def test_couplings_that_are_zero_take_no_parts():
    kinds = [part.kind for part in IntegratorArray(np.diag([1.0, 2.0])).components]
    assert kinds.count("resistor") == 2 + 2
    assert "inverter" not in kinds


def test_capacitors_hold_the_matrix():
    matrix = np.array([[3.0, -1.0, -0.5], [-1.0, 2.0, -1.0], [-0.5, -1.0, 1.5]])
    circuit = CapacitorArray(matrix)
    assert np.allclose(circuit.realised, matrix, rtol=1e-14)
    assert "C2" not in [part.name for part in circuit.components]  # whose row sums to zero
    assert abs(CapacitorArray(matrix, series="E24").realised / matrix - 1).max() < 0.06


def test_mirror_images_act_as_the_matrix_and_can_be_programmed():
    E, x = mirrored(A), np.array([1.0, -2.0, 0.5])
    assert np.allclose(E @ np.r_[x, -x], np.r_[A @ x, -A @ x])
    assert np.allclose(CapacitorArray(E).realised, E)
    solution = np.linalg.solve(E, np.r_[B, -B])
    assert np.allclose((solution[:3] - solution[3:]) / 2, np.linalg.solve(A, B))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: IntegratorArray(np.zeros((2, 2))), "A = 0"),
        (lambda: IntegratorArray(np.ones((2, 3))), "square"),
        (lambda: IntegratorArray(np.empty((0, 0))), "not empty"),
        (lambda: IntegratorArray([[np.nan]]), "finite"),
        (lambda: IntegratorArray(A, np.ones(2)), "shape"),
        (lambda: IntegratorArray(A, resistance=0.0), "resistance"),
        (lambda: IntegratorArray(A, capacitance=-1e-9), "capacitance"),
        (lambda: IntegratorArray(A, temperature=-1.0), "temperature"),
        (lambda: OpAmp(gain=0.0), "gain"),
        (lambda: OpAmp(bandwidth=-1.0), "bandwidth"),
        (lambda: OpAmp(offset=np.inf), "offset"),
        (lambda: CapacitorArray(A), r"A\[0, 2\] = 0.3 takes a negative capacitance between cells 0 and 2"),
        (lambda: CapacitorArray([[1.0, -2.0], [-2.0, 5.0]]), "row 0 sums to -1"),
        (lambda: CapacitorArray([[1.0, -0.5], [-0.4, 1.0]]), r"A\[0, 1\] = -0.5, A\[1, 0\] = -0.4"),
        (lambda: CapacitorArray([[1.0]], resistance=0.0), "resistance"),
        (lambda: SpiceDevice(steps=0), "steps"),
    ],
)
def test_what_a_circuit_cannot_hold_is_refused_by_name(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def test_mirror_images_that_run_away_are_refused():
    with pytest.raises(np.linalg.LinAlgError, match="run away"):
        mirrored(0.1 * np.eye(3) + 0.9)


def test_a_missing_ngspice_is_said_with_the_way_to_get_it(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="apt-get install ngspice"):
        tla.solve(A, B, device=SpiceDevice())


# -- ngspice ----------------------------------------------------------------------------------------------------------


def settled(circuit, times=40.0):
    """Voltages over full range after so many τ, without noise."""
    tau = circuit.time_constant
    run = Transient(times * tau, tau / 20)
    return run_netlist(lambda samples: circuit.netlist(run), len(circuit.matrix)).ends / circuit.volts


@simulated
def test_the_circuit_settles_to_the_solution():
    """Five digits, and the sign of the load."""
    assert np.allclose(settled(IntegratorArray(A, B)), np.linalg.solve(A, B), rtol=1e-5)


@simulated
def test_a_matrix_without_symmetry_is_not_transposed():
    matrix = np.array([[2.0, -1.0], [0.25, 1.0]])
    assert np.allclose(settled(IntegratorArray(matrix, [1.0, 2.0])), np.linalg.solve(matrix, [1.0, 2.0]), rtol=1e-5)


@simulated
@pytest.mark.parametrize(
    "amplifier", [OpAmp(gain=1e3), OpAmp(offset=1e-3), OpAmp(gain=200.0, offset=-2e-3, bandwidth=1e9)], ids=str
)
def test_offset_and_finite_gain_follow_their_law(amplifier):
    circuit = IntegratorArray(A, B, volts=1.0, amplifier=amplifier)
    into = (1 / circuit.resistors).sum(axis=1) + 1 / circuit.input_resistor
    G = circuit.conductance * A + np.diag(into) / amplifier.gain
    expected = np.linalg.solve(G, circuit.conductance * B + amplifier.offset * into)
    assert abs(expected - np.linalg.solve(A, B)).max() > 1e-4
    assert np.allclose(settled(circuit), expected, atol=1e-6)


def covariance(circuit, tau, readings, seed):
    """Sample covariance of voltages over full range, `tau` apart."""
    run = Transient((readings + 20) * tau, tau / 100, seed=seed)
    found = run_netlist(
        lambda samples: circuit.netlist(run, samples=samples, spacing=tau), len(circuit.matrix), sampled=True
    )
    return np.cov(found.samples[20:].T / circuit.volts)


@pytest.mark.slow
@simulated
def test_in_equilibrium_the_integrators_scatter_as_the_law_says():
    circuit = IntegratorArray(A[:2, :2], temperature=0.01)
    found = covariance(circuit, circuit.time_constant, 500, seed=1)
    # About 500 · λ/2 independent readings of each mode: relative errors of sqrt(2/n).
    assert np.allclose(found @ A[:2, :2] / 0.01, np.eye(2), atol=5 * (2 / 300) ** 0.5)


@pytest.mark.slow
@simulated
@pytest.mark.parametrize("inductance", [None, 1e-3])
def test_in_equilibrium_resonators_scatter_as_the_inverse_of_their_capacitors(inductance):
    matrix = np.array([[2.0, -0.5], [-0.5, 1.0]])
    circuit = CapacitorArray(matrix, inductance=inductance, temperature=0.01)
    found = covariance(circuit, circuit.resistance * circuit.capacitance, 500, seed=2)
    assert np.allclose(found @ matrix / 0.01, np.eye(2), atol=5 * (2 / 300) ** 0.5)


@simulated
def test_solve_runs_on_ngspice():
    device = SpiceDevice(series="E24", amplifier=OpAmp(gain=1e4))
    x, info = tla.solve(A, B, rtol=1e-4, device=device, rng=0, return_info=True)
    assert info.success
    assert info.engine == "ngspice"
    assert np.linalg.norm(A @ x - B) <= 1e-4 * np.linalg.norm(B)


@simulated
def test_runs_of_a_program_mean_what_the_protocol_says():
    program, rng = SpiceDevice(temperature=1e-8).program(A), np.random.default_rng(0)
    x = np.linalg.solve(A, B)
    load, start = np.stack([B, 0 * B], axis=1), np.stack([0 * x, x], axis=1)
    settled_ = program.settle(load, np.inf, rng=rng)
    assert np.allclose(settled_.value, np.stack([x, 0 * x], axis=1), atol=1e-3)
    little = program.settle(load, 1e-3, rng=rng, start=start)
    assert np.allclose(little.value, start, atol=5e-3)
    averaged = program.average(load, tla.Schedule(60.0, readings=5, spacing=2.0), rng=rng, state=True)
    assert np.allclose(averaged.value[:, 0], x, atol=1e-3)
    assert np.allclose(averaged.state[:, 0], x, atol=1e-3)
    readings = program.readings(B, tla.Schedule(60.0, readings=7, spacing=1.0), rng=rng)
    assert readings.value.shape == (7, 3)
    assert np.allclose(readings.value, x, atol=1e-3)
    assert program.ledger.runs == 2 + 2 + 2 + 1


@pytest.mark.slow
@simulated
def test_covariances_and_variances_are_over_the_temperature():
    program, rng = SpiceDevice().program(A[:2, :2]), np.random.default_rng(0)
    inverse = np.linalg.inv(A[:2, :2])
    found = program.covariance(tla.Schedule(30.0, readings=150, spacing=4.0), rng=rng)
    assert np.allclose(found.value @ A[:2, :2], np.eye(2), atol=0.6)
    assert program.variances(40, rng=rng).value == pytest.approx(np.diag(inverse), rel=5 * (2 / 40) ** 0.5)


@simulated
def test_what_needs_a_drive_names_what_is_missing():
    with pytest.raises(TypeError, match="readings_along"):
        tla.slogdet(A, device=SpiceDevice(), rng=0)


@simulated
@pytest.mark.slow
def test_it_conforms_but_for_what_its_time_steps_miss():
    """Of the slow check of means a run of this length is a matter of minutes; noise is not that of its seed there."""
    passed = check_device(SpiceDevice(), temperature=1e-3, tolerance=0.03, copies=16, skip=["mean", "noise"])
    assert set(passed) == CHECKS.keys() - {"mean", "noise", "spectrum", "readings along", "work", "own noise"}
