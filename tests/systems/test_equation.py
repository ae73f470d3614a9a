"""Norms in all measures at once: the same as one by one, at any size of numbers."""

import numpy as np
import pytest

from thermolinalg._arrays import FEW, all_true, any_true, column_maxima, column_norms, highest, in_range, product
from thermolinalg._validation import is_finite
from thermolinalg.operators import Dense
from thermolinalg.systems import Equation, Measure

M, N = 6, 4
WEIGHTS = np.exp2(np.arange(M) - 3.0)[:, None]
COLUMNS = np.exp2(np.arange(N))[:, None]


def equation(measures, dtype=np.float64, k=3):
    rng = np.random.default_rng(0)
    matrix = Dense(rng.standard_normal((M, N)).astype(dtype), symmetric=False)
    return Equation(matrix, rng.standard_normal((M, k)).astype(dtype), measures, 1.0)


@pytest.mark.parametrize("k", [1, 3, FEW + 1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("measures", [(Measure(),), (Measure(WEIGHTS, COLUMNS), Measure()), (Measure(None, COLUMNS),)])
def test_norms_in_every_measure(measures, dtype, k):
    measures = tuple(Measure(*(w if w is None else w.astype(dtype) for w in (m.rows, m.columns))) for m in measures)
    eq, rng = equation(measures, dtype, k), np.random.default_rng(1)
    r, x = (rng.standard_normal((size, k)).astype(dtype) for size in (M, N))
    norms, sizes, others = eq.measured(r, x, 2 * x)
    assert norms.dtype == sizes.dtype == dtype
    for i, measure in enumerate(measures):
        rows, columns = (1.0 if w is None else w for w in (measure.rows, measure.columns))
        np.testing.assert_allclose(norms[i], np.linalg.norm(rows * r, axis=0), rtol=4 * np.finfo(dtype).eps)
        np.testing.assert_allclose(sizes[i], np.linalg.norm(columns * x, axis=0), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(others, 2 * sizes)
    np.testing.assert_array_equal(eq.norms(r), norms)
    np.testing.assert_array_equal(eq.lengths(x), sizes)
    np.testing.assert_array_equal(eq.loads, eq.norms(eq.rhs))


SIZES, FACTORS = (1e-300, 1e-170, 1e-16, 1e16, 1e170, 1e300), (1e-200, 1.0, 1e200, 0.0)


@pytest.mark.parametrize(("size", "weight"), [(s, w) for s in SIZES for w in FACTORS if s * w < np.inf])
def test_norms_of_numbers_whose_squares_leave_the_range(size, weight):
    product = size * weight
    eq, r = equation((Measure(np.full((M, 1), weight)), Measure())), np.full((M, 2), size)
    norms = eq.norms(r)
    np.testing.assert_allclose(norms[0], product * M**0.5, rtol=1e-15)
    np.testing.assert_allclose(norms[1], size * M**0.5, rtol=1e-15)


def test_weights_whose_squares_underflow_are_not_lost():
    weights, r = np.full((M, 1), 1e-25, dtype=np.float32), np.full((M, 1), 1e10, dtype=np.float32)
    weights[0], r[0] = 1.0, 1e-14
    norms = equation((Measure(weights), Measure()), np.float32, 1).norms(r)
    np.testing.assert_allclose(norms[0], (1e-28 + (M - 1) * 1e-30) ** 0.5, rtol=1e-6)


def test_columns_of_zeros_and_nan():
    r = np.ones((M, 3))
    r[:, 0], r[2, 1] = 0.0, np.nan
    found = equation((Measure(),)).norms(r)[0]
    assert found[0] == 0
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(M**0.5, rel=1e-15)
    np.testing.assert_array_equal(column_norms(r), found)


@pytest.mark.parametrize("k", [1, FEW, FEW + 1])
def test_looking_at_booleans(k):
    yes, no = np.ones((2, k), dtype=bool), np.zeros((2, k), dtype=bool)
    one = no.copy()
    one[1, -1] = True
    assert all_true(yes)
    assert not all_true(~one)
    assert any_true(one)
    assert not any_true(no)


def test_sums_of_squares_in_range():
    assert in_range(np.array([1.0, 1e29]))
    for bad in (0.0, 1e-31, 1e31, np.inf, np.nan):
        assert not in_range(np.array([[1.0], [bad]]))
        assert not in_range(np.array([bad, *np.ones(FEW)]))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (5, 0), (40, 3), (5003, 2), (5003, 1), (300, 200)])
def test_largest_entries_of_columns(shape):
    block = np.random.default_rng(0).standard_normal(shape)
    for last in (False, True):
        block[-1 if last else 0, :1] = -9.0
        np.testing.assert_array_equal(column_maxima(block), [max(map(abs, column)) for column in block.T])
        block[-1 if last else 0, :1] = 0.0


@pytest.mark.parametrize("k", [2, FEW, FEW + 1])
def test_the_highest_number(k):
    x = np.linspace(-2.0, -1.0, k)
    assert highest(x) == highest(x[::-1]) == highest(np.stack([x, 2 * x])) == -1.0
    for place in (0, -1):
        broken = x.copy()
        broken[place] = np.nan
        assert np.isnan(highest(broken))


@pytest.mark.parametrize("size", [1.0, 1e200])
@pytest.mark.parametrize("order", ["C", "F"])
def test_whether_all_numbers_are_finite(size, order):
    x = np.full((3, 4), size, order=order)
    assert is_finite(x)
    assert is_finite(x[:, ::2])
    assert is_finite(x + 1j * x)
    for bad in (np.nan, np.inf, -np.inf):
        broken = x.copy()
        broken[2, 1] = bad
        assert not is_finite(broken)
        assert not is_finite(np.where(np.isfinite(broken), 1j, broken))


def test_products_are_those_of_matrices():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(product(a, b), a @ b)
