"""Scaling from both sides, equilibration, signs, and products with absolute values."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from thermolinalg._arrays import to_numpy
from thermolinalg.operators import Dense, Diagonal, MatrixFree, Scaled, Sparse, Sum, Toeplitz
from thermolinalg.operators.equilibrate import equilibrate

RNG = np.random.default_rng(5)
GENERAL = RNG.standard_normal((70, 70))
TALL = RNG.standard_normal((9, 4))


def torch_dense(matrix, symmetric):
    torch = pytest.importorskip("torch")
    return Dense(torch.as_tensor(matrix), symmetric=symmetric)


MAKERS = {
    "dense": lambda a, symmetric: Dense(a, symmetric=symmetric),
    "sparse": lambda a, symmetric: Sparse(scipy.sparse.csr_array(a), symmetric=symmetric),
    "torch": torch_dense,
    "matrix-free": lambda a, symmetric: MatrixFree(aslinearoperator(a), symmetric=symmetric),
    "sum": lambda a, symmetric: Dense(a / 2, symmetric=symmetric) + Sparse(a / 2, symmetric=symmetric),
}
anywhere = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
by_entries = pytest.mark.parametrize("make", [MAKERS[name] for name in ("dense", "sparse", "torch")])


def put(x, operator):
    return x if isinstance(operator.like, np.ndarray) else operator.like.new_tensor(x)


@anywhere
@pytest.mark.parametrize("sides", ["rows", "columns", "both", "neither"])
def test_rescaled(make, sides):
    operator = make(TALL, False)
    rows = RNG.uniform(0.5, 2, 9) if sides in ("rows", "both") else None
    columns = RNG.uniform(0.5, 2, 4) if sides in ("columns", "both") else None
    expected = -3.0 * TALL
    if rows is not None:
        expected = rows[:, None] * expected
    if columns is not None:
        expected = expected * columns
    scaled = operator.rescaled(
        None if rows is None else put(rows, operator), None if columns is None else put(columns, operator), -3.0
    )
    block = RNG.standard_normal((4, 2)), RNG.standard_normal((9, 2))
    np.testing.assert_allclose(to_numpy(scaled.dense()), expected, rtol=1e-15)
    np.testing.assert_allclose(to_numpy(scaled.apply(put(block[0], operator))), expected @ block[0], rtol=1e-12)
    transposed = to_numpy(scaled.apply_transposed(put(block[1], operator)))
    np.testing.assert_allclose(transposed, expected.T @ block[1], rtol=1e-12)
    assert isinstance(scaled, type(operator) if isinstance(operator, (Dense, Sparse, Sum)) else Scaled)
    assert not scaled.symmetric


@anywhere
def test_symmetry_is_kept_where_both_sides_are_scaled_alike(make):
    operator = make(TALL @ TALL.T, True)
    s = put(RNG.uniform(0.5, 2, 9), operator)
    assert operator.rescaled(s, s + 0.0).symmetric
    assert not operator.rescaled(s, 2 * s).symmetric
    assert not operator.rescaled(s, None).symmetric
    assert operator.rescaled(None, None, 2.0).symmetric


def test_scaling_twice_is_one_scaling():
    r, c = RNG.uniform(0.5, 2, (2, 9)), RNG.uniform(0.5, 2, (2, 4))
    twice = MatrixFree(aslinearoperator(TALL), symmetric=False).rescaled(r[0], c[0], 2.0).rescaled(r[1], c[1], -0.5)
    assert isinstance(twice.operator, MatrixFree)
    np.testing.assert_allclose(twice.dense(), -(r[0] * r[1])[:, None] * TALL * (c[0] * c[1]), rtol=1e-14)


@by_entries
@pytest.mark.parametrize(
    ("entry", "row", "column", "factor"),
    [(1e300, 500, -600, 1.0), (1e-300, -500, 600, 1.0), (1e300, -900, 890, 1.0), (1.0, 1000, -900, 2.0**-100)],
)
def test_scaling_by_powers_of_two_stays_in_range_and_is_exact(make, entry, row, column, factor):
    matrix = np.array([[entry, 0.0], [-0.3 * entry, entry / 7]])
    operator = make(matrix, False)
    rows, columns = np.full(2, 2.0**row), np.full(2, 2.0**column)
    scaled = operator.rescaled(put(rows, operator), put(columns, operator), factor)
    exponent = row + column + int(np.log2(factor))
    np.testing.assert_array_equal(to_numpy(scaled.dense()), np.ldexp(matrix, exponent))


def graded(bits_of_rows, bits_of_columns, n=70):
    r = np.exp2(np.linspace(0, bits_of_rows, n) - bits_of_rows / 2)
    c = np.exp2(np.linspace(0, bits_of_columns, n)[::-1] - bits_of_columns / 2)
    return r[:, None] * GENERAL * c


@by_entries
@pytest.mark.parametrize("bits", [(0, 0), (40, 0), (0, 40), (40, 40), (900, 0), (500, 500), (-60, 40)])
@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150])
def test_equilibration_undoes_grading(make, bits, scale):
    operator = make(scale * graded(*bits), False)
    rows, columns = equilibrate(operator)
    for scaling in (rows, columns):
        if scaling is not None:
            assert np.all(np.frexp(to_numpy(scaling))[0] == 0.5)
    balanced = np.abs(to_numpy(operator.rescaled(rows, columns).dense()))
    for largest in (balanced.max(axis=0), balanced.max(axis=1)):
        assert np.all((largest >= 0.3) & (largest <= 3))
    assert np.linalg.cond(balanced) < 1e6
    assert np.linalg.cond(to_numpy(operator.rescaled(rows, columns).dense())) < 20 * np.linalg.cond(GENERAL)


@by_entries
@pytest.mark.parametrize("scale", [1e300, 1e-300, 5e-324, 1e-310])
def test_equilibration_at_the_ends_of_the_range(make, scale):
    matrix = scale * np.array([[1.0, 7.0, 0.0], [0.0, 0.0, 0.0], [3.0, 1.0, 0.0]])
    operator = make(matrix, False)
    rows, columns = equilibrate(operator)
    assert to_numpy(rows)[1] == 1
    assert to_numpy(columns)[2] == 1
    balanced = to_numpy(operator.rescaled(rows, columns).dense())
    assert np.all(np.isfinite(balanced))
    assert 0.5 <= np.abs(balanced).max() <= 2


@by_entries
def test_equilibration_keeps_symmetry_and_leaves_alone_what_is_balanced(make):
    d = np.exp2(np.linspace(-30, 30, 70))
    operator = make(d[:, None] * (GENERAL + GENERAL.T) * d, True)
    rows, columns = equilibrate(operator)
    np.testing.assert_array_equal(to_numpy(rows), to_numpy(columns))
    assert operator.rescaled(rows, columns).symmetric
    assert equilibrate(make(np.eye(3), True)) == (None, None)
    assert equilibrate(make(np.zeros((3, 3)), True)) == (None, None)
    assert equilibrate(make(np.zeros((3, 0)), False)) == (None, None)


def test_equilibration_of_single_precision_stays_in_its_range():
    matrix = np.array([[1e38, 1e-38], [1e-38, 1e-45]], dtype=np.float32)
    operator = Dense(matrix, symmetric=False)
    rows, columns = equilibrate(operator)
    assert rows.dtype == np.float32
    assert np.all(np.isfinite(rows) & (rows > 0) & np.isfinite(columns) & (columns > 0))
    assert np.all(np.isfinite(operator.rescaled(rows, columns).dense()))


def test_maps_known_by_products_are_not_equilibrated():
    assert equilibrate(MatrixFree(aslinearoperator(GENERAL), symmetric=False)) == (None, None)
    assert equilibrate(Toeplitz([2.0, 1.0])) == (None, None)


def test_negated(case):
    negative = case.operator.negated()
    np.testing.assert_array_equal(to_numpy(negative.dense()), -to_numpy(case.operator.dense()))
    np.testing.assert_array_equal(to_numpy(negative.negated().dense()), to_numpy(case.operator.dense()))
    assert negative.symmetric
    bound = case.operator.norm_bound()
    assert bound is None or negative.norm_bound() == bound
    values = case.operator.eigenvalues()
    if values is not None:
        np.testing.assert_array_equal(to_numpy(negative.eigenvalues()), -to_numpy(values))


def test_absolute_products(case):
    block = np.random.default_rng(3).uniform(0, 1, (case.matrix.shape[0], 2))
    for operator in (case.operator, case.operator.negated()):
        product = operator.absolute(case.put(block))
        if product is None:
            continue
        exact = np.abs(case.matrix) @ block
        assert np.all(to_numpy(product) >= exact * (1 - case.tolerance))
        if operator.structure == "diagonal":
            np.testing.assert_allclose(to_numpy(product), exact, rtol=case.tolerance)


@anywhere
def test_absolute_products_of_rectangular_maps(make):
    operator, block = make(TALL, False), RNG.uniform(0, 1, (4, 3))
    r, c = np.linspace(-1, 1, 9), np.linspace(-2, 3, 4)
    scaled = operator.rescaled(put(r, operator), put(c, operator), -2.0)
    product = scaled.absolute(put(block, operator))
    if operator.structure == "matrix-free":
        assert product is None
    else:
        expected = 2 * np.abs(r)[:, None] * (np.abs(TALL) @ (np.abs(c)[:, None] * block))
        np.testing.assert_allclose(to_numpy(product), expected, rtol=1e-14)


def test_the_diagonal_of_a_scaled_map():
    scaled = Scaled(Toeplitz([2.0, 1.0, 0.5]), -2.0, rows=np.array([1.0, 2.0, 4.0]))
    np.testing.assert_array_equal(scaled.diagonal(), [-4.0, -8.0, -16.0])
    assert scaled.norm_bound() >= np.linalg.norm(scaled.dense(), 2)
    assert Diagonal([1.0, 2.0]).rescaled(np.array([3.0, 4.0]), np.array([5.0, 6.0]), -1.0).entries.tolist() == [
        -15,
        -48,
    ]
