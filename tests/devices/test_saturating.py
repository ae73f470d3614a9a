"""Nodes that bend or stop: biased when read once, right when refined, as quadrature and the Gaussian limit say."""

import numpy as np
import pytest
import scipy.sparse
from helpers import spd

import thermolinalg as tla
from thermolinalg import AsWritten, Imperfections, Overdamped, Schedule
from thermolinalg.devices import Amplifiers, Capacitors, SaturatingDevice
from thermolinalg.simulation.nonlinear import MALA, Clamps, Network, Saturation, Wells
from thermolinalg.testing import assert_covariance, assert_mean, check_device
from thermolinalg.testing.conformance import CHECKS

A = np.array([[1.0, -0.4], [-0.4, 0.8]])
B = np.array([0.6, 0.9])
COLD = Overdamped(1e-4)
BENT = {
    "rails": {"rail": 1.1},
    "tanh": {"bend": Saturation(1.0)},
    "clamps": {"bend": Clamps(0.5, 10.0)},
    "wells": {"bend": Wells(0.0, 0.05)},
    "tanh with rails": {"bend": Saturation(2.0) + Wells(0.0, 0.01), "rail": 1.5},
}


def by_quadrature(energy, temperature, rail, n=801):
    """Mean and covariance of e^{−U/T} between rails, in two dimensions."""
    line = np.linspace(-rail, rail, n)
    line = (line[1:] + line[:-1]) / 2
    x = np.stack([axis.ravel() for axis in np.meshgrid(line, line, indexing="ij")])
    value = energy.value(x) / temperature
    weight = np.exp(value.min() - value)
    weight /= weight.sum()
    mean = x @ weight
    return mean, (x * weight) @ x.T - np.outer(mean, mean)


@pytest.mark.parametrize("name", BENT)
def test_equilibrium_is_that_of_the_energy(name):
    bend, rail = BENT[name].get("bend"), BENT[name].get("rail", 5.0)
    energy = Network(A, B) if bend is None else Network(A, B) + bend
    rail = 1.0 if name == "tanh" else rail
    mean, covariance = by_quadrature(energy, 0.1, rail)
    device = SaturatingDevice(law=Overdamped(0.1), loading=AsWritten(), integrator=MALA(), **BENT[name])
    x = device.program(A).settle(np.repeat(B[:, None], 3000, axis=1), np.inf, rng=np.random.default_rng(0)).value
    assert_mean(x.T, mean, tolerance=0.005)
    assert_covariance(x.T, covariance, tolerance=0.01)
    linear = np.linalg.solve(A, B)
    assert np.any(abs(mean - linear) > 0.05 * abs(linear))


def test_a_single_cell_between_rails_is_a_truncated_gaussian():
    from scipy.stats import truncnorm

    device = SaturatingDevice(rail=1.0, law=Overdamped(0.5), loading=AsWritten(), integrator=MALA())
    x = device.program([[2.0]]).settle(np.full((1, 4000), 1.0), np.inf, rng=np.random.default_rng(1)).value
    law = truncnorm(-3.0, 1.0, loc=0.5, scale=0.5)
    assert_mean(x.T, [law.mean()], tolerance=0.005)
    assert_covariance(x.T, [[law.var()]], tolerance=0.01)


@pytest.mark.parametrize(
    "name", ["rails", *(pytest.param(name, marks=pytest.mark.slow) for name in BENT if name != "rails")]
)
def test_refined_answers_are_right_whatever_bends(name):
    matrix, b = spd(3, 4.0), np.array([1.0, -2.0, 0.5])
    device = SaturatingDevice(law=COLD, **BENT[name])
    x, info = tla.solve(matrix, b, rtol=1e-6, device=device, rng=0, return_info=True)
    assert info.success
    np.testing.assert_allclose(matrix @ x, b, atol=1e-5)
    assert info.engine == "LeimkuhlerMatthews"


@pytest.mark.slow
def test_one_run_is_biased_and_health_sees_it():
    """Loads as they are written drive both nodes into their clamps."""
    device = SaturatingDevice(bend=Clamps(0.5, 10.0), law=COLD, loading=AsWritten())
    with pytest.warns(tla.ThermodynamicWarning, match="not healthy"):
        x, info = tla.solve(A, B, refine=False, device=device, rng=0, return_info=True)
    assert np.all(abs(x - np.linalg.solve(A, B)) > 10 * info.standard_error)
    assert not info.success
    assert info.health.failed == ["residual"]
    assert info.ledger.clipped >= 2


@pytest.mark.slow
def test_loads_are_lowered_until_voltages_keep_clear_of_the_rails():
    device = SaturatingDevice(rail=0.8, law=COLD)
    program, rng = device.program(A), np.random.default_rng(0)
    reading = program.average(B[:, None], Schedule(50.0, 2000.0), rng=rng)
    assert program.ledger.rescaled == 1
    assert np.all(abs(reading.value[:, 0] - np.linalg.solve(A, B)) < 5 * reading.standard_error[:, 0])
    program.average(B[:, None], Schedule(50.0, 2000.0), rng=rng)
    assert program.ledger.rescaled == 1
    with pytest.raises(ValueError, match="pass a law of lower temperature"):
        tla.solve(A, B, device=SaturatingDevice(rail=0.8), rng=0)


@pytest.mark.slow
def test_far_rails_leave_the_linear_device():
    """Slow checks of single runs are left to the refined answers above."""
    names = {
        "protocol",
        "variance",
        "stationarity",
        "warm start",
        "noise",
        "ledger",
        "inputs",
        "singular",
        "covariance",
    }
    passed = check_device(SaturatingDevice(rail=1e4), copies=200, tolerance=0.02, skip=CHECKS.keys() - names)
    assert set(passed) == names


@pytest.mark.slow
def test_linear_imperfections_besides():
    parts = Imperfections(matrix_bits=8, mismatch=0.01, output_bits=8, amplifiers=Amplifiers(offset=0.01, gain=1e3))
    device = SaturatingDevice(rail=0.9, law=COLD, imperfections=parts)
    for matrix in (A, scipy.sparse.csr_array(A), np.array([[2.0]])):
        b = B[: matrix.shape[0]]
        x, info = tla.solve(matrix, b, rtol=1e-6, device=device, rng=0, return_info=True)
        assert info.success
        np.testing.assert_allclose(matrix @ x, b, atol=1e-5)


def test_equal_seeds_give_equal_readings():
    device = SaturatingDevice(rail=0.9, law=COLD)
    first, again = (tla.solve(A, B, rtol=1e-3, device=device, rng=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)


REFUSED = {
    "a rail at zero": (lambda: SaturatingDevice(rail=0.0), ValueError, "rail"),
    "NaN": (lambda: SaturatingDevice(rail=float("nan")), ValueError, "rail"),
    "no tolerance": (lambda: SaturatingDevice(tolerance=0.0), ValueError, "tolerance"),
    "inertia": (lambda: SaturatingDevice(law=tla.Underdamped()), TypeError, "overdamped"),
    "a pole more": (
        lambda: SaturatingDevice(imperfections=Imperfections(amplifiers=Amplifiers(bandwidth=9.0))),
        TypeError,
        "bandwidth",
    ),
    "capacitors": (
        lambda: SaturatingDevice(imperfections=Imperfections(capacitors=Capacitors(mismatch=0.1))),
        TypeError,
        "alike",
    ),
    "not symmetric": (lambda: SaturatingDevice().program(np.triu(A)), TypeError, "symmetric"),
    "singular": (lambda: tla.solve(np.ones((2, 2)), B, device=SaturatingDevice()), np.linalg.LinAlgError, "singular"),
    "a determinant": (lambda: tla.slogdet(A, device=SaturatingDevice()), TypeError, "driven"),
    "an output without a limit": (lambda: Saturation(np.inf), ValueError, "limit"),
    "no leak": (lambda: Saturation(1.0, 0.0), ValueError, "conductance"),
    "not an energy": (
        lambda: SaturatingDevice(bend=3.0).program(A).settle(B[:, None], 1.0, rng=np.random.default_rng(0)),
        TypeError,
        "gradient",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name):
    call, error, match = REFUSED[name]
    with pytest.raises(error, match=match):
        call()


def test_the_curve_of_an_amplifier_is_the_inverse_of_tanh():
    x = np.linspace(-0.9, 0.9, 7)[None]
    gradient = Saturation(1.0, 2.0).gradient(x)
    np.testing.assert_allclose(np.tanh(gradient / 2 + x), x, atol=1e-12)
    step = 1e-6
    slope = (Saturation(1.0, 2.0).value(x + step) - Saturation(1.0, 2.0).value(x - step)) / (2 * step)
    np.testing.assert_allclose(slope, gradient[0], atol=1e-8)
    assert np.isfinite(Saturation(1.0).gradient(np.array([[5.0, -1.0]]))).all()
