"""Constructors refuse what they cannot mean, and name the argument."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

from thermolinalg.operators import (
    BlockDiagonal,
    Circulant,
    Diagonal,
    DiagonalPlusLowRank,
    Kronecker,
    KroneckerSum,
    LowRankPlusIdentity,
    Normal,
    Toeplitz,
)

R = np.ones((2, 3))
NAN = np.array([[1.0, np.nan, 2.0]])
LOPSIDED = np.array([[1.0, 2.0], [0.0, 1.0]])

VALUE_ERRORS = [
    (lambda: LowRankPlusIdentity(np.ones(3), 1.0), "R must have 2 dimension"),
    (lambda: LowRankPlusIdentity(NAN, 1.0), "R contains NaN"),
    (lambda: LowRankPlusIdentity(scipy.sparse.csr_array(NAN), 1.0), "R contains NaN"),
    (lambda: LowRankPlusIdentity(R, -1.0), "shift must not be negative"),
    (lambda: LowRankPlusIdentity(R, np.nan), "shift must be finite"),
    (lambda: LowRankPlusIdentity(R, 1.0, weight=0.0), "weight must be positive"),
    (lambda: LowRankPlusIdentity(np.ones((0, 3)), 1.0), "R must not be empty"),
    (lambda: LowRankPlusIdentity(np.ones((3, 0)), 1.0), "R must not be empty"),
    (lambda: DiagonalPlusLowRank(np.ones(2), R), r"diagonal must have one entry per column of R \(3\), got 2"),
    (lambda: DiagonalPlusLowRank([1.0, -1.0, 1.0], R), "diagonal must not be negative.*-1"),
    (lambda: DiagonalPlusLowRank([1.0, np.inf, 1.0], R), "diagonal contains NaN or infinity"),
    (lambda: DiagonalPlusLowRank(1.0, R), r"diagonal must be an array.*LowRankPlusIdentity"),
    (lambda: Normal(np.ones((2, 2, 2))), "X must have 2 dimension"),
    (lambda: Normal(NAN), "X contains NaN"),
    (lambda: Normal(R, -0.1), "shift must not be negative"),
    (lambda: Normal(R, [1.0, 2.0]), "shift must have one entry per column of X"),
    (lambda: Diagonal([[1.0]]), "diagonal must have 1 dimension"),
    (lambda: Diagonal([1.0, np.nan]), "diagonal contains NaN"),
    (lambda: Diagonal([]), "diagonal must not be empty"),
    (lambda: Toeplitz([]), "column must not be empty"),
    (lambda: Toeplitz([np.inf]), "column contains NaN or infinity"),
    (lambda: Circulant([1.0, 2.0, 3.0]), "column must be symmetric"),
    (lambda: Kronecker(), "factors must not be empty"),
    (lambda: Kronecker(np.eye(2), LOPSIDED), r"factors\[1\] must be symmetric; pass \(factors\[1\]"),
    (lambda: Kronecker(np.ones((2, 3))), r"factors\[0\] must be square"),
    (lambda: Kronecker(np.eye(2), damping=-1.0), "damping must not be negative"),
    (lambda: Kronecker(np.eye(2), damping=[1.0, 2.0]), r"damping must have one entry per factor \(1\), got 2"),
    (lambda: KroneckerSum(np.full((2, 2), np.nan)), r"factors\[0\] contains NaN"),
    (lambda: KroneckerSum(np.eye(2), shift=-1.0), "shift must not be negative"),
    (lambda: BlockDiagonal([]), "blocks must not be empty"),
    (lambda: BlockDiagonal([np.eye(2), LOPSIDED]), r"blocks\[1\] must be symmetric"),
    (lambda: BlockDiagonal([scipy.sparse.csr_array(LOPSIDED)]), r"blocks\[0\] must be symmetric"),
    (lambda: BlockDiagonal([aslinearoperator(R)]), r"blocks\[0\] must be square"),
]

TYPE_ERRORS = [
    (lambda: LowRankPlusIdentity(1j * R, 1.0), "R must be real"),
    (lambda: LowRankPlusIdentity(aslinearoperator(1j * R), 1.0), "R must be real"),
    (lambda: LowRankPlusIdentity(R.view(np.matrix), 1.0), "R is an np.matrix"),
    (lambda: LowRankPlusIdentity(np.ma.masked_equal(R, 1), 1.0), "R is a masked array"),
    (lambda: LowRankPlusIdentity(np.array([["a", "b"]]), 1.0), "R has dtype"),
    (lambda: LowRankPlusIdentity("abc", 1.0), "R must be an array"),
    (lambda: LowRankPlusIdentity(R, "large"), "shift must be a real number"),
    (lambda: Normal(1j * R), "X must be real"),
    (lambda: Normal(object()), "X must be an array"),
    (lambda: Diagonal([1j, 2.0]), "diagonal must be real"),
    (lambda: Toeplitz([1j, 2.0]), "column must be real"),
    (lambda: Kronecker(1j * np.eye(2)), r"factors\[0\] must be real"),
    (lambda: BlockDiagonal([1j * np.eye(2)]), r"blocks\[0\] must be real"),
    (lambda: BlockDiagonal([aslinearoperator(np.eye(2) + 0j)]), r"blocks\[0\] must be real"),
]


@pytest.mark.parametrize(("build", "message"), VALUE_ERRORS, ids=[message for _, message in VALUE_ERRORS])
def test_refused_values(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(("build", "message"), TYPE_ERRORS, ids=[message for _, message in TYPE_ERRORS])
def test_refused_types(build, message):
    with pytest.raises(TypeError, match=message):
        build()


def test_an_object_with_a_shape_but_no_products_is_refused():
    class Shape:
        shape = (2, 3)

    with pytest.raises(
        TypeError, match="R must be an array, a sparse array, a LinearOperator, or an object with apply"
    ):
        LowRankPlusIdentity(Shape(), 1.0)


def test_two_libraries_do_not_mix():
    torch = pytest.importorskip("torch")
    with pytest.raises(TypeError, match="factors must all be"):
        Kronecker(np.eye(2), torch.eye(2))
    with pytest.raises(TypeError, match="blocks must all"):
        BlockDiagonal([np.eye(2), torch.eye(2)])


def test_integers_and_rounding_level_asymmetry_are_taken():
    assert Diagonal([1, 2]).dtype == np.float64
    assert LowRankPlusIdentity([[1, 2, 3]], 1).dtype == np.float64
    tilted = np.eye(3)
    tilted[0, 1] = 1e-16
    assert Kronecker(tilted).shape == (3, 3)
