"""The case table of structured operators: each a function of a generator and of where arrays live."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from helpers import sparse, spd
from scipy.sparse.linalg import aslinearoperator

from thermolinalg import operators as ops


@dataclass(frozen=True)
class Case:
    """An operator and the matrix it stands for."""

    operator: ops.Operator
    matrix: np.ndarray


class OnlyProducts:
    """An object of a user's own: products with vectors, and its Gram matrix."""

    def __init__(self, matrix):
        self.matrix, self.shape, self.dtype = matrix, tuple(matrix.shape), matrix.dtype
        self.device = getattr(matrix, "device", None)

    def matvec(self, v):
        return self.matrix @ v

    def rmatvec(self, u):
        return self.matrix.T @ u

    def gram(self):
        return self.matrix @ self.matrix.T


def low_rank(rng, put):
    r = rng.standard_normal((3, 8))
    return Case(ops.LowRankPlusIdentity(put(r), 0.7, weight=0.5), 0.7 * np.eye(8) + 0.5 * r.T @ r)


def low_rank_taller_than_wide(rng, put):
    r = rng.standard_normal((9, 4))
    return Case(ops.LowRankPlusIdentity(put(r), 0.0), r.T @ r)


def low_rank_object(rng, put):
    r = rng.standard_normal((3, 8))
    return Case(ops.LowRankPlusIdentity(OnlyProducts(put(r)), 0.7), 0.7 * np.eye(8) + r.T @ r)


def low_rank_sparse(rng, _):
    r = sparse((4, 12), 0.4, rng)
    return Case(ops.LowRankPlusIdentity(r, 0.3), 0.3 * np.eye(12) + (r.T @ r).toarray())


def low_rank_linear_operator(rng, _):
    r = rng.standard_normal((4, 12))
    return Case(ops.LowRankPlusIdentity(aslinearoperator(r), 0.3), 0.3 * np.eye(12) + r.T @ r)


def diagonal_plus_low_rank(rng, put):
    d, r = rng.uniform(0.1, 10, 8), rng.standard_normal((3, 8))
    return Case(ops.DiagonalPlusLowRank(put(d), put(r), weight=2.0), np.diag(d) + 2 * r.T @ r)


def diagonal_plus_low_rank_object(rng, put):
    d, r = rng.uniform(0.1, 10, 8), rng.standard_normal((3, 8))
    return Case(ops.DiagonalPlusLowRank(put(d), OnlyProducts(put(r))), np.diag(d) + r.T @ r)


def diagonal(rng, put):
    d = rng.uniform(0.1, 10, 6)
    return Case(ops.Diagonal(put(d)), np.diag(d))


def kronecker(rng, put):
    a, b, c = spd(2, seed=rng), spd(3, seed=rng), spd(2, seed=rng)
    damped = [a + 0.1 * np.eye(2), b + 0.2 * np.eye(3), c + 0.3 * np.eye(2)]
    matrix = 0.4 * np.eye(12) + 1.5 * np.kron(np.kron(damped[0], damped[1]), damped[2])
    operator = ops.Kronecker(put(a), put(b), put(c), damping=[0.1, 0.2, 0.3], shift=0.4, weight=1.5)
    return Case(operator, matrix)


def kronecker_sum(rng, put):
    a, b = spd(3, seed=rng), spd(4, seed=rng)
    matrix = 2 * (np.kron(a, np.eye(4)) + np.kron(np.eye(3), b)) + 0.5 * np.eye(12)
    return Case(ops.KroneckerSum(put(a), put(b), shift=0.5, weight=2.0), matrix)


def toeplitz(rng, put):
    c = 0.6 ** np.arange(9) * rng.uniform(0.9, 1, 9)
    return Case(ops.Toeplitz(put(c)), scipy.linalg.toeplitz(c))


def circulant_even(rng, put):
    half = rng.standard_normal(5)
    c = np.concatenate([half, half[-2:0:-1]])
    return Case(ops.Circulant(put(c)), scipy.linalg.circulant(c))


def circulant_odd(rng, put):
    half = rng.standard_normal(4)
    c = np.concatenate([half, half[:0:-1]])
    return Case(ops.Circulant(put(c)), scipy.linalg.circulant(c))


def block_diagonal(rng, put):
    a, d = spd(3, seed=rng), rng.uniform(1, 2, 2)
    return Case(ops.BlockDiagonal([put(a), ops.Diagonal(put(d))]), scipy.linalg.block_diag(a, np.diag(d)))


def block_diagonal_with_spectrum(rng, put):
    d, r = rng.uniform(1, 2, 2), rng.standard_normal((2, 5))
    operator = ops.BlockDiagonal([ops.Diagonal(put(d)), ops.LowRankPlusIdentity(put(r), 0.5)])
    return Case(operator, scipy.linalg.block_diag(np.diag(d), 0.5 * np.eye(5) + r.T @ r))


def normal_tall(rng, put):
    x = rng.standard_normal((20, 5))
    return Case(ops.Normal(put(x), 0.25, weight=0.5), 0.5 * x.T @ x + 0.25 * np.eye(5))


def normal_ridge_per_column(rng, put):
    x, ridge = rng.standard_normal((20, 5)), rng.uniform(0, 1, 5)
    return Case(ops.Normal(put(x), put(ridge)), x.T @ x + np.diag(ridge))


def normal_wide(rng, put):
    x = rng.standard_normal((3, 7))
    return Case(ops.Normal(put(x)), x.T @ x)


def normal_sparse(rng, _):
    x = sparse((30, 6), 0.3, rng)
    return Case(ops.Normal(x, 1e-3), (x.T @ x).toarray() + 1e-3 * np.eye(6))


def normal_linear_operator(rng, _):
    x = rng.standard_normal((30, 6))
    return Case(ops.Normal(aslinearoperator(x)), x.T @ x)


def sum_of_three(rng, put):
    d, c, a = rng.uniform(1, 2, 5), np.array([2.0, 1.0, 0.5, 0.0, 0.1]), spd(5, seed=rng)
    operator = ops.Diagonal(put(d)) + 2 * ops.Toeplitz(put(c)) + ops.Dense(put(a)) / 2
    return Case(operator, np.diag(d) + 2 * scipy.linalg.toeplitz(c) + a / 2)


ANYWHERE: list[Callable] = [
    low_rank,
    low_rank_taller_than_wide,
    low_rank_object,
    diagonal_plus_low_rank,
    diagonal_plus_low_rank_object,
    diagonal,
    kronecker,
    kronecker_sum,
    toeplitz,
    circulant_even,
    circulant_odd,
    block_diagonal,
    block_diagonal_with_spectrum,
    normal_tall,
    normal_ridge_per_column,
    normal_wide,
    sum_of_three,
]
ON_THE_HOST: list[Callable] = [low_rank_sparse, low_rank_linear_operator, normal_sparse, normal_linear_operator]

# What is known without forming the matrix.
WITHOUT_DIAGONAL = {
    "diagonal_plus_low_rank_object",
    "low_rank_linear_operator",
    "low_rank_object",
    "normal_linear_operator",
}
WITH_EIGENVALUES = {
    "block_diagonal_with_spectrum",
    "circulant_even",
    "circulant_odd",
    "diagonal",
    "kronecker",
    "kronecker_sum",
    "low_rank",
    "low_rank_linear_operator",
    "low_rank_object",
    "low_rank_sparse",
    "low_rank_taller_than_wide",
}
WITH_JACOBI_SCALING = {
    "block_diagonal",
    "block_diagonal_with_spectrum",
    "diagonal",
    "diagonal_plus_low_rank",
    "diagonal_plus_low_rank_object",
    "normal_ridge_per_column",
    "normal_sparse",
    "normal_tall",
    "sum_of_three",
}


def putter(library, dtype):
    """A function that moves NumPy arrays to where the case lives."""
    if library == "numpy":
        return lambda x: np.asarray(x, dtype=dtype)
    torch = pytest.importorskip("torch")
    return lambda x: torch.as_tensor(np.asarray(x, dtype=dtype))


@dataclass(frozen=True)
class Placed(Case):
    """A case with where it lives, how exact it can be there, and which rules it should have."""

    put: Callable
    tolerance: float
    has_diagonal: bool
    has_eigenvalues: bool
    has_jacobi_scaling: bool


def placed(build, put, tolerance):
    made, name = build(np.random.default_rng(7), put), build.__name__
    rules = name not in WITHOUT_DIAGONAL, name in WITH_EIGENVALUES, name in WITH_JACOBI_SCALING
    return Placed(made.operator, made.matrix, put, tolerance, *rules)


PLACES = {
    "numpy64": ("numpy", "float64", 1e-12),
    "numpy32": ("numpy", "float32", 2e-5),
    "torch64": ("torch", "float64", 1e-12),
    "torch32": ("torch", "float32", 2e-5),
}
TABLE = [(build, place) for build in ANYWHERE for place in PLACES] + [(build, "numpy64") for build in ON_THE_HOST]


@pytest.fixture(params=TABLE, ids=lambda row: f"{row[0].__name__}-{row[1]}")
def case(request):
    """Every operator, in NumPy and torch and in both precisions where it can live there."""
    build, place = request.param
    library, dtype, tolerance = PLACES[place]
    return placed(build, putter(library, dtype), tolerance)
