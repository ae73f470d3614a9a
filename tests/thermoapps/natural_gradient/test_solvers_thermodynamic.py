from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from explicit_rows import ExplicitRows, assert_moments, assert_resumes, damped, draws, random_rows  # noqa: E402
from helpers import close  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from thermoapps.natural_gradient.solvers import EulerMaruyama, Thermodynamic, Woodbury, relative_residual  # noqa: E402
from thermolinalg import AsWritten, Imperfections, LangevinDevice, Overdamped  # noqa: E402

DAMPING = 0.05


def relaxed(A, g, x0, t):
    """Mean of the device's state by the matrix exponential: x* + e^{−At}(x0 − x*)."""
    fixed = torch.linalg.solve(A, g)
    return fixed + torch.linalg.matrix_exp(-A * t) @ (x0 - fixed)


def covariance(A, t, temperature):
    """T A⁻¹ (I − e^{−2At})."""
    return temperature * torch.linalg.solve(A, torch.eye(len(A), dtype=A.dtype) - torch.linalg.matrix_exp(-2 * A * t))


@pytest.mark.parametrize("r", [1, 7, 30])
@pytest.mark.parametrize("t", [1e-6, 0.3, 5.0, 1e3])
def test_mean_is_that_of_the_matrix_exponential(r, t):
    rows, g = random_rows(r, 20)
    direction, state, report = Thermodynamic(time=t).direction(rows, g, DAMPING)
    assert close(direction, relaxed(damped(rows, DAMPING), g, g, t))
    assert torch.equal(state["voltages"], direction)
    assert report.device_time == t


@pytest.mark.parametrize(("r", "rank"), [(130, None), (130, 5), (250, None)])
@pytest.mark.parametrize("t", [1e-6, 0.3, 5.0, 1e3, 1e9])
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_many_rows_are_iterated_in_or_decomposed(r, rank, t, size):
    rows, g = random_rows(r, 200, rank=rank)
    state = {"voltages": g.flip(0), "rng": np.random.PCG64(0).state}
    scaled, A = ExplicitRows(size**0.5 * rows.R), damped(rows, DAMPING)
    direction, after, report = Thermodynamic(time=t / size, delay=0.1 / size).direction(
        scaled, size * g, size * DAMPING, state
    )
    assert close(direction, relaxed(A, g, g.flip(0), t), 1e-9)
    assert close(after["voltages"], relaxed(A, g, relaxed(A, g, g.flip(0), t), 0.1), 1e-9)
    assert report.largest_eigenvalue == pytest.approx(size * float(torch.linalg.eigvalsh(A)[-1]), rel=0.1)


def test_stiff_directions_of_many_rows_keep_their_digits():
    rows, _ = random_rows(130, 400)
    rows.R *= 3
    g = rows.R[0].clone()
    direction, _, report = Thermodynamic(time=50.0).direction(rows, g, 1e-3)
    A = damped(rows, 1e-3)
    assert report.rank is None  # nothing was decomposed
    assert close(direction, relaxed(A, g, g, 50.0), 1e-8)


def test_noise_of_many_rows_has_the_law_of_the_device():
    rows, g = random_rows(130, 5)
    A = damped(rows, DAMPING)
    solver = Thermodynamic(time=0.8, temperature=0.3, rng=1)
    sample, _ = draws(solver, rows, g, DAMPING, 800)
    assert_moments(sample, relaxed(A, g, g, 0.8), covariance(A, 0.8, 0.3))


def test_one_gram_matrix_and_one_product_for_each_vector():
    rows, g = random_rows(7, 20)
    solver = Thermodynamic(time=3.0, temperature=0.1, rng=0)
    _, state, _ = solver.direction(rows, g, DAMPING)
    rows.grams = rows.products = 0
    solver.direction(rows, g, DAMPING, state)
    assert (rows.grams, rows.products) == (1, 4)  # with start, load and noise, and back


def test_spectrum_in_the_report():
    rows, g = random_rows(7, 20, rank=4)
    _, _, report = Thermodynamic(time=3.0).direction(rows, g, DAMPING)
    values = torch.linalg.eigvalsh(damped(rows, DAMPING))
    assert report.rank == 4
    assert report.smallest_eigenvalue == pytest.approx(float(values[0]))
    assert report.largest_eigenvalue == pytest.approx(float(values[-1]))


@pytest.mark.parametrize("start", ["gradient", "previous"])
def test_at_time_zero_the_direction_is_the_start(start):
    rows, g = random_rows(7, 20)
    solver = Thermodynamic(time=0.0, start=start)
    first, state, _ = solver.direction(rows, g, DAMPING)
    assert close(first, g, 1e-14)
    second, _, _ = solver.direction(rows, 2 * g, DAMPING, state)
    assert close(second, 2 * g if start == "gradient" else g, 1e-14)


@pytest.mark.parametrize("t", [math.inf, 1e4])
def test_long_times_are_the_exact_solution(t):
    rows, g = random_rows(7, 20)
    direction, _, _ = Thermodynamic(time=t).direction(rows, g, DAMPING)
    exact, _, _ = Woodbury().direction(rows, g, DAMPING)
    assert close(direction, exact)
    assert relative_residual(rows, direction, g, DAMPING) < 1e-10


def test_warm_start_and_delay_compose_dense_exponentials():
    t, delay = 0.7, 0.4
    solver, state, old, x = Thermodynamic(time=t, delay=delay), None, None, None
    for seed, damping in [(1, 0.05), (2, 0.2), (3, 0.01)]:
        rows, g = random_rows(7, 20, seed=seed)
        A = damped(rows, damping)
        # The device has gone on with the old problem for t_d when the new one is written.
        x = g if old is None else relaxed(*old, x, delay)
        x = relaxed(A, g, x, t)
        direction, state, report = solver.direction(rows, g, damping, state)
        assert close(direction, x)
        assert report.device_time == pytest.approx(t + delay)
        old = A, g


def test_a_long_delay_forgets_all_but_the_old_solution():
    rows, g = random_rows(7, 20)
    _, state, _ = Thermodynamic(time=0.5, delay=1e4).direction(rows, g, DAMPING)
    assert close(state["voltages"], torch.linalg.solve(damped(rows, DAMPING), g))


@pytest.mark.parametrize("delay", [0.0, 0.6])
def test_noise_has_the_law_of_the_device(delay):
    rows, g = random_rows(3, 5)
    t, temperature, count = 0.8, 0.3, 800
    A = damped(rows, DAMPING)
    solver = Thermodynamic(time=t, delay=delay, temperature=temperature, rng=1)
    for sample, time in zip(draws(solver, rows, g, DAMPING, count), (t, t + delay), strict=True):
        assert_moments(sample, relaxed(A, g, g, time), covariance(A, time, temperature))


def test_average_of_readings_has_less_noise_and_its_own_mean():
    rows, g = random_rows(3, 5)
    t, spacing, n, temperature, count = 0.5, 2.0, 8, 0.2, 600
    A = damped(rows, DAMPING)
    solver = Thermodynamic(time=t, temperature=temperature, readings=n, spacing=spacing, rng=3)
    sample, _ = draws(solver, rows, g, DAMPING, count)
    times = t + spacing * np.arange(n)
    mean = sum(relaxed(A, g, g, s) for s in times) / n
    # cov(x_s, x_u) = e^{−A|u−s|} C_min(s,u).
    cov = sum(
        torch.linalg.matrix_exp(-A * abs(u - s)) @ covariance(A, min(s, u), temperature) for s in times for u in times
    )
    assert_moments(sample, mean, cov / n**2)
    _, _, report = solver.direction(rows, g, DAMPING)
    assert report.device_time == pytest.approx(t + n * spacing)


@given(scale=st.floats(0.01, 100.0), t=st.floats(0.01, 20.0))
def test_time_and_curvature_scale_against_each_other(scale, t):
    rows, g = random_rows(7, 20)
    x0 = torch.linspace(-1, 1, 20, dtype=torch.float64)
    state = {"voltages": x0, "rng": np.random.PCG64(0).state}
    slow, _, _ = Thermodynamic(time=t).direction(rows, g, DAMPING, state)
    faster = ExplicitRows(scale**0.5 * rows.R)
    fast, _, _ = Thermodynamic(time=t / scale).direction(faster, scale * g, scale * DAMPING, state)
    assert close(fast, slow, 1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    rows, g = random_rows(7, 20, dtype=dtype)
    direction, state, _ = Thermodynamic(time=4.0).direction(rows, g, DAMPING)
    assert direction.dtype == state["voltages"].dtype == dtype
    expected = relaxed(damped(rows, DAMPING), g.double(), g.double(), 4.0)
    assert close(direction.double(), expected, 50 * torch.finfo(dtype).eps)


def test_zero_gradient_and_single_row():
    rows, g = random_rows(1, 20)
    direction, _, _ = Thermodynamic(time=4.0).direction(rows, torch.zeros_like(g), DAMPING)
    assert not direction.any()
    direction, _, _ = Thermodynamic(time=math.inf).direction(rows, g, DAMPING)
    assert relative_residual(rows, direction, g, DAMPING) < 1e-12


def test_without_damping_the_device_is_finite_and_equilibrium_is_refused():
    rows, g = random_rows(7, 20, rank=3)
    direction, _, _ = Thermodynamic(time=2.0).direction(rows, g, 0.0)
    A = damped(rows, 0.0)
    values, vectors = torch.linalg.eigh(A)
    values = values.clamp(min=1e-15)
    factor = torch.exp(-2 * values) - torch.expm1(-2 * values) / values
    assert close(direction, vectors @ (factor * (vectors.T @ g)), 1e-9)
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        Thermodynamic(time=math.inf).direction(rows, g, 0.0)


@pytest.mark.parametrize(
    "solver",
    [
        Thermodynamic(time=1.5, delay=0.3, temperature=0.1, rng=5),
        Thermodynamic(time=1.5, temperature=0.1, readings=4, rng=5),
        EulerMaruyama(time=1.5, delay=0.3, temperature=0.1, rng=5),
        EulerMaruyama(time=1.5, temperature=0.1, stepped=True, rng=5),
    ],
)
def test_a_saved_run_goes_on_bit_by_bit(solver):
    rows, g = random_rows(7, 20, dtype=torch.float32)
    assert_resumes(solver, rows, g, DAMPING, steps=3)
    repeated, _, _ = solver.direction(rows, g, DAMPING)
    assert torch.equal(repeated, solver.direction(rows, g, DAMPING)[0])


def test_inputs_are_left_alone():
    rows, g = random_rows(7, 20)
    kept = g.clone()
    _, state, _ = Thermodynamic(time=1.0, delay=0.5, temperature=0.1, rng=0).direction(rows, g, DAMPING)
    before = state["voltages"].clone()
    Thermodynamic(time=1.0, temperature=0.1, rng=0).direction(rows, g, DAMPING, state)
    assert torch.equal(g, kept)
    assert torch.equal(state["voltages"], before)


def device_with(**errors):
    return LangevinDevice(law=Overdamped(0.0), loading=AsWritten(), imperfections=Imperfections(**errors))


def test_a_device_brings_its_own_imperfections():
    rows, g = random_rows(7, 20_000)
    exact, _, _ = Woodbury().direction(rows, g, DAMPING)
    errors = []
    for bits in (4, 8, 12):
        device = device_with(matrix_bits=bits, input_bits=bits, output_bits=bits)
        direction, _, _ = Thermodynamic(time=1e4, device=device, rng=0).direction(rows, g, DAMPING)
        errors.append(float((direction - exact).norm() / exact.norm()))
    assert errors[0] > 8 * errors[1] > 64 * errors[2] > 0


def test_mismatch_is_that_of_the_rows():
    rows, g = random_rows(7, 20)
    direction, _, _ = Thermodynamic(time=math.inf, device=device_with(mismatch=0.1), rng=0).direction(rows, g, DAMPING)
    exact, _, _ = Woodbury().direction(rows, g, DAMPING)
    assert 1e-3 < float((direction - exact).norm() / exact.norm()) < 0.5
    again, _, _ = Thermodynamic(time=math.inf, device=device_with(mismatch=0.1), rng=0).direction(rows, g, DAMPING)
    assert torch.equal(direction, again)


def test_converters_round_what_is_read_and_leave_the_voltages():
    rows, g = random_rows(7, 20)
    direction, state, _ = Thermodynamic(time=2.0, device=device_with(output_bits=4)).direction(rows, g, DAMPING)
    exact, _, _ = Thermodynamic(time=2.0).direction(rows, g, DAMPING)
    assert close(state["voltages"], exact, 1e-12)
    assert len(direction.unique()) <= 15


class Forgetful:
    """A device that tells its readings, but not the voltages it ended with."""

    def __init__(self):
        self.device = LangevinDevice(law=Overdamped(0.0))

    def program(self, operator, *, rng=None):
        program = self.device.program(operator, rng=rng)
        settle = program.settle
        program.settle = lambda *loads, **options: replace(settle(*loads, **options), state=None)
        return program


def test_a_device_that_forgets_its_voltages_is_refused():
    rows, g = random_rows(7, 20)
    with pytest.raises(TypeError, match=r"Forgetful.* voltages"):
        Thermodynamic(time=2.0, device=Forgetful()).direction(rows, g, DAMPING)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time": -1.0}, "time"),
        ({"time": math.nan}, "time"),
        ({"delay": -1.0}, "delay"),
        ({"delay": math.inf}, "delay"),
        ({"temperature": -0.1}, "temperature"),
        ({"readings": 0}, "readings"),
        ({"readings": 2, "spacing": 0.0}, "spacing"),
        ({"start": "zero"}, "start"),
        ({"start": "gradient", "delay": 1.0}, "delay"),
        ({"temperature": 0.1, "device": LangevinDevice()}, "temperature of its own"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(ValueError, match=message):
        Thermodynamic(**settings)


def test_arguments_are_checked():
    rows, g = random_rows(7, 20)
    with pytest.raises(ValueError, match="shape"):
        Thermodynamic().direction(rows, g[1:], DAMPING)
    with pytest.raises(ValueError, match="NaN"):
        Thermodynamic().direction(rows, g * math.nan, DAMPING)
    with pytest.raises(ValueError, match="damping"):
        Thermodynamic().direction(rows, g, -1.0)
