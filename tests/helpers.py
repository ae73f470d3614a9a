"""What tests build and compare with: matrices of a known spectrum, and one relative error for every array."""

from typing import Any

import numpy as np


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


def orthogonal(d: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """A random orthogonal matrix, unitary for complex dtypes."""
    rng, complex_ = np.random.default_rng(seed), np.dtype(dtype).kind == "c"
    x = rng.standard_normal((d, d))
    q, _ = np.linalg.qr(x + 1j * rng.standard_normal((d, d)) if complex_ else x)
    return q.astype(dtype)


def rotated(eigenvalues: Any, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """The symmetric (Hermitian) matrix Q diag(eigenvalues) Qᴴ with random Q, symmetric to the last bit."""
    eigenvalues = np.asarray(eigenvalues, dtype=float)
    q = orthogonal(len(eigenvalues), seed, np.complex128 if np.dtype(dtype).kind == "c" else np.float64)
    matrix = (q * eigenvalues) @ q.conj().T
    return ((matrix + matrix.conj().T) / 2).astype(dtype)


def spd(d: int, condition: float = 30.0, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
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


def _array(x: Any) -> np.ndarray:
    """As a NumPy array; NumPy knows no bfloat16, so that torch's real numbers go through double precision."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().resolve_conj()
        return (x if x.is_complex() else x.double()).numpy()
    return np.asarray(x)
