"""Precision matrices as they are given: read, checked, made symmetric."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from thermoapps.random_field.determinants import AFFORDABLE
from thermoapps.random_field.grid import Grid

__all__ = ["read_null_space", "read_precision", "refuse_indefinite", "unit_adjacency"]

ANNIHILATED = 1e-9
"""Q N relative to |Q| |N| that counts as zero."""

SYMMETRIC = 1e-10
"""Asymmetry relative to the largest entry of a row and a column that counts as rounding."""


def unit_adjacency(grid: Grid) -> Any:
    """Links of length one between neighbours."""
    L = Grid(grid.shape).stiffness()  # lumped masses of the edges weigh its links; here all weigh the same
    return sp.csr_array((L != 0).astype(float) - sp.diags_array((L.diagonal() != 0).astype(float)))


def read_precision(value: Any, name: str = "precision") -> sp.csr_array:
    """A symmetric matrix of finite real numbers, as a sparse array."""
    if isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} is masked; every entry is needed")
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


def refuse_indefinite(Q: sp.csr_array) -> None:
    """LinAlgError where Q has a negative eigenvalue beyond rounding."""
    d = Q.diagonal()
    roots = np.sqrt(np.maximum(d, 0.0))
    rows = np.repeat(np.arange(len(d)), np.diff(Q.indptr))
    negative = (d < 0).any() or (np.abs(Q.data) > (1 + ANNIHILATED) * roots[rows] * roots[Q.indices]).any()
    dominant = (np.asarray(abs(Q).sum(axis=1)).ravel() <= (2 + ANNIHILATED) * d).all()
    if not negative and not dominant and len(d) <= AFFORDABLE:
        scaling = sp.diags_array(1 / np.where(roots > 0, roots, 1.0))
        scaled = scaling @ Q @ scaling
        rounding = 64 * np.finfo(float).eps * float(abs(scaled).sum(axis=0).max())
        raised = sp.csc_array(scaled + (rounding * sp.eye_array(len(d))))
        factor = splu(raised, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        negative = (factor.U.diagonal() < 0).any()
    if negative:
        raise np.linalg.LinAlgError(
            "the precision of the field is not positive semidefinite: no Gaussian has it; the matrix to pass is the "
            "inverse of a covariance"
        )


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
