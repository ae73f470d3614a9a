"""Small matrices, many at a time: every function acts on the last two axes."""

from __future__ import annotations

import numpy as np

__all__ = ["log_abs_det", "pinv", "solve", "symmetric", "times", "times_pinv", "transposed"]


def transposed(A: np.ndarray) -> np.ndarray:
    """Aᵀ."""
    return np.swapaxes(A, -1, -2)


def symmetric(A: np.ndarray) -> np.ndarray:
    """(A + Aᵀ)/2."""
    return np.asarray((A + transposed(A)) / 2)


def times(A: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A v for vectors (…, d)."""
    return np.asarray((A @ v[..., None])[..., 0])


def solve(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """A⁻¹B."""
    return np.asarray(B / A if A.shape[-1] == 1 else np.linalg.solve(A, B))


def log_abs_det(A: np.ndarray) -> np.ndarray:
    """log|det A|, (…,)."""
    return np.asarray(np.linalg.slogdet(A)[1])


def pinv(A: np.ndarray) -> np.ndarray:
    """A⁺ of semidefinite A."""
    return times_pinv(np.broadcast_to(np.eye(A.shape[-1]), A.shape), A)


def times_pinv(B: np.ndarray, A: np.ndarray) -> np.ndarray:
    """B A⁺ for semidefinite A, with rows and columns scaled to a unit diagonal.

    B meets one eigenvector at a time: in a product with A⁺ itself the rounding of the largest entries, of A's smallest
    eigenvalue, would fall on all directions.
    """
    if A.shape[-1] == 1:
        return np.asarray(np.divide(B, A, out=np.zeros_like(B), where=A > 0))
    sizes = np.sqrt(np.maximum(np.einsum("...ii->...i", A), 0.0))
    sizes = np.where(sizes > 0, sizes, 1.0)[..., None, :]
    values, vectors = np.linalg.eigh(A / sizes / transposed(sizes))
    threshold = A.shape[-1] * np.finfo(float).eps * values[..., -1:]
    inverted = np.divide(1.0, values, out=np.zeros_like(values), where=values > threshold)
    return np.asarray((((B / sizes) @ vectors) * inverted[..., None, :]) @ transposed(vectors) / sizes)
