"""Kernels of compact support, whose matrices are sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.gaussian_process.kernels import (
    Hyperparameter,
    Kernel,
    NormalizedKernelMixin,
    StationaryKernelMixin,
)

__all__ = ["Wendland"]


class Wendland(StationaryKernelMixin, NormalizedKernelMixin, Kernel):  # type: ignore[misc]
    """Wendland's function of compact support, k(r) = (1 − r/ℓ)⁴ (1 + 4 r/ℓ) for r < ℓ and 0 beyond.

    Positive definite in up to three dimensions; draws are once differentiable in mean square. The matrix of many points
    is sparse, and `ThermodynamicGPRegressor` keeps it so.

    Parameters
    ----------
    length_scale : float, optional
        ℓ > 0, beyond which points are uncorrelated.
    length_scale_bounds : tuple of float or "fixed", optional
        Within which an optimiser may look.

    See Also
    --------
    ThermodynamicGPRegressor : Takes it as a kernel whose matrices are sparse.

    References
    ----------
    Wendland, Piecewise polynomial, positive definite and compactly supported radial functions of minimal degree,
    Adv. Comput. Math. 4 (1995).

    Examples
    --------
    >>> Wendland(2.0)([[0.0], [1.0], [2.0]])
    array([[1.    , 0.1875, 0.    ],
           [0.1875, 1.    , 0.1875],
           [0.    , 0.1875, 1.    ]])
    """

    def __init__(self, length_scale: float = 1.0, length_scale_bounds: Any = (1e-5, 1e5)) -> None:
        self.length_scale = length_scale
        self.length_scale_bounds = length_scale_bounds

    @property
    def hyperparameter_length_scale(self) -> Any:
        """The length, as scikit-learn's kernels describe theirs."""
        return Hyperparameter("length_scale", "numeric", self.length_scale_bounds)

    def of_distances(self, r: np.ndarray) -> np.ndarray:
        """k at some distances, in their shape."""
        s = np.minimum(r / self.length_scale, 1.0)
        return np.asarray((1 - s) ** 4 * (1 + 4 * s))

    def __call__(self, X: Any, Y: Any = None, eval_gradient: bool = False) -> Any:
        """The matrix of the kernel, and its derivative with respect to log ℓ."""
        X = np.atleast_2d(X)
        r = cdist(X, X if Y is None else Y)
        if not eval_gradient:
            return self.of_distances(r)
        if Y is not None:
            raise ValueError("eval_gradient=True goes with Y=None only")
        if self.hyperparameter_length_scale.fixed:
            return self.of_distances(r), np.empty((len(X), len(X), 0))
        s = np.minimum(r / self.length_scale, 1.0)
        return self.of_distances(r), (20 * s**2 * (1 - s) ** 3)[:, :, None]

    def __repr__(self) -> str:
        return f"Wendland(length_scale={self.length_scale:.3g})"
