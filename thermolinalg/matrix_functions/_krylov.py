"""Lanczos bases of several start vectors at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from array_api_compat import device
from scipy.linalg import eigh_tridiagonal, lapack

from thermolinalg._arrays import Array, as_array, eps, namespace, to_numpy
from thermolinalg.matrix_functions._blocks import norms

__all__ = ["Krylov"]

DRIVER = "stevd" if hasattr(lapack, "dstevd") else "stev"
"""Divide and conquer where SciPy has it (1.16); QR iteration is as good and slower."""

_FIRST_CAPACITY = 16
_BREAKDOWN = 10.0
"""A new direction below so many eps·‖A‖ is rounding: the space is complete."""


class Krylov:
    """Orthonormal bases of the Krylov spaces span{v, Av, A²v, …}, one for each column v, grown together.

    In its basis A is the tridiagonal matrix T, whose eigenvalues are the Ritz values. Every new vector is made
    orthogonal to all before it, so there are no ghost copies of eigenvalues. A space that A maps into itself is
    complete: its basis stops growing while the others go on.

    Parameters
    ----------
    product : callable
        V (d, k) → A V, with A symmetric.
    start : array, shape (d, k)
        Start vectors, none of them zero.

    References
    ----------
    Golub and Van Loan, Matrix Computations, chapter 10 (Lanczos with complete reorthogonalisation).
    """

    def __init__(self, product: Callable[[Array], Array], start: Array) -> None:
        self.product = product
        self.dimension, self.columns = start.shape
        lengths = norms(start)
        self.norms = to_numpy(lengths).astype(np.float64)
        self.start = start
        self._next = (start / lengths).T
        self._basis = self._allocate(min(_FIRST_CAPACITY, self.dimension))
        self._diagonal: list[Array] = []
        self._offdiagonal: list[Array] = []
        self._scale = 0 * lengths

    @property
    def steps(self) -> int:
        """Products taken so far, which is the dimension of the largest space."""
        return len(self._diagonal)

    def extend(self, steps: int) -> None:
        """Grow all spaces by so many dimensions, as far as there are any."""
        for _ in range(min(steps, self.dimension - self.steps)):
            self._step()

    def _step(self) -> None:
        xp = namespace(self._next)
        j, q = self.steps, self._next
        if j == self._basis.shape[1]:
            grown = self._allocate(min(2 * j, self.dimension))
            grown[:, :j] = self._basis
            self._basis = grown
        self._basis[:, j] = q
        # A copy: a product may hand back its own argument.
        w = xp.asarray(self.product(q.T).T, copy=True)
        alpha = xp.sum(q * w, axis=1)
        w -= alpha[:, None] * q
        if j:
            w -= self._offdiagonal[-1][:, None] * self._basis[:, j - 1]
        known = self._basis[:, : j + 1]
        with np.errstate(invalid="ignore"):  # BLAS may raise the flag for lanes of a register that it does not use
            overlap = xp.matmul(known, w[:, :, None])
            w -= xp.matmul(xp.matrix_transpose(overlap), known)[:, 0, :]
        beta = norms(w, axis=1)
        self._scale = xp.maximum(self._scale, xp.abs(alpha) + beta)
        complete = beta <= _BREAKDOWN * eps(w) * self._scale
        self._next = w * xp.where(complete, 0.0, 1 / xp.where(complete, 1.0, beta))[:, None]
        self._diagonal.append(alpha)
        self._offdiagonal.append(xp.where(complete, 0 * beta, beta))

    def _allocate(self, capacity: int) -> Array:
        xp = namespace(self._next)
        shape = (self.columns, capacity, self.dimension)
        return xp.empty(shape, dtype=self._next.dtype, device=device(self._next))

    def ritz(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Ritz values, their vectors in the basis, and the norms of their residuals.

        Returns
        -------
        values : ndarray, shape (columns, steps)
            Ascending for each column. A complete space repeats its first Rayleigh quotient with weight zero.
        vectors : ndarray, shape (columns, steps, steps)
            Eigenvectors of T in columns; the first row holds the weights of the start vector.
        residuals : ndarray, shape (columns, steps)
            ‖A y − θ y‖ of each Ritz pair.

        Raises
        ------
        LinAlgError
            If a product with A was NaN or infinite.
        """
        xp = namespace(self._next)
        alpha = to_numpy(xp.stack(self._diagonal, axis=1)).astype(np.float64)
        beta = to_numpy(xp.stack(self._offdiagonal, axis=1)).astype(np.float64)
        if not (np.isfinite(alpha).all() and np.isfinite(beta).all()):
            raise np.linalg.LinAlgError("a product with A is NaN or infinite: check what A returns for finite vectors")
        beyond = np.cumsum(beta == 0, axis=1) - (beta == 0) > 0
        alpha = np.where(beyond, alpha[:, :1], alpha)
        pairs = [eigh_tridiagonal(a, b[:-1], lapack_driver=DRIVER) for a, b in zip(alpha, beta, strict=True)]
        values, vectors = np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
        return values, vectors, beta[:, -1:] * np.abs(vectors[:, -1, :])

    def complete(self) -> bool:
        """Whether A maps every space into itself, so that its Ritz values are eigenvalues."""
        return self.steps == self.dimension or not bool(namespace(self._next).any(self._offdiagonal[-1] > 0))

    def combine(self, coefficients: np.ndarray) -> Array:
        """Vectors with the given coordinates (columns, n, steps) in the bases, shape (columns, n, d)."""
        with np.errstate(invalid="ignore"):
            return namespace(self._next).matmul(as_array(coefficients, self._next), self._basis[:, : self.steps])
