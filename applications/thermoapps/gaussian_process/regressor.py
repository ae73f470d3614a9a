"""Gaussian process regression: solves, evidence and its ascent, and posterior samples on a device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._reading import read_number, read_rng
from thermoapps.gaussian_process.fitting import Evidence, maximum
from thermoapps.gaussian_process.loaded import read_noise
from thermoapps.gaussian_process.posterior import Posterior
from thermoapps.gaussian_process.prior import Units, default_kernel, prior_draws, prior_moments
from thermoapps.gaussian_process.white import refuse_compound

__all__ = ["ThermodynamicGPRegressor"]


class ThermodynamicGPRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process regression with the parameters, methods and answers of `GaussianProcessRegressor`.

    The device holds M = K + αI in the cheapest form: a Kronecker product where the data fill a grid and the kernel is a
    product of Gaussian ones, a Toeplitz matrix where they stand at regular intervals and it is stationary, a sparse
    matrix where it is `Wendland`'s, times constants and beside white noise in each case; else a dense matrix of up to
    6000 data, and beyond that a factor of low rank if no more than 1e-5 of the noise is left out, or products alone.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel, optional
        Covariance function. Default: ``ConstantKernel() * RBF()``, as in scikit-learn.
    alpha : float or array, shape (n_samples,), optional
        Variance of the noise, ≥ 0; it also bounds the condition of the system.
    optimizer : {"fisher_scoring", "fmin_l_bfgs_b", None} or callable, optional
        How the kernel's free parameters climb the evidence: by natural gradients, which need solves and no
        determinant; by scikit-learn's choice or one of the user's, ``optimizer(objective, theta, bounds=bounds)``,
        whose values are measured with a standard error of 0.01; or not at all.
    n_restarts_optimizer : int, optional
        Further starts, uniform within the logarithmic bounds. The end with the largest evidence as measured stays.
    normalize_y : bool, optional
        Whether to give the targets mean 0 and variance 1 first.
    copy_X_train : bool, optional
        Whether to keep a copy of the data, and not the data themselves.
    n_targets : int, optional
        Number of targets, of the prior before `fit`; default 1.
    random_state : None, int, numpy.random.RandomState, optional
        scikit-learn's name of `rng`.
    structure : {"auto", "dense"}, optional
        Whether to look for a cheaper form.
    n_readings : int, optional
        Measure traces in the slope of the evidence by so many readings of the device, instead of one inverse for each
        kernel. Default: 16 for more than 1000 data whose form is not dense, and on the way to the optimum from 400 on.
    tol : float, optional
        Largest slope of the evidence, in logarithmic parameters, at which Fisher scoring ends.
    max_iter : int, optional
        Most steps of it.
    rtol : float, optional
        Relative residual of the linear systems, as far as rounding lets it fall; 1e-8 or more for products alone.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Attributes
    ----------
    kernel_ : Kernel
        The kernel, with its parameters as found.
    theta_std_ : array, shape of kernel_.theta
        Standard deviations of its logarithmic parameters by the Fisher information: how well the data know them.
    X_train_, y_train_ : array
        The data, y normalised.
    alpha_ : array, shape of y
        M⁻¹y.
    log_marginal_likelihood_value_ : float
        The evidence of `kernel_`, measured when first asked for.
    structure_ : str
        Form in which the device holds M.
    n_iter_ : int
        Number of kernels on the way to `kernel_`, itself included.
    device_time_ : float
        Time that the device took for `fit`, in units of its time constant τ.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array, shape (n_features_in_,)
        Their names, where X had any.

    Raises
    ------
    ValueError
        In `fit`: a setting out of range, NaN or infinity in the data, noise that does not fit them, restarts without
        finite bounds, or a `CompoundKernel`.
    LinAlgError
        The kernel's matrix is not positive semidefinite.

    Warns
    -----
    ConvergenceWarning
        The ascent of the evidence ended before its slope was below `tol`, or with a parameter on a bound.
    ThermodynamicWarning
        `alpha` is so small beside the kernel that rounding shows, in a solve, a variance or a determinant; or that it
        had to be raised for the matrix to be positive definite.

    See Also
    --------
    ThermodynamicGPClassifier : Classes.
    sklearn.gaussian_process.GaussianProcessRegressor : The same contract.

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
        alpha: Any = 1e-10,
        optimizer: Any = "fisher_scoring",
        n_restarts_optimizer: int = 0,
        normalize_y: bool = False,
        copy_X_train: bool = True,
        n_targets: int | None = None,
        random_state: Any = None,
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
        self.copy_X_train = copy_X_train
        self.n_targets = n_targets
        self.random_state = random_state
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
        rng = read_rng(self.rng, self.random_state)
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        noise = read_noise(self.alpha, len(X))
        y = np.array(y, dtype=np.float64)
        if self.n_targets is not None and self.n_targets != (targets := y.size // len(y)):
            raise ValueError(f"y has {targets} targets where n_targets is {self.n_targets}")
        self._units = Units.of(y, normalize=self.normalize_y)
        self.X_train_, self.y_train_ = (X.copy() if self.copy_X_train else X), self._units.into(y)
        self.kernel_ = default_kernel() if self.kernel is None else clone(self.kernel)
        refuse_compound(self.kernel_)
        evidence = Evidence(
            self.X_train_,
            self.y_train_.reshape(len(X), -1),
            noise,
            structure=self.structure,
            readings=self.n_readings,
            rtol=self.rtol,
            device=self.device,
            seed=int(rng.integers(2**63)),
        )
        self.n_iter_, self.theta_std_ = 1, np.full(self.kernel_.n_dims, np.nan)
        if self.optimizer is not None and self.kernel_.n_dims:
            restarts, limits = self.n_restarts_optimizer, (self.tol, self.max_iter)
            best = maximum(evidence, self.kernel_, self.optimizer, restarts=restarts, limits=limits, rng=rng)
            self.kernel_, self.n_iter_ = self.kernel_.clone_with_theta(best.theta), best.iterations
            self.kernel_._check_bounds_params()
            self.theta_std_ = best.slope.deviations()
        loaded = evidence.load(self.kernel_)
        loaded.tell()
        self._posterior = Posterior(self.X_train_, evidence.y, loaded, evidence.seed)
        self.alpha_ = self._posterior.weights.reshape(self.y_train_.shape)
        self.structure_ = loaded.structure.name
        self.device_time_ = evidence.device_time
        self._evidence, self._value = evidence, math.nan
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
            kernel, X, targets = self._prior(X)
            return prior_moments(kernel, X, targets, return_std=return_std, return_cov=return_cov)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        found, variance = self._posterior.moments(X) if return_std else (self._posterior.mean(X), None)
        mean, scale = self._units.back(found), np.ravel(self._units.scale)
        single = mean.ndim == 1 or mean.shape[1] == 1
        mean = mean.reshape(len(X), -1)[:, 0] if single else mean
        if not (return_std or return_cov):
            return mean
        scales = scale[0] if single else np.broadcast_to(scale, mean.shape[1])
        if variance is not None:
            return mean, np.multiply.outer(np.sqrt(variance), scales)
        return mean, np.multiply.outer(self._posterior.covariance(X), scales**2)

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = None, *, rng: Any = None) -> np.ndarray:
        """Functions drawn from the posterior, made from readings of a device; from the prior before `fit`.

        A device that holds a covariance matrix C has readings x of covariance C⁻¹, so that C x has the covariance C.
        Where X is the training data, and their form is not dense, no dense matrix is made.

        Parameters
        ----------
        X : array_like, shape (n, n_features)
            Where.
        n_samples : int, optional
            How many functions.
        random_state : None, int, numpy.random.RandomState, optional
            scikit-learn's name of `rng`.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness; None is fresh entropy.

        Returns
        -------
        array, shape (n, n_samples) or (n, n_targets, n_samples)
            Values of the functions without noise.
        """
        count = int(read_number(n_samples, "n_samples", positive=True))
        rng = read_rng(rng, random_state)
        if not hasattr(self, "alpha_"):
            kernel, X, targets = self._prior(X)
            return prior_draws(kernel, X, targets, count, self.device, rng)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        targets = self._posterior.weights.shape[1]
        deviations = self._posterior.deviations(X, count * targets, rng).reshape(len(X), targets, count)
        mean = self._units.back(self._posterior.mean(X)).reshape(len(X), targets, 1)
        values = mean + deviations * np.broadcast_to(self._units.scale, targets)[:, None]
        return np.asarray(values[:, 0] if targets == 1 else values)

    def log_marginal_likelihood(
        self,
        theta: Any = None,
        eval_gradient: bool = False,
        clone_kernel: bool = True,
        *,
        atol: float = 1e-2,
        return_std: bool = False,
    ) -> Any:
        """Log evidence of the kernel, summed over targets, as measured.

        Parameters
        ----------
        theta : array_like, optional
            Logarithmic parameters of the kernel; by default those of `kernel_`.
        eval_gradient : bool, optional
            Whether to return the slope in them, too.
        clone_kernel : bool, optional
            Whether `kernel_` stays as it is, or takes `theta` as its own.
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
        kernel = self.kernel_
        if theta is not None:
            theta = np.asarray(theta, dtype=float)
            if clone_kernel:
                kernel = kernel.clone_with_theta(theta)
            else:
                kernel.theta = theta
        value, error = self._evidence.value(kernel, read_number(atol, "atol", positive=True))
        found: list[Any] = [value]
        found += [self._evidence.slope(kernel).gradient] if eval_gradient else []
        found += [error] if return_std else []
        return tuple(found) if len(found) > 1 else value

    @property
    def log_marginal_likelihood_value_(self) -> float:
        """The evidence of `kernel_`, measured when first asked for."""
        if not hasattr(self, "alpha_"):
            raise AttributeError("it is there after fit")
        if math.isnan(self._value):
            self._value = float(self.log_marginal_likelihood())
        return self._value

    @property
    def L_(self) -> np.ndarray:
        """There is none: the device holds M itself."""
        raise AttributeError("the device holds the kernel's matrix and no Cholesky factor of it; use alpha_ or predict")

    # -- inside -----------------------------------------------------------------------------------------------------

    def _prior(self, X: Any) -> tuple[Any, np.ndarray, int]:
        """Kernel, places and number of targets before `fit`."""
        kernel = default_kernel() if self.kernel is None else self.kernel
        return kernel, validate_data(self, X, dtype=np.float64), self.n_targets or 1

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags
