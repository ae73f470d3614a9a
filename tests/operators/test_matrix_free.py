"""Maps known by their products: from what they are made, where they live, and what they refuse."""

import pickle

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg.operators import Dense, MatrixFree, Operator, Scaled, Sparse
from thermolinalg.operators.read import read_matrix

MATRIX = np.random.default_rng(0).standard_normal((20, 4))


class Blocks:
    def __init__(self, matrix):
        self.matrix, self.shape = matrix, tuple(matrix.shape)

    def apply(self, block):
        return self.matrix @ block

    def apply_transposed(self, block):
        return self.matrix.T @ block


class Vectors:
    def __init__(self, matrix):
        self.matrix, self.shape, self.dtype = matrix, tuple(matrix.shape), matrix.dtype

    def matvec(self, v):
        assert v.ndim == 1
        return self.matrix @ v

    def rmatvec(self, u):
        assert u.ndim == 1
        return self.matrix.T @ u


SOURCES = {
    "blocks": Blocks,
    "vectors": Vectors,
    "LinearOperator": aslinearoperator,
    "array": np.asarray,
    "sparse": scipy.sparse.csr_array,
    "operator": lambda a: Dense(a, symmetric=False),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_products_and_gram_matrices(source):
    operator = MatrixFree(source(MATRIX), symmetric=False)
    u, v = np.ones((20, 3)), np.ones((4, 3))
    np.testing.assert_allclose(operator.apply(v), MATRIX @ v)
    np.testing.assert_allclose(operator.apply_transposed(u), MATRIX.T @ u)
    np.testing.assert_allclose(operator.gram(), MATRIX @ MATRIX.T, atol=1e-14)
    np.testing.assert_allclose(operator.normal(), MATRIX.T @ MATRIX)
    np.testing.assert_allclose(operator.T.gram(), MATRIX.T @ MATRIX)
    np.testing.assert_allclose(operator.dense(), MATRIX)
    again = pickle.loads(pickle.dumps(operator))
    np.testing.assert_array_equal(again.apply_transposed(u), operator.apply_transposed(u))


@pytest.mark.parametrize(
    "operator",
    [
        Dense(MATRIX, symmetric=False),
        Sparse(scipy.sparse.csr_array(MATRIX), symmetric=False),
        Scaled(Dense(MATRIX, symmetric=False), -2.0, columns=np.array([1.0, 2.0, 3.0, 4.0])),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_gram_matrices_of_operators_with_entries(operator):
    a = operator.dense()
    np.testing.assert_allclose(operator.gram(), a @ a.T, atol=1e-13)
    np.testing.assert_allclose(operator.normal(), a.T @ a)
    np.testing.assert_allclose(operator.column_squares(), np.sum(a**2, axis=0))


def test_column_squares_are_unknown_where_rows_are_scaled():
    assert Dense(MATRIX, symmetric=False).T.column_squares().shape == (20,)
    assert Scaled(Dense(MATRIX, symmetric=False), rows=np.ones(20)).column_squares() is None


def test_gram_matrix_of_single_precision_is_in_double(monkeypatch):
    monkeypatch.setattr("thermolinalg.operators.dense.COLUMNS", 3)
    a = MATRIX.astype(np.float32)
    for operator in (Dense(a, symmetric=False), Sparse(scipy.sparse.csr_array(a), symmetric=False)):
        assert operator.gram().dtype == np.float64
        np.testing.assert_allclose(operator.gram(), a.astype(float) @ a.T.astype(float), rtol=1e-14, atol=1e-14)


def test_a_known_gram_matrix_is_asked_for_but_not_of_a_scaled_map():
    class WithGram(Blocks):
        def gram(self):
            return np.full((20, 20), 7.0)

    operator = MatrixFree(WithGram(MATRIX), symmetric=False)
    assert operator.gram()[0, 0] == 7
    np.testing.assert_allclose(operator.rescaled(None, np.full(4, 2.0)).gram(), 4 * MATRIX @ MATRIX.T, atol=1e-13)


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (type("Nothing", (), {"shape": (2, 2)})(), TypeError, "B must be an array.*not Nothing"),
        (aslinearoperator(1j * np.eye(2)), TypeError, "B must be real"),
    ],
)
def test_what_has_no_real_products_is_refused(source, error, message):
    with pytest.raises(error, match=message):
        MatrixFree(source, name="B")


def test_a_gram_matrix_or_product_of_the_wrong_shape_is_refused():
    class Wrong(Blocks):
        def gram(self):
            return np.eye(3)

        def apply_transposed(self, block):
            return block

    operator = MatrixFree(Wrong(MATRIX), symmetric=False, name="B")
    with pytest.raises(ValueError, match=r"B.gram\(\) must have shape \(20, 20\), got \(3, 3\)"):
        operator.gram()
    with pytest.raises(ValueError, match=r"returned Bᵀ U of shape \(20, 1\), not \(4, 1\)"):
        operator.apply_transposed(np.ones((20, 1)))


def test_the_precision_of_a_product_is_the_wider_one():
    operator = MatrixFree(aslinearoperator(np.eye(3, dtype=np.float32)))
    assert operator.dtype == np.float32
    assert operator.apply(np.ones((3, 1), np.float32)).dtype == np.float32
    assert operator.apply(np.ones((3, 1))).dtype == np.float64


def test_maps_read_from_the_user_can_be_pickled():
    skewed = np.eye(3) + np.triu(np.ones((3, 3)))
    for a, options in [
        (aslinearoperator(np.eye(3)), {}),
        (aslinearoperator(skewed), {}),
        (aslinearoperator(1j * skewed), {}),
        (aslinearoperator(np.eye(3) + 1j), {"assume_a": "sym"}),
    ]:
        read = read_matrix(a, **options)
        again = pickle.loads(pickle.dumps(read.transposed()))
        assert isinstance(again.operator, Operator)
        np.testing.assert_array_equal(again.operator.dense(), read.transposed().operator.dense())


def test_maps_that_take_vectors_only():
    def matvec(v):
        if v.ndim != 1:
            raise ValueError
        return MATRIX @ v

    operator = MatrixFree(LinearOperator((20, 4), matvec=matvec, rmatvec=lambda u: MATRIX.T @ u, dtype=float))
    np.testing.assert_allclose(operator.apply(np.eye(4)), MATRIX)


def test_a_map_whose_factor_is_that_of_a_sign_is_no_matrix():
    """On a line, products with vectors of one sign would not tell |v| from v."""
    bent = LinearOperator((1, 1), matvec=lambda v: v + abs(v), dtype=float)
    with pytest.raises(ValueError, match="is not linear"):
        read_matrix(bent)
