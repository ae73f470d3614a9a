from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from thermolinalg.laws import Overdamped, Underdamped
from thermolinalg.simulation import LinearProcess, LinearSDE, Transition, transition

GOLDEN = np.array([[1.0, 5.0], [0.0, 2.0]])
UNDERDAMPED = np.array([[0.0, -1.0], [4.0, 0.5]])
KICKED = np.diag([0.0, 1.0])  # noise on the velocity only
PROCESSES = {
    "non-normal": LinearProcess(GOLDEN, 2 * np.eye(2), [1.0, -2.0]),
    "underdamped": LinearProcess(UNDERDAMPED, KICKED, [0.0, 3.0]),
    "singular drift": LinearProcess(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.eye(2), [1.0, 0.5]),
}
START = np.array([2.0, -1.0])

entries = st.floats(-3, 3, width=32)


@st.composite
def drifts_and_noises(draw):
    d = draw(st.integers(1, 4))
    b = draw(arrays(float, (d, draw(st.integers(1, d))), elements=entries))
    return draw(arrays(float, (d, d), elements=entries)), b @ b.T


@given(drifts_and_noises(), st.floats(1e-6, 3), st.floats(1e-6, 3))
def test_semigroup(problem, s, t):
    """Two steps in a row are the long step, to rounding of the terms that are summed."""
    M, D = problem
    first, second, whole = (transition(M, D, time) for time in (s, t, s + t))
    both = first.then(second)
    rounding = 1e-14 * (1 + np.linalg.norm(M) * (s + t))
    memory, covariance, response = (np.linalg.norm(x) for x in (second.decay, first.covariance, first.response))
    assert_allclose(both.decay, whole.decay, rtol=0, atol=rounding * memory * np.linalg.norm(first.decay))
    scale = memory**2 * covariance + np.linalg.norm(second.covariance)
    assert_allclose(both.covariance, whole.covariance, rtol=0, atol=rounding * scale)
    scale = memory * response + np.linalg.norm(second.response)
    assert_allclose(both.response, whole.response, rtol=0, atol=rounding * scale)


@given(drifts_and_noises(), st.just(0.0) | st.floats(1e-10, 3))
def test_covariance_is_positive_semidefinite_and_root_is_its_root(problem, t):
    law = transition(*problem, t)
    assert_array_equal(law.covariance, law.covariance.T)
    size = np.abs(law.covariance).max()
    assert np.linalg.eigvalsh(law.covariance)[0] >= -1e-14 * size
    assert_allclose(law.root @ law.root.T, law.covariance, rtol=0, atol=1e-14 * size)


@given(drifts_and_noises(), st.floats(0.1, 3))
def test_stationary_law_solves_lyapunov(problem, gap):
    M, D = problem
    one = np.eye(len(M))
    M = M + (gap - np.linalg.eigvals(M).real.min()) * one
    mean, covariance = LinearProcess(M, D, one[0]).stationary()
    size = np.linalg.norm(M)
    rounding = 1e-13 * size**2 / gap
    assert_allclose(M @ covariance + covariance @ M.T, D, rtol=0, atol=rounding * np.abs(covariance).max())
    assert_allclose(M @ mean, one[0], rtol=0, atol=rounding * np.abs(mean).max())


@pytest.mark.parametrize("t", [0.0, 0.4, 7.0])
@pytest.mark.parametrize("case", PROCESSES)
def test_decay_is_the_exponential_and_response_its_integral(case, t):
    process = PROCESSES[case]
    law = process.transition(t)
    decay = scipy.linalg.expm(-process.M * t)
    assert_allclose(law.decay, decay, rtol=0, atol=1e-13 * max(1, np.abs(decay).max()))
    assert_allclose(process.M @ law.response, np.eye(2) - law.decay, rtol=0, atol=1e-13)


def test_a_badly_scaled_root_keeps_every_digit():
    """After a short time a position of an underdamped device has noise 1e-15, a velocity 1e-5."""
    chain = 2 * np.eye(3) - np.eye(3, k=1) - np.eye(3, k=-1)
    law = LinearSDE.underdamped(chain, np.zeros(3)).exact().transition(1e-10)
    deviation = np.sqrt(np.diag(law.covariance))
    error = law.root @ law.root.T - law.covariance
    assert_allclose(error / np.outer(deviation, deviation), 0, atol=1e-14)


def test_nothing_moves_in_no_time_and_without_noise():
    process = LinearProcess(GOLDEN, np.zeros((2, 2)), [1.0, 1.0])
    assert_array_equal(process.sample_state(START, 0.0), START)
    expected = transition(GOLDEN, np.zeros((2, 2)), 2.0).mean(START, [1.0, 1.0])
    assert_array_equal(process.sample_state(START, 2.0), expected)


@pytest.mark.parametrize("case", PROCESSES)
def test_states_follow_the_law(case, assert_moments):
    process = PROCESSES[case]
    law = process.transition(0.7)
    draws = process.sample_state(START, 0.7, rng=1, size=20_000)
    assert_moments(draws, law.mean(START, process.c), law.covariance)


def test_stationary_draws_follow_the_law(assert_moments):
    process = PROCESSES["non-normal"]
    assert_moments(process.sample_stationary(rng=2, size=20_000), *process.stationary())


def test_paths_follow_the_joint_law_of_their_readings(assert_moments):
    process = PROCESSES["non-normal"]
    replicas = np.broadcast_to(START[:, None], (2, 20_000))
    states = process.path(replicas, [0.3, 0.3, 1.0], rng=3)
    assert_array_equal(states[0], states[1])  # no time, no change
    early, gap = process.transition(0.3), process.transition(0.7)
    late = early.then(gap)
    cross = gap.decay @ early.covariance
    assert_moments(
        np.concatenate([states[0], states[2]]).T,
        np.concatenate([early.mean(START, process.c), late.mean(START, process.c)]),
        np.block([[early.covariance, cross.T], [cross, late.covariance]]),
    )


def test_equal_spacings_share_one_transition(monkeypatch):
    asked = []
    honest = LinearProcess.transition
    monkeypatch.setattr(LinearProcess, "transition", lambda self, t: asked.append(t) or honest(self, t))
    states = PROCESSES["non-normal"].path(START, np.linspace(0.1, 5.0, 50), rng=0)
    assert states.shape == (50, 2)
    assert len(asked) == 1
    PROCESSES["non-normal"].path(START, [1.0, 2.0, 2.5, 3.0], rng=0)
    assert asked[1:] == [1.0, 0.5]


@pytest.mark.parametrize("case", ["non-normal", "underdamped"])
def test_autocovariance(case):
    process = PROCESSES[case]
    _, covariance = process.stationary()
    assert_allclose(process.autocovariance(0.0), covariance, rtol=1e-13, atol=1e-15)
    assert_allclose(process.autocovariance(0.6), scipy.linalg.expm(-0.6 * process.M) @ covariance, rtol=1e-12)
    assert_array_equal(process.autocovariance(-0.6), process.autocovariance(0.6).T)


def composed_window(process, burn_in, spacing, readings):
    """Mean response and covariance of (last state, average) from the joint law of every single reading."""
    times = burn_in + spacing * np.arange(readings)
    laws = [process.transition(t) for t in times]
    blocks = np.zeros((readings, readings, 2, 2))
    for i, law in enumerate(laws):
        for j in range(i, readings):
            blocks[j, i] = process.transition(times[j] - times[i]).decay @ law.covariance
            blocks[i, j] = blocks[j, i].T
    average = blocks.mean(axis=(0, 1))
    cross = blocks[-1].mean(axis=0)
    covariance = np.block([[blocks[-1, -1], cross], [cross.T, average]])
    decay = np.vstack([laws[-1].decay, np.mean([law.decay for law in laws], axis=0)])
    return decay, covariance, np.vstack([laws[-1].response, np.mean([law.response for law in laws], axis=0)])


@pytest.mark.parametrize("readings", [1, 2, 7, 16])
@pytest.mark.parametrize("burn_in", [0.0, 0.9])
@pytest.mark.parametrize("case", PROCESSES)
def test_window_of_readings_against_composition(case, burn_in, readings):
    law = PROCESSES[case].window_law(burn_in, 0.25 * readings, readings)
    decay, covariance, response = composed_window(PROCESSES[case], burn_in, 0.25, readings)
    assert_allclose(law.decay, decay, rtol=0, atol=1e-13)
    assert_allclose(law.covariance, covariance, rtol=0, atol=1e-13 * max(1, np.abs(covariance).max()))
    assert_allclose(law.response, response, rtol=1e-12, atol=1e-13)


def quadrature_window(process, burn_in, duration):
    """The continuous counterpart, by Gauss–Legendre quadrature: smooth integrands, so 40 nodes are exact."""
    nodes, weights = np.polynomial.legendre.leggauss(40)
    ages, weights = duration * (nodes + 1) / 2, weights / 2
    laws = [process.transition(burn_in + age) for age in ages]
    ahead = [process.transition(duration - age) for age in ages]
    end = process.transition(burn_in + duration)
    # Cov(x_s, x_u) = e^{−M(s−u)} Q(u) for s ≥ u, so each u leaves R(T_w − u) Q(u) over the later s.
    half = sum(w * a.response @ law.covariance for w, a, law in zip(weights, ahead, laws, strict=True)) / duration
    cross = sum(w * a.decay @ law.covariance for w, a, law in zip(weights, ahead, laws, strict=True))
    decay, response = (
        np.vstack([getattr(end, name), sum(w * getattr(law, name) for w, law in zip(weights, laws, strict=True))])
        for name in ("decay", "response")
    )
    return decay, np.block([[end.covariance, cross], [cross.T, half + half.T]]), response


@pytest.mark.parametrize("duration", [0.01, 3.0])
@pytest.mark.parametrize("burn_in", [0.0, 0.9])
@pytest.mark.parametrize("case", PROCESSES)
def test_continuous_window_against_quadrature(case, burn_in, duration):
    law = PROCESSES[case].window_law(burn_in, duration)
    decay, covariance, response = quadrature_window(PROCESSES[case], burn_in, duration)
    assert_allclose(law.decay, decay, rtol=0, atol=1e-13)
    assert_allclose(law.covariance, covariance, rtol=0, atol=1e-13 * max(1, np.abs(covariance).max()))
    assert_allclose(law.response, response, rtol=1e-12, atol=1e-13)


def test_many_readings_are_a_continuous_window():
    process = PROCESSES["underdamped"]
    limit, fine = process.window_law(1.0, 2.0), process.window_law(1.0, 2.0, 2**20)
    assert_allclose(fine.covariance, limit.covariance, rtol=1e-4, atol=1e-6)
    assert_allclose(fine.decay, limit.decay, rtol=1e-4, atol=1e-5)


LAM = np.array([0.2, 1.0, 5.0])


def moments_of(law):
    """Decay and response of every output of a scalar law at LAM, and the covariances of the outputs."""
    deterministic = sum(not name.startswith("z") for name in law.inputs)
    rows = [[np.zeros(3) if x is None else x for x in row] for row in law.functions(LAM)]
    weights = np.array(rows)  # [output, input, mode]
    noise = weights[:, deterministic:]
    return weights[:, :deterministic], np.einsum("aim,bim->abm", noise, noise)


@pytest.mark.parametrize("readings", [None, 1, 12])
@pytest.mark.parametrize("burn_in", [0.0, 0.4])
def test_windows_are_those_of_the_overdamped_law(burn_in, readings):
    """A one-dimensional drift must give, mode by mode, what the scalar functions give."""
    inputs, covariances = moments_of(Overdamped(temperature=0.7).window(burn_in, 3.0, readings))
    for mode, lam in enumerate(LAM):
        law = LinearProcess([[lam]], [[1.4]]).window_law(burn_in, 3.0, readings)
        state, average = 0, 1
        order = [average, state]
        assert_allclose(np.hstack([law.decay, law.response])[order], inputs[:, :, mode], rtol=1e-12)
        assert_allclose(law.covariance[np.ix_(order, order)], covariances[:, :, mode], rtol=1e-12)


@pytest.mark.parametrize("readings", [None, 1, 12])
@pytest.mark.parametrize("burn_in", [0.0, 0.4])
def test_windows_are_those_of_the_underdamped_law(burn_in, readings):
    device = Underdamped(temperature=0.7, mass=0.5, friction=1.3)
    inputs, covariances = moments_of(device.window(burn_in, 3.0, readings))
    for mode, lam in enumerate(LAM):
        process = LinearSDE.underdamped([[lam]], [0.0], mass=0.5, friction=1.3, temperature=0.7).exact()
        law = process.window_law(burn_in, 3.0, readings)
        position, velocity, average = 0, 1, 2
        order = [average, position, velocity]
        load = law.response[:, 1:] / 0.5  # the load b accelerates by b/m
        assert_allclose(np.hstack([law.decay, load])[order], inputs[:, :, mode], rtol=1e-10, atol=1e-13)
        assert_allclose(law.covariance[np.ix_(order, order)], covariances[:, :, mode], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("readings", [None, 5])
def test_windows_follow_the_law(readings, assert_moments):
    process = PROCESSES["non-normal"]
    law = process.window_law(0.2, 1.5, readings)
    average, state = process.window(START, burn_in=0.2, duration=1.5, readings=readings, rng=4, size=20_000)
    assert_moments(np.hstack([state, average]), law.mean(START, process.c), law.covariance)


def test_one_reading_is_state_and_average():
    average, state = PROCESSES["non-normal"].window(START, burn_in=1.0, duration=1.0, readings=1, rng=0)
    assert_allclose(average, state, rtol=1e-7)


def test_shapes():
    process = LinearProcess(GOLDEN, np.eye(2))
    loaded = LinearProcess(GOLDEN, np.eye(2), np.ones((2, 3)))
    many = np.ones((2, 3))
    assert process.sample_state(START, 1.0).shape == (2,)
    assert process.sample_state(many, 1.0, size=(4, 5)).shape == (4, 5, 2, 3)
    assert loaded.sample_state(START, 1.0, size=7).shape == (7, 2, 3)
    assert loaded.sample_stationary(size=7).shape == (7, 2, 3)
    assert loaded.path(START, [1.0, 2.0]).shape == (2, 2, 3)
    for x0, shape in ((START, (6, 2)), (many, (6, 2, 3))):
        average, state = process.window(x0, burn_in=0.0, duration=1.0, size=6)
        assert average.shape == state.shape == shape
    assert loaded.window(START, burn_in=0.0, duration=1.0)[0].shape == (2, 3)
    assert loaded.stationary()[0].shape == (2, 3)


def test_each_load_has_its_own_mean():
    loads = np.array([[1.0, 0.0], [0.0, 1.0]])
    law = transition(GOLDEN, np.eye(2), 1.5)
    means = law.mean(START, loads)
    for j in range(2):
        assert_allclose(means[:, j], law.mean(START, loads[:, j]), rtol=1e-15)


def test_same_seed_same_draws():
    process = PROCESSES["non-normal"]
    first, second = (process.path(START, [1.0, 2.0], rng=7) for _ in range(2))
    assert_array_equal(first, second)
    assert not np.array_equal(process.sample_state(START, 1.0), process.sample_state(START, 1.0))


def test_inputs_are_not_overwritten():
    M, D, c, x0 = GOLDEN.copy(), 2 * np.eye(2), np.ones(2), START.copy()
    process = LinearProcess(M, D, c)
    process.window(x0, burn_in=1.0, duration=1.0, readings=3)
    process.path(x0, [1.0, 2.0])
    for value, expected in ((M, GOLDEN), (D, 2 * np.eye(2)), (c, np.ones(2)), (x0, START)):
        assert_array_equal(value, expected)


@pytest.mark.parametrize(
    "M", [-np.eye(2), np.zeros((2, 2)), np.array([[1.0, -1.0], [-1.0, 1.0]]), [[0.0, -1.0], [1.0, 0.0]]]
)
def test_no_stationary_law(M):
    with pytest.raises(np.linalg.LinAlgError, match=r"eigenvalue .* positive real part"):
        LinearProcess(M, np.eye(2)).stationary()


def test_unstable_device_overflows_in_words():
    unstable = LinearProcess(-np.eye(2), np.eye(2))
    assert np.isfinite(unstable.sample_state(START, 100.0)).all()
    for run in (
        lambda: unstable.transition(1e4),
        lambda: unstable.window_law(1e4, 1.0),
        lambda: unstable.path(START, [1e6]),
    ):
        with pytest.raises(OverflowError, match="unstable"):
            run()


@pytest.mark.parametrize("scale", [1e-300, 1e-150, 1e150])
def test_extreme_time_scales(scale):
    """Only Mt and Dt matter: a device a googol times faster is the same device."""
    law, plain = transition(GOLDEN * scale, np.eye(2) * scale, 1 / scale), transition(GOLDEN, np.eye(2), 1.0)
    assert_allclose(law.covariance, plain.covariance, rtol=1e-13)
    assert_allclose(law.decay, plain.decay, rtol=1e-13)


@pytest.mark.parametrize(
    ("M", "D", "c", "error", "message"),
    [
        (GOLDEN + 1j, np.eye(2), None, TypeError, "M is complex.*real embedding"),
        (GOLDEN, 1j * np.eye(2), None, TypeError, "D is complex.*real embedding"),
        (GOLDEN.astype(object), np.eye(2), None, TypeError, "M must be an array of real numbers"),
        (np.ones((2, 3)), np.eye(2), None, ValueError, "M must be a square matrix"),
        (np.ones(2), np.eye(2), None, ValueError, "M must be a square matrix"),
        (np.ones((0, 0)), np.eye(2), None, ValueError, "M must be a square matrix"),
        (GOLDEN * np.nan, np.eye(2), None, ValueError, "M must be finite"),
        (GOLDEN, np.diag([1.0, np.inf]), None, ValueError, "D must be finite"),
        (GOLDEN, np.diag([1.0, -1.0]), None, ValueError, "smallest eigenvalue is -1"),
        (GOLDEN, GOLDEN, None, ValueError, "D must be symmetric"),
        (GOLDEN, np.ones(2), None, ValueError, "D must be a square matrix"),
        (GOLDEN, np.eye(3), None, ValueError, "shapes"),
        (GOLDEN, np.eye(2), np.ones(3), ValueError, "shapes"),
        (GOLDEN, np.eye(2), [1.0, np.nan], ValueError, "c must be finite"),
    ],
)
def test_bad_process(M, D, c, error, message):
    with pytest.raises(error, match=message):
        LinearProcess(M, D, c)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.transition(-1.0), "t must be a finite time"),
        (lambda p: p.transition(np.nan), "t must be a finite time"),
        (lambda p: p.sample_state(np.ones(3), 1.0), r"x0 must have shape \(2,\)"),
        (lambda p: p.sample_state(1.0, 1.0), r"x0 must have shape \(2,\)"),
        (lambda p: p.path(START, [2.0, 1.0]), "times must be a sorted list"),
        (lambda p: p.path(START, []), "times must be a sorted list"),
        (lambda p: p.path(START, [-1.0]), "times must be a sorted list"),
        (lambda p: p.window_law(-1.0, 1.0), "burn_in must be a finite time"),
        (lambda p: p.window_law(0.0, 0.0), "duration > 0"),
        (lambda p: p.window_law(0.0, 1.0, 0), "readings ≥ 1"),
    ],
)
def test_bad_call(call, message):
    with pytest.raises(ValueError, match=message):
        call(PROCESSES["non-normal"])


def test_transition_is_a_value():
    law = transition(GOLDEN, np.eye(2), 1.0)
    assert isinstance(law, Transition)
    with pytest.raises(AttributeError):
        law.decay = np.eye(2)
