"""Shots: sums over them against the exponential, moments and cumulants against Campbell's theorem."""

from dataclasses import dataclass

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from helpers import spd
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg.simulation import shot_process
from thermolinalg.simulation.averages import NodeNoise
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.simulation.shot_process import ShotProcess
from thermolinalg.simulation.shots import JUMPS, TERMS, TOLD, ShotTrain

G, B, CAPACITY = spd(3, 6.0), np.array([1.0, -0.4, 2.0]), np.array([1.0, 1.3, 0.8])
PLAIN, UNEVEN = NodeNoise(2 * np.ones(3), 0.0), NodeNoise(np.array([2.0, 1.0, 3.0]), 0.3)
KINDS = {"plain": (G, PLAIN, np.ones(3), np.inf), "inert, uneven": (G, UNEVEN, CAPACITY, 3.0)}
KINDS["not symmetric"] = (G + np.triu(np.full((3, 3), 0.2), 1), PLAIN, CAPACITY, np.inf)
COPIES = 10_000


def process(kind, train):
    held, noise, capacity, bandwidth = KINDS[kind]
    return ShotProcess(NodeProcess(held, noise.covariance, capacity, bandwidth), noise, train)


def excess(x):
    """Excess kurtosis of rows, and its standard error by their halves of 32."""
    x = x - x.mean(axis=1, keepdims=True)
    parts = np.array([(y**4).mean(axis=1) / (x**2).mean(axis=1) ** 2 - 3 for y in np.array_split(x, 32, axis=1)])
    return parts.mean(axis=0), parts.std(axis=0) / 32**0.5


@dataclass(frozen=True)
class Known(ShotTrain):
    """Shots that are known: rows (source, time to the end, jump)."""

    shots: tuple = ()

    def moments(self, time, trains, rng):
        found = np.zeros((TERMS, *trains))
        for step in range(trains[0]):
            end = rng.pop()  # of this step, before the end of all
            for source, ago, jump in self.shots:
                if end <= ago < end + time:
                    term = jump
                    for p in range(TERMS):
                        found[p, step, source, 0] += term
                        term *= (ago - end) / (p + 1)
        return found


@pytest.mark.parametrize("block", [1, 13, 10**6])
@pytest.mark.parametrize("kind", KINDS)
def test_sums_over_shots_are_those_of_the_exponential(kind, block, monkeypatch):
    shots = ((0, 0.0, 1.0), (1, 0.1, -0.4), (0, 1.7, 2.0), (2, 3.2, 1.1), (2, 3.999, 0.3))
    known = process(kind, Known(1.0, "signs", shots))
    monkeypatch.setattr(shot_process, "BLOCK", block)
    M = known.nodes.process.M
    steps = int(np.ceil(2 * 4.0 * np.sqrt(np.linalg.norm(M, 1) * np.linalg.norm(M, np.inf))))
    ends = [4.0 * k / steps for k in range(steps)]
    x, area = known._struck(4.0, 1, ends)
    assert not ends
    kept = [jump * scipy.linalg.expm(-M * ago) @ known.sources[:, source] for source, ago, jump in shots]
    np.testing.assert_allclose(x[:, 0], sum(kept), atol=1e-13)
    begun = sum(jump * known.sources[:, source] for source, _, jump in shots)
    np.testing.assert_allclose(M @ area[:, 0], begun - x[:, 0], atol=1e-13)  # dx = −M x dt + dJ, integrated


def test_sources_make_the_noise_of_the_nodes():
    for noise in (PLAIN, UNEVEN):
        np.testing.assert_allclose(noise.root @ noise.root.T, noise.covariance, rtol=1e-14)


@pytest.mark.parametrize("jumps", JUMPS)
def test_trains_have_unit_intensity(jumps):
    rng, train = np.random.default_rng(0), ShotTrain(2.0, jumps)
    drawn = train._jumps(200_000, rng)
    assert abs(drawn.mean()) < 5 * (0.5 / 200_000) ** 0.5
    second, fourth = 2.0 * (drawn**2).mean(), 4.0 * (drawn**4).mean()
    assert abs(second - 1) < 5 * ((JUMPS[jumps] - 1) / 200_000) ** 0.5 + 1e-12
    assert fourth == pytest.approx(JUMPS[jumps], rel=0.15)
    moments = train.moments(3.0, (2, COPIES), rng)
    for p, factorial in enumerate((1.0, 1.0, 2.0)):
        variance = 3.0 ** (2 * p + 1) / (2 * p + 1) / factorial**2
        assert moments[p].var() == pytest.approx(variance, rel=0.08)
    assert not train.moments(1e-9, (1, 1), rng).any()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", [(2.0, 5.0, None), (0.0, 3.0, 4), (1.0, 2e3, None), (1.0, 400.0, 400)])
def test_means_and_covariances_are_those_of_normal_noise(kind, key):
    """Campbell's theorem."""
    shots, x0, b = process(kind, ShotTrain(1.5, "signs")), np.tile(np.ones((3, 1)), COPIES), np.tile(B[:, None], COPIES)
    rng = np.random.default_rng(0)
    drawn, law = shots.window(*key).sample(x0, b, rng=rng), shots.nodes.window(*key)
    held, copies = np.diag(law.covariance), drawn.shape[1]
    off = (drawn.mean(axis=1) - law.mean(np.ones(3), B)) / np.sqrt(held / copies)
    assert abs(off).max() < 5
    scatter = np.cov(drawn) - law.covariance
    assert abs(scatter / np.sqrt(np.outer(held, held) * (2 + 2.0) / copies)).max() < 5
    short = key[0] + 0.5
    after, law = shots.after(short).sample(x0, b, rng=rng), shots.nodes.after(short)
    held = np.diag(law.covariance)
    assert abs((after.mean(axis=1) - law.mean(np.ones(3), B)) / np.sqrt(held / copies)).max() < 5
    assert abs((np.cov(after) - law.covariance) / np.sqrt(np.outer(held, held) * 4 / copies)).max() < 5


@pytest.mark.slow
@pytest.mark.parametrize("jumps", JUMPS)
@pytest.mark.parametrize("rate", [0.4, 1.0])
def test_fourth_cumulants_have_their_closed_form(rate, jumps):
    """κ_iiii = ν E J⁴ Σ V_ip … V_mp …/(λ_p + λ_q + λ_r + λ_s)."""
    shots = process("plain", ShotTrain(rate, jumps))
    nothing = np.zeros((3, 100_000))
    x = shots.stationary.sample(nothing, nothing, rng=np.random.default_rng(1))
    lam, V = np.linalg.eigh(G)
    sums = lam[:, None, None, None] + lam[:, None, None] + lam[:, None] + lam
    fourth = 4 * JUMPS[jumps] / rate * np.einsum("ip,iq,ir,is,mp,mq,mr,ms,pqrs->i", *[V] * 8, 1 / sums)
    found, error = excess(x)
    expected = fourth / np.diag(np.linalg.inv(G)) ** 2
    assert np.all(abs(found - expected) < 5 * error + TOLD)
    assert np.any(expected > 8 * error)  # normal numbers would be seen
    mode, error = excess(V.T @ x)
    assert np.all(abs(mode - JUMPS[jumps] * lam / rate * (V**4).sum(axis=0)) < 5 * error + TOLD)


@pytest.mark.parametrize("readings", [None, 3])
def test_averages_over_short_windows_have_theirs(readings):
    lam, rate, burn_in, duration = 0.7, 0.5, 1.0, 4.0
    nodes = NodeProcess(np.array([[lam]]), np.array([[2.0]]), np.ones(1))
    shots = ShotProcess(nodes, NodeNoise(2 * np.ones(1), 0.0), ShotTrain(rate, "signs"))
    nothing = np.zeros((1, 40_000))
    found, error = excess(
        shots.window(burn_in, duration, readings).sample(nothing, nothing, rng=np.random.default_rng(2))
    )

    def kernels(s):
        """What a shot at a time s makes of the voltage at the end and of the average."""
        if readings is None:
            end, begin = burn_in + duration, max(s, burn_in)
            return np.exp(-lam * (end - s)), np.exp(-lam * (begin - s)) * -np.expm1(
                -lam * (end - begin)
            ) / lam / duration
        times = burn_in + duration / readings * np.arange(readings)
        seen = np.where(times >= s, np.exp(-lam * np.maximum(times - s, 0.0)), 0.0)
        return seen[-1], seen.mean()

    points = [burn_in, burn_in + duration / 3, burn_in + 2 * duration / 3]
    for k in range(2):
        power = [
            scipy.integrate.quad(lambda s: kernels(s)[k] ** n, 0, burn_in + duration, points=points)[0] for n in (2, 4)
        ]
        assert abs(found[k] - power[1] / power[0] ** 2 / rate) < 5 * error[k] + 2 * TOLD


@given(st.sampled_from(sorted(JUMPS)), st.floats(1e-3, 50.0), st.floats(1e-6, 1.0), st.floats(1.0, 1e4))
def test_what_is_left_out_of_a_reading_is_too_little_to_tell(jumps, rate, slowest, ratio):
    train, lam = ShotTrain(rate, jumps), slowest * ratio
    assert train.excess(lam) * np.exp(-4 * lam * train.memory(slowest)) <= TOLD * (1 + 1e-9)


@pytest.mark.parametrize("settled", [True, False])
def test_what_is_left_out_of_an_average_is_too_little_to_tell(settled):
    """Of a window of one, for modes that forget fast and slowly, in equilibrium and from rest."""
    for lam in np.geomspace(1e-3, 1e3, 25):
        points = np.unique(np.clip([1 / lam, 10 / lam], 0, 1))
        power = [
            scipy.integrate.quad(lambda s: (-np.expm1(-lam * s) / lam) ** n, 0, 1, points=points)[0]
            + settled * (-np.expm1(-lam) / lam) ** n / (n * lam)
            for n in (2, 4)
        ]
        assert power[1] / power[0] ** 2 <= 1.8 * (1 + 1e-6)
    assert ShotTrain(1.0, "normal").averages_out(1.001 * 1.8 * 3 / TOLD)
    assert not ShotTrain(1.0, "normal").averages_out(0.999 * 1.8 * 3 / TOLD)


@pytest.mark.slow
def test_paths_are_those_of_small_steps():
    """Autocorrelations of squares, which normal noise has not, against shots that are put in step by step."""
    lam, rate, times = 0.8, 0.6, np.array([1.0, 1.5, 4.0])
    nodes = NodeProcess(np.array([[lam]]), np.array([[2.0]]), np.ones(1))
    shots = ShotProcess(nodes, NodeNoise(2 * np.ones(1), 0.0), ShotTrain(rate, "normal"))
    nothing, rng, h = np.zeros((1, 60_000)), np.random.default_rng(3), 0.01
    exact = shots.path(nothing, nothing, times, rng)[:, 0]
    x, path = np.zeros(60_000), []
    for step in range(1, 401):
        count = rng.poisson(rate * h, size=len(x))
        x = np.exp(-lam * h) * x + np.exp(-lam * h / 2) * (2 / rate * count) ** 0.5 * rng.standard_normal(len(x))
        if step in (100, 150, 400):
            path.append(x)
    for a, b in ((0, 0), (0, 1), (1, 2), (2, 2)):
        plain, drawn = (y[a] ** 2 * y[b] ** 2 for y in (np.array(path), exact))
        assert abs(plain.mean() - drawn.mean()) < 5 * np.hypot(plain.std(), drawn.std()) / 60_000**0.5


def test_what_would_take_too_long_or_tell_nothing_is_refused():
    with pytest.raises(ValueError, match="pass a higher rate"):
        process("plain", ShotTrain(1e-3, "signs")).window(1.0, 1e5, None).sample(
            np.zeros((3, 1)), np.zeros((3, 1)), rng=np.random.default_rng(0)
        )
    with pytest.raises(ValueError, match="too few for an error bar"):
        process("plain", ShotTrain(0.05, "laplace")).window(1.0, 1.0, None)
