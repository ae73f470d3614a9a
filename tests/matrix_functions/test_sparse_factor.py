"""A sparse factor by CHOLMOD and by SuperLU: the same solves, roots with the right covariance, the same refusals."""

import builtins
import re

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import close

from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.matrix_functions.sparse_factor import Cholmod, SuperLDL, cholmod, sparse_factor
from thermolinalg.operators import Sparse


def made_by_cholmod(operator):
    pytest.importorskip("sksparse")
    if cholmod() is None:
        pytest.skip("another release of scikit-sparse")
    return Cholmod(operator, cholmod())


def hub(d=200):
    """A star with a chain: a row and a column that are full, which must come last."""
    rim = np.arange(1, d)
    star = scipy.sparse.coo_array((np.ones(d - 1), (np.zeros(d - 1, int), rim)), (d, d))
    links = (star + scipy.sparse.diags_array(np.ones(d - 1), offsets=1)).tocsr()
    links = links + links.T
    return scipy.sparse.csr_array(scipy.sparse.diags_array(links.sum(axis=1) + 1e-3) - links)


MATRICES = {
    "grid": lambda: grid(12, 0.1),
    "hub": hub,
    "soft": lambda: grid(12, 1e-9) - scipy.sparse.eye_array(144) * _smallest(12),
    "disconnected": lambda: scipy.sparse.block_diag([grid(5, 0.1), hub(30)], format="csr"),
    "single": lambda: scipy.sparse.csr_array([[4.0]]),
}


def _smallest(side):
    return 4 - 4 * np.cos(np.pi / (side + 1))


@pytest.fixture(params=[SuperLDL, made_by_cholmod], ids=["SuperLU", "CHOLMOD"])
def make(request):
    return request.param


@pytest.mark.parametrize("name", MATRICES)
def test_solves_roots_and_diagonals(make, name):
    A = MATRICES[name]()
    exact, d = np.linalg.inv(A.toarray()), A.shape[0]
    factor, tolerance = make(Sparse(A)), 1e-14 * np.linalg.cond(A.toarray())
    block = np.random.default_rng(0).standard_normal((d, 3))
    root = factor.root(np.eye(d))
    assert close(factor.solve(block), exact @ block, tolerance)
    assert close(factor.solve(block[:, :1]), exact @ block[:, :1], tolerance)
    assert close(root @ root.T, exact, tolerance)
    assert close(root.T @ (A @ root), np.eye(d), tolerance)
    *_, diagonal = factor.inverse_diagonal()
    assert close(diagonal, np.diagonal(exact), tolerance)
    assert d <= factor.entries <= d * (d + 1) // 2


@pytest.mark.parametrize("condition", [1e2, 1e12])
def test_roots_by_either_way_are_one(condition):
    """A solve with a product, or a triangular solve where pivots are far apart."""
    A = scipy.sparse.csr_array(grid(10, 1.0) / 9)
    scales = np.geomspace(1, condition**-0.5, 100)
    factor = SuperLDL(Sparse(scipy.sparse.csr_array(A * scales[:, None] * scales)))
    root = factor.root(np.eye(100))
    assert close(scales[:, None] * (root @ root.T) * scales, np.linalg.inv(A.toarray()), 1e-11)


def test_single_precision_comes_back_so(make):
    factor = make(Sparse(grid(6, 0.5).astype(np.float32)))
    block = np.ones((36, 2), dtype=np.float32)
    assert factor.solve(block).dtype == factor.root(block).dtype == np.float32


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (grid(10, -0.5), "not positive definite: the smallest pivot .* is -.*assume_a='gen'"),
        (scipy.sparse.csr_array([[1.0, 1.0], [1.0, 1.0]]), "singular: a pivot .* exactly zero; use pinv or lstsq"),
    ],
    ids=["indefinite", "singular"],
)
def test_what_is_not_definite_is_refused_alike(matrix, words):
    with pytest.raises(np.linalg.LinAlgError, match=words):
        sparse_factor(Sparse(matrix))


def test_without_scikit_sparse_it_is_superlu(monkeypatch, request):
    imported = builtins.__import__
    request.addfinalizer(cholmod.cache_clear)
    cholmod.cache_clear()

    def refuse(name, *args, **kwargs):
        if name.startswith("sksparse"):
            raise ImportError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    assert cholmod() is None
    assert isinstance(sparse_factor(Sparse(grid(5, 0.1))), SuperLDL)
    assert "CHOLMOD" not in _reason()


def test_with_it_it_is_cholmod():
    made_by_cholmod(Sparse(grid(5, 0.1)))
    assert isinstance(sparse_factor(Sparse(grid(5, 0.1))), Cholmod)
    assert re.search("one factorisation by CHOLMOD", _reason())


def _reason():
    return Engines(Sparse(grid(15, 0.5))).price(Overdamped().window(1e4, 1e5), ("average",)).reason


def test_the_cost_of_a_run_is_that_of_its_fill():
    engine, law = Factorised(Sparse(hub())), Overdamped()
    (state, average), entries = (law.stationary(), law.window(1e6, 1e8)), engine._factor.entries
    # One solve for the load and half of one for the noise.
    assert engine.cost(state, ("state",)).per_column == 6.0 * entries
    assert engine.cost(average, ("average",)).per_column >= 4.0 * entries
