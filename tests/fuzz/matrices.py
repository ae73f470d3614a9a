"""Random matrices of many structures and scales, as arrays of double precision."""

from __future__ import annotations

import numpy as np
import scipy.linalg

MOST = 1e16
"""Largest condition number drawn."""


def unitary(rng, d, complex_):
    x = rng.standard_normal((d, d)) + (1j * rng.standard_normal((d, d)) if complex_ else 0)
    return np.linalg.qr(x)[0]


def spectrum(rng, d):
    """Positive numbers, graded geometrically, with one outlier, in two clusters, or nearly equal."""
    condition = MOST ** (rng.random() ** 2)
    kind = rng.integers(4)
    if kind == 0:
        return np.geomspace(1, 1 / condition, d)
    if kind == 1:
        return np.r_[np.ones(d - 1), 1 / condition] if d > 1 else np.ones(1)
    if kind == 2:
        return np.where(rng.random(d) < 0.5, 1.0, 1 / condition)
    return 1 + rng.random(d)


def hermitian(q, values):
    A = (q * values) @ q.conj().T
    return (A + A.conj().T) / 2


def definite(rng, d, complex_):
    return hermitian(unitary(rng, d, complex_), spectrum(rng, d))


def indefinite(rng, d, complex_):
    return hermitian(unitary(rng, d, complex_), spectrum(rng, d) * rng.choice([-1.0, 1.0], d))


def negative(rng, d, complex_):
    return -definite(rng, d, complex_)


def general(rng, d, complex_):
    return (unitary(rng, d, complex_) * spectrum(rng, d)) @ unitary(rng, d, complex_)


def gaussian(rng, d, complex_):
    return rng.standard_normal((d, d)) + (1j * rng.standard_normal((d, d)) if complex_ else 0)


def nearly_symmetric(rng, d, complex_):
    A = definite(rng, d, complex_)
    return A * (1 + 10.0 ** rng.uniform(-17, -8) * rng.standard_normal((d, d)))


def small_integers(rng, d, complex_):
    A = rng.integers(-3, 4, (d, d)).astype(float)
    return A + 1j * rng.integers(-3, 4, (d, d)) if complex_ else A


def singular(rng, d, complex_):
    """Of lower rank without rounding: products of small integers."""
    r = int(rng.integers(0, d)) if d > 1 else 0
    left, right = small_integers(rng, d, complex_)[:, :r], small_integers(rng, d, complex_)[:r]
    if rng.random() < 0.5:
        right = left.conj().T
    return left @ right


def rank_one(rng, d, complex_):
    v = gaussian(rng, d, complex_)[:, 0]
    return np.outer(v, v.conj())


def graded(rng, d, complex_):
    s = 10.0 ** (-rng.uniform(0, 30 / d) * np.arange(d))
    return s[:, None] * definite(rng, d, complex_) * s


def kkt(rng, d, complex_):
    n = max(1, 2 * d // 3)
    A = np.zeros((d, d), dtype=complex if complex_ else float)
    A[:n, :n] = definite(rng, n, complex_)
    A[n:, :n] = gaussian(rng, d, complex_)[n:, :n]
    A[:n, n:] = A[n:, :n].conj().T
    return A


def toeplitz(rng, d, complex_):
    column = rng.random() ** np.arange(d) if rng.random() < 0.5 else rng.standard_normal(d)
    return scipy.linalg.toeplitz(column)


def circulant(rng, d, complex_):
    column = rng.standard_normal(d)
    column = column + column[-np.arange(d) % d]
    column[0] += d * rng.integers(0, 3)
    return scipy.linalg.circulant(column)


def kronecker(rng, d, complex_):
    m = next((k for k in (2, 3, 5, 7) if d % k == 0), 1)
    return np.kron(definite(rng, m, complex_), definite(rng, d // m, complex_))


def low_rank_plus_identity(rng, d, complex_):
    R = gaussian(rng, d, complex_)[: max(1, d // 3)]
    return 10.0 ** rng.uniform(-12, 2) * np.eye(d) + R.conj().T @ R


def block_diagonal(rng, d, complex_):
    m = int(rng.integers(1, d)) if d > 1 else 1
    blocks = [definite(rng, m, complex_)] + (
        [10.0 ** rng.uniform(-9, 9) * general(rng, d - m, complex_)] if d > m else []
    )
    return scipy.linalg.block_diag(*blocks)


def permutation(rng, d, complex_):
    return np.eye(d)[rng.permutation(d)] * rng.choice([-1.0, 1.0], d)


def triangular(rng, d, complex_):
    A = np.triu(gaussian(rng, d, complex_))
    return A.T if rng.random() < 0.5 else A


def diagonal(rng, d, complex_):
    return np.diag(10.0 ** rng.uniform(-9, 9, d) * rng.choice([-1.0, 1.0], d, p=[0.2, 0.8]))


def hub(rng, d, complex_):
    """An arrow: one node coupled to all others."""
    A = np.diag(1 + rng.random(d))
    A[0, 1:] = A[1:, 0] = 0.9 / d**0.5 * rng.standard_normal(d - 1)
    return A


def laplacian(rng, d, complex_):
    """Of a random graph, singular unless a node is grounded."""
    W = np.triu(rng.random((d, d)) < 0.5, 1) * rng.integers(1, 5, (d, d)).astype(float)
    L = np.diag((W + W.T).sum(axis=1)) - W - W.T
    L[0, 0] += rng.choice([0.0, 1.0, 1e-8])
    return L


def hilbert(rng, d, complex_):
    return scipy.linalg.hilbert(d)


def zero(rng, d, complex_):
    return np.zeros((d, d))


def sparse_random(rng, d, complex_):
    return gaussian(rng, d, complex_) * (rng.random((d, d)) < 2 / d) + np.diag(1 + rng.random(d))


def companion(rng, d, complex_):
    A = np.eye(d, k=-1)
    A[:, -1] = rng.standard_normal(d)
    return A


def stable(rng, d, complex_):
    return np.diag(spectrum(rng, d)) + np.triu(gaussian(rng, d, complex_), 1)


WEIGHTS = {
    definite: 6,
    indefinite: 3,
    negative: 1,
    general: 4,
    gaussian: 3,
    nearly_symmetric: 3,
    small_integers: 2,
    singular: 3,
    rank_one: 1,
    graded: 2,
    kkt: 2,
    toeplitz: 2,
    circulant: 1,
    kronecker: 1,
    low_rank_plus_identity: 2,
    block_diagonal: 2,
    permutation: 1,
    triangular: 2,
    diagonal: 2,
    hub: 1,
    laplacian: 2,
    hilbert: 1,
    zero: 0.3,
    sparse_random: 2,
    companion: 1,
    stable: 2,
}


def drawn(rng, d, *, complex_):
    """A structure at random: its name and a matrix of d rows."""
    weights = np.array(list(WEIGHTS.values()), dtype=float)
    make = list(WEIGHTS)[rng.choice(len(weights), p=weights / weights.sum())]
    if d == 0:
        return "empty", np.zeros((0, 0))
    return make.__name__, make(rng, d, complex_)


def scaled(rng, A):
    """Mostly as it is; else times a power of ten, or with rows and columns of very different size."""
    kind = rng.choice(["none", "whole", "both", "rows", "columns", "denormal"], p=[0.55, 0.12, 0.15, 0.08, 0.05, 0.05])
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if kind == "none":
            return "", A
        if kind == "whole":
            power = rng.uniform(-320, 308)
            half = 10.0 ** (power / 2)
            return f"1e{power:.0f} times", A * half * half
        if kind == "denormal":
            return "denormal", A * 2.0**-1000 * 2.0 ** -float(rng.integers(0, 60))
        top = rng.choice([3, 12, 12, 30])
        row, column = 10.0 ** rng.uniform(-top, top, A.shape[0]), 10.0 ** rng.uniform(-top, top, A.shape[1])
        if kind == "both" and A.shape[0] == A.shape[1]:
            column = row
        row, column = (
            (np.ones_like(row) if kind == "columns" else row),
            (np.ones_like(column) if kind == "rows" else column),
        )
        return f"{kind} scaled by 1e±{top}", row[:, None] * A * column
