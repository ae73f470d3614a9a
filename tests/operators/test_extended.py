"""Residuals in extended precision, against exact arithmetic and against products in the wider type."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from exact import fractions
from scipy.sparse.linalg import aslinearoperator

from thermolinalg._arrays import is_torch, to_numpy
from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Dense,
    Diagonal,
    DiagonalPlusLowRank,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    MatrixFree,
    Normal,
    Sparse,
    Toeplitz,
)
from thermolinalg.operators._extended import LONG_DOUBLE_IS_WIDER

RNG = np.random.default_rng(11)
needs_long_double = pytest.mark.skipif(not LONG_DOUBLE_IS_WIDER, reason="long double is double here")


def wide(a):
    return np.asarray(a).astype(np.longdouble)


def gram(r):
    return wide(r).T @ wide(r)


A, B, R, D, C = (
    scipy.linalg.toeplitz([3.1, 0.7, 0.3]),
    scipy.linalg.toeplitz([2.3, 0.1]),
    RNG.standard_normal((2, 6)),
    RNG.uniform(1, 2, 6),
    np.array([2.0, 0.7, 0.1, 0.3, 0.01, 1e-9]),
)
S, T = RNG.uniform(0.5, 2, (2, 6))
RING = np.array([2.0, 0.7, 0.1, 0.3, 0.1, 0.7])
EYE = np.eye(6, dtype=np.longdouble)
STRUCTURES = {
    "diagonal": (lambda put: Diagonal(put(D)), np.diag(wide(D))),
    "scaled": (
        lambda put: Toeplitz(put(C)).rescaled(put(S), put(T), -0.3),
        np.longdouble(-0.3) * wide(S)[:, None] * wide(scipy.linalg.toeplitz(C)) * wide(T),
    ),
    "sum": (lambda put: Diagonal(put(D)) + Toeplitz(put(C)), np.diag(wide(D)) + wide(scipy.linalg.toeplitz(C))),
    "low rank": (
        lambda put: LowRankPlusIdentity(put(R), 0.1, weight=0.3),
        np.longdouble(0.1) * EYE + np.longdouble(0.3) * gram(R),
    ),
    "diagonal plus low rank": (lambda put: DiagonalPlusLowRank(put(D), put(R)), np.diag(wide(D)) + gram(R)),
    "normal": (lambda put: Normal(put(R)), gram(R)),
    "Kronecker": (
        lambda put: Kronecker(put(A), put(B), shift=0.1, weight=0.7),
        np.longdouble(0.1) * EYE + np.longdouble(0.7) * np.kron(wide(A), wide(B)),
    ),
    "Kronecker sum": (
        lambda put: KroneckerSum(put(A), put(B), shift=0.1, weight=0.7),
        np.longdouble(0.1) * EYE
        + np.longdouble(0.7) * (np.kron(wide(A), np.eye(2)) + np.kron(np.eye(3), wide(B)).astype(np.longdouble)),
    ),
    "Toeplitz": (lambda put: Toeplitz(put(C)), wide(scipy.linalg.toeplitz(C))),
    "circulant": (lambda put: Circulant(put(RING)), wide(scipy.linalg.circulant(RING))),
    "block diagonal": (
        lambda put: BlockDiagonal([Diagonal(put(D[:4])), put(B)]),
        wide(scipy.linalg.block_diag(np.diag(D[:4]), B)),
    ),
}


def numpy_put(dtype):
    return lambda x: np.asarray(x, dtype)


def torch_put(dtype):
    torch = pytest.importorskip("torch")
    return lambda x: torch.as_tensor(np.asarray(x, dtype))


@needs_long_double
@pytest.mark.parametrize("place", [numpy_put, torch_put])
@pytest.mark.parametrize("name", STRUCTURES)
def test_residuals_of_structures(name, place):
    build, matrix = STRUCTURES[name]
    put = place(np.float64)
    operator = build(put)
    x, low = RNG.standard_normal((6, 2)), 1e-17 * RNG.standard_normal((6, 2))
    b = np.asarray(matrix @ wide(x), np.float64)
    residual = operator.extended_residual(put(b), put(x), put(low))
    expected = wide(b) - matrix @ (wide(x) + wide(low))
    assert is_torch(residual) == is_torch(operator.like)
    assert residual.dtype == operator.like.dtype
    np.testing.assert_allclose(to_numpy(residual), expected.astype(float), rtol=0, atol=3e-18)
    assert np.abs(expected).max() > 1e-17, "plain double precision has no digit of this"


@pytest.mark.parametrize("place", [numpy_put, torch_put])
@pytest.mark.parametrize("name", STRUCTURES)
def test_single_precision_is_accumulated_in_double(name, place):
    build, _ = STRUCTURES[name]
    put = place(np.float32)
    operator = build(put)
    x, low = put(RNG.standard_normal((6, 2))), put(1e-9 * RNG.standard_normal((6, 2)))
    b = operator.apply(x)
    residual = operator.extended_residual(b, x, low)
    doubled = build(lambda a: numpy_put(np.float64)(np.asarray(a, np.float32)))
    expected = to_numpy(b).astype(float) - doubled.apply(to_numpy(x).astype(float) + to_numpy(low).astype(float))
    assert residual.dtype == operator.like.dtype
    np.testing.assert_allclose(to_numpy(residual), expected, rtol=1e-6, atol=1e-13)


@needs_long_double
@pytest.mark.parametrize("shape", [(5, 5), (7, 3), (3, 7), (1, 1), (200, 3)])
@pytest.mark.parametrize("make", [Dense, lambda a, symmetric: Sparse(scipy.sparse.csr_array(a), symmetric=symmetric)])
def test_residuals_of_any_matrix_against_exact_arithmetic(shape, make):
    m, n = shape
    a, x, low = RNG.standard_normal(shape), RNG.standard_normal((n, 1)), 1e-17 * RNG.standard_normal((n, 1))
    b = a @ x
    exact_a, exact_x = fractions(a), [p + q for (p,), (q,) in zip(fractions(x), fractions(low), strict=True)]
    expected = [
        float(Fraction(float(b[i, 0])) - sum((exact_a[i][j] * exact_x[j] for j in range(n)), Fraction(0)))
        for i in range(m)
    ]
    residual = make(a, symmetric=False).extended_residual(b, x, low)
    np.testing.assert_allclose(residual[:, 0], expected, rtol=0, atol=n * 1e-18)


def test_there_is_none_for_maps_known_by_products():
    x = np.ones((6, 1))
    for operator in (
        MatrixFree(aslinearoperator(np.eye(6))),
        MatrixFree(aslinearoperator(np.eye(6))) + Diagonal(D),
        MatrixFree(aslinearoperator(np.eye(6))).scaled(2.0),
        LowRankPlusIdentity(aslinearoperator(R), 0.1),
        BlockDiagonal([Diagonal(D[:3]), MatrixFree(aslinearoperator(np.eye(3)))]),
    ):
        assert operator.extended_residual(x, x, x) is None
        assert operator.absolute(x) is None


def test_there_is_none_where_long_double_is_double(monkeypatch):
    monkeypatch.setattr("thermolinalg.operators._extended.LONG_DOUBLE_IS_WIDER", False)
    x = np.ones((6, 1))
    assert Diagonal(D).extended_residual(x, x, x) is None
    assert Diagonal(D.astype(np.float32)).extended_residual(*[x.astype(np.float32)] * 3) is not None


@pytest.mark.parametrize("name", STRUCTURES)
def test_absolute_products_of_structures(name):
    build, matrix = STRUCTURES[name]
    block = RNG.uniform(0, 1, (6, 2))
    exact = np.abs(matrix.astype(float)) @ block
    product = build(numpy_put(np.float64)).absolute(block)
    assert np.all(product >= exact * (1 - 1e-14))
    if name in ("low rank", "diagonal plus low rank", "normal"):
        assert np.all(product <= 0.3 * 20 * exact.max() + exact)
    else:
        np.testing.assert_allclose(product, exact, rtol=1e-13)
