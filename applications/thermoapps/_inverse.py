"""The inverse of a dense positive definite matrix: roughly from a device, and sharpened by its own residual."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["Inverse", "in_slices"]

SHARP = 1e-9
"""Residual at which an inverse is sharp enough for the traces of an evidence."""

SQUARINGS = 4
"""Most times that a residual is squared."""

COLUMNS = 512
"""Columns that are solved for at a time: a run holds several blocks of what it is loaded with."""

CORRECTIONS = 4
"""Most residuals that a solve sends back."""


class Inverse:
    """X ≈ M⁻¹ as a device gives it, good enough to send residuals back through.

    Where more is asked for, X ← X + X(I − M X) squares the residual (Schulz).

    Parameters
    ----------
    matrix : array, shape (n, n)
        M, symmetric positive definite.
    solve : callable
        ``solve(B)``: M⁻¹B (n, k) to a relative residual well below 1.

    Attributes
    ----------
    X : array, shape (n, n)
        The inverse.
    residual : float
        Root mean square of the columns of I − M X, once it is sharpened: measured, or as its square and rounding
        foretell.

    References
    ----------
    Schulz, Iterative Berechnung der reziproken Matrix, ZAMM 13 (1933).

    Examples
    --------
    >>> M = np.diag([1.0, 4.0])
    >>> Inverse(M, lambda B: 1.01 * np.linalg.solve(M, B)).sharpened().X.round(9).diagonal()
    array([1.  , 0.25])
    """

    def __init__(self, matrix: np.ndarray, solve: Callable[[np.ndarray], np.ndarray]) -> None:
        self.matrix = matrix
        self.X, self.residual = solve(np.eye(len(matrix))), np.inf

    def sharpened(self) -> Inverse:
        """The same, sharp enough for the traces of an evidence."""
        for _ in range(SQUARINGS if self.residual == np.inf else 0):
            left = -(self.matrix @ self.X)
            left[np.diag_indices_from(left)] += 1.0
            size = float(np.linalg.norm(left)) / len(left) ** 0.5
            if not size < self.residual:  # rounding, which no product mends
                break
            self.residual = size
            if size <= SHARP:
                break
            self.X = self.X + self.X @ left
            if size**2 <= SHARP:
                rounding = np.finfo(float).eps * float(np.linalg.norm(self.matrix) * np.linalg.norm(self.X))
                self.residual = max(size**2, rounding / len(left) ** 0.5)
                break
        return self

    def times(self, b: np.ndarray) -> np.ndarray:
        """X b for b of shape (n, k)."""
        return np.asarray(self.X @ b)

    def solve(self, b: np.ndarray, rtol: float) -> tuple[np.ndarray, bool]:
        """M⁻¹b for b of shape (n, k), its residuals sent back, and whether all of them are below rtol |b|."""
        target = rtol * np.linalg.norm(b, axis=0)
        x, least = self.X @ b, np.full(b.shape[1], np.inf)
        for _ in range(CORRECTIONS):
            r = b - self.matrix @ x
            size = np.linalg.norm(r, axis=0)
            if (size <= target).all():
                return x, True
            if not (size < least / 2).any():
                break
            least, x = size, x + self.X @ r
        return x, False


def in_slices(solve: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The same solve, of so many columns at a time.

    Parameters
    ----------
    solve : callable
        ``solve(B)`` for B of shape (n, k).

    Returns
    -------
    callable
    """

    def sliced(b: np.ndarray) -> np.ndarray:
        return np.hstack([solve(b[:, begin : begin + COLUMNS]) for begin in range(0, b.shape[1], COLUMNS)])

    return sliced
