"""Small matrices, many at a time: every function acts on the last two axes."""

from __future__ import annotations

import numpy as np

__all__ = ["log_abs_det", "pinv", "solve", "symmetric", "times", "transposed"]


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
    """Pseudo-inverse of semidefinite matrices, of rows and columns scaled to a unit diagonal."""
    if A.shape[-1] == 1:
        return np.asarray(np.divide(1.0, A, out=np.zeros_like(A), where=A > 0))
    sizes = np.sqrt(np.maximum(np.einsum("...ii->...i", A), 0.0))
    sizes = np.where(sizes > 0, sizes, 1.0)
    scales = sizes[..., :, None] * sizes[..., None, :]
    values, vectors = np.linalg.eigh(A / scales)
    threshold = A.shape[-1] * np.finfo(float).eps * values[..., -1:]
    inverted = np.divide(1.0, values, out=np.zeros_like(values), where=values > threshold)
    return np.asarray((vectors * inverted[..., None, :]) @ transposed(vectors) / scales)
