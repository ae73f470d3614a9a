"""Precision matrices as they are given: read, checked, made symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from thermoapps.random_field.grid import Grid

__all__ = ["read_null_space", "read_order", "read_precision", "unit_adjacency"]

ANNIHILATED = 1e-9
"""Q N relative to |Q| |N| that counts as zero."""

SYMMETRIC = 1e-10
"""Asymmetry relative to the largest entry of a row and a column that counts as rounding."""


def unit_adjacency(grid: Grid) -> Any:
    """Links of length one between neighbours."""
    L = Grid(grid.shape).stiffness()  # lumped masses of the edges weigh its links; here all weigh the same
    return sp.csr_array((L != 0).astype(float) - sp.diags_array((L.diagonal() != 0).astype(float)))


def read_order(value: Any, name: str) -> int:
    """An integer ≥ 1."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer ≥ 1, got {value!r}")
    return int(value)


def read_precision(value: Any, name: str = "precision") -> sp.csr_array:
    """A symmetric matrix of finite real numbers, as a sparse array."""
    dtype = np.dtype(value.dtype) if sp.issparse(value) else np.asarray(value).dtype
    if dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers, got dtype {dtype}")
    A = value if sp.issparse(value) else np.asarray(value, dtype=float)
    if A.ndim != 2 or A.shape[0] != A.shape[1] or A.shape[0] == 0:
        raise ValueError(f"{name} must be a square matrix with at least one row, got shape {A.shape}")
    A = sp.csr_array(A, dtype=float, copy=True)
    A.sum_duplicates()
    if not np.isfinite(A.data).all():
        raise ValueError(f"{name} holds NaN or infinity")
    difference = sp.coo_array(A - A.T)
    if difference.nnz:
        largest = np.abs(A.diagonal()) if name == "precision" else abs(A).max(axis=1).toarray().ravel()
        roots = np.sqrt(largest)
        rows, columns = difference.coords
        tolerance = max(SYMMETRIC, 8 * float(np.finfo(dtype).eps) if dtype.kind == "f" else 0.0)
        if (np.abs(difference.data) > tolerance * roots[rows] * roots[columns]).any():
            raise ValueError(f"{name} is not symmetric; pass ({name} + {name}.T) / 2 if that is what is meant")
        A = sp.csr_array((A + A.T) / 2)
    return A


def read_null_space(value: Any, Q: sp.csr_array) -> np.ndarray:
    """An orthonormal basis of what Q takes to zero; ValueError where it does not."""
    N = np.asarray(value, dtype=float)
    N = N[:, None] if N.ndim == 1 else N
    if N.ndim != 2 or N.shape[0] != Q.shape[0] or not np.isfinite(N).all():
        raise ValueError(f"null_space must be finite of shape ({Q.shape[0]}, r), got {np.shape(value)}")
    basis, R = np.linalg.qr(N)
    diagonal = np.abs(np.diag(R))
    if diagonal.size < N.shape[1] or (diagonal <= len(N) * np.finfo(float).eps * diagonal.max(initial=0.0)).any():
        raise ValueError("the columns of null_space depend on each other; pass a basis")
    if (np.abs(Q @ basis) > ANNIHILATED * (abs(Q) @ np.abs(basis)).max(initial=0.0)).any():
        raise ValueError("null_space is none of the precision: their product is not zero")
    return basis
