"""Smoothing against the joint Gaussian in extended precision, on and off the beaten path."""

import numpy as np
import pytest
from helpers import close
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_gaussian import CASES, joint, plain_smoother, random_model

import thermolinalg as tla
from thermoapps.state_space import smooth


@pytest.mark.parametrize("model", CASES.values(), ids=CASES)
def test_all_of_the_posterior(model):
    found, right = smooth(**model, rng=0), joint(**model)
    assert close(found.means, right.means, 1e-12)
    assert close(found.covariances, right.covariances, 1e-11)
    assert close(found.cross_covariances, right.cross_covariances, 1e-11)
    assert abs(found.log_likelihood - right.log_likelihood) < 1e-10 * max(abs(right.log_likelihood), 1.0)
    assert found.error < 1e-13


@pytest.mark.parametrize("name", ["regular", "missing", "diffuse", "smooth trend", "all singular", "small R"])
def test_units_do_not_matter(name):
    model = CASES[name]
    d, m = np.shape(model["F"])[-1], np.shape(model["H"])[-2]
    s, o = 10.0 ** (12 * (-1.0) ** np.arange(d)), 10.0 ** (-12 * (-1.0) ** np.arange(m))
    y = np.asarray(model["y"], float).reshape(-1, m)
    P = np.asarray(model["initial_covariance"], float)
    P = np.diag(np.full(d, float(P))) if P.ndim == 0 else P
    scaled = {
        "F": np.asarray(model["F"]) * s[:, None] / s,
        "Q": np.asarray(model["Q"]) * s[:, None] * s,
        "H": np.asarray(model["H"]) * o[:, None] / s,
        "R": np.asarray(model["R"]) * o[:, None] * o,
        "y": y * o,
        "initial_mean": s * model.get("initial_mean", np.zeros(d)),
        "initial_covariance": np.where(np.isinf(P), P, np.where(np.isinf(P), 0, P) * s[:, None] * s),
    }
    found, right = smooth(**scaled, rng=0), joint(**model)
    assert close(found.means / s, right.means, 1e-9)
    assert close(found.covariances / (s * s[:, None]), right.covariances, 1e-9)
    assert close(found.cross_covariances / (s * s[:, None]), right.cross_covariances, 1e-9)


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 40),
    st.integers(1, 4),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["", "Q", "P", "QP"]),
)
@settings(max_examples=20, deadline=None)
def test_the_recursions_of_the_books(seed, n, d, m, missing, singular):
    model = random_model(seed, n, d, m, missing=missing, singular=singular)
    model["F"] *= 0.9 / np.abs(np.linalg.eigvals(model["F"])).max()
    model["R"] = model["R"] + np.eye(m)
    model["initial_covariance"] = model["initial_covariance"] + 1e-3 * np.eye(d)
    model["Q"] = model["Q"] + 1e-3 * np.eye(d)
    found, right = smooth(**model, rng=0), plain_smoother(**model)
    assert close(found.means, right.means, 1e-8)
    assert close(found.covariances, right.covariances, 1e-8)
    assert abs(found.log_likelihood - right.log_likelihood) < 1e-8 * max(abs(right.log_likelihood), 1)


@pytest.mark.parametrize("name", ["regular", "autoregression, exact", "diffuse", "diffuse, singular"])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 6))])
def test_readings_have_the_posterior_s_covariances(name, seed):
    model, k = CASES[name], 1000
    found = smooth(**model, rng=seed)
    value, error = found.measured_covariances(k)
    P = found.covariances
    sizes = np.sqrt(np.einsum("tii->ti", P))
    z = (value - P) / error
    assert np.abs(z).max() < 4.5  # of up to 63 entries, dependent
    assert np.mean(np.abs(z) < 3) > 0.97
    draws = found.sample(k, rng=seed + 1) - found.means
    pairs = np.einsum("kti,ktj->tij", draws[:, :-1], draws[:, 1:]) / k
    spread = np.sqrt((sizes[:-1, :, None] ** 2 * sizes[1:, None, :] ** 2 + found.cross_covariances**2) / k)
    assert np.all(np.abs(pairs - found.cross_covariances) < 4.5 * spread + 1e-9)
    assert np.all(np.abs(draws.mean(axis=0)) < 4.5 * sizes / np.sqrt(k) + 1e-9)


def test_a_long_series_has_the_limits_of_a_level():
    n, q, r = 20_000, 2.0, 3.0
    y = np.random.default_rng(0).standard_normal(n)
    found = smooth(1.0, q, 1.0, r, y, initial_covariance=np.inf, rng=0)
    # In the middle, P = q/sqrt(λ² + 4λ) with λ = q/r: a two-sided exponential kernel's weight at its centre.
    assert found.form == "precision"
    assert np.isclose(found.covariances[n // 2, 0, 0], q / np.sqrt((q / r) ** 2 + 4 * q / r), rtol=1e-12)


def test_the_same_seed_has_the_same_numbers():
    one, two = (smooth(**CASES["missing"], rng=5) for _ in range(2))
    assert np.array_equal(one.means, two.means)
    assert np.array_equal(one.sample(3), two.sample(3))
    assert not np.array_equal(one.sample(3), two.sample(3, rng=1))


@pytest.mark.parametrize("ratio", [1e-14, 1e-18])
def test_states_far_longer_known_than_noise_moves_them(ratio):
    n = 400
    y = np.random.default_rng(0).standard_normal(n)
    trend = {"F": [[1.0, 1.0], [0.0, 1.0]], "H": [[1.0, 0.0]], "R": 1.0, "initial_covariance": np.inf}
    found = smooth(**trend, Q=np.diag([ratio, ratio / 100]), y=y, rng=0)
    line = np.polynomial.Polynomial.fit(np.arange(n), y, 1).convert()
    assert np.allclose(found.means[:, 0], line(np.arange(n)), atol=1e6 * ratio + 1e-12)
    assert np.allclose(found.covariances[:, 1, 1], 12 / (n**3 - n), rtol=n**3 * ratio + 1e-9)
    assert found.error < 1e-14


def test_masked_observations_are_missing():
    y = np.ma.masked_equal([1, -99, 3], -99)
    one, two = (smooth(1.0, 1.0, 1.0, 1.0, y, initial_covariance=1.0, rng=0) for y in (y, [1.0, np.nan, 3.0]))
    assert np.array_equal(one.means, two.means)


def test_nothing_to_observe_is_the_model_alone():
    found = smooth(0.5, 1.0, np.zeros((0, 1)), np.zeros((0, 0)), np.zeros((3, 0)), initial_covariance=4.0, rng=0)
    assert np.allclose(found.covariances[:, 0, 0], [4.0, 2.0, 1.5])
    assert found.log_likelihood == 0.0


def test_an_empty_series_is_answered():
    empty = smooth(np.eye(2), np.eye(2), np.eye(2), np.eye(2), np.zeros((0, 2)), initial_covariance=1.0, rng=0)
    assert empty.means.shape == (0, 2)
    assert empty.covariances.shape == (0, 2, 2)
    assert empty.cross_covariances.shape == (0, 2, 2)
    assert empty.sample(3).shape == (3, 0, 2)
    assert empty.log_likelihood == 0.0


@pytest.mark.parametrize(
    "device",
    [tla.LangevinDevice(imperfections=tla.Imperfections(matrix_bits=8)), tla.LangevinDevice(law=tla.Overdamped(1e-6))],
)
def test_other_devices(device):
    model = CASES["regular"]
    assert close(smooth(**model, device=device, rng=0).means, joint(**model).means, 1e-9)


def test_an_interrupt_passes_and_leaves_nothing_behind(monkeypatch):
    model = CASES["regular"]

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tla.PreparedDevice, "solve", interrupted)
        with pytest.raises(KeyboardInterrupt):
            smooth(**model, rng=0)
    assert close(smooth(**model, rng=0).means, joint(**model).means, 1e-13)
