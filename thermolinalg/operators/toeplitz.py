"""Symmetric Toeplitz and circulant matrices, by fast Fourier transforms."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, eps, namespace
from thermolinalg.operators._checks import real_array
from thermolinalg.operators.base import Operator

__all__ = ["Circulant", "Toeplitz"]


class _Convolution(Operator):
    """A_ij = c_|i−j|: what Toeplitz and circulant matrices share."""

    def __init__(self, column: Array) -> None:
        n = column.shape[0]
        super().__init__(column.dtype, (n, n), column)
        self.column, self.size = column, n

    def apply(self, block: Array) -> Array:
        return self._product(self.transform, block)

    def extended_product(self, block: Array) -> Array:
        return self._product(self._transform(as_array(self.column, block)), block)

    def _transform(self, column: Array) -> Array:
        """Spectrum of the circulant matrix of order `size` that holds A."""
        raise NotImplementedError

    def _product(self, transform: Array, block: Array) -> Array:
        xp = namespace(block)
        transformed = transform[:, None] * xp.fft.rfft(block, n=self.size, axis=0)
        return xp.fft.irfft(transformed, n=self.size, axis=0)[: self.shape[0]]

    def diagonal(self) -> Array:
        return self.column[[0] * self.shape[0]]

    def trace(self) -> float:
        n: int = self.shape[0]
        return n * float(self.column[0])

    def dense(self) -> Array:
        n = self.shape[0]
        distance = np.abs(np.arange(n)[:, None] - np.arange(n))
        return self.column[distance]

    def absolute(self, block: Array) -> Array:
        return type(self)(abs(self.column)).apply(block)

    def negated(self) -> Operator:
        return type(self)(-self.column)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return type(self)(factor * self.column) if diagonal is None else super().scaled(factor, diagonal)


class Toeplitz(_Convolution):
    """The symmetric Toeplitz matrix A_ij = c_|i−j|: the covariance of a stationary series on a regular grid.

    Products embed it in a circulant matrix of about twice its size and cost two transforms.

    Parameters
    ----------
    column : array_like, shape (n,)
        First column c.

    Raises
    ------
    TypeError
        Entries are not real numbers.
    ValueError
        Not one-dimensional, empty, or not finite.

    See Also
    --------
    BlockDiagonal, Circulant, Kronecker, KroneckerSum : Matrices by their structure.

    Examples
    --------
    >>> import numpy as np
    >>> A = Toeplitz([4.0, 1.0, 0.5])
    >>> A.dense()
    array([[4. , 1. , 0.5],
           [1. , 4. , 1. ],
           [0.5, 1. , 4. ]])
    >>> A @ np.array([0.0, 1.0, 0.0])
    array([1., 4., 1.])
    """

    structure = "Toeplitz"

    def __init__(self, column: Any) -> None:
        column = real_array(column, "column", 1)
        super().__init__(column)
        from scipy.fft import next_fast_len  # here, because it takes a tenth of the package's time to import

        self.size = int(next_fast_len(2 * column.shape[0] - 1, real=True))
        self.transform = self._transform(column)

    def _transform(self, column: Array) -> Array:
        """Spectrum of the circulant matrix that A is embedded in."""
        xp = namespace(column)
        zeros = as_array(np.zeros(self.size - 2 * column.shape[0] + 1), column)
        return xp.real(xp.fft.rfft(xp.concat([column, zeros, xp.flip(column[1:])])))

    def norm_bound(self) -> float:
        # A is a principal submatrix of the circulant matrix it is embedded in.
        xp = namespace(self.column)
        return float(xp.max(xp.abs(self.transform)))


class Circulant(_Convolution):
    """The symmetric circulant matrix with first column c, c_k = c_{n−k}: a Toeplitz matrix on a ring.

    Its eigenvalues are the discrete Fourier transform of c, its eigenvectors the Fourier modes.

    Parameters
    ----------
    column : array_like, shape (n,)
        First column c.

    Raises
    ------
    TypeError
        Entries are not real numbers.
    ValueError
        Not one-dimensional, empty, not finite, or not symmetric.

    See Also
    --------
    Kronecker, KroneckerSum, Toeplitz, BlockDiagonal : Matrices by their structure.

    Examples
    --------
    >>> import numpy as np
    >>> A = Circulant([3.0, -1.0, 0.0, -1.0])
    >>> A.eigenvalues()
    array([1., 3., 5., 3.])
    >>> A @ np.ones(4)
    array([1., 1., 1., 1.])
    """

    structure = "circulant"

    def __init__(self, column: Any) -> None:
        column = real_array(column, "column", 1)
        xp = namespace(column)
        asymmetry = float(xp.max(xp.abs(column[1:] - xp.flip(column[1:])))) if column.shape[0] > 1 else 0.0
        if asymmetry > 32 * eps(column) * float(xp.max(xp.abs(column))):
            raise ValueError(
                f"column must be symmetric, column[k] = column[n − k], for A to be; it differs by {asymmetry:.3g}"
            )
        super().__init__(column)
        self.size = column.shape[0]
        self.transform = self._transform(column)

    def _transform(self, column: Array) -> Array:
        xp = namespace(column)
        return xp.real(xp.fft.rfft(column))

    @property
    def order(self) -> int:
        # The transform's rounding grows with its number of stages.
        return int(self.shape[0]).bit_length()

    def eigenvalues(self) -> Array:
        xp = namespace(self.transform)
        mirrored = xp.flip(self.transform[1 : (self.shape[0] + 1) // 2])
        return xp.concat([self.transform, mirrored])

    def norm_bound(self) -> float:
        xp = namespace(self.transform)
        return float(xp.max(xp.abs(self.transform)))
