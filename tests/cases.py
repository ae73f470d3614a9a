"""Matrices to test on: declared once, each with tags, asked for by tag.

``cases("spd")`` gives all symmetric positive definite ones, ``cases("spd", without="complex")`` the real ones of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.linalg
import scipy.sparse
from helpers import sparse_tensor, spd, tensor_map
from scipy.sparse.linalg import aslinearoperator

from thermolinalg import operators
from thermolinalg._arrays import is_torch
from thermolinalg.operators.matrix_free import tensor_like


@dataclass(frozen=True)
class Case:
    """A matrix as a user might hold it."""

    name: str
    make: Callable[[], Any]
    tags: frozenset[str]

    def dense(self) -> np.ndarray:
        """The same matrix as an array of double precision."""
        A = self.make()
        if scipy.sparse.issparse(A):
            return A.toarray()
        if _is_tensor_map(A):
            return np.stack([A.matvec(e).numpy() for e in tensor(np.eye(A.shape[1])).to(A.dtype)], axis=1)
        if hasattr(A, "matvec"):
            return np.asarray(A @ np.eye(A.shape[1], dtype=A.dtype))
        return A.to_dense().numpy() if is_torch(A) else np.asarray(A)

    def array(self, x: np.ndarray) -> Any:
        """An array where the matrix lives: for right-hand sides."""
        A = self.make()
        if not (is_torch(A) or _is_tensor_map(A)):
            return x
        import torch

        return torch.as_tensor(x).to(torch.promote_types(A.dtype, torch.as_tensor(x).dtype))


def _is_tensor_map(A: Any) -> bool:
    """Whether A is an object of products with tensors, and neither a tensor nor an operator."""
    return not is_torch(A) and not hasattr(A, "apply") and tensor_like(A) is not None


_CASES: list[Case] = []


def case(name: str, tags: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Declare a case with its tags."""

    def declare(make: Callable[[], Any]) -> Callable[[], Any]:
        _CASES.append(Case(name, make, frozenset(tags.split())))
        return make

    return declare


def cases(*tags: str, without: str = "") -> list[Any]:
    """All cases that have all of these tags and none of the others, as parameters of a test."""
    wanted, unwanted = set(tags), set(without.split())
    found = [c for c in _CASES if wanted <= c.tags and not unwanted & c.tags]
    assert found, f"no case has the tags {wanted} without {unwanted}"
    return [pytest.param(c, id=c.name) for c in found]


def path(n: int, shift: float = 0.0) -> Any:
    """The Laplacian of a path of n nodes with held ends, sparse, plus a shift."""
    line = scipy.sparse.diags_array([-1.0, 2.0 + shift, -1.0], offsets=[-1, 0, 1], shape=(n, n))
    return scipy.sparse.csr_array(line)


def grid(n: int, shift: float = 0.0) -> Any:
    """The Laplacian of an n × n grid, sparse, plus a shift."""
    line, eye = path(n), scipy.sparse.eye_array(n)
    return scipy.sparse.csr_array(
        scipy.sparse.kron(line, eye) + scipy.sparse.kron(eye, line) + shift * scipy.sparse.eye_array(n**2)
    )


def tensor(x: np.ndarray) -> Any:
    """A torch tensor."""
    torch = pytest.importorskip("torch")
    return torch.as_tensor(x)


case("dense", "spd dense")(lambda: spd(12))
case("one entry", "spd dense")(lambda: np.array([[3.0]]))
case("identity", "spd dense")(lambda: np.eye(7))
case("badly scaled", "spd dense ill-conditioned")(
    lambda: np.geomspace(1e-6, 1e6, 9)[:, None] * spd(9) * np.geomspace(1e-6, 1e6, 9)
)
case("condition 1e8", "spd dense ill-conditioned")(lambda: spd(20, 1e8))
case("condition 1e12", "spd dense ill-conditioned")(lambda: spd(20, 1e12))
case("Hilbert", "spd dense ill-conditioned")(lambda: scipy.linalg.hilbert(8))
case("above the small sizes", "spd dense large")(lambda: spd(150))
case("float32", "spd dense float32")(lambda: spd(12).astype(np.float32))
case("Hermitian", "spd dense complex")(lambda: spd(8, dtype=complex))
case("complex64", "spd dense complex float32")(lambda: spd(8, dtype=complex).astype(np.complex64))
case("sparse", "spd sparse")(lambda: grid(5, 0.1))
case("sparse, large", "spd sparse large")(lambda: grid(14))
case("sparse Hermitian", "spd sparse complex")(lambda: scipy.sparse.csr_array(spd(6, dtype=complex)))
case("matrix-free", "spd matrix-free")(lambda: aslinearoperator(spd(12)))
case("matrix-free, large", "spd matrix-free large")(lambda: aslinearoperator(grid(14, 0.5)))
case("matrix-free Hermitian", "spd matrix-free complex")(lambda: aslinearoperator(spd(6, dtype=complex)))
case("torch", "spd torch")(lambda: tensor(spd(12)))
case("torch float32", "spd torch float32")(lambda: tensor(spd(12).astype(np.float32)))
case("torch Hermitian", "spd torch complex")(lambda: tensor(spd(8, dtype=complex)))
case("torch CSR", "spd torch sparse")(lambda: sparse_tensor(grid(5, 0.1)))
case("torch CSC, large", "spd torch sparse large")(lambda: sparse_tensor(grid(14), "csc"))
case("torch COO, float32", "spd torch sparse float32")(lambda: sparse_tensor(grid(5, 0.1).astype(np.float32), "coo"))
case("torch CSR, Hermitian", "spd torch sparse complex")(lambda: sparse_tensor(spd(6, dtype=complex)))
case("torch map", "spd torch matrix-free")(lambda: tensor_map(spd(12)))
case("torch map, large", "spd torch matrix-free large")(lambda: tensor_map(grid(14, 0.5).toarray(), blocks=True))
case("torch map, Hermitian", "spd torch matrix-free complex")(lambda: tensor_map(spd(80, dtype=complex)))

_R = np.random.default_rng(5).standard_normal((3, 12))
case("Dense", "spd operator")(lambda: operators.Dense(spd(12)))
case("Sparse", "spd operator")(lambda: operators.Sparse(grid(4, 0.2)))
case("MatrixFree", "spd operator")(lambda: operators.MatrixFree(aslinearoperator(spd(12))))
case("Scaled", "spd operator")(lambda: operators.Scaled(operators.MatrixFree(aslinearoperator(spd(12))), 3.0))
case("Diagonal", "spd operator")(lambda: operators.Diagonal(np.geomspace(1e-4, 1, 12)))
case("LowRankPlusIdentity", "spd operator")(lambda: operators.LowRankPlusIdentity(_R, 0.1))
case("DiagonalPlusLowRank", "spd operator")(lambda: operators.DiagonalPlusLowRank(np.linspace(0.1, 3, 12), _R))
case("Normal, tall", "spd operator")(lambda: operators.Normal(np.vstack([_R, spd(12)])))
case("Normal, wide", "spd operator")(lambda: operators.Normal(_R, 0.1))
case("Kronecker", "spd operator")(lambda: operators.Kronecker(spd(3), spd(4, seed=1), damping=0.01))
case("KroneckerSum", "spd operator")(lambda: operators.KroneckerSum(spd(3), spd(4, seed=1)))
case("Toeplitz", "spd operator")(lambda: operators.Toeplitz(0.7 ** np.arange(12)))
case("Circulant", "spd operator")(lambda: operators.Circulant([2.0, -0.5, 0.1, 0.1, -0.5]))
case("BlockDiagonal", "spd operator")(
    lambda: operators.BlockDiagonal([spd(4), grid(3, 0.1), operators.Diagonal([1.0, 2.0])])
)
case("Sum", "spd operator")(lambda: operators.Toeplitz(0.7 ** np.arange(12)) + 0.5 * operators.Dense(spd(12)))
case("torch low rank", "spd operator torch")(lambda: operators.LowRankPlusIdentity(tensor(_R), 0.1))
