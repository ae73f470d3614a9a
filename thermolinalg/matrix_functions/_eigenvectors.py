"""Eigenvectors of a dense symmetric matrix in two factors, multiplied out once many vectors have gone through them."""

from __future__ import annotations

import numpy as np
import scipy.linalg

from thermolinalg._arrays import Array, eigh, fortran, is_torch, product

__all__ = ["Eigenvectors", "Reflections", "decomposed"]

LARGE = 128
"""Order from which the factors take less time than LAPACK's eigenvectors."""

MANY = 1 / 8
"""Vectors, as a part of the order, after which the product of the factors is formed."""


class Reflections:
    """Q of A = Q T Qᵀ with T tridiagonal, as the reflections that LAPACK's sytrd makes of a lower triangle.

    Parameters
    ----------
    reduced, scales : array, shape (d, d) and (d − 1,)
        Vectors of the reflections below the subdiagonal, and their scales.
    """

    def __init__(self, reduced: np.ndarray, scales: np.ndarray) -> None:
        self._vectors, self._scales = np.asfortranarray(reduced[1:, :-1]), scales
        self._apply = fortran("ormqr", reduced.dtype)

    def times(self, block: np.ndarray) -> np.ndarray:
        """Q V for a block V (d, k)."""
        return self._reflected(block, "N")

    def transposed(self, block: np.ndarray) -> np.ndarray:
        """Qᵀ V for a block V (d, k)."""
        return self._reflected(block, "T")

    def _reflected(self, block: np.ndarray, trans: str) -> np.ndarray:
        # The first coordinate is reflected by none of them.
        below, _, info = self._apply("L", trans, self._vectors, self._scales, block[1:], 64 * block.shape[1])
        assert info == 0
        return np.concatenate([block[:1], below])


class Eigenvectors:
    """V of A = V Λ Vᵀ.

    Parameters
    ----------
    matrix : array, shape (d, d)
        V; or S of V = Q S, of T = S Λ Sᵀ.
    reflections : Reflections, optional
        Q.
    """

    def __init__(self, matrix: Array, reflections: Reflections | None = None) -> None:
        self._matrix, self._reflections = matrix, reflections
        self._vectors = 0

    def to_modes(self, block: Array) -> Array:
        """Vᵀ B for a block B (d, k)."""
        self._count(block)
        return product(self._matrix.T, block if self._reflections is None else self._reflections.transposed(block))

    def from_modes(self, block: Array) -> Array:
        """V Y for a block Y (d, k)."""
        self._count(block)
        moved = product(self._matrix, block)
        return moved if self._reflections is None else self._reflections.times(moved)

    def _count(self, block: Array) -> None:
        """Form V where these vectors are one too many for its factors."""
        if self._reflections is None:
            return
        self._vectors += block.shape[1]
        if self._vectors > MANY * len(self._matrix):
            self._matrix, self._reflections = self._reflections.times(self._matrix), None


def decomposed(matrix: Array) -> tuple[Array, Eigenvectors]:
    """Eigenvalues, ascending, and eigenvectors of a symmetric matrix, from its lower triangle.

    What forms eigenvectors is a third of a decomposition by divide and conquer, and no function of A applied to a few
    vectors asks for it.

    Parameters
    ----------
    matrix : array, shape (d, d)

    Returns
    -------
    values : array, shape (d,)
    vectors : Eigenvectors
    """
    if is_torch(matrix) or len(matrix) < LARGE:
        values, vectors = eigh(matrix)
        return values, Eigenvectors(vectors)
    scale = float(np.ldexp(1.0, int(np.frexp(np.abs(matrix).max() or 1.0)[1])))
    reduce = fortran("sytrd", matrix.dtype)
    reduced, diagonal, beside, scales, info = reduce(
        np.array(matrix / scale, order="F"), lower=1, lwork=64 * len(matrix), overwrite_a=1
    )
    assert info == 0
    values, vectors = scipy.linalg.eigh_tridiagonal(diagonal, beside, check_finite=False)
    return scale * values, Eigenvectors(vectors, Reflections(reduced, scales))
