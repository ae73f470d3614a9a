"""Bayesian linear regression: a device that holds the precision of the posterior is the posterior."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._reading import naming, read_number, read_rng
from thermoapps.bayesian._design import Columns, read_precision
from thermoapps.least_squares import ThermodynamicBayesianRidge
from thermolinalg.estimation import FreeEnergy

__all__ = ["ThermodynamicBayesianLinearRegression"]

Vector = NDArray[np.float64]


class ThermodynamicBayesianLinearRegression(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Linear regression with Gaussian noise and a Gaussian prior, read off a device.

    The device holds :math:`\Lambda = \alpha Z^\top Z + P`: it relaxes to the posterior mean, its voltages in
    equilibrium are draws from the posterior :math:`N(m, \Lambda^{-1})`, and the work of driving it there gives
    :math:`\ln\det\Lambda` and with it the evidence.

    Parameters
    ----------
    prior_precision : float or array_like, shape (n_features,), optional
        Of the prior N(0, 1/precision) on the coefficients, ≥ 0; zero is a flat prior.
    noise_precision : float, optional
        α > 0. Default: it and one precision of the prior maximise the evidence, as `ThermodynamicBayesianRidge` has it.
    fit_intercept : bool, optional
        Whether there is an intercept b.
    intercept_precision : float, optional
        Of its prior; flat by default.
    rtol : float, optional
        Relative residual of the posterior mean.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    random_state : None, int or numpy.random.RandomState, optional
        The same by scikit-learn's name; only one of both may be given.

    Attributes
    ----------
    coef_ : array, shape (n_features,)
        Posterior mean of β.
    intercept_ : float
        Posterior mean of b.
    noise_precision_, prior_precision_ : float or array
        What was given or found.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ThermodynamicBayesianLogisticRegression, ThermodynamicBayesianPoissonRegressor : Posteriors on a device.

    References
    ----------
    Thermodynamic Bayesian inference, arXiv:2410.01793; Bishop, Pattern Recognition and Machine Learning, 2006,
    section 3.5.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.bayesian import ThermodynamicBayesianLinearRegression
    >>> X, y = np.array([[0.0], [1.0], [2.0]]), np.array([0.1, 0.9, 2.1])
    >>> model = ThermodynamicBayesianLinearRegression(0.1, 100.0, rng=0).fit(X, y)
    >>> model.coef_.round(3), model.sample_coef(5).shape
    (array([1.]), (5, 2))
    >>> free = model.log_evidence()
    >>> bool(abs(free.value + 2.966) < 5 * free.standard_error), free.standard_error < 0.01
    (True, True)
    """

    def __init__(
        self,
        prior_precision: Any = 1.0,
        noise_precision: float | None = None,
        *,
        fit_intercept: bool = True,
        intercept_precision: float = 0.0,
        rtol: float = 1e-12,
        device: Any = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.prior_precision = prior_precision
        self.noise_precision = noise_precision
        self.fit_intercept = fit_intercept
        self.intercept_precision = intercept_precision
        self.rtol = rtol
        self.device = device
        self.rng = rng
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> ThermodynamicBayesianLinearRegression:
        """Write the posterior of data into the device.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Targets.

        Returns
        -------
        ThermodynamicBayesianLinearRegression
            The estimator itself.

        Raises
        ------
        thermolinalg.SingularError
            Data and a flat prior do not determine the coefficients.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = np.asarray(y, dtype=float)
        generator = read_rng(self.rng, self.random_state)
        if self.noise_precision is None:
            ridge = ThermodynamicBayesianRidge(fit_intercept=self.fit_intercept, device=self.device, rng=generator)
            ridge.fit(X, y)
            self.noise_precision_, self.prior_precision_ = float(ridge.alpha_), float(ridge.lambda_)
        else:
            self.noise_precision_ = read_number(self.noise_precision, "noise_precision", positive=True)
            self.prior_precision_ = self.prior_precision
        precision = read_precision(self.prior_precision_, X.shape[1])
        own = read_number(self.intercept_precision, "intercept_precision")
        columns = Columns(X, precision, intercept=bool(self.fit_intercept), intercept_precision=own)
        matrix = self.noise_precision_ * (columns.rows.T @ columns.rows) + columns.prior
        self._held = tla.program(matrix, assume_a="sym", device=self.device, rng=generator)
        with naming("the precision of the posterior", "pass prior_precision > 0"):
            self._mean = np.asarray(self._held.solve(self.noise_precision_ * (columns.rows.T @ y), rtol=self.rtol))
        errors = y - columns.rows @ self._mean
        self._columns = columns
        self._fit = (len(y), float(errors @ errors))
        beta, intercept = columns.coefficients(self._mean[:, None])
        self.coef_, self.intercept_ = beta[:, 0], float(intercept[0])
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Mean of the predictive distribution, and optionally its standard deviation.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        return_std : bool, optional
            Whether to return the standard deviation, too.

        Returns
        -------
        mean : array, shape (n_samples,)
            Means.
        std : array, shape (n_samples,)
            Only with ``return_std=True``: sqrt(zᵀΛ⁻¹z + 1/α), with what the intercept is uncertain by.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean = X @ self.coef_ + self.intercept_
        if not return_std:
            return mean
        rows = (X - self._columns.mean) / self._columns.scales
        if self._columns.intercept:
            rows = np.hstack([rows, np.ones((len(X), 1))])
        covariance = np.asarray(self._held.inv(rtol=1e-10))
        return mean, np.sqrt(np.sum((rows @ covariance) * rows, axis=1) + 1 / self.noise_precision_)

    def sample_coef(self, size: int, rng: Any = None) -> Vector:
        """Draw from the posterior: readings of the device in equilibrium.

        Parameters
        ----------
        size : int
            How many.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness. Default: goes on with that of the fit.

        Returns
        -------
        array, shape (size, n_features + 1) or (size, n_features)
            Coefficients, and the intercept where there is one.
        """
        check_is_fitted(self)
        noise = np.asarray(self._held.sample(size, rng=rng))
        beta, intercept = self._columns.coefficients((self._mean + noise).T)
        return np.vstack([beta, intercept[None, :]] if self._columns.intercept else [beta]).T

    def sample_y(self, X: Any, size: int, rng: Any = None) -> Vector:
        """Draw targets from the predictive distribution: coefficients off the device, and noise.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        size : int
            How many.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness; None is fresh entropy.

        Returns
        -------
        array, shape (n_samples, size)
            Targets; those of one draw share its coefficients.
        """
        check_is_fitted(self)
        X, generator = validate_data(self, X, dtype=np.float64, reset=False), np.random.default_rng(rng)
        draws, p = self.sample_coef(size, generator), self.n_features_in_
        scores = X @ draws[:, :p].T + draws[:, p:].sum(axis=1)
        return np.asarray(scores + generator.standard_normal(scores.shape) / math.sqrt(self.noise_precision_))

    def log_evidence(self, *, atol: float = 1e-2, rng: Any = None) -> FreeEnergy:
        """ln p(y) at the precisions that were given or found, its log-determinant measured by driving the device.

        Parameters
        ----------
        atol : float, optional
            Standard error to reach.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness. Default: goes on with that of the fit.

        Returns
        -------
        FreeEnergy
            `value` and `standard_error`. A flat prior counts with density one: then differences between models that
            share it mean something, and the value alone does not.

        Warns
        -----
        ThermodynamicWarning
            The standard error is above `atol`.
        """
        check_is_fitted(self)
        accuracy = 2 * read_number(atol, "atol", positive=True)
        logdet, info = self._held.logdet(atol=accuracy, rng=rng, return_info=True)
        (count, errors), mean, d = self._fit, self._mean, len(self._mean)
        misfit = self.noise_precision_ * errors + float(mean @ self._columns.prior @ mean)
        known = count * math.log(self.noise_precision_) - (count - d) * math.log(2 * math.pi) - misfit
        value = self._columns.log_prior + (known - float(logdet)) / 2
        return FreeEnergy(value, float(info.standard_error) / 2, float(info.get("degrees_of_freedom") or math.inf))
