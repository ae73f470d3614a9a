"""What a curve is fitted to: data, weights and starts, read as `scipy.optimize.curve_fit` reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cholesky, solve_triangular
from scipy.sparse import issparse

__all__ = ["Whitening", "as_data", "number_of_parameters", "read_data", "start_within"]

Vector = NDArray[np.float64]


def number_of_parameters(f: Callable[..., Any]) -> int:
    """How many parameters f takes after x, by its signature."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        given = [p for p in inspect.signature(f).parameters.values() if p.kind in kinds]
    except (TypeError, ValueError):
        given = []
    if len(given) < 2:
        raise ValueError("Unable to determine number of fit parameters; pass p0")
    return len(given) - 1


def start_within(lower: Vector, upper: Vector) -> Vector:
    """SciPy's start where none is given: one, the middle of two bounds, one away from a single bound."""
    below, above = np.isfinite(lower), np.isfinite(upper)
    start = np.ones_like(lower)
    start[below & above] = 0.5 * (lower[below & above] + upper[below & above])
    start[below & ~above] = lower[below & ~above] + 1
    start[~below & above] = upper[~below & above] - 1
    return start


def as_data(x: Any, *, check_finite: bool = False) -> Any:
    """Lists, tuples and arrays as arrays of floats; any other object as it is."""
    if not isinstance(x, list | tuple | np.ndarray):
        return x
    return np.asarray_chkfinite(x, float) if check_finite else np.asarray(x, float)


def read_data(
    x: Any, y: ArrayLike, sigma: ArrayLike | None, check_finite: bool | None, nan_policy: str | None
) -> tuple[Any, Vector, Any]:
    """Data and sigma as arrays; with nan_policy='omit' without the data that are NaN."""
    check = nan_policy is None if check_finite is None else check_finite
    x, y = as_data(x, check_finite=check), np.asarray_chkfinite(y, float) if check else np.asarray(y, float)
    if y.size == 0:
        raise ValueError("`ydata` must not be empty!")
    sigma = None if sigma is None else np.asarray(sigma, dtype=float)
    if check or nan_policy is None:
        return x, y, sigma
    if nan_policy == "propagate":
        raise ValueError("`nan_policy='propagate'` is not supported by this function.")
    if nan_policy not in ("raise", "omit"):
        raise ValueError("nan_policy must be one of {None, 'raise', 'omit'}")
    missing = np.isnan(y)
    if isinstance(x, np.ndarray):
        missing = missing | np.isnan(x).any(axis=tuple(range(x.ndim - 1)))
    if not missing.any():
        return x, y, sigma
    if nan_policy == "raise":
        raise ValueError("The input contains nan values")
    if isinstance(x, np.ndarray):
        x = x[..., ~missing]
    if sigma is not None and sigma.ndim:
        sigma = sigma[np.ix_(*[~missing] * sigma.ndim)] if sigma.size > 1 else sigma
    return x, y[~missing], sigma


class Whitening:
    """Residuals and Jacobians in units of the errors of the data: over sigma, or L⁻¹ times them where sigma = L Lᵀ.

    Parameters
    ----------
    sigma : array or None
        Standard deviations, one or as many as there are data, or their covariance matrix.
    m : int
        How many data there are.
    """

    def __init__(self, sigma: Vector | None, m: int) -> None:
        self._deviations: Any = np.array(1.0)
        self._factor: Any = None
        if sigma is None:
            return
        if not np.all(np.isfinite(sigma)):
            raise ValueError("sigma holds NaN or infinity")
        if sigma.size == 1 or sigma.shape == (m,):
            if not np.all(sigma > 0):
                raise ValueError("sigma must be positive; leave data without error out, or fix what they determine")
            self._deviations = sigma.reshape(()) if sigma.size == 1 else sigma
        elif sigma.shape == (m, m):
            try:
                self._factor = cholesky(sigma, lower=True)
            except LinAlgError:
                raise ValueError("`sigma` must be positive definite.") from None
        else:
            raise ValueError(f"`sigma` has incorrect shape: {sigma.shape} for {m} data")

    def __call__(self, values: Any) -> Any:
        """Residuals (m,) or a Jacobian (m, n) in these units."""
        if self._factor is not None:
            values = values.toarray() if issparse(values) else np.asarray(values)
            if not np.all(np.isfinite(values)):
                return np.full(values.shape, np.nan)
            return solve_triangular(self._factor, values, lower=True)
        if issparse(values):
            return values.multiply((1 / self._deviations).reshape(-1, 1)).tocsr()
        values = np.asarray(values)
        deviations = self._deviations
        return values / (deviations[:, None] if values.ndim == 2 and deviations.ndim else deviations)
