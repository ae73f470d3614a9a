from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.laws.work import Drive, slow_dissipation, work_moments

LAM = np.geomspace(0.02, 30, 9)
INTERVAL = (0.02, 30.0)
DRIVES = {
    "linear": Drive(1.0),
    "geometric": Drive(1.0, "geometric", INTERVAL),
    "oracle": Drive(1.0, "oracle"),
}


@pytest.mark.parametrize("name", DRIVES)
def test_paths_lead_from_a_to_lambda(name):
    path = DRIVES[name].path(LAM, 50)
    assert path.shape == (51, 9)
    assert_allclose(path[0], 1.0)
    assert_allclose(path[-1], LAM, rtol=1e-12)
    assert np.all(np.diff(path, axis=0) * np.sign(LAM - 1) >= 0)


@given(st.floats(1, 1e12), st.floats(0, 1))
def test_geometric_schedule_multiplies_the_condition_number(condition, where):
    softest, stiffest = condition**-0.5, condition**0.5
    start = softest * condition**where
    start = min(max(start, softest), stiffest)
    drive = Drive(start, "geometric", (softest, stiffest))
    s = drive.progress(np.linspace(0, 1, 11))
    assert s[0] == 0
    assert s[-1] == 1
    assert np.all(np.diff(s) > 0) or condition < 1 + 1e-9
    path = drive.path(np.array([softest, stiffest]), 10)
    assert_allclose(path[:, 1] / path[:, 0], condition ** np.linspace(0, 1, 11), rtol=1e-3)


@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_slow_drives_dissipate_by_the_formulas(alpha):
    """Linear: T(α₂ − α₁)(α₁⁻² − α₂⁻²)/(8 t_r); oracle: T(α₁^{−1/2} − α₂^{−1/2})²/t_r."""
    lam, steps = np.array([alpha]), 20_000
    linear = (alpha - 1) * (1 - alpha**-2) / (8 * 100.0)
    best = (1 - alpha**-0.5) ** 2 / 100.0
    assert_allclose(slow_dissipation(Drive(1.0).path(lam, steps), 100.0), linear, rtol=1e-6)
    assert_allclose(slow_dissipation(Drive(1.0, "oracle").path(lam, steps), 100.0), best, rtol=1e-12)
    assert_allclose(slow_dissipation(Drive(1.0).path(lam, steps), 100.0, temperature=3.0), 3 * linear, rtol=1e-6)
    assert best < linear


@pytest.mark.parametrize(("schedule", "simulated"), [("linear", 0.01091), ("oracle", 0.00469)])
def test_published_size_of_the_dissipation(schedule, simulated):
    """1 → 10 in t_r = 100 at T = 1: what independent simulations gave, and the slow-drive formula within 3 %."""
    drive, steps = Drive(1.0, schedule), 10_000
    path = drive.path(np.array([10.0]), steps)
    exact = work_moments(path, dwell=100.0 / steps)
    assert_allclose(exact.dissipated, simulated, rtol=2e-3)
    assert_allclose(exact.dissipated, slow_dissipation(path, 100.0), rtol=0.05)
    # Near equilibrium the fluctuations are those of the dissipation.
    assert_allclose(exact.variance, 2 * exact.dissipated, rtol=0.05)


def exact_moments(path, dwell):
    """Mean and variance of Σ ½Δα_k x_k² from the joint covariance of all x_k: 2 tr(D C D C) with D = ½ diag Δα."""
    path = [mpmath.mpf(float(p)) for p in path]
    n = len(path) - 1
    variance, spread = [1 / path[0]], []
    for k in range(1, n):
        keep = mpmath.exp(-path[k] * dwell) if dwell is not None else mpmath.mpf(0)
        spread.append(keep)
        variance.append(keep**2 * variance[-1] + (1 - keep**2) / path[k])
    covariance = mpmath.matrix(n)
    for i in range(n):
        kept = mpmath.mpf(1)
        for j in range(i, n):
            covariance[i, j] = covariance[j, i] = kept * variance[i]
            kept = kept * spread[j] if j < n - 1 else kept
    half = mpmath.diag([(path[k + 1] - path[k]) / 2 for k in range(n)])
    product = half * covariance
    squared = product * product
    return sum(product[i, i] for i in range(n)), 2 * sum(squared[i, i] for i in range(n))


@pytest.mark.parametrize("dwell", [None, 0.0, 0.03, 2.0])
@pytest.mark.parametrize("name", DRIVES)
def test_moments_against_the_joint_covariance(name, dwell):
    path = DRIVES[name].path(LAM, 7)
    got = work_moments(path, dwell=dwell)
    with mpmath.workdps(40):
        expected = [exact_moments(path[:, i], dwell) for i in range(len(LAM))]
    assert_allclose(got.mean, [float(m) for m, _ in expected], rtol=1e-12)
    assert_allclose(got.variance, [float(v) for _, v in expected], rtol=1e-12)
    assert_allclose(got.free_energy, np.log(LAM) / 2)


@given(st.floats(0.01, 100), st.integers(1, 30), st.none() | st.floats(0, 10))
def test_the_second_law(alpha, steps, dwell):
    for path in (Drive(1.0).path(np.array([alpha]), steps), Drive(1.0).path(np.array([alpha]), steps)[::-1]):
        assert work_moments(path, dwell=dwell, temperature=0.3).dissipated[0] >= -1e-15


def test_moments_scale_with_temperature():
    path = DRIVES["geometric"].path(LAM, 7)
    cold, hot = work_moments(path, dwell=0.1), work_moments(path, dwell=0.1, temperature=5.0)
    assert_allclose(hot.mean, 5 * cold.mean)
    assert_allclose(hot.variance, 25 * cold.variance)


def test_torch_gives_the_numbers_of_numpy():
    torch = pytest.importorskip("torch")
    for drive in DRIVES.values():
        expected = work_moments(drive.path(LAM, 7), dwell=0.1)
        got = work_moments(drive.path(torch.as_tensor(LAM), 7), dwell=0.1)
        for a, b in zip(got, expected, strict=True):
            assert isinstance(a, torch.Tensor)
            assert_allclose(a.numpy(), b)


@pytest.mark.parametrize(
    "bad",
    [
        {"start": 0.0},
        {"start": 1.0, "schedule": "quadratic"},
        {"start": 1.0, "schedule": "geometric"},
        {"start": 1.0, "schedule": "geometric", "interval": (2.0, 3.0)},
        {"start": 1.0, "schedule": "geometric", "interval": (0.0, 3.0)},
    ],
)
def test_bad_drives(bad):
    with pytest.raises(ValueError, match=r"start|schedule"):
        Drive(**bad)


def test_the_oracle_knows_no_common_way():
    with pytest.raises(ValueError, match="oracle"):
        Drive(1.0, "oracle").progress(np.array([0.5]))
