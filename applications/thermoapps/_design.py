"""What the linear estimators share: centred rows of weighted samples, dense or sparse, and products with them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

__all__ = ["CentredRows", "Design", "row_space"]

ROUNDING = 4 * np.finfo(float).eps
"""Deviations of a column relative to its mean that are rounding errors of the mean: it is constant."""


class Design:
    """The rows x_i − x̄ of samples, with the weighted mean x̄.

    Sparse samples stay sparse, and their means are subtracted from products, but for columns whose mean carries most of
    their squares: these have few zeros, and are centred entry by entry, lest the products cancel.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        Samples.
    weights : array, shape (n,)
        Weights ≥ 0, of positive sum.
    centre : bool
        Whether to subtract means; without, they are zero.
    """

    def __init__(self, X: Any, weights: np.ndarray, *, centre: bool) -> None:
        self.shape: tuple[int, int] = X.shape
        self.weights = weights
        self.mean, self.offset = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        self.columns = X
        if not centre:
            return
        total = weights.sum()
        self.mean = np.asarray(X.T @ weights).reshape(-1) / total
        if not sp.issparse(X):
            residue = weights @ (X - self.mean) / total  # what rounding has left of a mean that is large
            self.mean = self.mean + residue
            self.columns = X - self.mean
            self.columns[:, np.max(np.abs(self.columns), axis=0) <= ROUNDING * np.abs(self.mean)] = 0.0
            return
        squares = np.asarray((X * X).T @ weights).reshape(-1)
        full = 2 * total * self.mean**2 >= squares
        if np.any(full & (squares > 0)):
            dense = Design(X[:, full].toarray(), weights, centre=True)
            self.mean[full] = dense.mean
            places = np.flatnonzero(full)
            rest = sp.csc_array(X)
            pieces = [sp.csc_array(dense.columns), rest[:, ~full]]
            order = np.argsort(np.concatenate([places, np.flatnonzero(~full)]), kind="stable")
            self.columns = sp.csr_array(sp.hstack(pieces, format="csc")[:, order])
        self.offset = np.where(full, 0.0, self.mean)

    @cached_property
    def deviations(self) -> np.ndarray:
        """Weighted root mean square of every column."""
        squares = np.asarray((self.columns * self.columns).T @ self.weights).reshape(-1) / self.weights.sum()
        return np.asarray(np.sqrt(np.maximum(squares - self.offset**2, 0)))

    @property
    def scales(self) -> np.ndarray:
        """The deviations, with 1 where a column is zero."""
        return np.where(self.deviations > 0, self.deviations, 1.0)

    def without_zeros(self, coef: np.ndarray) -> np.ndarray:
        """Coefficients (p, k) with zeros for columns that are zero, whose readings are noise."""
        return np.where(self.deviations[:, None] > 0, coef, 0.0)

    def times(self, v: np.ndarray) -> np.ndarray:
        """(X − 1x̄ᵀ) v for v of shape (p, k)."""
        return np.asarray(self.columns @ v - self.offset @ v)

    def transposed(self, u: np.ndarray) -> np.ndarray:
        """(X − 1x̄ᵀ)ᵀ u for u of shape (n, k)."""
        return np.asarray(self.columns.T @ u) - np.outer(self.offset, u.sum(axis=0))

    def gram(self, weights: np.ndarray) -> np.ndarray:
        """(X − 1x̄ᵀ)ᵀ diag(weights) (X − 1x̄ᵀ), (p, p)."""
        product = self.columns.T @ (self.columns * weights[:, None])
        if not sp.issparse(product):
            return _symmetric(np.asarray(product))
        cross = np.outer(self.offset, self.columns.T @ weights)
        shift = weights.sum() * np.outer(self.offset, self.offset)
        return _symmetric(product.toarray() - cross - cross.T + shift)

    def kernel(self) -> np.ndarray:
        """(X − 1x̄ᵀ)(X − 1x̄ᵀ)ᵀ, (n, n)."""
        product = self.columns @ self.columns.T
        if not sp.issparse(product):
            return _symmetric(np.asarray(product))
        cross = self.columns @ self.offset
        return _symmetric(product.toarray() - cross[:, None] - cross + self.offset @ self.offset)

    def dense(self) -> np.ndarray:
        """The rows themselves, (n, p)."""
        rows = self.columns.toarray() if sp.issparse(self.columns) else self.columns
        return np.asarray(rows - self.offset)


class CentredRows:
    """The rows sqrt(w_i) (x_i − x̄) and right-hand sides sqrt(w_i) (y_i − ȳ), with weighted means x̄, ȳ.

    Parameters
    ----------
    X : array or sparse array, shape (n, p)
        Rows.
    y : array, shape (n,) or (n, k)
        Targets.
    weights : array, shape (n,)
        w.
    centre : bool
        Whether to subtract means; without, they are zero.
    """

    def __init__(self, X: Any, y: np.ndarray, weights: np.ndarray, *, centre: bool) -> None:
        self.design = Design(X, weights, centre=centre)
        self.roots = np.sqrt(weights)
        self.y_mean = weights @ y / weights.sum() if centre else np.zeros(y.shape[1:])
        self.y = ((y - self.y_mean).T * self.roots).T
        self._centred = centre

    @property
    def x_mean(self) -> np.ndarray:
        """x̄, (p,)."""
        return self.design.mean

    @property
    def wide(self) -> bool:
        """Whether there are more columns than rows."""
        return self.design.shape[1] > self.design.shape[0]

    def gram(self) -> np.ndarray:
        """RᵀR, (p, p)."""
        return self.design.gram(self.design.weights)

    def kernel(self) -> np.ndarray:
        """RRᵀ, lifted along sqrt(w) where rows are centred, (n, n).

        Centred rows have Rᵀ sqrt(w) = 0: what this direction weighs does not matter to Rᵀ(RRᵀ + αI)⁻¹, but where it
        weighs α only, the matrix may be singular to working precision.
        """
        kernel = self.roots[:, None] * self.design.kernel() * self.roots
        if not self._centred:
            return np.asarray(kernel)
        along = self.roots / np.linalg.norm(self.roots)
        return np.asarray(kernel + self.lifted * np.outer(along, along))

    @cached_property
    def lifted(self) -> float:
        """What is added to RRᵀ along sqrt(w): its mean eigenvalue; zero for rows that are not centred."""
        squares = self.design.weights @ _row_squares(self.design)
        return float(squares) / len(self.roots) if self._centred else 0.0

    def squared_errors(self, coef: np.ndarray) -> float:
        """Σ w (y − ŷ)² of one target, for coefficients (p,)."""
        return float(np.sum((self.y - self.times(coef[:, None])) ** 2))

    def dense(self) -> np.ndarray:
        """R, (n, p)."""
        return np.asarray(self.roots[:, None] * self.design.dense())

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """Rᵀv for v of shape (n, k)."""
        return self.design.transposed((v.T * self.roots).T)

    def times(self, v: np.ndarray) -> np.ndarray:
        """R v for v of shape (p, k)."""
        return np.asarray((self.design.times(v).T * self.roots).T)


def row_space(rows: np.ndarray) -> np.ndarray:
    """An orthonormal basis (p, k) of the span of the rows (n, p), as far as rounding tells it.

    The rank is that of columns of equal size, so that units do not matter to it.
    """
    scales = np.linalg.norm(rows, axis=0)
    scales[scales == 0] = 1.0
    (R, order) = scipy.linalg.qr(rows / scales, mode="r", pivoting=True)
    sizes = np.abs(np.diag(R))
    rank = int(np.count_nonzero(sizes > max(rows.shape) * np.finfo(float).eps * sizes[:1].sum()))
    triangle = np.empty((rank, rows.shape[1]))
    triangle[:, order] = R[:rank]
    return np.asarray(np.linalg.qr((triangle * scales).T).Q)


def _row_squares(design: Design) -> np.ndarray:
    """Squared length of every centred row."""
    columns, offset = design.columns, design.offset
    squares = np.asarray((columns * columns).sum(axis=1)).reshape(-1)
    return np.asarray(squares - 2 * np.asarray(columns @ offset).reshape(-1) + offset @ offset)


def _symmetric(A: np.ndarray) -> np.ndarray:
    return np.asarray((A + A.T) / 2)
