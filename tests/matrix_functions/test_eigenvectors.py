"""Eigenvectors in two factors: the same functions of a matrix as by their product."""

import numpy as np
import pytest

from thermolinalg.matrix_functions._eigenvectors import LARGE, MANY, decomposed

D = LARGE + 3


def symmetric(dtype=np.float64, scale=1.0):
    A = np.random.default_rng(0).standard_normal((D, D))
    return ((A + A.T) * scale).astype(dtype)


@pytest.mark.parametrize("columns", [1, D], ids=["by factors", "by their product"])
@pytest.mark.parametrize(
    ("dtype", "scale"), [(np.float64, 1.0), (np.float32, 1.0), (np.float64, 1e-305), (np.float64, 1e302)]
)
def test_the_matrix_comes_back(dtype, scale, columns):
    A, B = symmetric(dtype, scale), np.random.default_rng(1).standard_normal((D, columns)).astype(dtype)
    values, vectors = decomposed(A)
    modes = vectors.to_modes(B)
    assert modes.dtype == values.dtype == dtype
    rounding = 30 * np.finfo(dtype).eps
    np.testing.assert_allclose(values / scale, np.linalg.eigvalsh(A / dtype(scale)), atol=rounding * D)
    np.testing.assert_allclose(np.linalg.norm(modes, axis=0), np.linalg.norm(B, axis=0), rtol=rounding)
    product = vectors.from_modes((values / dtype(scale))[:, None] * modes)
    np.testing.assert_allclose(product, (A / dtype(scale)) @ B, atol=rounding * D)


def test_the_product_is_formed_for_many_vectors_only():
    b = np.ones((D, 1))
    _, vectors = decomposed(symmetric())
    first = vectors.to_modes(b)
    for _ in range(int(MANY * D) - 1):
        vectors.to_modes(b)
    assert vectors._reflections is not None
    again = vectors.to_modes(b)
    assert vectors._reflections is None
    np.testing.assert_allclose(again, first, atol=1e-12)


def test_a_matrix_of_zeros():
    values, vectors = decomposed(np.zeros((D, D)))
    assert not values.any()
    np.testing.assert_array_equal(vectors.from_modes(vectors.to_modes(np.eye(D))), np.eye(D))
