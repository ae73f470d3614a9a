"""`solve`: right to its tolerance on everything that A can be, and honest about what one run of a device knows."""

import warnings

import numpy as np
import pytest
import scipy.io
import scipy.linalg
import scipy.sparse
import scipy.stats
from cases import cases
from helpers import relative_residual, spd
from hypothesis import given
from hypothesis import strategies as st

import thermolinalg as tla
from thermolinalg._arrays import dtype_name, is_torch, to_numpy
from thermolinalg.operators import Dense
from thermolinalg.testing import STRUCTURES, assert_coverage, assert_mean, right_hand_sides, spd_matrices

A0 = np.array([[2.0, 0.8, 0.0], [0.8, 1.5, -0.4], [0.0, -0.4, 1.0]])
B0 = np.array([1.0, -2.0, 0.5])
X0 = np.linalg.solve(A0, B0)


# -- to a tolerance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", cases("spd"))
@pytest.mark.parametrize("columns", [None, 1, 3])
def test_every_kind_of_matrix(case, columns):
    A, dense = case.make(), case.dense()
    rng = np.random.default_rng(1)
    shape = (len(dense),) if columns is None else (len(dense), columns)
    single = "float32" in case.tags
    b = rng.standard_normal(shape)
    if "ill-conditioned" in case.tags:
        b = dense @ b  # else already the rounding of x leaves a residual above the tolerance
    b = b.astype(np.float32 if single else np.float64)
    x, info = tla.solve(A, case.array(b), rng=2, return_info=True)
    rtol = 1e-5 if single else 1e-10
    assert info.success
    assert info.message
    assert is_torch(x) == ("torch" in case.tags)
    assert dtype_name(x) == np.result_type(dense.dtype, b.dtype).name
    assert tuple(x.shape) == shape
    assert np.all(np.asarray(info.residual_norm) <= rtol * np.linalg.norm(b, axis=0) * (1 + 1e-3))
    wide = np.result_type(dense.dtype, np.float64)
    # Beyond the report: what one can see from outside, up to the rounding of x itself.
    rounding = np.finfo(dense.dtype).eps * np.linalg.cond(dense) * len(dense)
    assert relative_residual(dense.astype(wide), to_numpy(x).astype(wide), b) <= 1.1 * rtol + rounding
    if rounding < 1e-6:
        error = np.linalg.cond(dense) * rtol * np.linalg.norm(b) / np.linalg.norm(dense, 2)
        np.testing.assert_allclose(to_numpy(x), np.linalg.solve(dense, b), rtol=1e-3 * single, atol=2 * error)


@pytest.mark.parametrize("structure", STRUCTURES)
@given(data=st.data())
def test_equals_scipy(structure, data):
    A = data.draw(spd_matrices(max_size=12, condition=1e6, structure=structure))
    dense = A @ np.eye(A.shape[0])
    b = data.draw(right_hand_sides(A.shape[0], data.draw(st.sampled_from([None, 1, 2]))))
    x = tla.solve(A, b, rng=data.draw(st.integers(0, 2**32)))
    exact = scipy.linalg.solve(dense, b, assume_a="pos")
    residual = np.linalg.norm(b - dense @ x, axis=0)
    # The dense form is made of products too, each with rounding of its own.
    rounding = 8 * np.finfo(float).eps * np.linalg.norm(dense) * np.linalg.norm(x, axis=0)
    assert np.all(residual <= 1.01e-10 * np.linalg.norm(b, axis=0) + rounding)
    np.testing.assert_allclose(x, exact, rtol=0, atol=1e-9 * np.linalg.cond(dense) * max(abs(exact).max(), 1e-300))


@given(A=spd_matrices(max_size=25, condition=1e12), seed=st.integers(0, 2**32), favourable=st.booleans())
def test_condition_numbers_up_to_1e12(A, seed, favourable):
    """The tolerance, or the residual that the rounding of x leaves, with a warning that says so."""
    b = np.random.default_rng(seed).standard_normal(len(A))
    b = A @ b if favourable else b
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        x, info = tla.solve(A, b, rng=seed, return_info=True)
    rounding = 4 * np.finfo(float).eps * np.linalg.norm(A) * np.linalg.norm(x)
    residual = np.linalg.norm((b - A.astype(np.longdouble) @ x).astype(float))
    assert info.success or rounding > 1e-11 * np.linalg.norm(b)
    assert residual <= 1e-10 * np.linalg.norm(b) + len(A) * rounding
    assert info.residual_norm == pytest.approx(residual, rel=0.1, abs=rounding)


@given(A=spd_matrices(max_size=12, condition=100, dtype=np.float32), seed=st.integers(0, 2**32))
def test_single_precision_stays_single(A, seed):
    b = np.random.default_rng(seed).standard_normal(len(A)).astype(np.float32)
    x, info = tla.solve(A, b, rng=seed, return_info=True)
    assert x.dtype == np.float32
    assert info.success
    assert relative_residual(A, x, b) <= 1.1e-5


@given(st.integers(1, 10), st.floats(1, 1e4), st.integers(0, 2**32))
def test_complex_hermitian(d, condition, seed):
    rng = np.random.default_rng(seed)
    A = spd(d, condition, rng, dtype=complex)
    b = rng.standard_normal((d, 2)) + 1j * rng.standard_normal((d, 2))
    assert relative_residual(A, tla.solve(A, b, rng=seed), b) <= 1.01e-10


@given(st.integers(2, 8), st.integers(0, 2**32))
def test_non_symmetric_matrices_go_through_the_normal_operator(d, seed):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((d, d)) + 2 * np.sqrt(d) * np.eye(d)
    b = rng.standard_normal(d)
    for options in ({}, {"assume_a": "gen"}):
        assert relative_residual(A, tla.solve(A, b, rng=seed, **options), b) <= 1.01e-10
    assert relative_residual(A.T, tla.solve(A, b, rng=seed, transposed=True), b) <= 1.01e-10


def test_symmetric_indefinite_matrices_where_the_caller_says_so():
    A = np.array([[1.0, 2.0], [2.0, 1.0]])
    b = np.array([1.0, -1.0])
    for assume_a in (None, "sym", "gen"):
        x, info = tla.solve(A, b, assume_a=assume_a, return_info=True)
        np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-13)
        assert "skew embedding" in info.reason
    with pytest.raises(np.linalg.LinAlgError, match="not positive"):
        tla.solve(A, b, assume_a="pos")


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("assume_a", ["pos", "sym", "her"])
def test_only_the_named_triangle_is_read(lower, assume_a):
    triangle = np.tril(A0) if lower else np.triu(A0)
    np.testing.assert_allclose(tla.solve(triangle, B0, assume_a=assume_a, lower=lower), X0, rtol=1e-8)


def test_batches():
    stack = np.stack([spd(4, seed=i) for i in range(6)]).reshape(2, 3, 4, 4)
    b = np.random.default_rng(0).standard_normal((2, 3, 4, 2))
    x, infos = tla.solve(stack, b, rng=0, return_info=True)
    np.testing.assert_allclose(x, np.linalg.solve(stack, b), rtol=1e-7)
    assert len(infos) == 6
    assert all(info.success for info in infos)
    one = tla.solve(stack, b[0, 0], rng=0)
    np.testing.assert_allclose(one, np.linalg.solve(stack, b[0, 0]), rtol=1e-7)
    shared = tla.solve(A0, np.stack([np.eye(3), 2 * np.eye(3)]), rng=0)
    np.testing.assert_allclose(shared[1], 2 * np.linalg.inv(A0), rtol=1e-8)


def test_batches_of_tensors():
    torch = pytest.importorskip("torch")
    stack = torch.as_tensor(np.stack([spd(4, seed=i) for i in range(3)]))
    b = torch.ones((3, 4, 1), dtype=torch.float64)
    x = tla.solve(stack, b, rng=0)
    torch.testing.assert_close(x, torch.linalg.solve(stack, b), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_empty_systems(shape):
    assert tla.solve(np.empty((0, 0)), np.empty(shape)).shape == shape


def test_no_right_hand_sides():
    assert tla.solve(A0, np.empty((3, 0))).shape == (3, 0)


def test_absolute_tolerances():
    x, info = tla.solve(A0, B0, rtol=0, atol=0.05, rng=0, return_info=True)
    assert np.linalg.norm(B0 - A0 @ x) <= 0.05
    assert info.residual_norm == pytest.approx(np.linalg.norm(B0 - A0 @ x))


def test_a_tolerance_that_cannot_be_met_is_admitted():
    with pytest.warns(tla.ThermodynamicWarning, match="pass a larger rtol="):
        x, info = tla.solve(spd(30, 1e6), np.ones(30), maxiter=1, rng=0, return_info=True)
    assert not info.success
    assert info.status > 0
    assert info.residual_norm == pytest.approx(np.linalg.norm(1 - spd(30, 1e6) @ x), rel=1e-6)
    assert np.all(np.isfinite(x))


def test_the_same_rng_gives_the_same_digits():
    runs = [tla.solve(A0, B0, rng=4, refine=False, rtol=0.1) for _ in range(2)]
    np.testing.assert_array_equal(*runs)
    assert np.any(runs[0] != tla.solve(A0, B0, rng=5, refine=False, rtol=0.1))
    generator = np.random.default_rng(4)
    assert np.any(tla.solve(A0, B0, rng=generator, refine=False) != tla.solve(A0, B0, rng=generator, refine=False))


# -- imperfect devices ----------------------------------------------------------------------------------------------

BIASED = {
    "8 bits": tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8, input_bits=8, output_bits=8)),
    "mismatch": tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.05)),
    "offset": tla.LangevinDevice(imperfections=tla.Imperfections(offset=0.05)),
    "hot": tla.LangevinDevice(imperfections=tla.Imperfections(temperature_error=0.5)),
    "underdamped": tla.LangevinDevice(law=tla.Underdamped()),
    "time stepping": tla.LangevinDevice(law=tla.EulerMaruyama(step_size=0.5)),
    "as written": tla.LangevinDevice(loading=tla.AsWritten()),
}


@pytest.mark.parametrize("device", BIASED.values(), ids=BIASED)
@pytest.mark.parametrize("condition", [1.0, 30.0])
def test_biased_devices_converge(device, condition):
    A = spd(10, condition)
    b = np.random.default_rng(3).standard_normal((10, 2))
    x, info = tla.solve(A, b, device=device, rng=0, return_info=True)
    assert info.success
    assert relative_residual(A, x, b) <= 1.01e-10


def test_a_biased_device_is_biased_in_the_raw():
    device = tla.LangevinDevice(imperfections=tla.Imperfections(mismatch=0.1))
    x, info = tla.solve(A0, B0, device=device, refine=False, rtol=1e-4, rng=0, return_info=True)
    assert np.max(abs(x - X0) / info.noise) > 20
    assert np.max(abs(x - X0) / info.standard_error) < 5


# -- error bars -----------------------------------------------------------------------------------------------------


def covered(A, b, seeds, **options):
    """Whether 95 % intervals of Student's t held the truth, one row per seed."""
    exact, inside = np.linalg.solve(A, b), []
    for seed in range(seeds):
        x, info = tla.solve(A, b, rng=seed, return_info=True, **options)
        radius = scipy.stats.t.ppf(0.975, info.degrees_of_freedom) * info.standard_error
        inside.append(abs(x - exact) <= radius)
    return np.array(inside)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("short window", marks=pytest.mark.slow),
        pytest.param("default schedule", marks=pytest.mark.slow),
        "readings",
    ],
)
def test_coverage_of_one_run(kind):
    schedules = {
        "short window": {"schedule": tla.Schedule(burn_in=60.0, duration=20.0)},
        "default schedule": {"rtol": 0.03},
        "readings": {"schedule": tla.Schedule(burn_in=60.0, readings=10, spacing=3.0)},
    }
    inside = covered(A0, B0, 1200, refine=False, **schedules[kind])
    for component in inside.T:
        assert_coverage(component)
    assert 0.93 <= inside.mean() <= 0.97


@pytest.mark.parametrize(
    "rtol", [pytest.param(1e-2, marks=pytest.mark.slow), 1e-5, pytest.param(1e-9, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(("assume_a", "condition"), [pytest.param("pos", 30.0, marks=pytest.mark.slow), ("gen", 5.0)])
def test_coverage_of_refined_solutions(rtol, assume_a, condition):
    """In many dimensions; in few, the true residual, which the error bar knows, says more than a normal law allows."""
    A, b = spd(30, condition), np.random.default_rng(0).standard_normal(30)
    inside = covered(A, b, 400, rtol=rtol, assume_a=assume_a)
    assert 0.93 <= inside.mean() <= 0.97


def test_error_bars_in_few_dimensions():
    """A further run sees an error that is more than its bar, however few components it has."""
    inside = covered(A0, B0, 100, rtol=1e-12)
    assert inside.mean() >= 0.95
    _, info = tla.solve(A0, B0, rtol=1e-12, rng=0, return_info=True)
    assert np.all(info.standard_error < 1e-11)


def test_averages_scatter_as_the_formula_says():
    """E‖x̄ − x*‖² = (2T/T_w) tr A⁻² for a long window, on a device that takes A as it is."""
    device, window = tla.LangevinDevice(loading=tla.AsWritten()), 500.0
    schedule = tla.Schedule(burn_in=100.0, duration=window)
    x = tla.solve(A0, np.tile(B0[:, None], 4000), refine=False, schedule=schedule, device=device, rng=0)
    squares = np.sum((x - X0[:, None]) ** 2, axis=0)
    # To first order in the correlation time: the mean square of a mode is 2T/(λ²T_w) (1 − 1/(λT_w)).
    lam = np.linalg.eigvalsh(A0)
    assert_mean(squares[:, None], [np.sum(2 / (lam**2 * window) * (1 - 1 / (lam * window)))])


def test_the_error_falls_as_the_square_root_of_the_window():
    windows = np.geomspace(50, 5e5, 9)
    errors = []
    for window in windows:
        schedule = tla.Schedule(burn_in=100.0, duration=window)
        x = tla.solve(A0, np.tile(B0[:, None], 2000), refine=False, schedule=schedule, rng=0)
        errors.append(np.sqrt(np.mean((x - X0[:, None]) ** 2)))
    slope = np.polyfit(np.log(windows), np.log(errors), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.02)


def test_the_bias_vanishes_with_burn_in():
    """The bias of a short window after a cold start is e^{−λt₀} times that of one without burn-in, mode by mode."""
    lam, q = np.linalg.eigh(A0)
    device = tla.LangevinDevice(loading=tla.AsWritten(), law=tla.Overdamped(temperature=1e-6))
    for burn_in in (0.0, 1.0, 4.0, 16.0):
        schedule = tla.Schedule(burn_in=burn_in, duration=0.5)
        x = tla.solve(A0, np.tile(B0[:, None], 500), refine=False, schedule=schedule, device=device, rng=0)
        decay = np.exp(-lam * burn_in) * -np.expm1(-lam * 0.5) / (lam * 0.5)
        assert_mean(x.T, X0 - q @ (decay * (q.T @ X0)))


def test_the_default_schedule_leaves_the_residual_asked_for():
    x = tla.solve(spd(40), np.random.default_rng(0).standard_normal((40, 50)), refine=False, rtol=0.02, rng=0)
    b = np.random.default_rng(0).standard_normal((40, 50))
    residuals = np.linalg.norm(b - spd(40) @ x, axis=0) / np.linalg.norm(b, axis=0)
    assert 0.005 < np.median(residuals) <= 0.02


def test_complex_error_bars():
    A = np.array([[2.0, 0.5j], [-0.5j, 1.0]])
    b = np.array([1.0, 1j])
    exact, schedule = np.linalg.solve(A, b), tla.Schedule(burn_in=60.0, duration=30.0)
    squares = []
    for seed in range(300):
        x, info = tla.solve(A, b, refine=False, schedule=schedule, rng=seed, return_info=True)
        squares.append(abs(x - exact) ** 2 / info.standard_error**2)
    # |error|² over its variance has mean 1 (32/30 with an estimated variance of 32 degrees of freedom).
    np.testing.assert_allclose(np.mean(squares, axis=0), 1.03, atol=0.3)


def test_the_report_of_one_run():
    schedule = tla.Schedule(burn_in=60.0, duration=200.0)
    x, info = tla.solve(A0, B0, refine=False, schedule=schedule, rng=0, return_info=True)
    assert info.success
    assert info.n_runs == 1
    assert info.schedule is schedule
    assert info.device_time == pytest.approx(260.0)
    assert info.residual_norm == pytest.approx(np.linalg.norm(B0 - A0 @ x))
    assert info.effective_sample_size > 1
    assert info.engine
    assert info.reason


# -- running devices ------------------------------------------------------------------------------------------------


def test_a_warm_start_saves_the_burn_in():
    """From the state of one run the next one needs no burn-in; from zero it would be biased."""
    program = tla.LangevinDevice().program(Dense(A0))
    rng = np.random.default_rng(0)
    b = np.tile(B0[:, None], 4000)
    first = program.average(b, tla.Schedule(burn_in=100.0, duration=50.0), rng=rng, state=True)
    short = tla.Schedule(burn_in=0.0, duration=2.0)
    warm = program.average(b, short, rng=rng, start=first.state)
    assert_mean(warm.value.T, X0)
    cold = program.average(b, short, rng=rng)
    with pytest.raises(AssertionError, match="standard errors"):
        assert_mean(cold.value.T, X0)


def test_the_state_of_a_raw_solve_continues():
    schedule = tla.Schedule(burn_in=100.0, duration=1.0)
    b = np.tile(B0[:, None], 4000)
    _, info = tla.solve(A0, b, refine=False, schedule=schedule, rng=0, return_info=True)
    program = tla.LangevinDevice().program(Dense(A0))
    later = program.settle(b, 0.5, rng=np.random.default_rng(1), start=info.state)
    assert_mean(later.value.T, X0)


def test_changing_b_on_a_running_device():
    program = tla.LangevinDevice().program(Dense(A0))
    rng = np.random.default_rng(0)
    b = np.tile(B0[:, None], 4000)
    state = program.settle(b, np.inf, rng=rng).state
    for load in (-b, 3 * b):
        reading = program.average(load, tla.Schedule(burn_in=60.0, duration=10.0), rng=rng, start=state, state=True)
        assert_mean(reading.value.T, np.linalg.solve(A0, load[:, 0]))
        state = reading.state


def test_changing_a_on_a_running_device():
    device, rng = tla.LangevinDevice(), np.random.default_rng(0)
    b = np.tile(B0[:, None], 4000)
    state = device.program(Dense(A0)).settle(b, np.inf, rng=rng).state
    changed = A0 + np.diag([0.5, 0.0, 1.0])
    program = device.program(Dense(changed))
    at_once = program.settle(b, 1e-9, rng=rng, start=state)
    assert_mean(at_once.value.T, X0)
    later = program.settle(b, 100.0, rng=rng, start=state)
    assert_mean(later.value.T, np.linalg.solve(changed, B0))


# -- problems from practice -----------------------------------------------------------------------------------------

PROBLEMS = [
    *("1138_bus", "494_bus", "662_bus", "LF10", "LF10_M", "bcsstk01", "bcsstk02", "bcsstk14", "bcsstk16", "bcsstk27"),
    *("bcsstm02", "bcsstm19", "bcsstm20", "bcsstm21", "bcsstm24", "bcsstm25", "gr_30_30", "mesh1e1", "model_48_8_3"),
    *("nos1", "nos3", "nos4", "nos6", "poisson_ca"),
]


@pytest.mark.parametrize("name", PROBLEMS)
def test_matrices_from_practice(name, data_folder):
    """Condition numbers up to 1e13; with a right-hand side of ones, and with one whose solution is ones."""
    (path,) = (data_folder / "matrices" / "spd").glob(f"{name}.mtx*")
    A = scipy.sparse.csr_array(scipy.io.mmread(path, spmatrix=False))
    A = (A + A.T) / 2
    for b in (np.ones(A.shape[0]), A @ np.ones(A.shape[0])):
        x, info = tla.solve(A, b, rng=0, return_info=True)
        assert info.success, info.message
        assert relative_residual(A, x, b) <= 1e-10
