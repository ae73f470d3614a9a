"""The simulated device: loading leaves no trace in the answer, and readings follow the law."""

import numpy as np
import pytest
from cases import cases
from helpers import orthogonal, spd

import thermolinalg as tla
from thermolinalg._arrays import to_numpy
from thermolinalg.devices import Device, Program
from thermolinalg.operators import Dense, Diagonal, Kronecker
from thermolinalg.operators.read import read_matrix
from thermolinalg.testing import assert_covariance, assert_mean

LOADINGS = {"equilibrated": tla.Equilibrated(), "as written": tla.AsWritten()}
A = np.array([[2.0, 0.8, 0.0], [0.8, 1.5, -0.4], [0.0, -0.4, 1.0]])
B = np.array([[1.0], [-2.0], [0.5]])


def test_the_protocols():
    device = tla.LangevinDevice()
    assert isinstance(device, Device)
    assert isinstance(device.program(Dense(A)), Program)


@pytest.mark.parametrize("case", cases("spd", "operator", without="torch"))
@pytest.mark.parametrize("loading", LOADINGS.values(), ids=LOADINGS)
def test_means_on_every_operator(case, loading):
    """However a structure is scaled on loading, the mean is A⁻¹b in the user's units."""
    operator, rng = case.make(), np.random.default_rng(0)
    program = tla.LangevinDevice(loading=loading).program(operator, rng=rng)
    b = np.repeat(rng.standard_normal((operator.shape[0], 1)), 300, axis=1)
    schedule = tla.Schedule(burn_in=30 / program.rate(), duration=30 / program.rate())
    value = program.average(b, schedule, rng=rng).value
    assert_mean(value.T, np.linalg.solve(case.dense(), b[:, 0]))


def test_equilibrated_loading_brings_a_into_range():
    matrix = np.outer([1e-3, 1.0, 1e4], [1e-3, 1.0, 1e4]) * A
    program = tla.LangevinDevice().program(Dense(matrix))
    lower, upper = program.interval()
    assert upper == pytest.approx(1.0, rel=0.05)
    assert lower > 0.01
    # Scaled by powers of two: not a digit of A is lost.
    np.testing.assert_array_equal(np.frexp(program.scaling)[0], 0.5)


def test_structures_survive_loading():
    operator = Kronecker(spd(3), spd(4))
    assert isinstance(tla.LangevinDevice().program(operator).effective, Kronecker)
    assert isinstance(tla.LangevinDevice().program(Diagonal([1.0, 9.0])).effective, Diagonal)


def test_as_written_is_the_equation_of_motion():
    """dx = −(A x − b) dt + sqrt(2T) dW in the user's own units: T A⁻¹, and e^{−At} from the start."""
    law = tla.Overdamped(temperature=0.3)
    program = tla.LangevinDevice(law=law, loading=tla.AsWritten()).program(Dense(A))
    rng, b = np.random.default_rng(0), np.repeat(B, 5000, axis=1)
    x = program.settle(b, np.inf, rng=rng).value
    assert_mean(x.T, np.linalg.solve(A, B)[:, 0])
    assert_covariance(x.T, 0.3 * np.linalg.inv(A))
    start, t = np.array([[5.0], [-5.0], [0.0]]), 0.7
    lam, q = np.linalg.eigh(A)
    exact = np.linalg.solve(A, B) + q @ (np.exp(-lam * t)[:, None] * (q.T @ (start - np.linalg.solve(A, B))))
    moved = program.settle(b, t, rng=rng, start=np.repeat(start, 5000, axis=1)).value
    assert_mean(moved.T, exact[:, 0])
    assert_covariance(moved.T, 0.3 * (q * -np.expm1(-2 * lam * t) / lam) @ q.T)
    assert program.rate() == pytest.approx(lam[0])


def test_trajectories_are_correlated_as_the_law_says():
    program = tla.LangevinDevice(loading=tla.AsWritten()).program(Dense(A))
    schedule = tla.Schedule(burn_in=40.0, readings=40_000, spacing=0.5)
    path = program.readings(B[:, 0], schedule, rng=np.random.default_rng(0)).value
    assert path.shape == (40_000, 3)
    deviations = path - np.linalg.solve(A, B)[:, 0]
    lam, q = np.linalg.eigh(A)
    for lag in (0, 1, 3):
        found = deviations[lag:].T @ deviations[: len(path) - lag] / (len(path) - lag)
        expected = (q * (np.exp(-0.5 * lam * lag) / lam)) @ q.T
        # Correlated readings: about 2/(λ_min h) of them count as one.
        error = np.sqrt(2 * 2 / (lam[0] * 0.5) / len(path)) * np.linalg.inv(A).max()
        np.testing.assert_allclose(found, expected, atol=5 * error)


def test_the_average_of_readings_is_the_mean_of_the_trajectory():
    """In law: the window drawn without a path has the moments of the average over one."""
    program, rng = tla.LangevinDevice(loading=tla.AsWritten()).program(Dense(A)), np.random.default_rng(0)
    schedule = tla.Schedule(burn_in=0.5, readings=4, spacing=0.5)
    paths = [program.readings(B[:, 0], schedule, rng=rng).value for _ in range(1500)]
    averages = program.average(np.repeat(B, 20_000, axis=1), schedule, rng=rng).value
    assert_mean(np.mean(paths, axis=1), averages.mean(axis=1))
    assert_covariance(np.mean(paths, axis=1), np.cov(averages))
    ends = program.average(np.repeat(B, 20_000, axis=1), schedule, rng=rng, state=True).state
    assert_covariance(np.array(paths)[:, -1], np.cov(ends))


def test_transitions_over_one_time_have_one_law():
    program, b, rng = tla.LangevinDevice().program(spd(50)), np.ones((50, 1)), np.random.default_rng(0)
    law, evaluated = program.after(0.5), []
    object.__setattr__(law, "functions", lambda lam, inside=law.functions: evaluated.append(lam) or inside(lam))
    values = [program.settle(b, 0.5, rng=rng).value for _ in range(3)]
    assert len(evaluated) == 1
    assert not np.array_equal(values[0], values[1])
    assert program.after(0.25) is not law
    assert program.shifted(1.0).after(0.5) is not law


def test_error_bars_cost_device_time_only_when_read():
    program, rng = tla.LangevinDevice().program(Dense(A)), np.random.default_rng(0)
    reading = program.average(B, tla.Schedule(50.0, 100.0), rng=rng)
    spent = program.ledger.device_time
    assert spent == pytest.approx(150.0)
    assert reading.standard_error.shape == (3, 1)
    assert program.ledger.device_time > spent
    assert reading.standard_error is reading.standard_error


def test_converters_are_counted():
    program, rng = tla.LangevinDevice().program(Dense(A)), np.random.default_rng(0)
    program.average(np.repeat(B, 4, axis=1), tla.Schedule(50.0, readings=10, spacing=1.0), rng=rng)
    assert (program.ledger.runs, program.ledger.values_in, program.ledger.values_out) == (4, 12, 120)


def test_a_trajectory_needs_readings():
    with pytest.raises(ValueError, match="readings"):
        tla.LangevinDevice().program(Dense(A)).readings(B[:, 0], tla.Schedule(1.0, 1.0), rng=np.random.default_rng(0))


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.ones((3, 3)), np.diag([1.0, 1.0, 1e-17])])
def test_singular_matrices_have_no_rate(matrix):
    with pytest.raises(np.linalg.LinAlgError, match="singular to working precision") as refusal:
        tla.LangevinDevice(loading=tla.AsWritten()).program(Dense(matrix)).rate()
    vector = refusal.value.null_vector
    assert abs(vector).max() == 1
    assert np.linalg.norm(matrix @ vector) < 1e-15


@pytest.mark.parametrize("loading", LOADINGS.values(), ids=LOADINGS)
@pytest.mark.parametrize("d", [3, 40, 200])
def test_singular_means_below_the_rounding_of_a_spectrum(loading, d):
    """λ_min ≤ d · eps · λ_max is refused with the evidence; ten times more is not."""
    q = orthogonal(d, d)
    threshold = d * np.finfo(float).eps

    def program(smallest):
        values = np.full(d, 1.0)
        values[0] = smallest
        a = (q * values) @ q.T
        return tla.LangevinDevice(loading=loading).program(Dense((a + a.T) / 2))

    assert program(30 * threshold).rate() > 0
    if d == 200:  # where √d · eps is something else than d · eps
        with pytest.raises(np.linalg.LinAlgError, match="singular"):
            program(threshold / 4).rate()
    with pytest.raises(np.linalg.LinAlgError, match=r"singular|not positive definite") as refusal:
        program(threshold / 50).rate()
    if "singular" in str(refusal.value):
        largest = np.argsort(-abs(q[:, 0]))[:3]
        assert f"largest at {[int(i) for i in largest]}" in str(refusal.value)
        vector = refusal.value.null_vector
        assert abs(vector @ q[:, 0]) > 0.999 * np.linalg.norm(vector)


def test_the_null_vector_is_in_the_users_units():
    a = np.array([[1.0, -1e3, 0.0], [-1e3, 1e6, 0.0], [0.0, 0.0, 1.0]])
    with pytest.raises(np.linalg.LinAlgError, match=r"largest at \[0, 1\]") as refusal:
        tla.LangevinDevice().program(Dense(a)).rate()
    np.testing.assert_allclose(refusal.value.null_vector / refusal.value.null_vector[0], [1.0, 1e-3, 0.0], atol=1e-12)


STIFF = np.diag([0.5, 1.95])
"""With time steps of 1 the stiff mode flips its sign each time and forgets at −log 0.95, the soft one at log 2."""


def test_in_time_stepping_the_stiffest_mode_may_be_the_slowest():
    law = tla.EulerMaruyama(step_size=1.0)
    program = tla.LangevinDevice(law=law, loading=tla.AsWritten()).program(Dense(STIFF))
    assert program.rate() == pytest.approx(-np.log(0.95))
    rng = np.random.default_rng(0)
    schedule = tla.Schedule(burn_in=40, readings=30, spacing=40)
    # Apart enough for the soft mode, e⁻²⁷, but not for the stiff one, 0.95⁴⁰ = 0.13: these are not independent draws.
    reading = program.covariance(schedule, rng=rng)
    assert reading.autocovariance is not None
    np.testing.assert_allclose(
        np.diag(reading.autocovariance(1.0)), law.stationary_variance(np.diag(STIFF)) * [0.5**40, 0.95**40], rtol=1e-10
    )
    paths = np.stack([program.readings(np.zeros(2), schedule, rng=rng).value for _ in range(1000)])
    variance = law.stationary_variance(np.diag(STIFF))
    correlation = (paths[:, 1:] * paths[:, :-1]).mean(axis=(0, 1)) / variance
    np.testing.assert_allclose(correlation, [0.0, 0.95**40], atol=5 / (29 * 1000) ** 0.5)
    # What waits for equilibrium waits for the stiff mode.
    assert program.timetable(np.ones((2, 1)), 0.1).burn_in == pytest.approx(16.5 / -np.log(0.95))
    assert program.variances(100, rng=rng).schedule.spacing == pytest.approx(16.5 / -np.log(0.95))


def test_couplings_are_symmetric():
    with pytest.raises(TypeError, match="pass a GeneralDevice"):
        tla.LangevinDevice().program(Dense(np.triu(A), symmetric=False))


def test_a_rounded_copy_that_is_not_definite_is_lifted_and_says_so():
    a = 0.99 * np.ones((3, 3)) + 0.01 * np.eye(3)
    a[0, 1] = a[1, 0] = 0.985
    coarse = tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=3, mismatch=0.2))
    lifted = [program for seed in range(20) if (program := coarse.program(Dense(a), rng=seed)).lift]
    assert len(lifted) > 10
    for program in lifted:
        assert program.rate() > 0
        assert "positive definite only with μ" in program.describe()["reason"]
        with pytest.raises(np.linalg.LinAlgError, match="its readings tell A \\+ μI, not A"):
            program.variances(100, rng=np.random.default_rng(0))


def test_indefinite_matrices_are_refused_when_loaded():
    with pytest.raises(np.linalg.LinAlgError, match=r"diagonal entry 1 is -1"):
        tla.LangevinDevice().program(Dense(np.diag([1.0, -1.0])))


def test_the_choice_of_engine_is_told():
    program = tla.LangevinDevice().program(Diagonal([1.0, 2.0]))
    assert program.describe()["engine"].startswith("none")
    program.settle(np.ones((2, 1)), 1.0, rng=np.random.default_rng(0))
    assert "diagonal" in program.describe()["engine"]
    assert program.describe()["reason"]


@pytest.mark.parametrize("case", cases("spd", "torch", without="complex"))
def test_tensors_stay_tensors(case):
    torch = pytest.importorskip("torch")
    loaded = read_matrix(case.make()).operator
    program, rng = tla.LangevinDevice().program(loaded), np.random.default_rng(0)
    b = torch.ones((loaded.shape[0], 2), dtype=loaded.like.dtype)
    reading = program.average(b, program.timetable(b, 0.01), rng=rng, state=True)
    for block in (reading.value, reading.state, reading.standard_error):
        assert block.dtype == loaded.like.dtype
        assert np.all(np.isfinite(to_numpy(block)))
