"""Between the values of a function at Chebyshev nodes and the coefficients of its expansion."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

__all__ = ["coefficients_of", "values_of"]

TABULATED = 512
"""Nodes up to which the polynomials are kept as a table."""


def coefficients_of(values: np.ndarray) -> np.ndarray:
    """Coefficients (…, n) of Σ_k c_k T_k from values (…, n) at cos(π(j + ½)/n)."""
    count = values.shape[-1]
    if count <= TABULATED:
        found: np.ndarray = values @ polynomials(count).T * (2 / count)
    else:
        from scipy.fft import dct  # here, because it takes a tenth of the package's time to import

        found = np.asarray(dct(values, type=2, axis=-1)) / count
    found[..., 0] /= 2
    return found


def values_of(coefficients: np.ndarray, count: int) -> np.ndarray:
    """An expansion at so many nodes."""
    if count <= TABULATED:
        return np.asarray(coefficients @ polynomials(count)[: coefficients.shape[-1]])
    from scipy.fft import idct  # here, for the same reason

    padded = np.zeros((*coefficients.shape[:-1], count))
    padded[..., : coefficients.shape[-1]] = coefficients
    padded[..., 0] *= 2
    return np.asarray(idct(padded * count, type=2, axis=-1))


@lru_cache(maxsize=8)
def polynomials(count: int) -> np.ndarray:
    """T_n at the nodes, for all n < count: products with it take less time than a call of a transform."""
    return np.asarray(np.cos(np.outer(np.arange(count), np.pi * (np.arange(count) + 0.5) / count)))
