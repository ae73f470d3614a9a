"""Large A that is not symmetric, by short Krylov spaces: the same answers and noise as by factors, in few products."""

import numpy as np
import pytest
import scipy.sparse
from helpers import close, normal
from scipy.sparse.linalg import LinearOperator, aslinearoperator, gmres, splu

import thermolinalg as tla
from thermolinalg.laws import Skew
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_krylov import KrylovSolvesEngine
from thermolinalg.operators import Sparse

D = 4100


def page_rank(d=D, damping=0.85):
    """I − αPᵀ of a graph in which few pages have most links."""
    rng = np.random.default_rng(0)
    rows, columns = np.repeat(np.arange(d), 8), (d * rng.random(8 * d) ** 2.5).astype(int)
    links = scipy.sparse.coo_array((np.ones(8 * d), (rows, columns)), (d, d)).tocsr()
    chances = scipy.sparse.diags_array(1 / links.sum(axis=1)) @ links
    return (scipy.sparse.eye_array(d) - damping * chances.T).tocsr()


A = page_rank()


class Counted(LinearOperator):
    def __init__(self, matrix):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix, self.products = matrix, 0

    def _matvec(self, x):
        self.products += 1
        return self.matrix @ x

    def _rmatvec(self, x):
        self.products += 1
        return self.matrix.T @ x


@pytest.mark.parametrize("form", [lambda a: a, aslinearoperator], ids=["sparse", "map"])
def test_answers(form):
    b = normal((D, 2))
    x, info = tla.solve(form(A), b, rng=0, return_info=True)
    assert info.success
    assert info.engine == "gmres"
    assert "cheaper than a factor" in info.reason
    assert np.linalg.norm(b - A @ x) <= 1e-12 * np.linalg.norm(b)
    assert np.linalg.norm(A.T @ tla.solve(form(A), b, transposed=True, rng=0) - b) <= 1e-12 * np.linalg.norm(b)
    x, status = tla.langevin(form(A), b[:, 0], rtol=1e-6, rng=0)
    assert status == 0
    assert np.linalg.norm(b[:, 0] - A @ x) <= 1e-6 * np.linalg.norm(b[:, 0])


def test_products_are_few_times_those_of_gmres():
    counted, b = Counted(A), normal(D)
    gmres(counted, b, rtol=1e-6)
    of_gmres, counted.products = counted.products, 0
    tla.langevin(counted, b, rtol=1e-6, rng=0)
    assert counted.products <= 7 * of_gmres


def test_the_ends_take_few_solves(monkeypatch):
    """Two with A and two with Aᵀ find σ_min, from the solution that has shown that they are short."""
    loads = []
    inner = KrylovSolvesEngine._columns
    monkeypatch.setattr(KrylovSolvesEngine, "_columns", lambda self, *a: loads.append(a[1].shape[1]) or inner(self, *a))
    engine = KrylovSolvesEngine(Sparse(A))
    assert engine.converges
    smallest, largest = engine.interval()
    assert sum(loads) <= 4
    inverse = LinearOperator(A.shape, lambda v: gmres(A, gmres(A.T, v, rtol=1e-8)[0], rtol=1e-8)[0], dtype=float)
    exact = scipy.sparse.linalg.eigsh(inverse, k=1, return_eigenvectors=False)[0] ** -0.5
    assert smallest == pytest.approx(exact, rel=0.02)
    assert largest == pytest.approx(scipy.sparse.linalg.svds(A, k=1, return_singular_vectors=False)[0], rel=0.03)


@pytest.mark.slow
def test_the_noise_of_one_run_is_that_of_the_law():
    b = A @ normal(D)
    exact = gmres(A, b, rtol=1e-12)[0]
    x, info = tla.solve(A, b, refine=False, rng=0, return_info=True)
    assert np.sqrt(np.mean(((x - exact) / info.noise) ** 2)) == pytest.approx(1, abs=0.1)


def test_it_is_what_the_factor_does():
    d, small = 1200, Sparse(page_rank(1200), symmetric=False)
    by_products, by_factor = KrylovSolvesEngine(small), PivotedLUEngine(small)
    assert by_products.converges
    assert by_products.interval() == pytest.approx(by_factor.interval(), rel=0.05)
    alpha = 0.1 * by_factor.interval()[0]
    law = Skew(alpha).average(17 / alpha, 1e3 / alpha)
    inputs = [None, normal((2 * d, 2)), normal((2 * d, 2), 1)]
    outputs = [engine.apply(law, inputs, ("average",))[0] for engine in (by_products, by_factor)]
    assert close(outputs[0], outputs[1], 1e-5)


def test_long_krylov_spaces_are_left_to_the_factor():
    line = scipy.sparse.diags_array([-1.0, 2.0, -0.9999], offsets=[-1, 0, 1], shape=(D, D)).tocsr()
    x, info = tla.solve(line, np.ones(D), rng=0, return_info=True)
    assert "LU" in info.engine
    assert close(x, splu(line.tocsc()).solve(np.ones(D)), 1e-9)


def test_a_soft_mode_apart_from_all_others_is_seen():
    weak = (page_rank(1200) @ scipy.sparse.diags_array(np.where(np.arange(1200) == 7, 1e-5, 1.0))).tocsr()
    engine = KrylovSolvesEngine(Sparse(weak, symmetric=False))
    assert engine.interval()[0] == pytest.approx(PivotedLUEngine(Sparse(weak, symmetric=False)).interval()[0], rel=0.05)


def test_singular_is_refused():
    last = scipy.sparse.coo_array(([1.0], ([0], [D - 1])), (D, D))
    dependent = scipy.sparse.diags_array(np.r_[np.ones(D - 1), 0.0]) + last
    with pytest.raises(np.linalg.LinAlgError, match="singular"):
        tla.solve(dependent, np.ones(D), rng=0)


def test_the_rounding_of_a_raw_run_in_single_precision_is_spread_over_the_pages():
    """As large as eps κ ‖x‖ in norm, and not as large as that for every page."""
    b = np.full(D, 0.15 / D, dtype=np.float32)
    x, info = tla.solve(A.astype(np.float32), b, refine=False, rng=0, return_info=True)
    assert info.engine == "gmres"
    allowed = np.finfo(np.float32).eps * info.condition * np.linalg.norm(x)
    assert 0.99 * allowed <= np.linalg.norm(info.rounding) <= 3 * allowed
    error = abs(x - gmres(A, b.astype(float), rtol=1e-12)[0])
    assert np.linalg.norm(error) <= np.linalg.norm(info.standard_error) <= 10 * np.linalg.norm(error)
