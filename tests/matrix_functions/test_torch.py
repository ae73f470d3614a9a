"""Engines give for tensors, dense, sparse and maps, the numbers that they give for NumPy's arrays."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import general

from thermolinalg._arrays import eps, to_numpy
from thermolinalg.laws import Overdamped, Skew
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.golub_kahan import GolubKahanEngine
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.preconditioned import PreconditionedEngine
from thermolinalg.matrix_functions.quasi_definite import QuasiDefiniteEngine
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_krylov import KrylovSolvesEngine
from thermolinalg.matrix_functions.singular_values import SingularValueEngine
from thermolinalg.operators import Dense, MatrixFree, Sparse
from thermolinalg.operators.preconditioned import Preconditioned
from thermolinalg.operators.sparse_tensor import SparseTensor

SYMMETRIC, GENERAL = grid(9, 0.3).toarray(), general(np.linspace(0.5, 2.0, 40))
WINDOW, STEP = Overdamped().window(60.0, 200.0), Overdamped().step(0.7)
AVERAGE = Overdamped().average(60.0, 200.0)
ENDS = (0.3, 8.3)
SKEW = Skew(0.2, 0.7).window(100.0, 320.0)


def hold(matrix, how, dtype, *, torch=None, symmetric=True):
    """A matrix as an operator, of tensors where torch is given."""
    matrix = matrix.astype(dtype)
    like = None if torch is None else torch.empty(0, dtype=getattr(torch, dtype))
    if how == "dense":
        return Dense(matrix if torch is None else torch.as_tensor(matrix), symmetric=symmetric)
    if how == "sparse":
        array = scipy.sparse.csr_array(matrix)
        return Sparse(array, symmetric=symmetric) if torch is None else SparseTensor(array, like, symmetric=symmetric)
    a = matrix if torch is None else torch.as_tensor(matrix)
    products = {"apply": lambda v: a @ v, "apply_transposed": lambda u: a.T @ u}
    place = {"dtype": np.dtype(dtype)} if torch is None else {"like": like}
    return MatrixFree(SimpleNamespace(shape=matrix.shape, **place, **products), symmetric=symmetric)


def with_jacobi(operator):
    return PreconditionedEngine(Preconditioned(operator, hold_inverse(operator)))


def hold_inverse(operator):
    diagonal = np.diag(1 / np.diag(SYMMETRIC)).astype(to_numpy(operator.like).dtype)
    if isinstance(operator.like, np.ndarray):
        return Dense(diagonal)
    return Dense(pytest.importorskip("torch").as_tensor(diagonal))


DEFINITE = {
    "eigh": (DenseEngine, ("dense",), (WINDOW, STEP)),
    "chebyshev": (partial(ChebyshevEngine, interval=ENDS), ("dense", "sparse", "map"), (WINDOW, STEP)),
    "chebyshev, cut by noise": (
        partial(ChebyshevEngine, interval=ENDS, share=1e-3),
        ("dense", "sparse", "map"),
        (WINDOW,),
    ),
    "lanczos": (LanczosEngine, ("dense", "sparse", "map"), (WINDOW, STEP)),
    "factorised": (Factorised, ("dense", "sparse"), (WINDOW,)),
    "preconditioned": (with_jacobi, ("dense", "sparse", "map"), (AVERAGE,)),
}
EMBEDDED = {
    "svd": (SingularValueEngine, ("dense",)),
    "golub-kahan": (GolubKahanEngine, ("dense", "sparse", "map")),
    "lu": (PivotedLUEngine, ("dense", "sparse")),
    "quasi-definite": (QuasiDefiniteEngine, ("sparse",)),
    "krylov": (KrylovSolvesEngine, ("sparse",)),
}


# What engines are exact to whose polynomials depend on ends of the spectrum that random vectors found.
ACCURACY = {"factorised": 1e-9, "preconditioned": 1e-3, "lu": 1e-9, "krylov": 1e-9}


def compare(name, build, matrix, how, dtype, law, outputs, *, symmetric):
    """Both answers to the same inputs, of one precision."""
    torch = pytest.importorskip("torch")
    rng, d = np.random.default_rng(0), len(matrix) if symmetric else sum(matrix.shape)
    inputs = [rng.standard_normal((d, 3)).astype(dtype) for _ in law.inputs]
    expected = build(hold(matrix, how, dtype, symmetric=symmetric)).apply(law, inputs, outputs)
    engine = build(hold(matrix, how, dtype, torch=torch, symmetric=symmetric))
    found = engine.apply(law, [torch.as_tensor(v) for v in inputs], outputs)
    for actual, reference in zip(found, expected, strict=True):
        assert isinstance(actual, torch.Tensor)
        assert str(actual.dtype) == f"torch.{dtype}"
        error = np.abs(to_numpy(actual) - reference).max() / np.abs(reference).max()
        assert error < max(ACCURACY.get(name, 0.0), 3000 * eps(reference))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("name", "how", "law"),
    [(name, how, law) for name, (_, ways, laws) in DEFINITE.items() for how in ways for law in laws],
)
def test_engines_of_definite_matrices(name, how, law, dtype):
    outputs = ["average"] if name in ("factorised", "preconditioned") else law.outputs
    compare(name, DEFINITE[name][0], SYMMETRIC, how, dtype, law, outputs, symmetric=True)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("name", "how"), [(name, how) for name, (_, ways) in EMBEDDED.items() for how in ways])
def test_engines_of_embedded_matrices(name, how, dtype):
    compare(name, EMBEDDED[name][0], GENERAL, how, dtype, SKEW, SKEW.outputs, symmetric=False)


def test_single_precision_is_solved_with_as_far_as_it_goes():
    A, x = GENERAL.astype(np.float32), np.ones((40, 1), np.float32)
    engine = KrylovSolvesEngine(hold(A, "sparse", "float32", symmetric=False))
    b = np.concatenate([A @ x, 0 * x])
    lower = engine.solve(b, 0.05)[40:]
    np.testing.assert_allclose(lower, A.T @ np.linalg.solve(A @ A.T + 0.05**2 * np.eye(40), A @ x), rtol=3e-4)
