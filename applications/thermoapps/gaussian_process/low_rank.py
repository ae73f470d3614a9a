"""Covariance matrices that are of low rank beside the noise, or known by their products alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse.linalg import LinearOperator

from thermoapps.gaussian_process.structures import STEP, Parts, Structure
from thermoapps.gaussian_process.white import white_noise
from thermolinalg.operators import DiagonalPlusLowRank, LowRankPlusIdentity

__all__ = ["LowRank", "Products", "pivots_of"]

RANK = 1_000
"""Most columns of a factor."""

LEFT_OUT = 1e-5
"""Trace of what a factor leaves out, as a part of the smallest noise: no variance changes by a larger part."""

ROUGH = 1e-12
"""Part of the largest variance below which a pivot is rounding."""

TILE = 512
"""Rows and columns of a covariance matrix that are held at once: more would not stay in the cache."""


def pivots_of(kernel: Any, X: np.ndarray, left_out: float) -> tuple[np.ndarray, bool]:
    """Points whose columns span K: the pivots of its Cholesky factorisation.

    Parameters
    ----------
    kernel : Kernel
        Whose white noise is left aside.
    X : array, shape (n, d)
        Where the data are.
    left_out : float
        Trace of K − K_Z W⁻¹K_Zᵀ to reach.

    Returns
    -------
    pivots : array of int, shape (r,)
        In the order of their size; r ≤ 1000.
    reached : bool
        Whether the trace is as small as was asked for.

    References
    ----------
    Harbrecht, Peters and Schneider, On the low-rank approximation by the pivoted Cholesky decomposition,
    Appl. Numer. Math. 62 (2012).
    """
    left = np.array(kernel.diag(X), dtype=float) - white_noise(kernel, X)
    most, least = min(RANK, len(X)), ROUGH * left.max()
    factor, pivots = np.empty((most, len(X))), list[int]()
    for k in range(most):
        pivot = int(np.argmax(left))
        if left.sum() <= left_out or left[pivot] <= least:
            return np.array(pivots, dtype=int), bool(left.sum() <= left_out)
        row = kernel(X[pivot : pivot + 1], X)[0] - factor[:k, pivot] @ factor[:k]
        factor[k] = row / np.sqrt(left[pivot])
        left = np.maximum(left - factor[k] ** 2, 0.0)
        left[pivot] = 0.0
        pivots.append(pivot)
    return np.array(pivots, dtype=int), bool(left.sum() <= left_out)


class LowRank(Structure):
    """K ≈ C W⁻¹Cᵀ with the columns C = K(X, Z) of a few points Z among the data, and W = K(Z, Z) (Nyström).

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    pivots : array of int, shape (r,)
        Z.
    """

    name = "low rank"

    def __init__(self, X: np.ndarray, pivots: np.ndarray) -> None:
        self.X, self.pivots = X, pivots
        self.order, self.place = np.arange(len(X)), X[:1]

    def white(self, kernel: Any) -> float | np.ndarray:
        noise = white_noise(kernel, self.X)
        return float(noise[0]) if np.ptp(noise) == 0 else noise

    def parts(self, kernel: Any) -> Parts:
        return [np.asarray(kernel(self.X, self.X[self.pivots]))]

    def rows(self, parts: Parts) -> np.ndarray:
        """R (r, n) with RᵀR = C W⁻¹Cᵀ."""
        factor = cho_factor(self._inner(parts[0]), lower=True)[0]
        return np.asarray(solve_triangular(factor, parts[0].T, lower=True))

    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        rows = self.rows(parts)
        return DiagonalPlusLowRank(shift, rows) if np.ndim(shift) else LowRankPlusIdentity(rows, float(shift))

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        return np.asarray(parts[0] @ self._weights(parts[0], V))

    def variance(self, parts: Parts) -> float:
        return float(parts[0][self.pivots].diagonal().max())

    def slopes(self, kernel: Any, V: np.ndarray) -> list[np.ndarray]:
        (columns,), found = self.parts(kernel), []
        weights = self._weights(columns, V)
        for j in range(kernel.n_dims):
            change, noise = self._differences(kernel, j)
            ahead = change.T @ V - change[self.pivots] @ weights
            inner = cho_solve(cho_factor(self._inner(columns), lower=True), ahead)
            found.append(noise.reshape(-1, 1) * V + change @ weights + columns @ inner)
        return found

    def _weights(self, columns: np.ndarray, V: np.ndarray) -> np.ndarray:
        """W⁻¹CᵀV."""
        return np.asarray(cho_solve(cho_factor(self._inner(columns), lower=True), columns.T @ V))

    def _inner(self, columns: np.ndarray) -> np.ndarray:
        """W, definite in spite of rounding."""
        inner = np.array(columns[self.pivots])
        inner[np.diag_indices_from(inner)] += ROUGH / 10 * inner.diagonal().max()
        return inner


class Products(Structure):
    """Any kernel, whose matrix is made block by block for each product and never held.

    Runs of the device are simulated by solves that a factor of low rank makes short.

    Parameters
    ----------
    X : array, shape (n, d)
        Where the data are.
    pivots : array of int, shape (r,)
        Points whose columns make the factor.
    """

    name, rtol = "products", 1e-8

    def __init__(self, X: np.ndarray, pivots: np.ndarray) -> None:
        self.X, self.order, self.place = X, np.arange(len(X)), X[:1]
        self.rough = LowRank(X, pivots)

    def white(self, kernel: Any) -> float | np.ndarray:
        return self.rough.white(kernel)

    def parts(self, kernel: Any) -> Parts:
        return [kernel, *self.rough.parts(kernel)]

    def system(self, parts: Parts, shift: float | np.ndarray) -> Any:
        def product(V: np.ndarray) -> np.ndarray:
            V = V.reshape(len(self.X), -1)
            return np.asarray(self.times(parts, V) + np.reshape(shift, (-1, 1)) * V)

        shape = (len(self.X), len(self.X))
        return LinearOperator(shape, matvec=product, matmat=product, rmatvec=product, rmatmat=product, dtype=float)

    def preconditioner(self, parts: Parts, shift: float | np.ndarray) -> Any:
        rows, noise = self.rough.rows(parts[1:]), np.reshape(shift, (-1, 1))
        inner = rows @ (rows.T / noise)
        inner[np.diag_indices_from(inner)] += 1.0
        factor = cho_factor(inner, lower=True)

        def product(V: np.ndarray) -> np.ndarray:
            V = V.reshape(len(self.X), -1) / noise
            return np.asarray(V - (rows.T @ cho_solve(factor, rows @ V)) / noise)

        shape = (len(self.X), len(self.X))
        return LinearOperator(shape, matvec=product, matmat=product, rmatvec=product, rmatmat=product, dtype=float)

    def times(self, parts: Parts, V: np.ndarray) -> np.ndarray:
        tiles = [slice(start, start + TILE) for start in range(0, len(self.X), TILE)]
        found = np.zeros(V.shape)
        for i, rows in enumerate(tiles):
            for columns in tiles[i:]:
                K = parts[0](self.X[rows], self.X[columns])
                found[rows] += K @ V[columns]
                if columns is not rows:  # K is symmetric: the tile across the diagonal is not made again
                    found[columns] += K.T @ V[rows]
        return found

    def variance(self, parts: Parts) -> float:
        return float((parts[0].diag(self.X) - white_noise(parts[0], self.X)).max())

    def slopes(self, kernel: Any, V: np.ndarray) -> list[np.ndarray]:
        found = []
        for j in range(kernel.n_dims):
            ahead, behind = (kernel.clone_with_theta(kernel.theta + sign * STEP * _unit(j, kernel)) for sign in (1, -1))
            change = self.times([ahead], V) - self.times([behind], V)
            noise = np.reshape(self.white(ahead) - self.white(behind), (-1, 1))
            found.append((change + noise * V) / (2 * STEP))
        return found

    def draws(self, parts: Parts, read: Any, count: int) -> np.ndarray:
        raise ValueError(
            f"functions at all {len(self.X)} data need their covariance matrix, which is held by its products only; "
            "pass fewer places to sample_y"
        )


def _unit(j: int, kernel: Any) -> np.ndarray:
    """The direction of one logarithmic parameter."""
    return np.asarray(np.arange(kernel.n_dims) == j, dtype=float)
