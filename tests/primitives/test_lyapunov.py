"""Lyapunov equations: SciPy's answers, honest error bars, and clear refusals."""

import warnings

import numpy as np
import pytest
import scipy.linalg
from exact import lyapunov_error_of
from helpers import normal, orthogonal, rotated
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

import thermolinalg as tla
from thermolinalg.devices.correlations import noise_covariance
from thermolinalg.operators import Dense
from thermolinalg.simulation.doubling import Doubling

GOLDEN = np.array([[1.0, 5.0], [0.0, 2.0]])
STATIONARY = np.array([[31 / 6, -5 / 6], [-5 / 6, 1 / 2]])


def stable(d, seed=0):
    """Eigenvalues in a disc of radius 1 around 1.5: far from normal, well to the right."""
    return normal((d, d), seed) / np.sqrt(d) + 1.5 * np.eye(d)


DRIFTS = {
    "golden": GOLDEN,
    "one node": np.array([[3.0]]),
    "symmetric": rotated(np.logspace(-2, 0, 8)),
    "random 5": stable(5),
    "random 20": stable(20),
    "rotation": np.array([[0.1, 3.0], [-3.0, 0.1]]),
    "defective": np.eye(12) + np.eye(12, k=1),
    "far from normal": np.eye(10) + 2.0 * np.triu(normal((10, 10)), 1),
    "stiff": rotated(np.logspace(-5, 0, 6)),
    "negative": -stable(6),
    "complex": stable(6) + 1j * normal((6, 6), 1) / 3,
    "complex spiral": np.diag([1 + 9j, 2 - 3j]) + np.array([[0, 4j], [0, 0]]),
}


def noises(d):
    x, y = normal((d, d), 1), normal((d, d), 2)
    return {
        "positive definite": x @ x.T,
        "singular": np.outer(x[0], x[0]),
        "indefinite": x + x.T,
        "skew": x - x.T,
        "general": x,
        "hermitian": x @ x.T + 1j * (y - y.T),
        "complex": x + 1j * y,
    }


@pytest.mark.thinned(4)
@pytest.mark.parametrize("noise", noises(1))
@pytest.mark.parametrize("drift", DRIFTS)
def test_it_agrees_with_scipy_to_the_tolerance(drift, noise):
    a = DRIFTS[drift]
    q = noises(len(a))[noise]
    x, info = tla.solve_continuous_lyapunov(a, q, rng=0, return_info=True)
    # SciPy 1.17 takes the real Schur form of a real a for triangular where q is complex: it needs a complex a.
    expected = scipy.linalg.solve_continuous_lyapunov(a + 0j if np.iscomplexobj(q) else a, q)
    residual = np.linalg.norm(q - a @ x - x @ a.conj().T)
    assert info.success
    assert residual <= 1e-10 * np.linalg.norm(q) * (1 + 1e-6)
    # Near its rounding the reported one is computed in extended precision.
    rounding = 8 * np.finfo(float).eps * np.linalg.norm(a) * np.linalg.norm(x)
    assert_allclose(info.residual_norm, residual, rtol=1e-3, atol=rounding + 1e-14 * np.linalg.norm(q))
    # The condition of the equation: how much X moves with its residual.
    d = len(a)
    system = np.kron(a, np.eye(d)) + np.kron(np.eye(d), a.conj())
    assert (
        np.linalg.norm(x - expected) <= 2.1e-10 * np.linalg.norm(q) * np.linalg.norm(np.linalg.inv(system), 2) + 1e-13
    )
    assert x.dtype == expected.dtype
    if np.array_equal(q, q.conj().T):
        assert_array_equal(x, x.conj().T)


def test_golden_values():
    assert_allclose(tla.solve_continuous_lyapunov(GOLDEN, 2 * np.eye(2)), STATIONARY, rtol=1e-10)


@given(d=st.integers(1, 6), seed=st.integers(0, 2**32 - 1), sign=st.sampled_from([1, -1]), is_complex=st.booleans())
@example(d=2, seed=384, sign=1, is_complex=False)  # the real form of a forgets later than a, by the norms of both
def test_any_stable_equation(d, seed, sign, is_complex):
    rng = np.random.default_rng(seed)
    a, q = rng.standard_normal((2, d, d))
    if is_complex:
        a = a + 1j * rng.standard_normal((d, d))
    a = sign * (a + (0.1 - np.linalg.eigvals(a).real.min()) * np.eye(d))
    x, info = tla.solve_continuous_lyapunov(a, q, rng=rng, return_info=True)
    assert info.success
    assert np.linalg.norm(q - a @ x - x @ a.conj().T) <= 1.001e-10 * np.linalg.norm(q)


@pytest.mark.parametrize("scale_a", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("relative", [1e-7, 1.0, 1e7])
def test_scale_does_not_matter(scale_a, relative):
    x = tla.solve_continuous_lyapunov(scale_a * GOLDEN, scale_a * relative * np.eye(2), rng=0)
    assert_allclose(x, relative / 2 * STATIONARY, rtol=1e-9)


def test_zero_noise_and_zero_size():
    x, info = tla.solve_continuous_lyapunov(GOLDEN, np.zeros((2, 2)), return_info=True)
    assert_array_equal(x, np.zeros((2, 2)))
    assert info.success
    assert info.n_runs == 0
    assert_array_equal(tla.solve_continuous_lyapunov(GOLDEN, np.zeros((2, 2)), refine=False), np.zeros((2, 2)))
    assert tla.solve_continuous_lyapunov(np.zeros((0, 0)), np.zeros((0, 0))).shape == (0, 0)


def test_scalars_are_matrices_as_in_scipy():
    assert_allclose(tla.solve_continuous_lyapunov(2.0, 8.0), [[2.0]])
    assert_allclose(scipy.linalg.solve_continuous_lyapunov(2.0, 8.0), [[2.0]])


def test_precision_of_the_input_is_that_of_the_output():
    a, q = GOLDEN.astype(np.float32), np.eye(2, dtype=np.float32)
    x, info = tla.solve_continuous_lyapunov(a, q, rng=0, return_info=True)
    assert x.dtype == np.float32
    assert info.standard_error.dtype == np.float32
    assert_allclose(x, STATIONARY / 2, rtol=1e-5)
    assert tla.solve_continuous_lyapunov(a, q.astype(np.complex64)).dtype == np.complex64
    assert tla.solve_continuous_lyapunov(GOLDEN, q).dtype == np.float64
    assert tla.solve_continuous_lyapunov([[1, 5], [0, 2]], [[2, 0], [0, 2]]).dtype == np.float64


def test_leading_dimensions_are_batches():
    a = np.stack([stable(3, seed) for seed in range(4)]).reshape(2, 2, 3, 3)
    q = normal((2, 3, 3))
    x, infos = tla.solve_continuous_lyapunov(a, q, rng=0, return_info=True)
    assert x.shape == (2, 2, 3, 3)
    assert len(infos) == 4
    for index in np.ndindex(2, 2):
        expected = scipy.linalg.solve_continuous_lyapunov(a[index], q[index[1]])
        assert_allclose(x[index], expected, rtol=1e-7, atol=1e-8)


def test_torch_tensors_in_and_out():
    torch = pytest.importorskip("torch")
    a = torch.tensor(GOLDEN)
    x, info = tla.solve_continuous_lyapunov(a, 2 * torch.eye(2, dtype=torch.float64), return_info=True)
    assert x.dtype == info.standard_error.dtype == torch.float64
    assert_allclose(x.numpy(), STATIONARY, rtol=1e-9)
    with pytest.raises(TypeError, match="both be torch"):
        tla.solve_continuous_lyapunov(a, np.eye(2))


def test_inputs_stay_as_they_are():
    a, q = stable(4), normal((4, 4))
    copies = a.copy(), q.copy()
    a.flags.writeable = q.flags.writeable = False
    tla.solve_continuous_lyapunov(a, q)
    assert_array_equal(a, copies[0])
    assert_array_equal(q, copies[1])


def test_the_same_seed_gives_the_same_answer():
    first, second, other = (
        tla.solve_continuous_lyapunov(GOLDEN, np.eye(2), refine=False, rng=seed) for seed in (1, 1, 2)
    )
    assert_array_equal(first, second)
    assert np.any(first != other)


# -- ill-conditioned and badly scaled ---------------------------------------------------------------------------------


def triangular(d, condition, rng):
    """Far from normal: eigenvalues from 1 down to 1/condition under a random upper triangle."""
    return np.diag(np.geomspace(1, 1 / condition, d)) + np.triu(rng.standard_normal((d, d)), 1)


def real_form(x):
    return np.block([[x.real, -x.imag], [x.imag, x.real]])


def exact_error(x, a, q):
    """|x − X|, entry by entry."""
    if not any(np.iscomplexobj(each) for each in (x, a, q)):
        return abs(lyapunov_error_of(x, a, q))
    error, d = lyapunov_error_of(real_form(x), real_form(a + 0j), real_form(q + 0j)), len(a)
    return abs(error[:d, :d] + 1j * error[d:, :d])


HARD = {
    "symmetric": lambda rng: rotated(np.geomspace(10 ** -rng.uniform(3, 12), 1, 2), int(rng.integers(99))),
    "2 × 2, far from normal": lambda rng: triangular(2, 10 ** rng.uniform(3, 6), rng),
    "far from normal": lambda rng: triangular(4, 10 ** rng.uniform(3, 6), rng),
    "far from normal, other side": lambda rng: -triangular(3, 10 ** rng.uniform(3, 6), rng),
    "rotated": lambda rng: orthogonal(3, 1) @ triangular(3, 1e3, rng) @ orthogonal(3, 1).T,
    "rotated and softer": lambda rng: orthogonal(4, 2) @ triangular(4, 1e4, rng) @ orthogonal(4, 2).T,
    "soft at one end": lambda rng: np.array([[10 ** -rng.uniform(4, 5), 0.16], [0.0, 0.11]]),
    "defective": lambda rng: 10 ** rng.uniform(-1.5, 0) * np.eye(4) + np.eye(4, k=1),
    "companion": lambda rng: -scipy.linalg.companion(np.poly(-rng.uniform(0.1, 2, 5))),
    "graded rows": lambda rng: 10.0 ** rng.uniform(-6, 6, (4, 1)) * (np.eye(4) + 0.05 * rng.standard_normal((4, 4))),
    "complex": lambda rng: triangular(3, 1e4, rng) + 1j * np.triu(rng.standard_normal((3, 3))),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("noise", ["identity", "general", "complex"])
@pytest.mark.parametrize("name", HARD)
def test_ill_conditioned_equations_are_solved_as_well_as_by_scipy(name, noise):
    """Errors up to a hundred of SciPy's, and within three bars, whatever the units of the rows."""
    beyond, entries = 0, 0
    for seed in range(3):
        rng = np.random.default_rng(seed)
        a = HARD[name](rng)
        d = len(a)
        x, y = rng.standard_normal((2, d, d))
        q = {"identity": np.eye(d), "general": x, "complex": x + 1j * y}[noise]
        value, info = tla.solve_continuous_lyapunov(a, q, rng=rng, return_info=True)
        error = exact_error(value, a, q)
        theirs = exact_error(scipy.linalg.solve_continuous_lyapunov(a + 0 * q, q), a, q)
        assert info.success
        assert np.linalg.norm(error) <= 100 * np.linalg.norm(theirs) + 1e-15 * np.linalg.norm(value)
        beyond, entries = beyond + np.sum(error > 3 * info.standard_error), entries + d * d
    assert beyond <= 0.05 * entries


@pytest.mark.slow
def test_a_residual_that_becomes_zero_ends_well():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        a = rotated(np.array([1.0, 10 ** -rng.uniform(8, 12)]), seed)
        x, info = tla.solve_continuous_lyapunov(a, np.eye(2), rng=rng, return_info=True)
        assert info.success
        assert np.all(exact_error(x, a, np.eye(2)) <= 3 * info.standard_error)


@pytest.mark.parametrize("noise", noises(1))
def test_units_of_the_nodes_do_not_matter(noise):
    """Where x_i is counted in other units, from 2⁻⁴⁰ to 2⁴⁰, the same X comes out in them."""
    q, S = noises(4)[noise], np.ldexp(1.0, [40, -7, 0, -40])
    x = tla.solve_continuous_lyapunov(S[:, None] * stable(4) / S, S[:, None] * q * S, rng=0)
    assert_allclose(
        x / S[:, None] / S, scipy.linalg.solve_continuous_lyapunov(stable(4) + 0 * q, q), rtol=1e-8, atol=1e-12
    )


def test_balanced_units_do_not_change_the_raw_error():
    a, D = stable(3), np.diag([1e8, 1.0, 1e-7])
    graded = D @ a @ np.linalg.inv(D)
    plain, info = tla.solve_continuous_lyapunov(a, np.eye(3), refine=False, rng=0, return_info=True)
    x, other = tla.solve_continuous_lyapunov(graded, D @ D, refine=False, rng=0, return_info=True)
    assert_allclose(x, D @ plain @ D, rtol=0.2)
    assert_allclose(other.standard_error, D @ info.standard_error @ D, rtol=0.5)
    assert_allclose(other.residual_norm, np.linalg.norm(D @ D - graded @ x - x @ graded.T), rtol=1e-6)


def test_a_device_far_from_normal_keeps_its_digits_in_any_coordinates():
    u = orthogonal(6)
    M = u @ triangular(6, 1e3, np.random.default_rng(6)) @ u.T
    X = Doubling(M).covariance(np.eye(6))
    assert max(np.linalg.norm(decay, 2) for decay in Doubling(M).powers) > 1e3
    assert np.linalg.norm(np.eye(6) - M @ X - X @ M.T) <= 1e-14 * np.linalg.norm(M) * np.linalg.norm(X)


def test_small_nodes_of_an_indefinite_noise_count_beside_large_ones():
    """A soft Jordan block has a balanced q from 1e-59 to 1: a negative part of 1e-17 makes most of X."""
    a = np.diag([2.45e-11, 2.45e-11, 2.45e-11, 1.0]) + np.diag([0.12, -0.84, 1.05], 1)
    q = np.array([[0.6, 0.3, -0.2, -2.8], [1.0, 0.3, -1.5, 1.5], [0.9, 0.1, 0.0, 0.7], [1.0, 0.0, -1.1, 0.02]])
    x, info = tla.solve_continuous_lyapunov(a, q, refine=False, rng=0, return_info=True)
    assert np.all(exact_error(x, a, q) <= 5 * info.standard_error)


def test_a_residual_that_is_rounding_only_in_balanced_units_is_no_success():
    a = np.array([[2.0, -1e-2], [0.0, 9e-9]])
    q = np.outer([0.45, -1.0], [0.45, -1.0])
    for runs in (1, 2, 3):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            x, info = tla.solve_continuous_lyapunov(a, q, rng=3, maxiter=runs, return_info=True)
        backward = info.residual_norm / (2 * np.linalg.norm(a, 2) * np.linalg.norm(x) + np.linalg.norm(q))
        assert not info.success or backward < 1e-14


def test_an_equation_beyond_the_precision_is_refused_with_its_condition():
    a = np.diag(np.geomspace(1, 1e-3, 8)) + 3 * np.triu(normal((8, 8)), 1)
    u = orthogonal(8)
    with pytest.raises(tla.SingularError, match="the equation is singular to working precision"):
        tla.solve_continuous_lyapunov(u @ a @ u.T, np.eye(8))


def test_an_ill_conditioned_equation_comes_with_a_warning():
    a = rotated(np.array([1.0, 2e-14]))
    with pytest.warns(tla.ThermodynamicWarning, match="the equation is ill-conditioned"):
        x, info = tla.solve_continuous_lyapunov(a, np.eye(2), rng=0, return_info=True)
    assert info.condition > 1e13
    assert np.all(exact_error(x, a, np.eye(2)) <= 3 * info.standard_error)


# -- the raw device ---------------------------------------------------------------------------------------------------

RAW = {
    "positive definite": (GOLDEN, np.array([[2.0, 1.0], [1.0, 3.0]])),
    "indefinite": (GOLDEN, np.array([[2.0, 1.0], [1.0, -3.0]])),
    "general": (stable(3), normal((3, 3))),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", RAW)
def test_raw_error_bars_cover(case):
    """95 % intervals of single readings hold the truth in 93 to 97 % of 600 runs, entry by entry on average."""
    a, q = RAW[case]
    exact, rng = scipy.linalg.solve_continuous_lyapunov(a, q), np.random.default_rng(7)
    scores = np.stack([raw_score(a, q, exact, rng) for _ in range(600)])
    covered = np.abs(scores) < 1.96
    assert 0.93 <= covered.mean() <= 0.97
    assert np.all(np.abs(covered.mean(axis=0) - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 600))
    # A bar goes with its reading, which moves the mean of their ratio by the root of 2/1600.
    assert np.all(np.abs(scores.mean(axis=0)) < 4 / np.sqrt(600) + np.sqrt(2 / 1600))


def raw_score(a, q, exact, rng):
    x, info = tla.solve_continuous_lyapunov(a, q, refine=False, rtol=0.05, rng=rng, return_info=True)
    return (x - exact) / info.standard_error


@pytest.mark.slow
def test_raw_complex_error_bars_have_the_size_of_the_error():
    """For complex entries the error bar is the root of the variances of both parts together."""
    a, q = DRIFTS["complex"][:3, :3], noises(3)["complex"]
    exact, rng = scipy.linalg.solve_continuous_lyapunov(a, q), np.random.default_rng(3)
    squares = np.stack([np.abs(raw_score(a, q, exact, rng)) ** 2 for _ in range(500)])
    assert np.all(np.abs(squares.mean(axis=0) - 1) < 4 * squares.std(axis=0) / np.sqrt(500))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [name for name in HARD if name != "complex"])
@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")  # of conditions above 1e13
def test_raw_error_bars_hold_the_rounding_of_ill_conditioned_equations(name, dtype):
    rng = np.random.default_rng(8)
    for _ in range(3):
        a, q = HARD[name](rng).astype(dtype), rng.standard_normal((2, 2)).astype(dtype)
        q = np.resize(q, a.shape)
        try:
            x, info = tla.solve_continuous_lyapunov(a, q, refine=False, rtol=1e-7, rng=rng, return_info=True)
        except np.linalg.LinAlgError:
            assert dtype == np.float32  # rounded to which it has eigenvalues on both sides
            continue
        error = exact_error(x.astype(float), a.astype(float), q.astype(float))
        assert np.all(error <= 5 * info.standard_error)
        assert info.rounding.dtype == dtype
        assert np.all(info.rounding >= 0.99 * np.finfo(dtype).eps * abs(x))
        if info.condition < 1e6 and dtype == np.float64:
            assert np.linalg.norm(info.rounding) < 1e-7 * np.linalg.norm(x)


def test_a_device_that_does_not_tell_its_errors_has_a_bar_of_noise_only():
    x, info = tla.solve_continuous_lyapunov(GOLDEN, np.eye(2), refine=False, device=Untold(), rng=0, return_info=True)
    assert info.systematic is None
    assert "the error bar holds noise only" in info.message
    assert_allclose(x, STATIONARY / 2, rtol=0.1)


class Untold:
    """A general device that says nothing of its imperfections."""

    def program(self, operator, *, rng=None):
        program = tla.GeneralDevice().program(operator, rng=rng)
        program.ideal = False
        return program


@pytest.mark.slow
def test_raw_errors_fall_with_the_root_of_the_readings():
    rng = np.random.default_rng(5)
    counts = np.array([100, 1_000, 10_000, 100_000])
    errors = []
    for n in counts:
        schedule = tla.Schedule(burn_in=300.0, readings=int(n), spacing=300.0)
        draws = [
            tla.solve_continuous_lyapunov(GOLDEN, 2 * np.eye(2), refine=False, schedule=schedule, rng=rng)
            for _ in range(100)
        ]
        errors.append(np.sqrt(np.mean((np.stack(draws) - STATIONARY) ** 2)))
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(slope + 0.5) < 0.05


def test_raw_default_keeps_its_promise():
    rng = np.random.default_rng(2)
    a, q = stable(10), noises(10)["positive definite"]
    exact = scipy.linalg.solve_continuous_lyapunov(a, q)
    errors = [np.linalg.norm(tla.solve_continuous_lyapunov(a, q, refine=False, rng=rng) - exact) for _ in range(20)]
    assert np.sqrt(np.mean(np.square(errors))) <= 1e-2 * np.linalg.norm(exact)


@pytest.mark.slow
def test_the_draw_is_the_covariance_of_a_trajectory():
    """The Wishart draw and the trajectory of the same device agree in mean and spread."""
    device, rng = tla.GeneralDevice(temperature=0.5), np.random.default_rng(0)
    program = device.program(Dense(GOLDEN, symmetric=False))
    schedule = program.independent_readings(40)
    drawn, walked = [], []
    for _ in range(400):
        drawn.append(noise_covariance(program, program.norm * np.eye(2), schedule, rng=rng))
        path = program.readings(np.zeros(2), schedule, rng=rng).value
        walked.append(path.T @ path / len(path))
    drawn, walked = np.stack(drawn), np.stack(walked)
    spread = np.sqrt((drawn.var(axis=0) + walked.var(axis=0)) / 400)
    assert np.all(np.abs(drawn.mean(axis=0) - walked.mean(axis=0)) < 4 * spread)
    assert_allclose(drawn.std(axis=0), walked.std(axis=0), rtol=0.2)


# -- what is reported, and what is refused ----------------------------------------------------------------------------


def test_more_readings_where_the_residual_does_not_contract():
    easy, hard = (
        tla.solve_continuous_lyapunov(rotated(np.array([low, 1.0, 1.0])), np.eye(3), rng=0, return_info=True)[1]
        for low in (0.5, 1e-5)
    )
    assert hard.success
    assert hard.n_runs < 15
    assert hard.schedule.readings > 100 * easy.schedule.readings


def test_the_report():
    x, info = tla.solve_continuous_lyapunov(stable(4), normal((4, 4)), rng=0, return_info=True)
    assert info.device_time > 0
    assert info.ledger.runs >= info.n_runs
    assert info.standard_error.shape == x.shape
    assert info.schedule.bound == "independent readings"
    exact = scipy.linalg.solve_continuous_lyapunov(stable(4), normal((4, 4)))
    assert np.linalg.norm(x - exact) < 10 * np.linalg.norm(info.standard_error)


def test_it_says_where_double_precision_ends():
    a = rotated(np.logspace(-9, 0, 8))  # ‖X‖ = 1e9
    x, info = tla.solve_continuous_lyapunov(a, np.eye(8), rng=0, return_info=True)
    assert info.success
    assert info.backward_error < 1e-15 < 1e-10 < info.residual_norm
    assert "as good as this precision allows" in info.message
    assert_allclose(a @ x @ np.linalg.inv(x) + a, 2 * a, atol=1e-6)


def test_it_says_when_the_runs_end():
    with pytest.warns(tla.ThermodynamicWarning, match="larger maxiter="):
        _, info = tla.solve_continuous_lyapunov(stable(5), np.eye(5), rng=0, maxiter=1, return_info=True)
    assert not info.success
    assert info.n_runs == 1


@pytest.mark.parametrize(
    "a", [np.diag([1.0, -1.0]), np.diag([1.0, 0.0]), np.array([[0.0, 1.0], [-1.0, 0.0]]), np.zeros((2, 2))]
)
@pytest.mark.parametrize("refine", [True, False])
def test_eigenvalues_on_both_sides_are_refused_with_the_evidence(a, refine):
    low = np.linalg.eigvals(a).real.min()
    with pytest.raises(np.linalg.LinAlgError, match=f"range from {low:.6g}"):
        tla.solve_continuous_lyapunov(a, np.eye(2), refine=refine)


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([[1.0, np.nan], [0.0, 1.0]], np.eye(2)), ValueError, "a contains NaN"),
        ((np.eye(2), [[1.0, np.inf], [0.0, 1.0]]), ValueError, "q contains NaN"),
        ((np.ones((2, 3)), np.eye(2)), ValueError, "a must be square"),
        ((np.eye(2), np.ones((2, 3))), ValueError, "q must be square"),
        ((np.eye(2), np.eye(3)), ValueError, "same shape"),
        ((np.ones(2), np.eye(2)), ValueError, "a must be square"),
        ((np.array([["a"]]), np.eye(1)), TypeError, "a has dtype"),
        ((np.ma.masked_array(np.eye(2)), np.eye(2)), TypeError, "masked"),
        ((np.asmatrix(np.eye(2)), np.eye(2)), TypeError, "np.matrix"),
        ((scipy.sparse.eye_array(2), np.eye(2)), TypeError, "sparse"),
    ],
)
def test_bad_matrices(arguments, error, match):
    with pytest.raises(error, match=match):
        tla.solve_continuous_lyapunov(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"rtol": -1.0}, ValueError, "rtol"),
        ({"atol": -1.0}, ValueError, "atol"),
        ({"atol": np.nan}, ValueError, "atol"),
        ({"maxiter": 0}, ValueError, "maxiter"),
        ({"rng": "seed"}, TypeError, "rng"),
        ({"device": tla.LangevinDevice()}, TypeError, "GeneralDevice"),
        ({"schedule": tla.Schedule(burn_in=1.0, readings=10, spacing=1.0)}, ValueError, "independent readings"),
        ({"schedule": tla.Schedule(burn_in=1e3, duration=1e3)}, ValueError, "independent readings"),
    ],
)
@pytest.mark.parametrize("refine", [True, False])
def test_bad_options(options, error, match, refine):
    with pytest.raises(error, match=match):
        tla.solve_continuous_lyapunov(GOLDEN, np.eye(2), refine=refine, **options)


def test_overflow_is_an_error():
    with pytest.raises(OverflowError, match="leaves the range"):
        tla.solve_continuous_lyapunov(1e-300 * np.eye(2), 1e300 * np.eye(2))
