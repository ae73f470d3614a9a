"""Gaussian process regression: solves, evidence and its ascent, and posterior samples on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.gaussian_process.kernels import RBF, ConstantKernel
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._reading import read_number
from thermoapps.gaussian_process.evidence import Slope, fisher_scoring, log_evidence, slope_of
from thermoapps.gaussian_process.loaded import Loaded, read_noise
from thermoapps.gaussian_process.posterior import Posterior, drawn
from thermoapps.gaussian_process.structures import Dense, structure_of

__all__ = ["ThermodynamicGPRegressor"]

READINGS, MANY = 16, 1_000
"""Readings from which traces are measured where M is not dense, and the number of data from which they are."""


class ThermodynamicGPRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process regression with the parameters, methods and answers of `GaussianProcessRegressor`.

    The device holds M = K + αI in the cheapest form: a Kronecker product where the data fill a grid and the kernel is a
    product of Gaussian ones, a Toeplitz matrix where they stand at regular intervals and it is stationary, a sparse
    matrix where it is `Wendland`'s, times constants and beside white noise in each case; else a dense matrix.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel, optional
        Covariance function. Default: scikit-learn's, RBF of length 1 that stays as it is.
    alpha : float or array, shape (n_samples,), optional
        Variance of the noise, > 0; it also bounds the condition of the system.
    optimizer : {"fisher_scoring", None}, optional
        How the kernel's free parameters climb the evidence: by natural gradients, which need solves and no
        determinant (a measured one has a standard error, which a line search would climb); or not at all.
    n_restarts_optimizer : int, optional
        Further starts, uniform within the logarithmic bounds. The end with the largest evidence as measured stays.
    normalize_y : bool, optional
        Whether to give the targets mean 0 and variance 1 first.
    structure : {"auto", "dense"}, optional
        Whether to look for a cheaper form.
    n_readings : int, optional
        Measure traces in the slope of the evidence by so many readings of the device, instead of n solves for each
        parameter. Default: 16 for more than 1000 data whose form is not dense, else none.
    tol : float, optional
        Largest slope of the evidence, in logarithmic parameters, at which the ascent ends.
    max_iter : int, optional
        Most steps of the ascent.
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
        The kernel, with its parameters as found.
    theta_std_ : array, shape of ``kernel_.theta``
        Standard deviations of its logarithmic parameters by the Fisher information: how well the data know them.
    X_train_, y_train_ : array
        The data, y normalised.
    alpha_ : array, shape of y
        M⁻¹y.
    structure_ : str
        Form in which the device holds M.
    n_iter_ : int
        Number of kernels on the way to `kernel_`, itself included.
    device_time_ : float
        Time that the device took for the solves of `fit`, in units of its time constant τ.
    n_features_in_ : int
        Number of features.

    Raises
    ------
    ValueError
        In `fit`: a setting out of range, NaN or infinity in the data, noise that does not fit them, or restarts without
        finite bounds.

    Warns
    -----
    ConvergenceWarning
        The ascent of the evidence ended before its slope was below `tol`.
    ThermodynamicWarning
        A linear system was not solved to its tolerance, or a determinant not measured to its.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, equations 2.30 and 5.9; Wilson et al.,
    Efficiently sampling functions from Gaussian process posteriors, arXiv:2002.09309 (samples from prior ones).

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.gaussian_process.kernels import RBF
    >>> from thermoapps.gaussian_process import ThermodynamicGPRegressor
    >>> X = np.linspace(0, 6, 20)[:, None]
    >>> process = ThermodynamicGPRegressor(RBF(0.5), alpha=1e-4, rng=0).fit(X, np.sin(X[:, 0]))
    >>> mean, std = process.predict([[1.5]], return_std=True)
    >>> np.round(mean, 2), bool(std[0] < 0.02), bool(process.kernel_.length_scale > 1)
    (array([1.]), True, True)
    """

    def __init__(
        self,
        kernel: Any = None,
        *,
        alpha: Any = 1e-4,
        optimizer: str | None = "fisher_scoring",
        n_restarts_optimizer: int = 0,
        normalize_y: bool = False,
        structure: str = "auto",
        n_readings: int | None = None,
        tol: float = 1e-5,
        max_iter: int = 100,
        rtol: float = 1e-12,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        self.kernel = kernel
        self.alpha = alpha
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.normalize_y = normalize_y
        self.structure = structure
        self.n_readings = n_readings
        self.tol = tol
        self.max_iter = max_iter
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
        self._noise = read_noise(self.alpha, len(X))
        if self.optimizer not in ("fisher_scoring", None):
            raise ValueError(f"optimizer must be 'fisher_scoring' or None, got {self.optimizer!r}")
        if self.structure not in ("auto", "dense"):
            raise ValueError(f"structure must be 'auto' or 'dense', got {self.structure!r}")
        y = np.array(y, dtype=np.float64)
        self._y_mean = y.mean(axis=0) if self.normalize_y else np.zeros(y.shape[1:])
        spread = y.std(axis=0) if self.normalize_y else np.ones(y.shape[1:])
        self._y_std = np.where(spread > 0, spread, 1.0)
        self.X_train_, self.y_train_ = X.copy(), (y - self._y_mean) / self._y_std
        rng = np.random.default_rng(self.rng)
        self._seed = int(rng.integers(2**63))
        self.device_time_ = 0.0
        self.kernel_, self.n_iter_ = _default_kernel() if self.kernel is None else clone(self.kernel), 1
        slope = None
        if self.optimizer is not None and self.kernel_.n_dims:
            self.kernel_, slope, self.n_iter_ = self._ascended(rng)
        loaded = self._load(self.kernel_)
        self._posterior = Posterior(self.X_train_, self.y_train_.reshape(len(X), -1), loaded)
        self.alpha_ = self._posterior.weights.reshape(self.y_train_.shape)
        self.structure_ = loaded.structure.name
        if slope is None:
            self.theta_std_ = np.full(self.kernel_.n_dims, np.nan)
        else:
            self.theta_std_ = np.sqrt(np.maximum(np.linalg.pinv(slope.information, hermitian=True).diagonal(), 0))
        self.device_time_ += loaded.device_time
        return self

    def predict(self, X: Any, return_std: bool = False, return_cov: bool = False) -> Any:
        """Mean of the posterior, and optionally its standard deviation or covariance; of the prior before `fit`.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Where.
        return_std, return_cov : bool, optional
            Whether to return the one or the other, of the function without the noise `alpha`.

        Returns
        -------
        mean : array, shape (n,) or (n, n_targets)
            Means.
        std : array, shape of mean
            Only with ``return_std=True``.
        cov : array, shape (n, n) or (n, n, n_targets)
            Only with ``return_cov=True``.
        """
        if return_std and return_cov:
            raise ValueError("return_std and return_cov exclude each other; the diagonal of the covariance has both")
        if not hasattr(self, "alpha_"):
            return self._prior(X, return_std, return_cov)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean, scale = self._in_units(self._posterior.mean(X)), np.ravel(self._y_std)
        single = mean.ndim == 1 or mean.shape[1] == 1
        mean = mean.reshape(len(X), -1)[:, 0] if single else mean
        if not (return_std or return_cov):
            return mean
        scales = scale[0] if single else np.broadcast_to(scale, mean.shape[1])
        if return_std:
            return mean, np.multiply.outer(np.sqrt(np.maximum(self._posterior.variance(X), 0)), scales)
        return mean, np.multiply.outer(self._posterior.covariance(X), scales**2)

    def sample_y(self, X: Any, n_samples: int = 1, rng: Any = None) -> np.ndarray:
        """Functions drawn from the posterior, made from readings of a device; from the prior before `fit`.

        A device that holds a covariance matrix C has readings x of covariance C⁻¹, so that C x has the covariance C.
        Where X is the training data, and their form is not dense, no dense matrix is made.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Where.
        n_samples : int, optional
            How many functions.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness; None is fresh entropy.

        Returns
        -------
        array, shape (n, n_samples) or (n, n_targets, n_samples)
            Values of the functions without noise.
        """
        count = int(read_number(n_samples, "n_samples", positive=True))
        rng = np.random.default_rng(rng)
        if not hasattr(self, "alpha_"):
            mean, covariance = self.predict(X, return_cov=True)
            return np.asarray(mean[:, None] + drawn(covariance, count, self.device, rng))
        X = validate_data(self, X, dtype=np.float64, reset=False)
        targets = self._posterior.weights.shape[1]
        deviations = self._posterior.deviations(X, count * targets, rng).reshape(len(X), targets, count)
        mean = self._in_units(self._posterior.mean(X)).reshape(len(X), targets, 1)
        values = mean + deviations * np.broadcast_to(self._y_std, targets)[:, None]
        return np.asarray(values[:, 0] if targets == 1 else values)

    def log_marginal_likelihood(
        self, theta: Any = None, eval_gradient: bool = False, *, atol: float = 1e-2, return_std: bool = False
    ) -> Any:
        """Log evidence of the kernel, summed over targets, as measured.

        Parameters
        ----------
        theta : array_like, optional
            Logarithmic parameters of the kernel; by default those of `kernel_`.
        eval_gradient : bool, optional
            Whether to return the slope in them, too.
        atol : float, optional
            Standard error to reach of the log-determinant of M.
        return_std : bool, optional
            Whether to return the standard error of the evidence, too.

        Returns
        -------
        value : float
            ln p(y | X).
        gradient : array, shape (p,)
            Only with ``eval_gradient=True``.
        standard_error : float
            Only with ``return_std=True``.
        """
        check_is_fitted(self)
        loaded, weights = self._posterior.loaded, self.alpha_
        if theta is not None:
            loaded = self._load(self.kernel_.clone_with_theta(np.asarray(theta, dtype=float)))
            weights = loaded.solve(self.y_train_)
        value, error = log_evidence(loaded, self.y_train_, weights, atol)
        found: list[Any] = [value]
        found += [self._slope(loaded).gradient] if eval_gradient else []
        found += [error] if return_std else []
        return tuple(found) if len(found) > 1 else value

    # -- the ascent -------------------------------------------------------------------------------------------------

    def _ascended(self, rng: np.random.Generator) -> tuple[Any, Slope, int]:
        """The kernel with the largest evidence found, the slope there, and the steps it took."""
        kernel, bounds = self.kernel_, self.kernel_.bounds
        starts = [kernel.theta]
        restarts = int(read_number(self.n_restarts_optimizer, "n_restarts_optimizer"))
        if restarts:
            if not np.isfinite(bounds).all():
                raise ValueError("n_restarts_optimizer > 0 needs finite bounds of all parameters of the kernel")
            starts += list(rng.uniform(bounds[:, 0], bounds[:, 1], (restarts, len(bounds))))

        def slope_at(theta: np.ndarray) -> Slope:
            loaded = self._load(kernel.clone_with_theta(theta))
            slope = self._slope(loaded)
            self.device_time_ += loaded.device_time
            return slope

        def evidence_at(theta: np.ndarray) -> float:
            loaded = self._load(kernel.clone_with_theta(theta))
            return log_evidence(loaded, self.y_train_, loaded.solve(self.y_train_), 1e-2)[0]

        tol, most = read_number(self.tol, "tol"), int(read_number(self.max_iter, "max_iter"))
        ends = [fisher_scoring(slope_at, start, bounds, tol=tol, max_iter=most) for start in starts]
        best = int(np.argmax([evidence_at(end[0]) for end in ends])) if restarts else 0
        theta, slope, iterations = ends[best]
        return kernel.clone_with_theta(theta), slope, iterations + 1

    def _slope(self, loaded: Loaded) -> Slope:
        count = self.n_readings
        if count is None and len(self.X_train_) > MANY and not isinstance(loaded.structure, Dense):
            count = READINGS
        if count is not None:
            count = int(read_number(count, "n_readings", positive=True))
            # The same noise at every θ: what is measured is a smooth function of it.
            loaded.rng = np.random.default_rng(self._seed)
        return slope_of(loaded, self.y_train_.reshape(len(self.X_train_), -1), count)

    def _in_units(self, normalised: np.ndarray) -> np.ndarray:
        """Values (m, k) in the units and the shape of y."""
        return np.asarray(normalised.reshape(len(normalised), *self.y_train_.shape[1:]) * self._y_std + self._y_mean)

    def _load(self, kernel: Any) -> Loaded:
        X, uniform = self.X_train_, not np.ndim(self._noise)
        structure = Dense(X) if self.structure == "dense" else structure_of(kernel, X, uniform=uniform)
        rng = np.random.default_rng(self._seed)
        return Loaded(structure, kernel, self._noise, read_number(self.rtol, "rtol"), self.device, rng)

    def _prior(self, X: Any, return_std: bool, return_cov: bool) -> Any:
        X = validate_data(self, X, dtype=np.float64)
        kernel = _default_kernel() if self.kernel is None else self.kernel
        mean = np.zeros(len(X))
        if return_cov:
            return mean, kernel(X)
        return (mean, np.sqrt(kernel.diag(X))) if return_std else mean

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags


def _default_kernel() -> Any:
    return ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed")
