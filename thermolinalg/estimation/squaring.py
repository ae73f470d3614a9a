"""Powers of a noisy matrix by repeated squaring, and the error that reaches the result."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

__all__ = ["deviations", "power", "spread_of_power"]


def deviations(P: np.ndarray, readings: int, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Draws of the error of a lagged covariance P from pairs of readings whose own covariance is I.

    The early readings miss I by W/√n with W symmetric, of variance 1 beside the diagonal and 2 on it; the late ones
    are P x + ξ with the covariance I − P Pᵀ of ξ: together (P W + C G)/√n with C Cᵀ = I − P Pᵀ and G white.

    Parameters
    ----------
    P : ndarray, shape (d, d)
        The estimate itself.
    readings : int
        n.
    count : int
    rng : numpy.random.Generator

    Yields
    ------
    ndarray, shape (d, d)
    """
    d = len(P)
    weights, axes = np.linalg.eigh(np.eye(d) - P @ P.T)
    C = axes * np.sqrt(np.clip(weights, 0.0, None))
    for _ in range(count):
        W = rng.standard_normal((d, d))
        yield (P @ (W + W.T) / np.sqrt(2) + C @ rng.standard_normal((d, d))) / np.sqrt(readings)


def power(X: np.ndarray, squarings: int) -> np.ndarray:
    """X to the power 2ᵏ; not finite where that leaves the range of the numbers."""
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(squarings):
            X = X @ X
    return X


def spread_of_power(X: np.ndarray, errors: Iterable[np.ndarray], squarings: int) -> np.ndarray:
    """Root mean square, entry by entry, of what errors of X make of its power 2ᵏ.

    Each squaring takes an error E of X to X E + E X + E². The last term has a mean, which is part of the spread.

    Parameters
    ----------
    X : ndarray, shape (d, d)
    errors : iterable of ndarray, shape (d, d)
        Draws of the error of X.
    squarings : int
        k.

    Returns
    -------
    ndarray, shape (d, d)
        Infinite where it leaves the range of the numbers.

    Examples
    --------
    >>> spread = spread_of_power(np.array([[2.0]]), [np.array([[1e-6]]), np.array([[-1e-6]])], 3)
    >>> round(float(spread[0, 0]), 12)  # 8 · 2⁷ · 1e-6
    0.001024
    """
    total, count = np.zeros(X.shape), 0
    size = float(np.abs(power(X, squarings)).max())
    scale = size if 0 < size < np.inf else 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        for error in errors:
            base, moved = X, error
            for _ in range(squarings):
                moved = base @ moved + moved @ (base + moved)
                base = base @ base
            total, count = total + np.abs(moved / scale) ** 2, count + 1
        spread = scale * np.sqrt(total / count)
    return np.where(np.isnan(spread), np.inf, spread)
