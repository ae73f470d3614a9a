"""Copies of a few bits: as preconditioners they take no more runs than conjugate gradients take products."""

import numpy as np
import pytest
from scipy.sparse.linalg import cg

import thermolinalg as tla

D, PROBLEMS = 16, 20


def wishart(seed):
    X = np.random.default_rng(seed).standard_normal((4 * D, D))
    return X.T @ X / len(X)


def refined(bits, rtol=1e-10):
    """Reports of 20 well-conditioned systems on copies of so many bits."""
    device = tla.LangevinDevice(tla.Overdamped(1e-4), imperfections=tla.Imperfections(matrix_bits=bits))
    infos = []
    for seed in range(PROBLEMS):
        A, b = wishart(seed), np.random.default_rng(100 + seed).standard_normal(D)
        x, info = tla.solve(A, b, rtol=rtol, device=device, rng=seed, return_info=True)
        assert np.linalg.norm(b - A @ x) <= 1.01 * rtol * np.linalg.norm(b)
        infos.append(info)
    return infos


def products(seed, rtol=1e-10):
    done = []
    cg(wishart(seed), np.random.default_rng(100 + seed).standard_normal(D), rtol=rtol, callback=done.append)
    return len(done)


@pytest.mark.slow
def test_more_bits_take_fewer_runs_and_few_ones_no_more_than_conjugate_gradients():
    plain = np.mean([products(seed) for seed in range(PROBLEMS)])
    runs = {}
    for bits in (3, 4, 6, 8, 12):
        infos = refined(bits)
        assert all(info.success for info in infos)
        runs[bits] = np.mean([info.n_runs for info in infos])
    assert runs[12] < runs[8] < runs[6] < runs[4] + 1
    assert runs[3] <= plain + 3
    assert runs[8] < 0.7 * plain


def test_three_bits_reach_single_precision_although_some_copies_are_not_definite():
    infos = refined(3, rtol=2.0**-24)
    lifted = ["positive definite only with μ" in info.reason for info in infos]
    assert 0 < sum(lifted) < PROBLEMS
    assert all(info.success for info in infos)


@pytest.mark.parametrize("bits", [1, 2])
def test_even_one_bit_of_the_couplings_will_do(bits):
    assert all(info.success for info in refined(bits))
