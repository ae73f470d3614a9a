"""The factor R of RᵀR: an array, a sparse array, or anything that can multiply, seen through one face."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse
from array_api_compat import device
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, as_array, as_float64, eigh, eps, is_array, namespace, to_numpy
from thermolinalg._validation import checked_sparse, is_finite
from thermolinalg.operators._checks import not_empty, real, real_array

__all__ = ["Factor", "as_factor"]

_COLUMNS = 1 << 16
"""Columns of R taken to double precision at a time."""

_ROWS = 16
"""Rows of RRᵀ computed at a time where only products are known."""


class Factor:
    """A matrix R (r, n) by its products, its Gram matrix RRᵀ and its scaling from the right.

    Parameters
    ----------
    shape : tuple of int
        (r, n).
    like : array
        An array of the namespace, dtype and device of the vectors.
    name : str
        Name of the argument in error messages.
    """

    def __init__(self, shape: tuple[int, int], like: Array, name: str) -> None:
        self.shape, self.like, self.name = shape, like, name

    def apply(self, block: Array) -> Array:
        """R V for V (n, k)."""
        raise NotImplementedError

    def apply_transposed(self, block: Array) -> Array:
        """Rᵀ U for U (r, k)."""
        raise NotImplementedError

    def gram(self) -> Array:
        """RRᵀ (r, r) in double precision."""
        raise NotImplementedError

    def normal(self) -> Array:
        """RᵀR (n, n)."""
        return self.apply_transposed(self.apply(as_array(np.eye(self.shape[1]), self.like)))

    def column_squares(self) -> Array | None:
        """Squared norms of the columns (n,), the diagonal of RᵀR, or None."""
        return None

    def times(self, diagonal: Array) -> Factor:
        """R S with S = diag(diagonal)."""
        raise NotImplementedError

    @cached_property
    def gram_matrix(self) -> Array:
        """RRᵀ (r, r) in double precision and finite; its lower triangle counts, the other may differ by rounding."""
        gram = self.gram()
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


class ArrayFactor(Factor):
    """R held as a NumPy array or a torch tensor."""

    def __init__(self, matrix: Array, name: str) -> None:
        super().__init__(tuple(matrix.shape), matrix, name)
        self.matrix = matrix

    def apply(self, block: Array) -> Array:
        return self.matrix @ block

    def apply_transposed(self, block: Array) -> Array:
        return self.matrix.T @ block

    def gram(self) -> Array:
        xp = namespace(self.matrix)
        if self.matrix.dtype == xp.float64:
            return self.matrix @ self.matrix.T
        # In single precision RRᵀ would lose half the digits of its small eigenvalues.
        total = 0.0
        for start in range(0, self.shape[1], _COLUMNS):
            part = as_float64(self.matrix[:, start : start + _COLUMNS])
            total = total + part @ part.T
        return total

    def normal(self) -> Array:
        return self.matrix.T @ self.matrix

    def column_squares(self) -> Array:
        return namespace(self.matrix).vecdot(self.matrix, self.matrix, axis=0)

    def times(self, diagonal: Array) -> Factor:
        return ArrayFactor(self.matrix * diagonal, self.name)


class SparseFactor(Factor):
    """R held as a SciPy sparse array."""

    def __init__(self, matrix: Any, name: str) -> None:
        super().__init__(matrix.shape, np.empty(0, matrix.dtype), name)
        self.matrix = matrix
        # SciPy multiplies a transposed view about as fast as the matrix itself.
        self.transposed = matrix.T

    def apply(self, block: Array) -> Array:
        return self.matrix @ block

    def apply_transposed(self, block: Array) -> Array:
        return self.transposed @ block

    def gram(self) -> Array:
        matrix = self.matrix.astype(np.float64)
        return (matrix @ matrix.T).toarray()

    def normal(self) -> Array:
        return (self.transposed @ self.matrix).toarray()

    def column_squares(self) -> Array:
        return np.asarray(self.matrix.power(2).sum(axis=0)).ravel()

    def times(self, diagonal: Array) -> Factor:
        scaled = scipy.sparse.csr_array(self.matrix @ scipy.sparse.diags_array(diagonal))
        return SparseFactor(scaled, self.name)


class ProductFactor(Factor):
    """R known by its products, and by `gram()` where it has one."""

    def __init__(self, source: Any, like: Array, name: str, scaling: Array | None = None) -> None:
        r, n = source.shape
        super().__init__((int(r), int(n)), like, name)
        self.source, self.scaling = source, scaling
        self._forward, self._backward = _products(source, name)

    def apply(self, block: Array) -> Array:
        if self.scaling is not None:
            block = self.scaling[:, None] * block
        return self._checked(self._forward(block), (self.shape[0], block.shape[1]), " V")

    def apply_transposed(self, block: Array) -> Array:
        product = self._checked(self._backward(block), (self.shape[1], block.shape[1]), "ᵀ U")
        return product if self.scaling is None else self.scaling[:, None] * product

    def _checked(self, product: Array, shape: tuple[int, int], what: str) -> Array:
        if tuple(product.shape) != shape:
            raise ValueError(
                f"{self.name} of shape {self.shape} returned {self.name}{what} of shape {tuple(product.shape)}, "
                f"not {shape}"
            )
        return as_array(product, self.like)

    def gram(self) -> Array:
        r = self.shape[0]
        if self.scaling is None and callable(getattr(self.source, "gram", None)):
            gram = self.source.gram()
            if tuple(gram.shape) != (r, r):
                raise ValueError(f"{self.name}.gram() must have shape {(r, r)}, got {tuple(gram.shape)}")
            return as_float64(gram)
        identity = as_array(np.eye(r), self.like)
        columns = [self.apply(self.apply_transposed(identity[:, j : j + _ROWS])) for j in range(0, r, _ROWS)]
        return as_float64(namespace(self.like).concat(columns, axis=1))

    def times(self, diagonal: Array) -> Factor:
        scaling = diagonal if self.scaling is None else self.scaling * diagonal
        return ProductFactor(self.source, self.like, self.name, scaling)


def _products(source: Any, name: str) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    """Products with blocks of columns, from the richest pair of methods the object has."""
    if callable(getattr(source, "apply", None)) and callable(getattr(source, "apply_transposed", None)):
        return source.apply, source.apply_transposed
    if isinstance(source, LinearOperator):
        return lambda v: source.matmat(to_numpy(v)), lambda u: source.rmatmat(to_numpy(u))
    if callable(getattr(source, "matvec", None)) and callable(getattr(source, "rmatvec", None)):
        return lambda v: _by_columns(source.matvec, v), lambda u: _by_columns(source.rmatvec, u)
    raise TypeError(
        f"{name} must be an array, a sparse array, a LinearOperator, or an object with apply and apply_transposed "
        f"(or matvec and rmatvec), not {type(source).__name__}"
    )


def _by_columns(product: Callable[[Array], Array], block: Array) -> Array:
    return namespace(block).stack([product(block[:, j]) for j in range(block.shape[1])], axis=1)


def as_factor(R: Any, name: str = "R", like: Array | None = None) -> Factor:
    """R as a `Factor`; see `LowRankPlusIdentity` for what it may be.

    Parameters
    ----------
    R : array_like, sparse array, LinearOperator or object with products
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
        return SparseFactor(real(checked_sparse(R, name), name), name)
    if is_array(R) or isinstance(R, (list, tuple)):
        return ArrayFactor(real_array(R, name, 2), name)
    if not hasattr(R, "shape") or len(R.shape) != 2:
        raise TypeError(f"{name} must be an array or have a shape (r, n) and products, got {type(R).__name__}")
    not_empty(R, name)
    return ProductFactor(R, _place(R, name) if like is None else like, name)


def _place(R: Any, name: str) -> Array:
    """An empty array where the products of R live, read off its attributes `like`, or `dtype` and `device`."""
    if is_array(getattr(R, "like", None)):
        return R.like
    dtype: Any = getattr(R, "dtype", None) or np.float64
    if str(dtype).startswith("torch."):
        import torch

        return torch.empty(0, dtype=dtype, device=getattr(R, "device", None))
    dtype = real(np.empty(0, dtype), name).dtype
    return np.empty(0, dtype if dtype in (np.float32, np.float64) else np.float64)
