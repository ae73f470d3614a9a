"""Selected inversion against the whole inverse."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from thermolinalg.matrix_functions.selected_inverse import inverse_diagonal


def diagonal_of(lower, pivots):
    *working, found = inverse_diagonal(scipy.sparse.csc_array(lower), pivots)
    assert all(step is None for step in working)
    return found


@given(n=st.integers(1, 30), density=st.floats(0, 1), seed=st.integers(0, 2**20))
def test_of_any_pattern(n, density, seed):
    """Patterns that no elimination leaves, too: entries that cancelled are put back."""
    rng = np.random.default_rng(seed)
    lower = np.tril(rng.standard_normal((n, n)) * (rng.random((n, n)) < density), -1) * 0.5 + np.eye(n)
    pivots = np.exp(rng.standard_normal(n))
    root = np.linalg.solve(lower, np.eye(n)) / np.sqrt(pivots)[:, None]
    assert_allclose(diagonal_of(lower, pivots), np.sum(root**2, axis=0), rtol=1e-9)


@pytest.mark.parametrize("shape", ["arrow", "path", "forest", "full"])
def test_of_trees(shape):
    n = 40
    lower = {
        "arrow": np.eye(n) + np.outer(np.eye(n)[-1], np.r_[np.full(n - 1, 0.3), 0]),
        "path": np.eye(n) - 0.6 * np.eye(n, k=-1),
        "forest": np.kron(np.eye(n // 4), np.eye(4) + np.tril(np.full((4, 4), 0.2), -1)),
        "full": np.eye(n) + np.tril(np.full((n, n), 0.1), -1),
    }[shape]
    pivots = np.linspace(1, 2, n)
    exact = np.diag(np.linalg.inv(lower @ np.diag(pivots) @ lower.T))
    assert_allclose(diagonal_of(lower, pivots), exact, rtol=1e-12)
