"""What the linear estimators share: weights, weighted and centred rows, sparse or dense, and their Gram matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.utils.validation import _check_sample_weight

__all__ = ["CentredRows", "read_number", "read_weights", "sparse_array", "weighted_gram"]


def sparse_array(X: Any) -> Any:
    """Sparse matrices as CSR arrays, whose ``*`` is elementwise; anything else as it is."""
    return sp.csr_array(X) if sp.issparse(X) else X


def read_weights(sample_weight: Any, X: Any) -> np.ndarray:
    """Weights of the samples, ones by default; refused where one is negative or all are zero."""
    weights: np.ndarray = _check_sample_weight(sample_weight, X, dtype=np.float64)
    if np.any(weights < 0):
        raise ValueError("sample_weight has negative entries; weights count samples")
    if not np.any(weights > 0):
        raise ValueError("sample_weight is zero everywhere; at least one sample needs a positive weight")
    return weights


def read_number(value: Any, name: str, *, positive: bool = False) -> float:
    """A finite number ≥ 0, or > 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None
    if not np.isfinite(number) or number < 0 or (positive and number == 0):
        raise ValueError(f"{name} must be finite and {'> 0' if positive else '≥ 0'}, got {value!r}")
    return number


def weighted_gram(X: Any, weights: np.ndarray, Z: Any = None) -> np.ndarray:
    """Xᵀ diag(weights) Z as an array; Z is X by default."""
    product = X.T @ ((X if Z is None else Z) * weights[:, None])
    return product.toarray() if sp.issparse(product) else np.asarray(product)


class CentredRows:
    """The rows sqrt(w_i) (x_i − x̄) and right-hand sides sqrt(w_i) (y_i − ȳ), with weighted means x̄, ȳ.

    Sparse rows stay sparse: their mean is subtracted from the products.

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
        total = weights.sum()
        self.roots = np.sqrt(weights)
        self.x_mean = np.asarray(X.T @ weights).reshape(-1) / total if centre else np.zeros(X.shape[1])
        self.y_mean = weights @ y / total if centre else np.zeros(y.shape[1:])
        self.y = ((y - self.y_mean).T * self.roots).T
        self.sparse = sp.issparse(X)
        self._rows = X * self.roots[:, None] if self.sparse else (X - self.x_mean) * self.roots[:, None]

    def gram(self) -> np.ndarray:
        """RᵀR, (p, p)."""
        if not self.sparse:
            return _symmetric(self._rows.T @ self._rows)
        return _symmetric((self._rows.T @ self._rows).toarray() - self.roots @ self.roots * _outer(self.x_mean))

    def kernel(self) -> np.ndarray:
        """RRᵀ, (n, n)."""
        if not self.sparse:
            return _symmetric(self._rows @ self._rows.T)
        cross = np.outer(self._rows @ self.x_mean, self.roots)
        shift = self.x_mean @ self.x_mean * _outer(self.roots)
        return _symmetric((self._rows @ self._rows.T).toarray() - cross - cross.T + shift)

    def transposed(self, v: np.ndarray) -> np.ndarray:
        """Rᵀv for v of shape (n, k)."""
        product = self._rows.T @ v
        return np.asarray(product - np.outer(self.x_mean, self.roots @ v) if self.sparse else product)

    def times(self, v: np.ndarray) -> np.ndarray:
        """R v for v of shape (p, k)."""
        product = self._rows @ v
        return np.asarray(product - np.outer(self.roots, self.x_mean @ v) if self.sparse else product)


def _outer(v: np.ndarray) -> np.ndarray:
    return np.outer(v, v)


def _symmetric(A: np.ndarray) -> np.ndarray:
    return np.asarray((A + A.T) / 2)
