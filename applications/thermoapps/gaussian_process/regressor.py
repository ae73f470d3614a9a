"""Gaussian process regression with a given kernel: solves, evidence and posterior samples on a device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.gaussian_process.kernels import RBF
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._rows import read_number

__all__ = ["ThermodynamicGPRegressor"]


class ThermodynamicGPRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process regression: the answers of `GaussianProcessRegressor` with ``optimizer=None``.

    The device holds K + αI. Parameters of the kernel are kept as they are given: a measured log-determinant has a
    standard error, which a line search would climb. Compare kernels by `log_marginal_likelihood`, or in a grid search.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel, optional
        Covariance function. Default: RBF of length 1.
    alpha : float, optional
        Variance of the noise, > 0; it also bounds the condition of the system.
    rtol : float, optional
        Relative residual of the linear systems to reach, or machine epsilon times a bound on their condition number
        if that is larger.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Attributes
    ----------
    kernel_ : Kernel
        The kernel.
    X_train_, y_train_ : array
        The data.
    alpha_ : array, shape of y
        (K + αI)⁻¹y.
    n_features_in_ : int
        Number of features.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.gaussian_process import ThermodynamicGPRegressor
    >>> X = np.linspace(0, 6, 20)[:, None]
    >>> process = ThermodynamicGPRegressor(alpha=1e-4, rng=0).fit(X, np.sin(X[:, 0]))
    >>> mean, std = process.predict([[1.5]], return_std=True)
    >>> np.round(mean, 2), bool(std[0] < 0.02)
    (array([1.]), True)
    """

    def __init__(
        self, kernel: Any = None, *, alpha: float = 1e-4, rtol: float = 1e-12, device: Any = None, rng: Any = None
    ) -> None:
        self.kernel = kernel
        self.alpha = alpha
        self.rtol = rtol
        self.device = device
        self.rng = rng

    def fit(self, X: Any, y: Any) -> ThermodynamicGPRegressor:
        """Fit to data.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        ThermodynamicGPRegressor
            The estimator itself.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        noise = read_number(self.alpha, "alpha", positive=True)
        self.kernel_ = RBF() if self.kernel is None else clone(self.kernel)
        self.X_train_, self.y_train_ = X.copy(), np.array(y, dtype=np.float64)
        self._matrix = self.kernel_(X) + noise * np.eye(len(X))
        self.alpha_ = self._solve(self.y_train_)
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Mean of the posterior, and optionally its standard deviation or covariance.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Where.
        return_std, return_cov : bool, optional
            Whether to return the one or the other, of the function without noise.

        Returns
        -------
        mean : array, shape (n,) or (n, n_targets)
            Means.
        std : array, shape of mean
            Only with ``return_std=True``.
        cov : array, shape (n, n) or (n, n, n_targets)
            Only with ``return_cov=True``.
        """
        check_is_fitted(self)
        if return_std and return_cov:
            raise ValueError("return_std and return_cov exclude each other; the diagonal of the covariance has both")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        cross = self.kernel_(X, self.X_train_)
        mean = cross @ self.alpha_
        single = mean.ndim == 1 or mean.shape[1] == 1
        mean = mean.reshape(len(X), -1)[:, 0] if single else mean
        if return_std:
            variance = self.kernel_.diag(X) - np.sum(cross * self._solve(cross.T).T, axis=1)
            std = np.sqrt(np.maximum(variance, 0))
            return mean, std if single else np.repeat(std[:, None], mean.shape[1], axis=1)
        if return_cov:
            explained = cross @ self._solve(cross.T)
            cov = self.kernel_(X) - (explained + explained.T) / 2
            return mean, cov if single else np.repeat(cov[:, :, None], mean.shape[1], axis=2)
        return mean

    def log_marginal_likelihood(self, atol: float = 1e-2) -> tuple[float, float]:
        """Log evidence of the kernel, summed over targets, as measured, and its standard error.

        Parameters
        ----------
        atol : float, optional
            Standard error to reach of the log-determinant of K + αI.

        Returns
        -------
        value : float
            ln p(y | X).
        standard_error : float
            Its standard error.
        """
        check_is_fitted(self)
        (_, logdet), info = tla.slogdet(self._matrix, atol=atol, device=self.device, rng=self.rng, return_info=True)
        n, targets = len(self._matrix), self.y_train_.size // len(self._matrix)
        fit = float(np.sum(self.y_train_ * self.alpha_))
        value = -(fit + targets * (float(logdet) + n * math.log(2 * math.pi))) / 2
        return value, targets * float(info.standard_error) / 2

    def _solve(self, b: np.ndarray) -> np.ndarray:
        attainable = np.finfo(float).eps * np.trace(self._matrix) / float(self.alpha)
        x = tla.solve(
            self._matrix, b, assume_a="pos", rtol=max(self.rtol, attainable), device=self.device, rng=self.rng
        )
        return np.asarray(x)
