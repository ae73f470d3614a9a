"""Linear algebra in rational numbers: floating-point numbers are rational, and so are all answers but roots."""

from __future__ import annotations

import math
from fractions import Fraction

import flint
import numpy as np


def exact(x):
    """Floating-point (or integer) numbers as an object array of fractions."""
    x = np.asarray(x)
    wide = x if x.dtype.kind == "O" else x.astype(float)
    out = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        out[index] = Fraction(wide[index])
    return out


def real_form(x, *, matrix):
    """[[Re, −Im], [Im, Re]] of a complex matrix, [Re; Im] of a block of vectors."""
    re, im = exact(x.real), exact(x.imag)
    return np.block([[re, -im], [im, re]]) if matrix else np.concatenate([re, im])


def solve(A, B):
    """A⁻¹B for square A (n, n) and B (n, k), None where A is singular."""
    n = len(A)
    if n == 0:
        return B.copy()
    whole = _integers(np.concatenate([A, B], axis=1))
    try:
        return _fractions(flint.fmpz_mat(whole[:, :n].tolist()).solve(flint.fmpz_mat(whole[:, n:].tolist())))
    except ZeroDivisionError:
        return None


def determinant(A):
    """det A."""
    n = len(A)
    if n == 0:
        return Fraction(1)
    rows = [_unit(row) for row in A]
    return Fraction(int(flint.fmpz_mat(_integers(A).tolist()).det()), math.prod(rows))


def independent(A):
    """Indices of a largest set of independent columns."""
    M, found, row = A.copy(), [], 0
    for j in range(A.shape[1]):
        pivot = next((i for i in range(row, len(M)) if M[i, j]), None)
        if pivot is None:
            continue
        M[[row, pivot]] = M[[pivot, row]]
        for i in range(row + 1, len(M)):
            if M[i, j]:
                M[i] = M[i] - M[row] * (M[i, j] / M[row, j])
        found.append(j)
        row += 1
    return found


def pseudo_solve(A, B):
    """A⁺B: with independent columns F and rows G of A, A = F M⁻¹ G with M their intersection."""
    columns = independent(A)
    rows = independent(A.T)
    if not columns:
        return np.full((A.shape[1], B.shape[1]), Fraction(0))
    F, G, M = A[:, columns], A[rows], A[np.ix_(rows, columns)]
    y = M @ solve(F.T @ F, F.T @ B)
    return G.T @ solve(G @ G.T, y)


def log2(x):
    """Logarithm of the size of a fraction, however large; −∞ for zero."""
    if not x:
        return -math.inf
    shift = x.numerator.bit_length() - x.denominator.bit_length()
    near_one = (
        abs(x.numerator) / (x.denominator << shift) if shift > 0 else (abs(x.numerator) << -shift) / x.denominator
    )
    return shift + math.log2(near_one)


def norms(X):
    """Euclidean norms of the columns as (float, exponent) with norm = float · 2^exponent, and so never out of range."""
    out = []
    for column in X.T:
        top = max((log2(x) for x in column), default=-math.inf)
        unit = 0 if top == -math.inf else math.floor(top)
        out.append((math.hypot(*(float(x / power(unit)) for x in column)), unit))
    return out


def quotients(X, Y):
    """‖X_j‖/‖Y_j‖ for each pair of columns: 0 where both vanish, infinite where Y alone does."""
    return np.array([_quotient(a, b) for a, b in zip(norms(X), norms(Y), strict=True)])


def _quotient(a, b):
    if a[0] == 0:
        return 0.0
    if b[0] == 0:
        return math.inf
    exponent = a[1] - b[1]
    return math.inf if exponent > 1000 else a[0] / b[0] * 2.0**exponent


def power(exponent):
    return Fraction(2) ** exponent


def _unit(row):
    """The least common denominator of a row."""
    return math.lcm(*(x.denominator for x in row)) if len(row) else 1


def _integers(A):
    """Every row times its least common denominator."""
    out = np.empty(A.shape, dtype=object)
    for i, row in enumerate(A):
        unit = _unit(row)
        out[i] = [x.numerator * (unit // x.denominator) for x in row]
    return out


def _fractions(x):
    out = np.empty((x.nrows(), x.ncols()), dtype=object)
    for i, j in np.ndindex(out.shape):
        entry = x[i, j]
        out[i, j] = Fraction(int(entry.p), int(entry.q))
    return out
