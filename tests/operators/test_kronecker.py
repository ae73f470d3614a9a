"""Kronecker products and sums, any number and size of factors."""

import functools

import numpy as np
from cases import path
from hypothesis import given
from hypothesis import strategies as st

from thermolinalg.operators import Circulant, Dense, Kronecker, KroneckerSum

sizes = st.lists(st.integers(1, 4), min_size=1, max_size=4)


def symmetric(rng, n):
    matrix = rng.standard_normal((n, n))
    return matrix + matrix.T


@given(sizes, st.floats(0, 2), st.floats(0, 2), st.floats(0.1, 2), st.integers(0, 2**32))
def test_product_of_any_factors(sizes, damping, shift, weight, seed):
    rng = np.random.default_rng(seed)
    factors = [symmetric(rng, n) for n in sizes]
    damped = [a + damping * np.eye(len(a)) for a in factors]
    dense = weight * functools.reduce(np.kron, damped) + shift * np.eye(int(np.prod(sizes)))
    agrees(Kronecker(*factors, damping=damping, shift=shift, weight=weight), dense, rng)


@given(sizes, st.floats(0, 2), st.floats(0.1, 2), st.integers(0, 2**32))
def test_sum_of_any_factors(sizes, shift, weight, seed):
    rng = np.random.default_rng(seed)
    factors, d = [symmetric(rng, n) for n in sizes], int(np.prod(sizes))
    dense, before = shift * np.eye(d), 1
    for a in factors:
        after = d // (before * len(a))
        dense += weight * np.kron(np.kron(np.eye(before), a), np.eye(after))
        before *= len(a)
    agrees(KroneckerSum(*factors, shift=shift, weight=weight), dense, rng)


def agrees(operator, dense, rng):
    block, atol = rng.standard_normal((len(dense), 2)), 1e-12 * (1 + np.abs(dense).sum())
    np.testing.assert_allclose(operator @ block, dense @ block, rtol=0, atol=5 * atol)
    np.testing.assert_allclose(operator.diagonal(), np.diag(dense), rtol=0, atol=atol)
    np.testing.assert_allclose(operator.trace(), np.trace(dense), rtol=0, atol=atol)
    np.testing.assert_allclose(np.sort(operator.eigenvalues()), np.linalg.eigvalsh(dense), rtol=0, atol=atol)
    # Eigenvalues come in the order of the eigenvectors.
    vectors = operator.rotate(np.eye(len(dense)), transposed=False)
    np.testing.assert_allclose(dense @ vectors, vectors * operator.eigenvalues(), rtol=0, atol=5 * atol)
    back = operator.rotate(operator.rotate(block, transposed=True), transposed=False)
    np.testing.assert_allclose(back, block, atol=1e-12)


def test_factors_may_be_sparse_or_operators():
    line, ring = path(4), Circulant([2.0, -1.0, -1.0])
    operator = KroneckerSum(line, ring)
    dense = np.kron(line.toarray(), np.eye(3)) + np.kron(np.eye(4), ring.dense())
    np.testing.assert_allclose(operator.dense(), dense, atol=1e-14)
    assert Kronecker(Dense(line.toarray()), ring).shape == (12, 12)


def test_factors_are_decomposed_once(monkeypatch):
    import thermolinalg.operators.kronecker as module

    calls, eigh = [], module.eigh
    monkeypatch.setattr(module, "eigh", lambda a: calls.append(1) or eigh(a))
    operator = Kronecker(np.eye(2), 2 * np.eye(3))
    operator.eigenvalues()
    operator.scaled(2.0).eigenvalues()
    operator.scaled(3.0).rotate(np.ones((6, 1)), transposed=True)
    assert len(calls) == 2
