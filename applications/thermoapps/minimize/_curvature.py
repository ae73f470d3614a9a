"""Matrices of curvature: dense, sparse, or known by their products; read, scaled, restricted and shifted alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

__all__ = ["diagonal", "largest", "lowest", "probed_scales", "read_curvature", "restricted", "shifted"]

Vector = NDArray[np.float64]

ASYMMETRY = 1e-3
"""Of the largest entry, above which a matrix is no Hessian; differences leave less."""

FORMED = 64
"""Rows up to which a map is formed to find its lowest eigenvalue."""

PASSES = 6
"""Each takes the square root of what scales of a map are off by: twelve decades end within a factor of two."""


def read_curvature(value: Any, n: int, name: str, *, noisy: bool = False) -> Any:
    """A symmetric array, sparse array or LinearOperator of shape (n, n); None where it is not finite."""
    if isinstance(value, LinearOperator):
        if value.shape != (n, n):
            raise ValueError(f"{name} must return shape {(n, n)}, got {value.shape}")
        return value
    matrix = sp.csr_array(value, dtype=float) if sp.issparse(value) else np.asarray(value, dtype=float)
    if not sp.issparse(matrix) and n == 1 and matrix.size == 1:
        matrix = matrix.reshape(1, 1)
    if matrix.shape != (n, n):
        raise ValueError(f"{name} must return shape {(n, n)}, got {matrix.shape}")
    entries = matrix.data if sp.issparse(matrix) else matrix
    if not np.isfinite(entries).all():
        return None
    apart, size = abs(matrix - matrix.T).max(), abs(matrix).max()
    if apart > ASYMMETRY * size and not noisy:
        raise ValueError(f"{name} is not symmetric: entries differ by {apart:.3g} where the largest is {size:.3g}")
    half = matrix / 2
    return half + half.T


def diagonal(matrix: Any) -> Vector | None:
    """The diagonal; None of a map."""
    return None if isinstance(matrix, LinearOperator) else np.asarray(matrix.diagonal(), dtype=float)


def restricted(matrix: Any, free: NDArray[np.bool_], scale: Vector, lift: Vector) -> Any:
    """D⁻¹ B D⁻¹ + diag(lift) of the free variables."""
    inverse, lift = 1 / scale[free], lift[free]
    if isinstance(matrix, LinearOperator):

        def product(v: Vector) -> Vector:
            full = np.zeros(free.size)
            full[free] = inverse * np.ravel(v)
            return np.asarray(inverse * np.asarray(matrix @ full)[free] + lift * np.ravel(v))

        return _map(product, int(free.sum()))
    if sp.issparse(matrix):
        where = np.flatnonzero(free)
        part = matrix if free.all() else matrix[where][:, where]
        return sp.csr_array(sp.diags_array(inverse) @ part @ sp.diags_array(inverse) + sp.diags_array(lift))
    return matrix[np.ix_(free, free)] * inverse * inverse[:, None] + np.diag(lift)


def shifted(matrix: Any, mu: float) -> Any:
    """A + μI."""
    if mu == 0:
        return matrix
    n = matrix.shape[0]
    if isinstance(matrix, LinearOperator):
        return _map(lambda v: np.asarray(matrix @ np.ravel(v)) + mu * np.ravel(v), n)
    return sp.csr_array(matrix + mu * sp.eye_array(n)) if sp.issparse(matrix) else matrix + mu * np.eye(n)


def largest(matrix: Any, rng: np.random.Generator) -> float:
    """The size of A: its largest entry, or of a map the root mean square of its singular values, from one product."""
    if isinstance(matrix, LinearOperator):
        return float(np.linalg.norm(matrix @ rng.standard_normal(matrix.shape[0])) / np.sqrt(matrix.shape[0]))
    return float(abs(matrix).max())


def lowest(matrix: Any, rng: np.random.Generator) -> tuple[float, Vector]:
    """The lowest eigenvalue and its vector, to about a per cent of the spectrum."""
    n = matrix.shape[0]
    if n <= FORMED or isinstance(matrix, np.ndarray):
        full = (
            matrix.toarray()
            if sp.issparse(matrix)
            else matrix
            if isinstance(matrix, np.ndarray)
            else matrix @ np.eye(n)
        )
        values, vectors = scipy.linalg.eigh((full + full.T) / 2, subset_by_index=[0, 0])
        return float(values[0]), np.asarray(vectors[:, 0])
    try:
        values, vectors = eigsh(matrix, k=1, which="SA", v0=rng.standard_normal(n), tol=1e-3, maxiter=10 * n)
    except ArpackNoConvergence:
        vector = rng.standard_normal(n)
        vector /= np.linalg.norm(vector)
        return float(vector @ (matrix @ vector)), vector
    return float(values[0]), np.asarray(vectors[:, 0])


def probed_scales(matrix: LinearOperator, rng: np.random.Generator) -> Vector:
    """D for which D⁻¹ B D⁻¹ has rows of about one length, from products with random vectors."""
    n = matrix.shape[0]
    scale = np.ones(n)
    for _ in range(PASSES):
        probes = [matrix @ (rng.standard_normal(n) / scale) / scale for _ in range(2)]
        length = np.sqrt(np.mean(np.square(probes), axis=0))
        if not np.isfinite(length).all():
            break
        scale *= np.sqrt(np.where(length > 0, length, 1.0))
    return scale


def _map(product: Any, n: int) -> LinearOperator:
    return LinearOperator((n, n), matvec=product, rmatvec=product, dtype=np.float64)
