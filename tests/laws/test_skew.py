"""The law of the skew device against closed forms to 60 digits, and against a general linear process."""

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.laws import EQUILIBRIUM_TIMES, Skew, SkewPolynomial, forgotten
from thermolinalg.simulation import LinearProcess

DIGITS = 60
J = np.array([[0.0, 1.0], [-1.0, 0.0]])
rates = st.floats(-7, 2).map(lambda e: 10.0**e)
frequencies = st.just(0.0) | st.floats(-7, 3).map(lambda e: 10.0**e)
times = st.floats(-4, 3).map(lambda e: 10.0**e)


def numbers(law, sigma):
    """The law's functions at one singular value, as a table of complex numbers."""
    with np.errstate(all="raise", under="ignore"):
        rows = law.functions(np.array([sigma]))
    return np.array([[0j if f is None else complex(f[0]) for f in row] for row in rows])


def moments(law, sigma):
    """Weights of x0 and b, and the covariance E[output_i conj(output_j)]."""
    table = numbers(law, sigma)
    noise = table[:, 2:]
    return table[:, :2], noise @ noise.conj().T


def as_matrix(f):
    """The real form of a complex number, f = Re f I + Im f J."""
    return np.real(f) * np.eye(2) + np.imag(f) * J


def blocks(table):
    return np.block([[as_matrix(f) for f in row] for row in table])


def exact_window(alpha, sigma, temperature, t0, duration):
    """The continuous window in closed form: weights, variance of the average, covariance, variance of the state."""
    alpha, sigma, temperature, t0, w = map(mpmath.mpf, (alpha, sigma, temperature, t0, duration))
    mu = mpmath.mpc(alpha, sigma)
    z, s2 = mu * w, temperature / alpha
    phi = -mpmath.expm1(-z) / z
    begun, end = mpmath.exp(-mu * t0) * phi, mpmath.exp(-mu * (t0 + w))
    weights = [[begun, (1 - begun) / mu], [end, (1 - end) / mu]]
    # A cold start is a stationary one less the memory of its random first state.
    average = s2 * (mpmath.re(2 * (z - 1 + mpmath.exp(-z)) / z**2) - abs(begun) ** 2)
    shared = s2 * (mpmath.conj(phi) - begun * mpmath.conj(end))
    return weights, average, shared, s2 * (1 - abs(end) ** 2)


def exact_readings(alpha, sigma, temperature, instants):
    alpha, sigma, temperature = map(mpmath.mpf, (alpha, sigma, temperature))
    mu, n, last = mpmath.mpc(alpha, sigma), len(instants), instants[-1]

    def covariance(s, t):
        """E[w(s) conj(w(t))]."""
        turn = mpmath.exp(-(mu if s > t else mpmath.conj(mu)) * abs(t - s))
        return temperature / alpha * turn * -mpmath.expm1(-2 * alpha * min(s, t))

    average_decay = sum(mpmath.exp(-mu * t) for t in instants) / n
    end = mpmath.exp(-mu * last)
    weights = [[average_decay, (1 - average_decay) / mu], [end, (1 - end) / mu]]
    average = mpmath.re(sum(covariance(s, t) for s in instants for t in instants)) / n**2
    shared = sum(covariance(t, last) for t in instants) / n
    return weights, average, shared, mpmath.re(covariance(last, last))


def assert_law(window, alone, sigma, exact, rtol):
    weights, average, shared, last = exact
    weights = np.array([[complex(f) for f in row] for row in weights])
    # Where averages of a turning phase cancel, they do so beside what they are averages of.
    scale = np.maximum(np.abs(weights), [[float(abs(weights[1, 0])), 0.0], [0.0, 0.0]])
    found, covariance = moments(window, sigma)
    assert np.all(np.abs(found - weights) <= rtol * scale + 1e-300)
    size = np.sqrt(float(average) * float(last))
    assert_allclose(covariance[0, 0], float(average), rtol=rtol)
    assert_allclose(covariance[1, 1], float(last), rtol=rtol)
    assert abs(covariance[0, 1] - complex(shared)) <= rtol * size
    assert_allclose(covariance[0, 1], covariance[1, 0].conjugate())
    # What the last state does not explain, however little it is.
    own = float(average - abs(shared) ** 2 / last) if last else 0.0
    assert_allclose(numbers(window, sigma)[0, 3] ** 2, own, rtol=10 * rtol, atol=10 * rtol * float(last))
    found, covariance = moments(alone, sigma)
    assert np.all(np.abs(found[0] - weights[0]) <= rtol * scale[0] + 1e-300)
    assert_allclose(covariance[0, 0], float(average), rtol=rtol)


@given(rates, frequencies, st.just(0.0) | times, times, st.floats(0.01, 10))
def test_continuous_average(alpha, sigma, t0, duration, temperature):
    assume(alpha * (t0 + duration) < 300)
    rtol = 1e-13 * (1 + (alpha + sigma) * (t0 + duration))
    assume(rtol < 1e-9)
    with mpmath.workdps(DIGITS):
        law = Skew(alpha, temperature)
        exact = exact_window(alpha, sigma, temperature, t0, duration)
        assert_law(law.window(t0, duration), law.average(t0, duration), sigma, exact, rtol)


@given(rates, frequencies, st.just(0.0) | times, times, st.integers(1, 9))
def test_readings(alpha, sigma, t0, spacing, n):
    assume(alpha * (t0 + n * spacing) < 300)
    rtol = 3e-13 * (1 + (alpha + sigma) * (t0 + n * spacing))
    assume(rtol < 1e-9)
    with mpmath.workdps(DIGITS):
        instants = [mpmath.mpf(t0) + k * mpmath.mpf(n * spacing) / n for k in range(n)]
        assume(instants[-1] > 0)
        law, window = Skew(alpha, 0.7), (t0, n * spacing, n)
        weights, average, shared, last = exact_readings(alpha, sigma, 0.7, instants)
        assume(float(average) > 1e-3 * float(last))  # else phases cancel, and rounding of the phases is what is left
        assert_law(law.window(*window), law.average(*window), sigma, (weights, average, shared, last), 1e2 * rtol)


@pytest.mark.parametrize("readings", [None, 1, 2, 37])
@pytest.mark.parametrize(("sigma", "t0", "duration"), [(0.0, 0.5, 3.0), (3.0, 0.0, 0.7), (0.9, 20.0, 40.0), (50, 1, 2)])
def test_a_pair_is_a_linear_process(sigma, t0, duration, readings):
    """M = αI + σJ: weights and joint covariance are those of a general process, not only their complex numbers."""
    alpha, temperature = 0.4, 1.3
    process = LinearProcess(alpha * np.eye(2) + sigma * J, 2 * temperature * np.eye(2))
    expected = process.window_law(t0, duration, readings)
    table = numbers(Skew(alpha, temperature).window(t0, duration, readings), sigma)[::-1]
    assert_allclose(blocks(table[:, :1]), expected.decay, atol=1e-13)
    assert_allclose(blocks(table[:, 1:2]), expected.response, atol=1e-13)
    noise = blocks(table[:, 2:])
    assert_allclose(noise @ noise.T, expected.covariance, atol=1e-13)


def test_golden_window_variances():
    """σ = 0 is the overdamped average, an undamped pair averages its turns away, a long window has 2T/(T_w|μ|²)."""
    assert_allclose(Skew(1.0, 1.0).window_variance(np.array([0.0]), 1.0), [2 / np.e], rtol=1e-14)
    # z = 1 + iπ/2: 2 Re[(z − 1 + e^{−z})/z²] with e^{−z} = −i/e.
    z = 1 + 0.5j * np.pi
    expected = 2 * ((z - 1 - 1j / np.e) / z**2).real
    assert_allclose(Skew(1.0, 1.0).window_variance(np.array([np.pi / 2]), 1.0), [expected], rtol=1e-14)
    assert_allclose(Skew(0.5, 2.0).window_variance(np.array([3.0]), 1e9), [4e-9 / 9.25], rtol=1e-8)
    # A whole turn without damping leaves nothing of the state, only of the noise that came in: ∫|1 − e^{iφ}|² = 2.
    free = moments(Skew(1e-12, 1.0).average(0.0, 1.0), 2 * np.pi)[1]
    assert_allclose(free[0, 0], 2 * 2 / (2 * np.pi) ** 2, rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.3, 1e-9])
def test_unseen_turns(alpha):
    """Readings a whole turn apart see a pair that seems not to turn at all."""
    spacing, n = 0.25, 1000
    law = Skew(alpha, 1.0).window(1.0, n * spacing, n)
    still, turning = (moments(law, sigma) for sigma in (0.0, 2 * np.pi / spacing))
    assert_allclose(turning[1], still[1], rtol=1e-9)
    assert_allclose(abs(turning[0][:, 0]), abs(still[0][:, 0]), rtol=1e-9)


@pytest.mark.parametrize("sigma", [0.0, 1e-6, 0.3, 20.0])
def test_many_readings_are_the_continuous_average(sigma):
    law, n = Skew(0.01, 2.0), 10**7
    continuous, discrete = (moments(law.window(0.1, 2.0, readings), sigma) for readings in (None, n))
    for one, other in zip(continuous, discrete, strict=True):
        assert_allclose(other, one, rtol=1e-4, atol=1e-9)


@given(rates, frequencies, times, times)
def test_two_steps_are_the_long_step(alpha, sigma, s, t):
    rtol = 1e-13 * (1 + (alpha + sigma) * (s + t))
    assume(rtol < 1e-8)
    law = Skew(alpha, 0.7)
    first, second, whole = (moments(law.step(time), sigma) for time in (s, t, s + t))
    (decay1, response1), (decay2, response2) = first[0][0], second[0][0]
    assert_allclose(decay1 * decay2, whole[0][0, 0], rtol=rtol, atol=1e-300)
    assert_allclose(decay2 * response1 + response2, whole[0][0, 1], atol=rtol * (abs(response1) + abs(response2)))
    assert_allclose(abs(decay2) ** 2 * first[1] + second[1], whole[1], rtol=rtol)


RUNS = {
    "step": lambda law, t: law.step(16 * t),
    "stationary": lambda law, t: law.stationary(),
    "short": lambda law, t: law.window(16 * t, 16 * t),
    "long": lambda law, t: law.window(20 * t, 1e5 * t),
    "readings": lambda law, t: law.window(16 * t, 160 * t, 10),
    "one reading": lambda law, t: law.window(16 * t, 16 * t, 1),
    "short alone": lambda law, t: law.average(16 * t, 16 * t),
    "default alone": lambda law, t: law.average(16.5 * t, 64 * t),
    "long alone": lambda law, t: law.average(20 * t, 1e6 * t),
    "readings alone": lambda law, t: law.average(16 * t, 160 * t, 10),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("sigma_min", [0.0, 2.0])
@pytest.mark.parametrize("factor", [1.0, 8.0])
def test_equilibrium_forms_have_the_moments_of_the_functions(run, sigma_min, factor):
    """Noise may come in by another root of the same covariance; the mean and all covariances agree."""
    alpha = 0.2
    law = RUNS[run](Skew(alpha, 0.3), 1 / alpha).rescaled(factor)
    form = law.equilibrium(sigma_min)
    for sigma in sigma_min + np.array([0.0, *np.geomspace(1e-3, 1e3, 25)]):
        weights, covariance = moments(law, sigma)
        table = np.array([[0j if f is None else complex(f(np.array([sigma]))[0]) for f in row] for row in form])
        assert np.abs(weights[:, 0]).max() < 2e-7
        assert_allclose(table[:, 1], weights[:, 1], rtol=3e-7)
        found = table[:, 2:] @ table[:, 2:].conj().T
        scale = np.sqrt(np.outer(covariance.diagonal().real, covariance.diagonal().real))
        assert np.abs(found - covariance).max(where=scale > 0, initial=0) <= 4e-6 * scale.max()
        assert np.all(np.abs(found - covariance) <= 4e-6 * scale)


@pytest.mark.parametrize(
    "law",
    [
        Skew(1.0).step(15.0),
        Skew(1.0).window(15.0, 100.0),
        Skew(1.0).window(100.0, 15.0),
        Skew(1.0).window(100.0, 100.0, 10),
        Skew(1.0).average(15.0, 100.0),
        Skew(1.0).average(100.0, 15.0),
        Skew(1.0).average(100.0, 100.0, 10),
    ],
)
def test_no_equilibrium_form_for_short_runs(law):
    assert law.equilibrium(1.0) is None


def test_default_runs_count_as_equilibrium_in_spite_of_rounding():
    for rate in np.random.default_rng(0).uniform(1e-9, 1.0, 1000):
        assert forgotten(rate * (EQUILIBRIUM_TIMES / rate))
    assert forgotten(0.99 * EQUILIBRIUM_TIMES)
    assert not forgotten(0.95 * EQUILIBRIUM_TIMES)


def test_long_windows_need_one_solve():
    """The second power of the inverse goes where it would not be seen."""
    (short,), (long,) = (Skew(1.0).average(20.0, t).equilibrium(10.0) for t in (64.0, 1e5))
    assert len(short[2].coefficients) == 3
    assert len(long[2].coefficients) == 2


def test_polynomials_rescale_and_transpose():
    f = SkewPolynomial(0.5, (1.0, 2.0, -3.0), transposed=True)
    mu = 0.5 - 1j * np.array([0.0, 4.0])
    assert_allclose(f(np.array([0.0, 4.0])), 1 + 2 / mu - 3 / mu**2)
    assert_allclose(f.rescaled(8.0)(np.array([0.0, 0.5])), f(np.array([0.0, 4.0])))


def test_torch_gives_the_numbers_of_numpy():
    torch = pytest.importorskip("torch")
    sigma = np.array([0.0, 1e-9, 0.0112, 0.5, 11.0])
    law = Skew(0.07, 0.5)
    for run in (law.step(0.7), law.stationary(), law.window(0.3, 2.0), law.window(0.3, 2.0, 10), law.average(0.3, 2.0)):
        expected, got = run.functions(sigma), run.functions(torch.as_tensor(sigma))
        for row, other in zip(expected, got, strict=True):
            for f, g in zip(row, other, strict=True):
                assert (f is None) == (g is None)
                if f is not None:
                    assert isinstance(g, torch.Tensor)
                    assert_allclose(g.numpy(), f, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Skew(0.0),
        lambda: Skew(-1.0),
        lambda: Skew(float("nan")),
        lambda: Skew(1.0, -1.0),
        lambda: Skew(1.0).step(-1.0),
        lambda: Skew(1.0).window(-1.0, 1.0),
        lambda: Skew(1.0).window(0.0, 0.0),
        lambda: Skew(1.0).average(0.0, 1.0, 0),
    ],
)
def test_bad_numbers(make):
    with pytest.raises(ValueError, match=r"must (be|not be negative)"):
        make()
