from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg import ThermodynamicWarning
from thermolinalg.estimation.free_energy import bennett, jarzynski, thermodynamic_integration

DF = 0.7


def gaussian_works(rng, n, deviation, n_reverse=None):
    """Gaussian work that obeys Crooks' relation: mean ±ΔF + σ²/2."""
    dissipated = deviation**2 / 2
    forward = DF + dissipated + deviation * rng.standard_normal(n)
    reverse = -DF + dissipated + deviation * rng.standard_normal(n_reverse or n)
    return forward, reverse


@pytest.mark.parametrize("n_reverse", [300, 60])
def test_bennett_covers(n_reverse):
    errors = []
    for seed in range(800):
        works = gaussian_works(np.random.default_rng(seed), 300, 1.0, n_reverse)
        estimate = bennett(*works)
        errors.append((estimate.value - DF) / estimate.standard_error)
    assert 0.93 <= np.mean(np.abs(errors) < 1.96) <= 0.97
    assert abs(np.mean(errors)) < 4 / np.sqrt(len(errors))


@pytest.mark.parametrize("deviation", [1e-2, 1e-6, 1e-10])
def test_bars_keep_their_digits_where_all_work_is_nearly_the_same(deviation):
    """Bars are then σ/√n, and σ/√(2n) where both ways are known."""
    n = 4000
    forward, reverse = gaussian_works(np.random.default_rng(1), n, deviation)
    assert_allclose(jarzynski(forward).standard_error, deviation / n**0.5, rtol=0.05)
    assert_allclose(bennett(forward, reverse).standard_error, deviation / (2 * n) ** 0.5, rtol=0.05)


def test_jarzynski_covers_where_work_fluctuates_little():
    errors = []
    for seed in range(600):
        forward, _ = gaussian_works(np.random.default_rng(seed), 400, 0.4)
        estimate = jarzynski(forward)
        errors.append((estimate.value - DF) / estimate.standard_error)
    assert 0.93 <= np.mean(np.abs(errors) < 1.96) <= 0.97


@pytest.mark.slow
def test_bias_of_jarzynski_is_as_reported():
    rng = np.random.default_rng(0)
    works = DF + 0.7**2 / 2 + 0.7 * rng.standard_normal((8000, 100))
    estimates = [jarzynski(work) for work in works]
    # ⟨e^{−(W − ΔF)}⟩ = 1 is known: without that part, which has no bias, little scatter is left.
    errors = np.array([e.value for e in estimates]) - DF + (np.exp(DF - works).mean(axis=1) - 1)
    bias = np.mean([e.bias for e in estimates])
    found, spread = errors.mean(), errors.std() / np.sqrt(len(errors))
    assert bias > 20 * spread  # too high, and told apart from half and double
    assert abs(found - bias) < 4 * spread + 0.1 * bias  # the next order, 1/n²


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_bias_and_error_of_jarzynski_from_their_formulas(temperature):
    """With y = e^{−W/T}: bias T var(y)/(2n ȳ²) and standard error T (var(y)/(n ȳ²))^½, by the delta method."""
    work = np.random.default_rng(0).exponential(size=200) * temperature
    y = np.exp(-work / temperature)
    relative = y.var() / len(y) / y.mean() ** 2
    estimate = jarzynski(work, temperature=temperature)
    assert_allclose(estimate.value, -temperature * np.log(y.mean()))
    assert_allclose(estimate.bias, temperature * relative / 2)
    assert_allclose(estimate.standard_error, temperature * relative**0.5)
    assert_allclose(estimate.effective_size, y.sum() ** 2 / (y**2).sum())


@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
def test_bennett_beats_jarzynski():
    works = [gaussian_works(np.random.default_rng(seed), 2000, 1.5) for seed in range(200)]
    both = np.array([(bennett(f, r).value, jarzynski(f).value) for f, r in works])
    assert both[:, 0].std() < 0.5 * both[:, 1].std()


@given(
    st.floats(-1e4, 1e4),
    st.floats(1e-3, 1e3),
    st.floats(0, 2),
    st.integers(2, 50),
    st.integers(2, 50),
    st.integers(0, 99),
)
@pytest.mark.filterwarnings("ignore::thermolinalg.ThermodynamicWarning")
def test_bennett_is_odd_shifts_and_scales(shift, temperature, deviation, nf, nr, seed):
    """Swapping the sets flips the sign; adding c to W shifts by c; units of temperature drop out."""
    forward, reverse = gaussian_works(np.random.default_rng(seed), nf, deviation, nr)
    estimate = bennett(forward, reverse)
    swapped = bennett(reverse, forward)
    atol = 1e-9 * (1 + abs(shift))
    assert_allclose(swapped.value, -estimate.value, atol=atol)
    assert_allclose(bennett(forward + shift, reverse - shift).value, estimate.value + shift, atol=atol)
    scaled = bennett(temperature * forward, temperature * reverse, temperature=temperature)
    assert_allclose(scaled.value, temperature * estimate.value, rtol=1e-8, atol=temperature * atol)
    assert_allclose(scaled.standard_error, temperature * estimate.standard_error, rtol=1e-6, atol=1e-7 * temperature)
    assert 0 <= estimate.overlap <= 2


def test_reversible_work_is_the_free_energy():
    """Without fluctuations there is nothing to estimate."""
    works = np.full(50, 3.0)
    for estimate in (bennett(works, -works), jarzynski(works)):
        assert_allclose(estimate.value, 3.0)
        assert_allclose(estimate.standard_error, 0.0, atol=1e-7)
        assert estimate.reliable
    assert_allclose(bennett(works, -works).overlap, 1.0)


@pytest.mark.parametrize("gap", [30.0, 3e3])
def test_too_little_overlap_warns(gap):
    rng = np.random.default_rng(0)
    forward, reverse = gap + 3 * rng.standard_normal(200), gap + 3 * rng.standard_normal(200)
    with pytest.warns(ThermodynamicWarning, match="hardly overlap"):
        estimate = bennett(forward, reverse)
    assert np.isfinite(estimate.value)
    assert not estimate.reliable
    assert estimate.overlap < 1e-3


def test_one_sided_warns():
    with pytest.warns(ThermodynamicWarning, match="carry the average"):
        jarzynski(gaussian_works(np.random.default_rng(0), 100, 6.0)[0])


@pytest.mark.slow
def test_integration_covers_with_student_t():
    """Three nodes of unequal scatter, five readings each: Student's t with the reported degrees of freedom."""
    from scipy.stats import t

    weights, means, deviations = np.array([0.2, 0.5, 0.3]), np.array([1.0, -2.0, 4.0]), np.array([0.5, 1.0, 2.0])
    exact, hits = weights @ means, []
    for seed in range(2000):
        samples = means[:, None] + deviations[:, None] * np.random.default_rng(seed).standard_normal((3, 5))
        estimate = thermodynamic_integration(samples, weights)
        hits.append(abs(estimate.value - exact) < t.ppf(0.975, estimate.effective_size) * estimate.standard_error)
    assert 0.93 <= np.mean(hits) <= 0.97


@pytest.mark.parametrize(
    "call",
    [
        lambda: jarzynski([1.0]),
        lambda: jarzynski([[1.0, 2.0]]),
        lambda: jarzynski([1.0, np.nan]),
        lambda: bennett([1.0, 2.0], [1.0]),
        lambda: bennett([1.0, np.inf], [1.0, 2.0]),
        lambda: thermodynamic_integration([[1.0, 2.0], [1.0]], [0.5, 0.5]),
        lambda: thermodynamic_integration([[1.0, 2.0]], [0.5, 0.5]),
    ],
)
def test_bad_input(call):
    with pytest.raises(ValueError, match=r"work|forward|reverse|samples|weights"):
        call()
