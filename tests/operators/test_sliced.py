"""Residuals from slices against exact rational arithmetic, and the exactness that they rest on."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from cases import tensor
from exact import fractions
from helpers import rotated

from thermolinalg._arrays import to_numpy
from thermolinalg.operators import Dense, Sparse
from thermolinalg.operators.sliced import (
    SLICED_EPS,
    WANTED_BITS,
    bits_of_slices,
    column_slices,
    row_slices,
    sparse_slices,
)

RNG = np.random.default_rng(11)
MAKES = {
    "dense": lambda a: Dense(a, symmetric=False),
    "transposed": lambda a: Dense(np.ascontiguousarray(a.T), symmetric=False).T,
    "Fortran": lambda a: Dense(np.asfortranarray(a), symmetric=False),
    "sparse": lambda a: Sparse(scipy.sparse.csr_array(a), symmetric=False),
    "sparse transposed": lambda a: Sparse(scipy.sparse.csr_array(a.T), symmetric=False).T,
    "torch": lambda a: Dense(tensor(a), symmetric=False),
}


def exact_residual(a, b, x, low):
    """b − A (x + low) as rationals (m, k)."""
    a, b = fractions(a), fractions(b)
    y = [
        [p + q for p, q in zip(row, other, strict=True)]
        for row, other in zip(fractions(x), fractions(low), strict=True)
    ]
    k = len(b[0]) if b else 0
    return [[b[i][j] - sum((c * y[n][j] for n, c in enumerate(row) if c), Fraction(0)) for j in range(k)]
            for i, row in enumerate(a)]  # fmt: skip


def check(make, a, b, x, low, unit):
    """Errors of a residual in units (m, k) of `unit`, beyond the one rounding of each entry."""
    like = tensor if make == "torch" else np.asarray
    operator = MAKES[make](a)
    found = to_numpy(operator.extended_residual(like(b), like(x), like(low)))
    exact = exact_residual(a, b, x, low)
    worst = Fraction(0)
    for i, row in enumerate(exact):
        for j, value in enumerate(row):
            error = abs(Fraction(float(found[i, j])) - value) - abs(value) * Fraction(1, 2**53)
            if error > 0:
                worst = max(worst, error / Fraction(float(unit[i, j])))
    return float(worst)


def near_solution(a, k, spread=1.0):
    """x, what rounding took from it, and b = A x: residuals in which all but the last bits cancel."""
    x = RNG.standard_normal((a.shape[1], k)) * spread
    return x, np.finfo(float).eps / 4 * x * RNG.uniform(-1, 1, x.shape), a @ x


@pytest.mark.parametrize("make", MAKES)
@pytest.mark.parametrize("shape", [(1, 1), (6, 6), (3, 40), (40, 3), (1, 200), (30, 1), (70, 70)])
def test_random_matrices(shape, make):
    a = RNG.standard_normal(shape)
    x, low, b = near_solution(a, 2)
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    assert check(make, a, b, x, low, unit) <= 2.0**-95
    assert check(make, a, b, x, 0 * low, unit) <= 2.0**-95
    assert MAKES[make](a).extended_eps == SLICED_EPS <= 2.0**-95


@pytest.mark.parametrize("make", ["dense", "sparse", "torch"])
def test_rows_of_any_size(make):
    """Over 300 binades from row to row, each has its own precision."""
    a = RNG.standard_normal((9, 9)) * 2.0 ** np.linspace(-150, 150, 9)[:, None]
    x, low, b = near_solution(a, 3)
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    assert check(make, a, b, x, low, unit) <= 2.0**-95


@pytest.mark.parametrize("make", ["dense", "sparse", "torch"])
def test_columns_side_by_side_of_any_size(make):
    a = RNG.standard_normal((9, 9))
    x, low, b = near_solution(a, 4, 2.0 ** np.array([-150.0, 0.0, 40.0, 150.0]))
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    assert check(make, a, b, x, low, unit) <= 2.0**-95


@pytest.mark.parametrize("make", ["dense", "sparse", "torch"])
@pytest.mark.parametrize("bits", [30, 45, 80, 150, 250])
def test_unknowns_of_very_different_size(make, bits):
    """Where A does not couple them, even the smallest has 72 bits or more of its product."""
    x = 2.0 ** -np.linspace(0, bits, 8)[:, None] * RNG.uniform(1, 2, (8, 2))
    low = np.finfo(float).eps / 4 * x * RNG.uniform(-1, 1, x.shape)
    a = np.diag(RNG.uniform(1, 2, 8))
    b = a @ x
    assert check(make, a, b, x, low, abs(a) @ abs(x)) <= 2.0**-68


@pytest.mark.parametrize("make", ["dense", "sparse"])
def test_entries_all_over_300_binades(make):
    """Errors are relative to the largest products that a row and a column can have."""
    a = RNG.standard_normal((12, 12)) * 2.0 ** RNG.uniform(-150, 150, (12, 12))
    x = RNG.standard_normal((12, 2)) * 2.0 ** RNG.uniform(-150, 150, (12, 2))
    low = np.finfo(float).eps / 4 * x
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    assert check(make, a, a @ x, x, low, unit) <= 2.0**-95


@pytest.mark.parametrize("make", ["dense", "sparse"])
def test_low_far_below_or_as_large_as_x(make):
    a = RNG.standard_normal((8, 8))
    x, _, b = near_solution(a, 2)
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    for size in (1.0, 1e-3, 1e-16, 1e-25, 1e-300):
        low = size * RNG.standard_normal(x.shape)
        assert check(make, a, b, x, low, unit) <= 2.0**-95
    low = np.zeros_like(x)
    low[2, 1] = 1e-20
    assert check(make, a, b, x, low, unit) <= 2.0**-95
    zero = np.zeros_like(x)
    assert check(make, a, b, zero, x, unit) <= 2.0**-95
    np.testing.assert_array_equal(MAKES[make](a).extended_residual(b, zero, zero), b)


@pytest.mark.parametrize("make", ["dense", "sparse"])
def test_zeros_and_empty_blocks(make):
    a = RNG.standard_normal((5, 4))
    a[2] = 0
    x = RNG.standard_normal((4, 3))
    x[:, 1] = 0
    b = RNG.standard_normal((5, 3))
    unit = abs(a).max() * abs(x).max() * np.ones_like(b)
    assert check(make, a, b, x, 0 * x, unit) <= 2.0**-95
    zero = np.zeros((5, 4))
    np.testing.assert_array_equal(MAKES[make](zero).extended_residual(b, x, 0 * x), b)
    assert MAKES[make](a).extended_residual(b[:, :0], x[:, :0], x[:, :0]).shape == (5, 0)


def test_ill_conditioned_solutions_are_told_from_their_rounding():
    """At κ = 1e14 the plain residual of the rounded solution is noise; the sliced one leads to the rest."""
    n = 10
    a = rotated(np.geomspace(1, 1e-14, n))
    x, low, b = near_solution(a, 1)
    unit = abs(a).max(axis=1)[:, None] * abs(x).max(axis=0)
    assert check("dense", a, b, x, low, unit) <= 2.0**-95


@pytest.mark.parametrize("rows", [3, 70_000])
def test_large_matrices_in_blocks_of_rows(rows, monkeypatch):
    monkeypatch.setattr("thermolinalg.operators.dense.KEPT", 0)
    a = RNG.standard_normal((rows, 3))
    x, low, b = near_solution(a, 2)
    found = Dense(a, symmetric=False).extended_residual(b, x, low)
    monkeypatch.undo()
    np.testing.assert_array_equal(found, Dense(a, symmetric=False).extended_residual(b, x, low))


# -- what it rests on --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("terms", [1, 2, 3, 4, 5, 100, 1024, 1025, 10**6])
def test_sums_of_products_of_slices_fit_a_double(terms):
    bits = bits_of_slices(terms)
    assert 2 * bits + math.log2(max(terms, 2)) <= 53
    assert 2 * (bits + 1) + math.ceil(math.log2(max(terms, 2))) > 53


def exponents_fit(part, largest, bits, i):
    """Whether all numbers are whole multiples of the unit of slice i, and small ones."""
    top = 2.0 ** (np.floor(np.log2(largest)) + 1)
    whole = part / (top * 2.0 ** (-bits * (i + 1)))
    return np.all(whole == np.round(whole)) and np.all(abs(whole) <= 2.0 ** (bits if i == 0 else bits - 1))


@pytest.mark.parametrize("n", [1, 5, 60])
def test_slices_are_short_and_add_up_to_the_matrix(n):
    a, bits = RNG.standard_normal((n, n)), bits_of_slices(n)
    for slices, largest in (
        (row_slices(a, bits), abs(a).max(axis=1, keepdims=True)),
        (column_slices(a, bits), abs(a).max(axis=0, keepdims=True)),
        (
            [part.toarray() for part in sparse_slices(scipy.sparse.csr_array(a), bits)],
            abs(a).max(axis=1, keepdims=True),
        ),
    ):
        total = sum(fractions_of(part) for part in slices)
        assert np.all(total == fractions_of(a))
        for i, part in enumerate(slices):
            assert exponents_fit(part, largest, bits, i)
        assert len(slices) <= math.ceil(WANTED_BITS / bits)


def fractions_of(a):
    return np.array(fractions(a), dtype=object)


@pytest.mark.parametrize("size", [2.0**-1000, 1.0, 2.0**900])
def test_powers_of_two_and_their_neighbours_are_sliced_exactly(size):
    a = size * np.array([[1.0, 1 - 2.0**-53, 1 + 2.0**-52, -1.0, 0.75, -(1 - 2.0**-53)]])
    for slices in (row_slices(a, 22), column_slices(a, 22)):
        assert np.all(sum(fractions_of(part) for part in slices) == fractions_of(a))


def test_what_is_cut_off_is_below_the_wanted_bits():
    a, bits = np.array([[1.0, 2.0**-90 / 3, 2.0**-200]]), 22
    slices = row_slices(a, bits)
    left = fractions_of(a) - sum(fractions_of(part) for part in slices)
    assert np.all(abs(left) <= Fraction(1, 2**WANTED_BITS))
    deeper = column_slices(a.T, bits, 5)
    assert np.all(sum(fractions_of(part) for part in deeper) == fractions_of(a.T))


@pytest.mark.parametrize("n", [2, 30, 1000])
def test_products_of_slices_are_exact_in_any_order(n):
    """The largest sums that slices can have: all entries at the top of their range and of one sign."""
    bits = bits_of_slices(n)
    row = np.full((1, n), 2.0 - 2.0**-52)
    column = np.full((n, 1), 2.0 - 2.0**-52)
    for p in row_slices(row, bits):
        for q in column_slices(column, bits):
            exact = Fraction(float(p[0, 0])) * Fraction(float(q[0, 0])) * n
            assert Fraction(float((p @ q)[0, 0])) == exact
            assert Fraction(float(np.add.accumulate(p[0] * q[:, 0])[-1])) == exact
    order = RNG.permutation(n)
    a, x = RNG.standard_normal((1, n)), RNG.standard_normal((n, 1))
    for p in row_slices(a, bits):
        for q in column_slices(x, bits):
            assert (p @ q)[0, 0] == (p[:, order] @ q[order])[0, 0] == math.fsum((p[0] * q[:, 0]).tolist())
