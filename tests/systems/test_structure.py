"""Sparse matrices that are singular whatever their numbers are, refused from where their entries stand."""

import numpy as np
import pytest
import scipy.sparse

import thermolinalg as tla

D = 20_000


def chain(d):
    return scipy.sparse.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(d, d)).tocsr()


def without(i, *, stored=False, factor=1.0):
    """A chain without node i, whose zeros may be stored."""
    keep = np.arange(D) != i
    A = factor * (
        scipy.sparse.diags_array(keep.astype(float)) @ chain(D) @ scipy.sparse.diags_array(keep.astype(float))
    )
    A = A.tocsr()
    if not stored:
        A.eliminate_zeros()
    return A


@pytest.mark.parametrize("call", [lambda A: tla.solve(A, np.ones(D)), tla.inv_diagonal, tla.logabsdet, tla.slogdet])
@pytest.mark.parametrize("stored", [False, True])
def test_a_node_that_is_coupled_to_nothing(call, stored):
    with pytest.raises(np.linalg.LinAlgError, match=r"A is singular: row 7 has no entries but zeros"):
        call(without(7, stored=stored))


@pytest.mark.parametrize("factor", [1.0, 1j])
def test_the_null_vector_is_that_of_the_users_matrix(factor):
    with pytest.raises(tla.SingularError) as refusal:
        tla.solve(without(7, factor=factor), np.ones(D))
    assert refusal.value.null_vector.shape == (D,)
    assert np.flatnonzero(refusal.value.null_vector).tolist() == [7]


def test_rows_that_share_their_only_column():
    """No row or column is empty, and yet rows 0 and 1 have nothing but column 0."""
    A = chain(D).tolil()
    A[[0, 1], :] = 0.0
    A[[0, 1], 0] = 1.0
    with pytest.raises(np.linalg.LinAlgError, match=f"no matrix has a rank above {D - 1} of {D}; lstsq"):
        tla.solve(A.tocsr(), np.ones(D))


def test_a_zero_diagonal_is_no_defect():
    A = scipy.sparse.eye_array(D).tocsr()[np.roll(np.arange(D), 1)]
    x = tla.solve(A, np.arange(D, dtype=float), rng=0)
    np.testing.assert_allclose(x, np.roll(np.arange(D), -1), atol=1e-4)
