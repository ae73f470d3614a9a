"""Solutions to far more than double precision, to measure errors against: refined with exact residuals."""

from __future__ import annotations

from fractions import Fraction
from math import fsum

import mpmath
import numpy as np
import scipy.linalg
import scipy.sparse

SPLIT = 2.0**27 + 1

STEPS = 40
"""Refinements at most: each leaves κ eps of the error, and κ is below 1e14."""


def error_of(x, A, b):
    """x − A⁻¹b, entry by entry, to about 1e-30 κ of the size of the solution.

    Parameters
    ----------
    x, b : ndarray, shape (n,) or (n, k)
    A : ndarray or sparse array, shape (n, n)
    """
    if np.ndim(x) == 2:
        return np.stack([error_of(one, A, other) for one, other in zip(x.T, b.T, strict=True)], axis=1)
    return _difference(x, *exact_solve(A, b))


def least_squares_error_of(x, A, b):
    """x − A⁺b for A of full column rank: the residual is an unknown beside x."""
    m, n = A.shape
    unit = 2.0 ** np.round(np.log2(np.linalg.svd(A, compute_uv=False)[-1]))
    augmented = np.block([[unit * np.eye(m), A], [A.T, np.zeros((n, n))]])
    high, low = exact_solve(augmented, np.concatenate([b, np.zeros(n)]))
    return _difference(x, high[m:], low[m:])


def lyapunov_error_of(x, a, q):
    """x − X with a X + X aᵀ = q."""
    d = len(a)

    def residual(high, low):
        parts = [*_two_product(a[:, None, :], high.T[None, :, :]), a[:, None, :] * low.T[None, :, :]]
        parts += [*_two_product(high[:, None, :], a[None, :, :]), low[:, None, :] * a[None, :, :]]
        terms = np.concatenate([q[:, :, None], *(-part for part in parts)], axis=2)
        return np.array([[fsum(terms[i, j]) for j in range(d)] for i in range(d)])

    return _difference(x, *_refined(lambda r: scipy.linalg.solve_continuous_lyapunov(a, r), residual, np.zeros((d, d))))


def exact_logabsdet(A):
    """log|det A| by elimination in arithmetic of sixty digits, rounded once."""
    with mpmath.workdps(60):
        factor, _ = mpmath.mp.LU_decomp(mpmath.matrix(A.tolist()))
        return float(mpmath.fsum(mpmath.log(abs(factor[k, k])) for k in range(len(A))))


def exact_solve(A, b):
    """The solution of a square system as an unevaluated sum of two arrays (n,); ValueError if it does not settle."""
    A = A.toarray() if scipy.sparse.issparse(A) else np.asarray(A, dtype=float)
    rows = 2.0 ** -np.frexp(abs(A).max(axis=1))[1]
    columns = 2.0 ** -np.frexp(abs(rows[:, None] * A).max(axis=0))[1]
    balanced, c = rows[:, None] * A * columns, rows * b
    factor = scipy.linalg.lu_factor(balanced)

    def residual(high, low):
        parts = [*_two_product(balanced, high), *_two_product(balanced, low)]
        return np.array([fsum([ci, *row]) for ci, row in zip(c, -np.concatenate(parts, axis=1), strict=True)])

    high, low = _refined(lambda r: scipy.linalg.lu_solve(factor, r), residual, np.zeros(len(b)))
    return columns * high, columns * low


def fractions(a):
    """The entries of a vector or matrix as rationals, row by row."""
    return [[Fraction(float(entry)) for entry in row] for row in np.atleast_2d(a)]


def _refined(solve, residual, zero):
    """x + low with a residual that vanishes to twice double precision."""
    x, low, last = zero, zero, np.inf
    for _ in range(STEPS):
        step = solve(residual(x, low))
        x, carry = _two_sum(x, step)
        x, low = _two_sum(x, low + carry)
        size = np.linalg.norm(step) / (np.linalg.norm(x) or 1.0)
        if size <= 1e-28 or (size <= 1e-19 and size > last / 2):
            return x, low
        last = size
    raise ValueError(f"refinement with exact residuals does not settle: its last step is {size:.2g} of x")


def _difference(x, high, low):
    return (x - high) - low


def _two_sum(a, b):
    """The rounded sum and its rounding error (Knuth)."""
    total = a + b
    rest = total - a
    return total, (a - (total - rest)) + (b - rest)


def _two_product(a, b):
    """The product and its rounding error (Dekker), for numbers whose products are in range."""
    product = a * b
    a_high, b_high = SPLIT * a, SPLIT * b
    a_high, b_high = a_high - (a_high - a), b_high - (b_high - b)
    a_low, b_low = a - a_high, b - b_high
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
