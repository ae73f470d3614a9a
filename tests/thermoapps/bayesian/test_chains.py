"""Effective sample sizes and R-hat beside ArviZ's and formulae."""

import numpy as np
import pytest

from thermoapps.bayesian import Chains, effective_sample_size, split_rhat


def autoregressive(correlation, chains=4, n=2000, seed=0):
    steps = np.random.default_rng(seed).standard_normal((chains, n, 2))
    x = steps.copy()
    for i in range(1, n):
        x[:, i] = correlation * x[:, i - 1] + np.sqrt(1 - correlation**2) * steps[:, i]
    return x


@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.5, 0.9])
def test_effective_sizes_of_autoregressions(correlation):
    found = effective_sample_size(autoregressive(correlation))
    assert np.allclose(found / 8000, (1 - correlation) / (1 + correlation), rtol=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("correlation", [-0.3, 0.0, 0.8])
def test_as_arviz_has_it(correlation):
    arviz = pytest.importorskip("arviz")
    x = autoregressive(correlation, n=501)
    for k in range(2):
        assert np.isclose(effective_sample_size(x)[k], arviz.ess(x[:, :, k], method="mean"), rtol=0.05)
        assert np.isclose(split_rhat(x)[k], arviz.rhat(x[:, :, k], method="split"), rtol=1e-6)
        error = arviz.mcse(x[:, :, k], method="quantile", prob=0.9)
        assert np.isclose(Chains(x).quantile(0.9)[1][k], error, rtol=0.2)


def test_chains_apart_and_chains_that_stand():
    apart = np.random.default_rng(0).standard_normal((3, 100, 1)) + np.arange(3)[:, None, None] * 5
    assert split_rhat(apart)[0] > 3
    assert effective_sample_size(apart)[0] < 10
    still = np.ones((2, 10, 1))
    assert (split_rhat(still)[0], effective_sample_size(still)[0]) == (1, 20)
    assert np.isinf(split_rhat(still * [[[1.0]], [[2.0]]])[0])


@pytest.mark.parametrize("draws", [np.ones((2, 3, 1)), np.ones((2, 8)), np.full((2, 8, 1), np.nan)])
def test_bad_draws_are_refused(draws):
    with pytest.raises(ValueError, match="draws"):
        Chains(draws)


@pytest.mark.parametrize("q", [0, 1, -1, np.nan])
def test_bad_probabilities_are_refused(q):
    with pytest.raises(ValueError, match="q must lie between 0 and 1"):
        Chains(np.ones((2, 8, 1))).quantile(q)
