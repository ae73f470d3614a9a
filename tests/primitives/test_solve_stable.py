"""solve(..., assume_a='stable'): a non-symmetric matrix as the drift of the device itself."""

import numpy as np
import pytest
import scipy.sparse
from helpers import normal
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import thermolinalg as tla
from thermolinalg.devices import GeneralProgram, Program
from thermolinalg.operators import Dense
from thermolinalg.simulation import LinearProcess
from thermolinalg.testing import check_device

GOLDEN = np.array([[1.0, 5.0], [0.0, 2.0]])


def similar(D):
    v = np.eye(len(D)) + 0.3 * np.triu(normal(D.shape), 1)
    return v @ D @ np.linalg.inv(v)


DRIFTS = {
    "golden": GOLDEN,
    "symmetric": np.array([[4.0, 1.0], [1.0, 3.0]]),
    "rotation": np.array([[0.1, 3.0], [-3.0, 0.1]]),
    "indefinite symmetric part": np.array([[1.0, 10.0], [0.0, 1.0]]),
    "random": normal((30, 30)) / np.sqrt(30) + 1.2 * np.eye(30),
    "defective": np.eye(10) + np.eye(10, k=1),
    "far from normal": np.eye(15) + 2 * np.eye(15, k=1),
    "ill-conditioned": similar(np.diag(np.logspace(-6, 0, 8))),
    "complex": np.array([[1 + 2j, 3.0], [0.5j, 2 - 1j]]),
}


def program_of(A, temperature=1.0):
    return tla.GeneralDevice(temperature=temperature).program(Dense(A, symmetric=False))


@pytest.mark.parametrize("shape", [(), (3,)])
@pytest.mark.parametrize("name", DRIFTS)
def test_to_a_tolerance(name, shape):
    A = DRIFTS[name]
    b = normal((len(A), *shape))
    x, info = tla.solve(A, b, assume_a="stable", rng=0, return_info=True)
    assert info.success
    assert info.engine == "transition"
    assert np.all(np.linalg.norm(b - A @ x, axis=0) <= 1.001e-10 * np.linalg.norm(b, axis=0))
    error = np.linalg.norm(x - np.linalg.solve(A, b), axis=0)
    assert np.all(error <= 1.1e-10 * np.linalg.norm(np.linalg.inv(A), 2) * np.linalg.norm(b, axis=0))


@given(d=st.integers(1, 8), seed=st.integers(0, 2**32 - 1))
def test_any_stable_matrix(d, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((d, d))
    A += (0.05 - np.linalg.eigvals(A).real.min()) * np.eye(d)
    b = rng.standard_normal(d)
    x, info = tla.solve(A, b, assume_a="stable", rng=rng, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) <= 1.001e-10 * np.linalg.norm(b)


def test_transposed_complex_loads_single_precision_and_inverse():
    b = np.array([1.0, 2.0])
    assert_allclose(tla.solve(GOLDEN, b, assume_a="stable", transposed=True), np.linalg.solve(GOLDEN.T, b), rtol=1e-8)
    assert_allclose(tla.solve(GOLDEN, 1j * b, assume_a="stable"), 1j * np.linalg.solve(GOLDEN, b), rtol=1e-8)
    x = tla.solve(GOLDEN.astype(np.float32), b.astype(np.float32), assume_a="stable", rng=0)
    assert x.dtype == np.float32
    assert_allclose(x, np.linalg.solve(GOLDEN, b), rtol=1e-4)
    assert_allclose(tla.inv(GOLDEN, assume_a="stable"), np.linalg.inv(GOLDEN), atol=1e-9)


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    b = torch.tensor([1.0, 2.0], dtype=torch.float64)
    x = tla.solve(torch.tensor(GOLDEN), b, assume_a="stable")
    assert_allclose(x.numpy(), np.linalg.solve(GOLDEN, b.numpy()), rtol=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["golden", "rotation", "far from normal"])
def test_raw_error_bars_cover(name):
    """Student-t intervals of 500 raw runs; their 32 replicas are drawn afresh every time."""
    A, rng = DRIFTS[name], np.random.default_rng(6)
    b = normal(len(A), 1)
    exact, covered = np.linalg.solve(A, b), []
    schedule = program_of(A).timetable(b[:, None], 0.05)
    for _ in range(500):
        x, info = tla.solve(A, b, assume_a="stable", refine=False, schedule=schedule, rng=rng, return_info=True)
        covered.append(np.abs(x - exact) < 2.037 * info.standard_error)
    covered = np.stack(covered)
    assert np.all(np.abs(covered.mean(axis=0) - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 500))


@pytest.mark.parametrize("name", ["golden", "far from normal", "random"])
def test_the_schedule_leaves_the_residual_it_was_made_for(name):
    A, rng = DRIFTS[name], np.random.default_rng(8)
    b = normal((len(A), 1), 1)
    program = program_of(A)
    schedule = program.timetable(b, 0.05)
    residuals = [
        np.linalg.norm(b - A @ program.average(b, schedule, rng=rng).value) / np.linalg.norm(b) for _ in range(50)
    ]
    assert np.sqrt(np.mean(np.square(residuals))) < 0.1


def test_average_and_state_follow_the_law_of_the_window():
    program, rng = program_of(GOLDEN, temperature=0.3), np.random.default_rng(9)
    b, start = np.array([[1.0], [-2.0]]), np.array([[3.0], [1.0]])
    schedule = tla.Schedule(burn_in=4.0, readings=7, spacing=2.0)
    runs = [program.average(b, schedule, start=start, state=True, rng=rng) for _ in range(3000)]
    drawn = np.stack([np.concatenate([run.state, run.value])[:, 0] for run in runs])
    # The same in the user's units: time 1/norm, voltages 1/gain.
    gain = program.norm / np.abs(b).max()
    noise = 2 * 0.3 * program.norm / gain**2 * np.eye(2)
    law = LinearProcess(GOLDEN, noise, b[:, 0]).window_law(4.0 / program.norm, 14.0 / program.norm, 7)
    mean, covariance = law.mean(start[:, 0], b[:, 0]), law.covariance
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 4.5 * np.sqrt(np.diag(covariance) / 3000))
    scale = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 3000)
    assert np.all(np.abs(np.cov(drawn.T) - covariance) < 4.5 * scale)


def test_trajectories_settle_to_the_stationary_law():
    program, rng = program_of(GOLDEN), np.random.default_rng(10)
    b = np.array([1.0, 2.0])
    path = program.readings(b, program.independent_readings(4000), rng=rng, temperature=0.5).value
    _, covariance = LinearProcess(GOLDEN, 2 * 0.5 * np.eye(2)).stationary()
    assert np.all(np.abs(path.mean(axis=0) - np.linalg.solve(GOLDEN, b)) < 4.5 * np.sqrt(np.diag(covariance) / 4000))
    scale = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / 4000)
    assert np.all(np.abs(np.cov(path.T) - covariance) < 4.5 * scale)


def test_settling_for_ever_is_reading_in_equilibrium():
    program = program_of(GOLDEN, temperature=0.0)
    b = np.array([[1.0], [2.0]])
    assert_allclose(program.settle(b, np.inf, rng=np.random.default_rng()).value, np.linalg.solve(GOLDEN, b), rtol=1e-7)


def test_it_is_a_program_of_a_device():
    program = program_of(GOLDEN)
    assert isinstance(program, Program)
    assert isinstance(program, GeneralProgram)
    assert_allclose(program.rate() * program.norm, 1.0)
    assert_allclose(np.linalg.norm(program.drift, 2), 1.0)


def test_the_device_conforms():
    passed = check_device(tla.GeneralDevice())
    assert "mean" in passed


@pytest.mark.parametrize(
    "A", [-GOLDEN, np.diag([1.0, -1e-3]), np.array([[0.0, 1.0], [-1.0, 0.0]]), np.diag([1.0, 0.0])]
)
@pytest.mark.parametrize("refine", [True, False])
def test_unstable_drifts_are_refused_with_the_eigenvalue(A, refine):
    eigenvalues = np.linalg.eigvals(A)
    worst = complex(eigenvalues[np.argmin(eigenvalues.real)])
    with pytest.raises(np.linalg.LinAlgError, match="assume_a='gen'") as raised:
        tla.solve(A, np.ones(2), assume_a="stable", refine=refine)
    assert f"{worst:.6g}" in str(raised.value)


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: tla.solve(scipy.sparse.csr_array(GOLDEN), np.ones(2), assume_a="stable"), "dense"),
        (lambda: tla.solve(GOLDEN, np.ones(2), assume_a="stable", device=tla.LangevinDevice()), "GeneralDevice"),
    ],
)
def test_what_such_a_device_cannot_do(call, match):
    with pytest.raises(TypeError, match=match):
        call()


def test_a_raw_inverse_reads_means():
    """The spread of such a device is no inverse."""
    x, info = tla.inv(GOLDEN, assume_a="stable", refine=False, rtol=0.01, rng=0, return_info=True)
    assert np.all(abs(x - np.linalg.inv(GOLDEN)) < 5 * info.standard_error)


def test_bad_temperature():
    with pytest.raises(ValueError, match="temperature"):
        tla.GeneralDevice(temperature=-1.0)
