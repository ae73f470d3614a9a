"""The skew embedding is the matrix its docstring draws, whatever A is held as."""

import math

import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal

from thermolinalg.operators import Dense, MatrixFree, SkewEmbedding, Sparse

A = np.random.default_rng(0).standard_normal((4, 7))
HELD = {
    "dense": lambda a: Dense(a, symmetric=False),
    "sparse": lambda a: Sparse(scipy.sparse.csr_array(a), symmetric=False),
    "matrix-free": lambda a: MatrixFree(scipy.sparse.linalg.aslinearoperator(a), symmetric=False),
}


def drawn(a, alpha):
    m, n = a.shape
    return np.block([[alpha * np.eye(m), a], [-a.T, alpha * np.eye(n)]])


@pytest.mark.parametrize("hold", HELD.values(), ids=HELD)
@pytest.mark.parametrize("a", [A, A.T, A[:, :4]], ids=["wide", "tall", "square"])
def test_products(hold, a):
    m = SkewEmbedding(hold(a), 0.3)
    expected = drawn(a, 0.3)
    v = np.random.default_rng(1).standard_normal((sum(a.shape), 3))
    assert m.shape == expected.shape
    assert not m.symmetric
    assert_allclose(m.apply(v), expected @ v, rtol=1e-13)
    assert_allclose(m.apply_transposed(v), expected.T @ v, rtol=1e-13)
    assert_allclose(m.dense(), expected)
    assert_array_equal(m.diagonal(), expected.diagonal())
    assert (m @ v[:, 0]).shape == (sum(a.shape),)


@pytest.mark.parametrize(
    "a",
    [
        A,
        np.array([[0.0, 5.0], [0.0, 0.0]]),
        np.array([[0.0, 0.0], [3.0, 4.0]]),
        A.T,
        np.array([[3.0, 0.0], [4.0, 0.0]]),
    ],
)
def test_the_bound_of_the_norm_holds_for_matrices_that_are_not_symmetric(a):
    largest = math.hypot(0.3, np.linalg.norm(a, 2))
    for hold in (HELD["dense"], HELD["sparse"]):
        assert largest <= SkewEmbedding(hold(a), 0.3).norm_bound() * (1 + 1e-14) <= 3 * largest
    assert SkewEmbedding(HELD["matrix-free"](a), 0.3).norm_bound() is None


@pytest.mark.parametrize("alpha", [0.0, -1.0, math.nan, math.inf])
def test_alpha_is_positive(alpha):
    with pytest.raises(ValueError, match="alpha must be"):
        SkewEmbedding(Dense(A, symmetric=False), alpha)


def test_float32_and_torch_are_kept():
    assert SkewEmbedding(Dense(A.astype(np.float32), symmetric=False), 0.3).dense().dtype == np.float32
    torch = pytest.importorskip("torch")
    m = SkewEmbedding(Dense(torch.as_tensor(A), symmetric=False), 0.3)
    assert isinstance(m.diagonal(), torch.Tensor)
    assert_allclose(m.dense().numpy(), drawn(A, 0.3))
