"""What tests build and compare with: matrices of a known spectrum, and one relative error for every array."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse

Seed = int | np.random.Generator
"""Of what is drawn; a generator goes on where it is."""


def relative_error(found: Any, expected: Any) -> float:
    """‖found − expected‖/‖expected‖ in the Frobenius norm, of NumPy arrays or torch tensors of one shape.

    NaN and infinity where there are some; the absolute error where zero is expected.
    """
    found, expected = _array(found), _array(expected)
    assert found.shape == expected.shape, f"found shape {found.shape} where {expected.shape} is expected"
    return float(np.linalg.norm(found - expected) / (np.linalg.norm(expected) or 1.0))


def close(found: Any, expected: Any, rtol: float = 1e-10) -> bool:
    """Whether the relative error is at most `rtol`; never where there is a NaN."""
    error = relative_error(found, expected)
    if not error <= rtol:
        print(f"relative error {error:.3g} above {rtol:g}")  # pytest shows it beside the failed assertion
        return False
    return True


def relative_residual(A: Any, x: Any, b: Any) -> float:
    """The largest ‖b − A x‖/‖b‖ of the columns of a block."""
    return float(np.max(np.linalg.norm(b - A @ x, axis=0) / np.linalg.norm(b, axis=0)))


def normal(shape: Any, seed: Seed = 0) -> np.ndarray:
    """Standard normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def orthogonal(d: int, seed: Seed = 0, dtype: Any = np.float64) -> np.ndarray:
    """A random orthogonal matrix, unitary for complex dtypes."""
    rng, complex_ = np.random.default_rng(seed), np.dtype(dtype).kind == "c"
    x = rng.standard_normal((d, d))
    q, _ = np.linalg.qr(x + 1j * rng.standard_normal((d, d)) if complex_ else x)
    return q.astype(dtype)


def rotated(eigenvalues: Any, seed: Seed = 0, dtype: Any = np.float64) -> np.ndarray:
    """The symmetric (Hermitian) matrix Q diag(eigenvalues) Qᴴ with random Q, symmetric to the last bit."""
    eigenvalues = np.asarray(eigenvalues, dtype=float)
    q = orthogonal(len(eigenvalues), seed, np.complex128 if np.dtype(dtype).kind == "c" else np.float64)
    matrix = (q * eigenvalues) @ q.conj().T
    return ((matrix + matrix.conj().T) / 2).astype(dtype)


def spd(d: int, condition: float = 30.0, seed: Seed = 0, dtype: Any = np.float64) -> np.ndarray:
    """A positive definite matrix with eigenvalues spaced geometrically from 1/condition to 1."""
    return rotated(np.geomspace(1 / condition, 1, d), seed, dtype)


def general(
    singular_values: Any, rows: int = 0, columns: int = 0, seed: int = 0, dtype: Any = np.float64
) -> np.ndarray:
    """The matrix U diag(singular_values) Vᴴ with random U and V; square, or with more rows or columns than values."""
    values = np.asarray(singular_values, dtype=float)
    m, n = max(rows, len(values)), max(columns, len(values))
    left, right = orthogonal(m, seed, dtype)[:, : len(values)], orthogonal(n, seed + 1, dtype)[:, : len(values)]
    return (left * values) @ right.conj().T


def augmented(a: Any, upper: Any, lower: Any) -> np.ndarray:
    """[[upper · I, a], [−aᵀ, lower · I]], the skew embedding of `a` or its least-squares matrix."""
    m, n = a.shape
    return np.block([[upper * np.eye(m), a], [-a.T, lower * np.eye(n)]])


def sparse(shape: tuple[int, int], density: float, rng: np.random.Generator) -> scipy.sparse.csr_array:
    """Uniform numbers at random places; the keyword of SciPy's own generator changed its name."""
    return scipy.sparse.csr_array(rng.random(shape) * (rng.random(shape) < density))


def grid_laplacian(side: int, shift: float) -> scipy.sparse.csr_array:
    """−Δ + shift on a square grid of so many points a side, with five-point stencils."""
    line = scipy.sparse.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(side, side))
    identity = scipy.sparse.eye_array(side)
    plane = scipy.sparse.kron(line, identity) + scipy.sparse.kron(identity, line)
    return scipy.sparse.csr_array(plane + shift * scipy.sparse.eye_array(side**2))


def sparse_tensor(matrix: Any, layout: str = "csr") -> Any:
    """A sparse torch tensor in one of its layouts; the test is skipped where there is no torch."""
    torch = pytest.importorskip("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch says once in a process that it is still at work on these
        tensor = torch.as_tensor(scipy.sparse.csr_array(matrix).toarray())
        return tensor.to_sparse(layout=getattr(torch, f"sparse_{layout}"))


def tensor_map(matrix: Any, *, adjoint: bool = True, blocks: bool = False) -> SimpleNamespace:
    """A map of tensors as a user may have one: a shape, a torch dtype, and products."""
    torch = pytest.importorskip("torch")
    A = torch.as_tensor(matrix)
    found = SimpleNamespace(shape=tuple(A.shape), dtype=A.dtype, matvec=lambda v: A @ v)
    if adjoint:
        found.rmatvec = lambda u: A.mH @ u
    if blocks:
        found.matmat, found.rmatmat = found.matvec, found.rmatvec
    return found


def _array(x: Any) -> np.ndarray:
    """As a NumPy array; NumPy knows no bfloat16, so that torch's real numbers go through double precision."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().resolve_conj()
        return (x if x.is_complex() else x.double()).numpy()
    return np.asarray(x)
