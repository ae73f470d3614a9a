"""A known by its products alone: as few of them as a Krylov method takes but for a factor, or a clear refusal."""

import numpy as np
import pytest
import scipy.sparse
from helpers import close, grid_laplacian, normal
from scipy.sparse.linalg import LinearOperator, aslinearoperator, cg

import thermolinalg as tla
from thermolinalg.operators import MatrixFree


class Counted(LinearOperator):
    """A map that counts its products."""

    def __init__(self, matrix):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix, self.products = matrix, 0

    def _matmat(self, x):
        self.products += x.shape[1]
        return self.matrix @ x

    def _matvec(self, x):
        self.products += 1
        return self.matrix @ x

    _rmatvec = _matvec


def hubs(n):
    """−Δ + 0.1 on a graph whose nodes attach to old ones, so that few have very many neighbours."""
    rng = np.random.default_rng(0)
    new = np.repeat(np.arange(1, n), 3)
    old = np.minimum((rng.random(len(new)) ** 2 * new).astype(int), new - 1)
    weights = scipy.sparse.coo_array((np.ones(len(new)), (new, old)), (n, n)).tocsr()
    weights = weights + weights.T
    return (scipy.sparse.diags_array(weights.sum(axis=1) + 0.1) - weights).tocsr()


def cube(side):
    """−Δ + 0.1 with seven-point stencils."""
    plane = grid_laplacian(side, 0.1)
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    one = scipy.sparse.eye_array
    return (scipy.sparse.kron(plane, one(side)) + scipy.sparse.kron(one(side**2), line)).tocsr()


MAPS = {"plane": lambda: grid_laplacian(60, 0.1), "cube": lambda: cube(16), "hubs": lambda: hubs(3000)}


def of_cg(A, b, rtol):
    """Products that SciPy's conjugate gradients take."""
    counted = Counted(A)
    cg(counted, b, rtol=rtol)
    return counted.products


@pytest.mark.parametrize("name", MAPS)
def test_products_are_few_times_those_of_conjugate_gradients(name):
    A = MAPS[name]()
    b = normal(A.shape[0])
    calls = {
        "langevin": (lambda op: tla.langevin(op, b, rtol=1e-6, rng=0), 1e-6, 5),
        "solve": (lambda op: tla.solve(op, b, rng=0), 1e-10, 5),
        "raw": (lambda op: tla.solve(op, b, refine=False, rng=0), 1e-6, 5),
        "sample": (lambda op: tla.sample(op, 1, rng=0), 1e-6, 3),
    }
    factor = 2 if name == "hubs" else 1  # whose few large eigenvalues conjugate gradients jump over
    for call, rtol, most in calls.values():
        counted = Counted(A)
        call(counted)
        assert counted.products <= factor * most * of_cg(A, b, rtol)


@pytest.mark.parametrize("name", MAPS)
def test_answers_are_those_of_the_matrix(name):
    A = MAPS[name]()
    b = normal((A.shape[0], 2))
    x, info = tla.solve(aslinearoperator(A), b, rng=0, return_info=True)
    assert info.success
    assert info.engine == "chebyshev"
    exact = scipy.sparse.linalg.splu(A.tocsc()).solve(b)
    assert close(x, exact, 1e-9)
    raw, told = tla.solve(aslinearoperator(A), b, refine=False, rng=1, return_info=True)
    assert np.sqrt(np.mean(((raw - exact) / told.standard_error) ** 2)) == pytest.approx(1, abs=0.1)


def test_samples_have_the_covariance_of_the_map():
    A = MAPS["hubs"]()
    x = tla.sample(aslinearoperator(A), 400, rng=0)
    energy = np.einsum("ij,ij->i", x, (A @ x.T).T)  # χ² of n degrees of freedom
    assert energy.mean() == pytest.approx(A.shape[0], abs=4 * np.sqrt(2 * A.shape[0] / 400))


def test_rows_are_balanced_by_what_products_show():
    A = MAPS["hubs"]()
    S = MatrixFree(aslinearoperator(A)).jacobi_scaling()
    sizes = np.sqrt(A.power(2).sum(axis=1))
    spread = [np.ptp(np.log2(s)) for s in (sizes, np.sqrt((A * (S[:, None] * S)).power(2).sum(axis=1)))]
    assert spread[0] > 6
    assert spread[1] < 3.5
    assert np.array_equal(S, np.exp2(np.round(np.log2(S))))
    assert MatrixFree(aslinearoperator(grid_laplacian(40, 0.1))).jacobi_scaling() is None


def changed(what):
    """A map of 2000 rows, all of whose products after the tenth are spoilt."""
    A, calls = grid_laplacian(50, 0.1)[:2000, :2000], []

    def matvec(v):
        calls.append(1)
        return A @ v if len(calls) <= 10 else what(A @ v)

    return LinearOperator(A.shape, matvec=matvec, rmatvec=matvec, dtype=float)


SPOILT = {
    "NaN": (lambda: changed(lambda y: y * np.nan), ValueError, "products with .* NaN or infinity"),
    "infinity": (lambda: changed(lambda y: y + np.inf), ValueError, "products with .* NaN or infinity"),
    "shape": (lambda: changed(lambda y: y[:-1]), ValueError, "reshape|shape"),
    "complex": (lambda: changed(lambda y: y * 1j), TypeError, "products with .* must be real .* complex128"),
    "text": (lambda: changed(lambda y: np.full(y.shape, "a")), TypeError, "products with .* must be (real|numbers)"),
    "not linear": (lambda: LinearOperator((2000, 2000), matvec=abs, dtype=float), ValueError, "not linear"),
    "not symmetric": (
        lambda: LinearOperator((2000, 2000), matvec=lambda v: 2 * v + np.roll(v, 1), dtype=float),
        ValueError,
        "not symmetric and its adjoint is unknown; give it rmatvec",
    ),
    "no shape": (lambda: abs, TypeError, "function of unknown shape; pass LinearOperator"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_products_of_no_matrix_are_refused(name):
    make, error, message = SPOILT[name]
    b = np.ones(2000)
    for call in (tla.solve, tla.langevin):
        with pytest.raises(error, match=message):
            call(make(), b, rng=0)
    with pytest.raises(error, match=message.replace("give it rmatvec", "give it")):
        tla.sample(make(), 1, rng=0)
