"""Between the values of a function at Chebyshev nodes and the coefficients of its expansion."""

from __future__ import annotations

import numpy as np

__all__ = ["coefficients_of", "values_of"]


def coefficients_of(values: np.ndarray) -> np.ndarray:
    """Coefficients (…, n) of Σ_k c_k T_k from values (…, n) at cos(π(j + ½)/n)."""
    from scipy.fft import dct  # here, because it takes a tenth of the package's time to import

    coefficients: np.ndarray = np.asarray(dct(values, type=2, axis=-1)) / values.shape[-1]
    coefficients[..., 0] /= 2
    return coefficients


def values_of(coefficients: np.ndarray, count: int) -> np.ndarray:
    """An expansion at so many nodes."""
    from scipy.fft import idct  # here, for the same reason

    padded = np.zeros((*coefficients.shape[:-1], count))
    padded[..., : coefficients.shape[-1]] = coefficients
    padded[..., 0] *= 2
    return np.asarray(idct(padded * count, type=2, axis=-1))
