"""The factor R of RᵀR: any operator with R Rᵀ and its spectrum, found at most once."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import scipy.sparse
from array_api_compat import device

from thermolinalg._arrays import Array, eigh, eps, is_array, is_sparse_tensor, namespace
from thermolinalg._validation import checked_sparse, checked_sparse_tensor, is_finite
from thermolinalg.operators._checks import not_empty, real, real_array
from thermolinalg.operators.base import Operator
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.matrix_free import MatrixFree
from thermolinalg.operators.sparse import Sparse
from thermolinalg.operators.sparse_tensor import SparseTensor

__all__ = ["Factor", "as_factor"]


class Factor:
    """A matrix R (r, n) that keeps R Rᵀ and its decomposition, however often the operator λI + w RᵀR is scaled.

    Parameters
    ----------
    matrix : Operator, shape (r, n)
        R.
    name : str
        Name of the argument in error messages.
    """

    def __init__(self, matrix: Operator, name: str) -> None:
        self.matrix, self.name = matrix, name
        self.shape: tuple[int, int] = matrix.shape
        self.like = matrix.like
        self.apply, self.apply_transposed = matrix.apply, matrix.apply_transposed

    def times(self, diagonal: Array) -> Factor:
        """R S with S = diag(diagonal)."""
        return Factor(self.matrix.rescaled(None, diagonal), self.name)

    @cached_property
    def gram_matrix(self) -> Array:
        """RRᵀ (r, r) in double precision and finite; its lower triangle counts, the other may differ by rounding."""
        gram = self.matrix.gram()
        if not is_finite(gram):
            raise ValueError(f"{self.name} {self.name}ᵀ contains NaN or infinity; all entries must be finite")
        return gram

    @property
    def is_decomposed(self) -> bool:
        """Whether the spectrum is known already."""
        return "spectrum" in vars(self)

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """Eigenvalues σ (r,), ascending and ≥ 0, and eigenvectors Q (r, r) of RRᵀ, in double precision."""
        values, vectors = eigh(self.gram_matrix)
        xp = namespace(values)
        largest = float(xp.max(xp.abs(values)))
        if float(values[0]) < -self.shape[0] * eps(self.like) * largest * 4:
            raise ValueError(
                f"{self.name} {self.name}ᵀ is not positive semidefinite: its smallest eigenvalue is "
                f"{float(values[0]):.3g} (largest in size {largest:.3g}); check its gram() and its transposed product"
            )
        return xp.clip(values, 0.0, None), vectors

    def eigenvalues(self) -> Array:
        """All n eigenvalues of RᵀR, ascending, in double precision."""
        values = self.spectrum[0]
        r, n = self.shape
        xp = namespace(values)
        zeros = xp.zeros(max(n - r, 0), dtype=values.dtype, device=device(values))
        return xp.concat([zeros, values[max(r - n, 0) :]])


def as_factor(R: Any, name: str = "R", like: Array | None = None) -> Factor:
    """R as a `Factor`; see `LowRankPlusIdentity` for what it may be.

    Parameters
    ----------
    R : array_like, sparse array, LinearOperator, Operator or object with products
    name : str
        Name of the argument in error messages.
    like : array, optional
        Where products of an object live; by default its attribute `like`, else NumPy with its dtype.

    Returns
    -------
    Factor
    """
    if isinstance(R, Factor):
        return R
    if scipy.sparse.issparse(R):
        not_empty(R, name)
        return Factor(Sparse(real(checked_sparse(R, name), name), symmetric=False), name)
    if is_sparse_tensor(R):
        not_empty(R, name)
        matrix, place = checked_sparse_tensor(R, name)
        return Factor(SparseTensor(real(matrix, name), place, symmetric=False), name)
    if is_array(R) or isinstance(R, (list, tuple)) or hasattr(R, "__array_namespace__"):
        return Factor(Dense(real_array(R, name, 2), symmetric=False), name)
    if not hasattr(R, "shape") or len(R.shape) != 2:
        raise TypeError(f"{name} must be an array or have a shape (r, n) and products, got {type(R).__name__}")
    not_empty(R, name)
    if isinstance(R, Operator) and like is None:
        return Factor(R, name)
    return Factor(MatrixFree(R, symmetric=False, like=like, name=name), name)
