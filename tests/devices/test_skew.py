"""A general matrix on an overdamped device: readings follow the law of the embedding, and loading leaves no trace."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from helpers import general, orthogonal
from numpy.testing import assert_allclose, assert_array_equal

from thermolinalg.devices import AsWritten, Equilibrated, Imperfections, LangevinDevice, Program, Schedule
from thermolinalg.devices.skew import SkewProgram
from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.matrix_functions.singular import SingularEngines
from thermolinalg.operators import Dense, SkewEmbedding, Sparse
from thermolinalg.simulation import LinearProcess
from thermolinalg.testing import assert_covariance, assert_coverage, assert_mean

SQUARE = np.array([[1.0, -2.0, 0.5], [0.3, 0.1, 1.0], [0.0, 0.7, -0.4]])
TALL = np.vstack([SQUARE, [[0.2, 0.3, 0.9]]])
SINGULAR = np.outer([1.0, 2.0, -1.0], [0.5, 0.0, 1.0])
MATRICES = {"square": SQUARE, "tall": TALL, "wide": TALL.T, "singular": SINGULAR}
ALPHA, TEMPERATURE, COPIES = 0.4, 0.3, 20_000
DEVICE = LangevinDevice(law=Overdamped(TEMPERATURE), loading=AsWritten())
COLD = LangevinDevice(law=Overdamped(temperature=0.0))
LONG = Schedule(burn_in=1e5, duration=1e7)


def embedding(a, alpha=ALPHA):
    return SkewEmbedding(Dense(a, symmetric=False), alpha)


def load_of(a, seed=5):
    return np.random.default_rng(seed).standard_normal((sum(a.shape), 1))


SCHEDULES = {
    "short": Schedule(burn_in=0.5, duration=2.0),
    "cold": Schedule(burn_in=0.0, duration=1.0),
    "readings": Schedule(burn_in=0.5, readings=4, spacing=0.7),
    "equilibrium": Schedule(burn_in=42.0, duration=50.0),
    "independent": Schedule(burn_in=42.0, readings=3, spacing=42.0),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("name", MATRICES)
def test_windows_have_the_moments_of_the_equation_of_motion(name, schedule):
    a = MATRICES[name]
    m, c = embedding(a), load_of(a)
    start = np.random.default_rng(1).standard_normal(c.shape)
    d, rng = sum(a.shape), np.random.default_rng(0)
    process = LinearProcess(m.dense(), 2 * TEMPERATURE * np.eye(d), c[:, 0])
    law = process.window_law(schedule.burn_in, schedule.duration, schedule.readings)
    mean = law.decay @ start[:, 0] + law.response @ c[:, 0]
    program = DEVICE.program(m)
    many = {"b": np.repeat(c, COPIES, axis=1), "start": np.repeat(start, COPIES, axis=1), "rng": rng}
    alone = program.average(schedule=schedule, **many)
    assert alone.state is None
    assert_mean(alone.value.T, mean[d:])
    assert_covariance(alone.value.T, law.covariance[d:, d:])
    joint = program.average(schedule=schedule, state=True, **many)
    both = np.concatenate([joint.state, joint.value]).T
    assert_mean(both, mean)
    assert_covariance(both, law.covariance)
    noise = alone.noise
    assert noise.shape == (d, 32)
    assert_mean(noise.T, np.zeros(d), covariance=law.covariance[d:, d:])


@pytest.mark.parametrize("name", MATRICES)
def test_loading_leaves_no_trace_in_the_mean_and_only_its_gain_in_the_noise(name):
    """The device holds c M with largest |eigenvalue| 1, the load at full range; the answer is in the user's units."""
    a = 1e3 * MATRICES[name]
    m, c = embedding(a, 200.0), load_of(a)
    program = LangevinDevice(law=Overdamped(TEMPERATURE)).program(m)
    factor = 1 / np.hypot(200.0, np.linalg.norm(a, 2))
    assert program.factor == pytest.approx(factor, rel=0.02)
    assert program.rate() == program.alpha == pytest.approx(200 * factor, rel=0.02)
    assert program.interval()[1] <= 1
    schedule = Schedule(burn_in=20 / program.rate(), duration=64 / program.rate())
    reading = program.average(np.repeat(c, COPIES, axis=1), schedule, rng=np.random.default_rng(0))
    assert_allclose(reading.gain, 1 / (program.factor * np.abs(c).max()))
    assert_mean(reading.value.T, np.linalg.solve(m.dense(), c)[:, 0])
    d = sum(a.shape)
    law = LinearProcess(program.factor * m.dense(), 2 * TEMPERATURE * np.eye(d)).window_law(
        schedule.burn_in, schedule.duration
    )
    assert_covariance(reading.value.T, law.covariance[d:, d:] / reading.gain[0] ** 2)


@pytest.mark.parametrize("name", MATRICES)
def test_the_lower_half_is_the_tikhonov_solution(name):
    a = MATRICES[name]
    b = load_of(a)[: a.shape[0]]
    load = np.vstack([b, np.zeros((a.shape[1], 1))])
    x = COLD.program(embedding(a)).average(load, LONG, rng=np.random.default_rng(0)).value[a.shape[0] :]
    assert_allclose(x, np.linalg.solve(a.T @ a + ALPHA**2 * np.eye(a.shape[1]), a.T @ b), rtol=1e-10, atol=1e-12)
    weak = COLD.program(embedding(a, 1e-4)).average(load, Schedule(1e8, 1e8), rng=np.random.default_rng(0))
    assert_allclose(weak.value[a.shape[0] :], np.linalg.pinv(a) @ b, rtol=1e-6, atol=1e-7)


def test_error_bars_cover():
    m, c = embedding(SQUARE), load_of(SQUARE)
    program, rng = LangevinDevice().program(m), np.random.default_rng(0)
    truth, inside = np.linalg.solve(m.dense(), c), []
    schedule = Schedule(burn_in=20 / program.rate(), duration=70 / program.rate())
    for _ in range(400):
        reading = program.average(c, schedule, rng=rng)
        assert reading.degrees_of_freedom == 32
        inside.append(np.abs(reading.value - truth) < 2.037 * reading.standard_error)  # Student's t, 32, 97.5 %
    assert_coverage(np.array(inside)[:, 0])
    assert_coverage(np.array(inside)[:, -1])


@pytest.mark.parametrize("relative", [0.3, 0.01])
def test_timetables_leave_the_residual_that_was_asked_for(relative):
    a = np.random.default_rng(3).standard_normal((60, 60))
    program = LangevinDevice().program(embedding(a, 0.05))
    c = load_of(a)
    schedule = program.timetable(c, relative)
    assert schedule.burn_in == pytest.approx(16.5 / program.rate())
    x = program.average(np.repeat(c, 200, axis=1), schedule, rng=np.random.default_rng(0)).value
    residuals = np.linalg.norm(c - embedding(a, 0.05).dense() @ x, axis=0) / np.linalg.norm(c)
    if schedule.duration > 64.1 / program.rate():  # else memory, not noise, has set the time
        assert np.sqrt(np.mean(residuals**2)) == pytest.approx(relative, rel=0.05)
    else:
        assert residuals.max() < relative


def test_settling():
    m, c, rng = embedding(TALL), load_of(TALL), np.random.default_rng(0)
    program, many = DEVICE.program(m), np.repeat(c, COPIES, axis=1)
    state = program.settle(many, np.inf, rng=rng)
    assert_mean(state.value.T, np.linalg.solve(m.dense(), c)[:, 0])
    assert_covariance(state.value.T, TEMPERATURE / ALPHA * np.eye(7))
    assert state.device_time == pytest.approx(COPIES * 16.5 / ALPHA)
    start = np.arange(7.0)[:, None]
    moved = program.settle(many, 0.8, rng=rng, start=np.repeat(start, COPIES, axis=1))
    law = LinearProcess(m.dense(), 2 * TEMPERATURE * np.eye(7)).transition(0.8)
    assert_mean(moved.value.T, law.decay @ start[:, 0] + law.response @ c[:, 0])
    assert_covariance(moved.value.T, law.covariance)


def test_readings_are_a_path():
    """Deviations from the prediction of the reading before are independent, with the covariance of one step."""
    m, c, rng = embedding(SQUARE), load_of(SQUARE), np.random.default_rng(0)
    schedule = Schedule(burn_in=50.0, readings=4000, spacing=0.6)
    reading = DEVICE.program(m).readings(c[:, 0], schedule, rng=rng)
    assert reading.value.shape == (4000, 6)
    assert_allclose(reading.state, reading.value[-1])
    law = LinearProcess(m.dense(), 2 * TEMPERATURE * np.eye(6)).transition(0.6)
    innovations = reading.value[1:] - reading.value[:-1] @ law.decay.T - law.response @ c[:, 0]
    assert_mean(innovations, np.zeros(6))
    assert_covariance(innovations, law.covariance)
    unheated = LangevinDevice(law=Overdamped(0.0), loading=AsWritten()).program(m)
    times = Schedule(burn_in=0.3, readings=3, spacing=0.6)
    path = unheated.readings(c[:, 0], times, rng=rng, start=2 * c[:, 0]).value
    for time, state in zip((0.3, 0.9, 1.5), path, strict=True):
        step = LinearProcess(m.dense(), np.zeros((6, 6))).transition(time)
        assert_allclose(state, (2 * step.decay + step.response) @ c[:, 0], rtol=1e-12)
    cool = (
        LangevinDevice()
        .program(m)
        .readings(
            np.zeros(6), Schedule(burn_in=500.0, readings=300, spacing=500.0), rng=rng, temperature=0.05, start=c[:, 0]
        )
    )
    assert_covariance(cool.value, 0.05 / ALPHA * np.eye(6))
    with pytest.raises(ValueError, match="temperature 0 has no noise"):
        COLD.program(m).readings(c[:, 0], schedule, rng=rng, temperature=1.0)


def test_windows_go_on_from_their_state():
    """Two windows without noise, the second from the state of the first, are the later part of one."""
    m, c = embedding(SQUARE), load_of(SQUARE)
    program, rng = LangevinDevice(law=Overdamped(0.0), loading=AsWritten()).program(m), np.random.default_rng(0)
    first = program.average(c, Schedule(burn_in=0.0, duration=1.5), rng=rng, state=True)
    second = program.average(c, Schedule(burn_in=0.5, duration=2.0), rng=rng, start=first.state)
    assert_allclose(second.value, program.average(c, Schedule(burn_in=2.0, duration=2.0), rng=rng).value, rtol=1e-12)


# -- what is written -------------------------------------------------------------------------------------------------


def held(program):
    """M as it stands in the hardware, and its off-diagonal blocks."""
    m = program.effective.dense()
    rows = program.effective.matrix.shape[0]
    return m, m[:rows, rows:], m[rows:, :rows]


@pytest.mark.parametrize("imperfections", [Imperfections(matrix_bits=6), Imperfections(mismatch=0.03)])
@pytest.mark.parametrize("hold", [lambda a: Dense(a, symmetric=False), lambda a: Sparse(scipy.sparse.csr_array(a))])
def test_one_imperfect_copy_of_a_stands_in_both_blocks(imperfections, hold):
    device = LangevinDevice(law=Overdamped(0.0), imperfections=imperfections)
    program = device.program(SkewEmbedding(hold(TALL), ALPHA), rng=3)
    m, above, below = held(program)
    assert_array_equal(above, -below.T)
    assert_array_equal(np.diag(m), np.full(7, ALPHA))
    assert_array_equal(above == 0, TALL == 0)
    error = np.abs(above - TALL)
    assert 1e-4 < error.max() <= (2.0 / 62 if imperfections.couplings.bits else 5 * 0.03 * 2.0)
    c = load_of(TALL)
    found = program.average(c, LONG, rng=np.random.default_rng(0)).value
    assert_allclose(found, np.linalg.solve(m, c), rtol=1e-9)
    assert np.abs(found - np.linalg.solve(embedding(TALL).dense(), c)).max() > 1e-3
    again = device.program(SkewEmbedding(hold(TALL), ALPHA), rng=3)
    assert_array_equal(held(again)[1], above)


def test_inputs_and_outputs_are_converted():
    c, m = load_of(SQUARE), embedding(SQUARE)
    exact = np.linalg.solve(m.dense(), c)

    def cold(**errors):
        device = LangevinDevice(law=Overdamped(0.0), imperfections=Imperfections(**errors))
        return device.program(m, rng=0).average(c, LONG, rng=np.random.default_rng(0)).value

    read = cold(output_bits=5)
    step = np.abs(read).max() / 15
    assert_allclose(read / step, np.round(read / step), atol=1e-9)
    assert 0 < np.abs(read - exact).max() <= 0.51 * step
    levels = np.abs(c).max() / 15
    assert_allclose(cold(input_bits=5), np.linalg.solve(m.dense(), np.round(c / levels) * levels), rtol=1e-9)
    shifted = m.dense() @ (cold(offset=0.1) - exact) / np.abs(c).max()
    assert 0.02 < np.sqrt(np.mean(shifted**2)) < 0.3


def test_a_warmer_device_is_noisier():
    warm = LangevinDevice(loading=AsWritten(), imperfections=Imperfections(temperature_error=0.5)).program(
        embedding(SQUARE)
    )
    state = warm.settle(np.zeros((6, COPIES)), np.inf, rng=np.random.default_rng(0))
    assert_covariance(state.value.T, 1.5 / ALPHA * np.eye(6))


def test_engines_that_come_along_are_used():
    engines = SingularEngines(Dense(SQUARE, symmetric=False))
    program = LangevinDevice().program(engines.embedding(ALPHA))
    assert program.engines is engines
    assert program.interval() == pytest.approx(tuple(program.factor * np.array(engines.interval())))
    other = LangevinDevice(imperfections=Imperfections(mismatch=0.1)).program(engines.embedding(ALPHA), rng=0)
    assert other.engines is not engines
    read_only = LangevinDevice(imperfections=Imperfections(output_bits=8)).program(engines.embedding(ALPHA))
    assert read_only.engines is engines


# -- the contract ----------------------------------------------------------------------------------------------------


def test_protocol_and_ledger():
    program, rng = LangevinDevice().program(embedding(TALL)), np.random.default_rng(0)
    assert isinstance(program, SkewProgram)
    assert isinstance(program, Program)
    assert program.describe() == {"engine": "none: nothing had to run", "reason": ""}
    reading = program.average(np.ones((7, 3)), Schedule(burn_in=5.0, readings=4, spacing=10.0), rng=rng)
    assert program.describe()["engine"] == "singular value decomposition"
    assert (program.ledger.programs, program.ledger.runs, program.ledger.device_time) == (1, 3, 135.0)
    assert (program.ledger.values_in, program.ledger.values_out) == (21, 84)
    assert reading.device_time == 135.0
    assert reading.standard_error.shape == (7, 3)
    assert program.ledger.runs == 35


def test_it_solves_and_does_not_invert():
    program, rng = LangevinDevice().program(embedding(SQUARE)), np.random.default_rng(0)
    with pytest.raises(TypeError, match="it solves, it does not invert"):
        program.covariance(Schedule(burn_in=1.0, readings=2, spacing=1.0), rng=rng)
    with pytest.raises(TypeError, match="it solves, it does not invert"):
        program.variances(10, rng=rng)


@pytest.mark.parametrize("law", [Underdamped(), EulerMaruyama(0.1)])
def test_only_overdamped_devices_hold_it(law):
    with pytest.raises(TypeError, match="only an overdamped device holds a skew embedding"):
        LangevinDevice(law=law).program(embedding(SQUARE))


@pytest.mark.parametrize("sparse", [False, True])
def test_programs_travel(sparse):
    a = np.random.default_rng(0).standard_normal((70, 70)) + 20 * np.eye(70)
    operator = Sparse(scipy.sparse.csr_array(a), symmetric=False) if sparse else Dense(a, symmetric=False)
    program, c = COLD.program(SkewEmbedding(operator, 0.1)), load_of(a)
    before = program.average(c, LONG, rng=np.random.default_rng(0)).value
    assert "LU" in program.describe()["engine"]
    after = pickle.loads(pickle.dumps(program)).average(c, LONG, rng=np.random.default_rng(0)).value
    assert_array_equal(before, after)


def test_torch_and_float32():
    torch = pytest.importorskip("torch")
    c = load_of(SQUARE)
    truth = np.linalg.solve(embedding(SQUARE).dense(), c)
    for cast in (lambda x: torch.as_tensor(x), lambda x: torch.as_tensor(x, dtype=torch.float32), np.float32):
        m = SkewEmbedding(Dense(cast(SQUARE), symmetric=False), ALPHA)
        program = LangevinDevice(loading=Equilibrated()).program(m)
        reading = program.average(cast(c), Schedule(1e4, 1e9), rng=np.random.default_rng(0), state=True)
        assert type(reading.value) is type(cast(c))
        assert reading.value.dtype == reading.state.dtype == cast(c).dtype
        assert_allclose(np.asarray(reading.value), truth, atol=1e-3)


@pytest.mark.parametrize("condition", [1e3, 1e8, 1e12])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("graded", ["", "rows", "columns"])
def test_repeated_runs_reach_the_error_of_lapack(condition, sparse, graded):
    """α = σ_min/10: each run on what is left takes two digits off, and the noise of default runs does no harm."""
    n, rng = 90, np.random.default_rng(0)
    left, a = orthogonal(n), general(np.geomspace(1 / condition, 1, n))
    if graded:
        grade = 2.0 ** np.round(np.log2(np.geomspace(1, 1 / condition, n)))
        a = grade[:, None] * left if graded == "rows" else left * grade
    x = rng.standard_normal((n, 1))
    b = np.asarray(a.astype(np.longdouble) @ x, dtype=float)
    operator = Sparse(scipy.sparse.csr_array(a), symmetric=False) if sparse else Dense(a, symmetric=False)
    engines = SingularEngines(operator)
    program = LangevinDevice().program(engines.embedding(engines.interval()[0] / 10))
    found = np.zeros((n, 1))
    for _ in range(25):
        r = np.asarray(b - a.astype(np.longdouble) @ found, dtype=float)
        load = np.vstack([r, 0 * r])
        found += program.average(load, program.timetable(load, 0.1), rng=rng).value[n:]
    assert "LU with row exchanges" in program.describe()["engine"]
    error, lapack = (np.linalg.norm(y - x) / np.linalg.norm(x) for y in (found, np.linalg.solve(a, b)))
    assert error <= 200 * max(lapack, np.finfo(float).eps)
