"""White noise wherever it stands in a kernel.

scikit-learn's K(X) holds the white noise of a kernel and K(X, Y) does not, even at Y = X. All ways of composing kernels
act entry by entry, so that the two differ on the diagonal only, where noise may be multiplied and raised to powers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.gaussian_process.kernels import CompoundKernel, Exponentiation, Product, Sum, WhiteKernel

__all__ = ["refuse_compound", "terms", "white_noise"]


def white_noise(kernel: Any, X: np.ndarray) -> np.ndarray:
    """The diagonal of K(X) − K(X, X), without the cancellation of that difference.

    Parameters
    ----------
    kernel : Kernel
        Any composition of scikit-learn's, or any other kernel without white noise.
    X : array, shape (n, d)
        Where.

    Returns
    -------
    array, shape (n,)

    Examples
    --------
    >>> from sklearn.gaussian_process.kernels import RBF
    >>> white_noise(2.0 * (RBF() + WhiteKernel(0.5)) + WhiteKernel(0.1), np.zeros((2, 1)))
    array([1.1, 1.1])
    """
    return _diagonals(kernel, X)[1]


def _diagonals(kernel: Any, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Diagonals of K(X, X), and of K(X) − K(X, X)."""
    if isinstance(kernel, WhiteKernel):
        return np.zeros(len(X)), np.full(len(X), float(kernel.noise_level))
    if isinstance(kernel, Exponentiation):
        smooth, white = _diagonals(kernel.kernel, X)
        if not white.any():
            return smooth**kernel.exponent, white
        with np.errstate(divide="ignore", invalid="ignore"):
            risen = smooth**kernel.exponent * np.expm1(kernel.exponent * np.log1p(white / smooth))
        return smooth**kernel.exponent, np.where(smooth > 0, risen, white**kernel.exponent)
    if isinstance(kernel, Sum | Product):
        (a, v), (b, w) = _diagonals(kernel.k1, X), _diagonals(kernel.k2, X)
        return (a + b, v + w) if isinstance(kernel, Sum) else (a * b, v * b + a * w + v * w)
    return np.array(kernel.diag(X), dtype=float), np.zeros(len(X))


def terms(kernel: Any) -> list[Any]:
    """The terms of a sum of kernels."""
    return [*terms(kernel.k1), *terms(kernel.k2)] if isinstance(kernel, Sum) else [kernel]


def refuse_compound(kernel: Any) -> None:
    """ValueError for several kernels side by side, which have a matrix each."""
    parts = kernel.get_params().values() if hasattr(kernel, "get_params") else ()
    if isinstance(kernel, CompoundKernel) or any(isinstance(part, CompoundKernel) for part in parts):
        raise ValueError(
            "kernel is a CompoundKernel, several covariance functions side by side; fit one process for each of "
            "kernel.kernels"
        )
