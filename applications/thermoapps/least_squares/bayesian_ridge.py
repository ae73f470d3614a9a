"""Bayesian ridge regression: the device solves, measures the evidence, and is itself the posterior."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._design import CentredRows
from thermoapps._reading import FLOATS, read_number, read_rng, read_weights, sparse_array
from thermoapps.least_squares._evidence import Evidence, Trace
from thermoapps.least_squares._precision import LoadedPrecision, Precision

__all__ = ["ThermodynamicBayesianRidge"]

READINGS = 200
"""Readings of the device from which the number of determined coefficients is taken far from the end."""

READ_FROM = 64
"""Coefficients from which readings are cheaper than the inverse."""


class ThermodynamicBayesianRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Bayesian ridge regression on a simulated device: the answers of `sklearn.linear_model.BayesianRidge`.

    Noise of precision α, prior N(0, I/λ) on the coefficients, Gamma priors on both; α and λ maximise the evidence by
    MacKay's iteration. The device holds Λ = αXᵀX + λI up to a factor: its mean is the posterior mean, its equilibrium
    the posterior N(β, Λ⁻¹), its free energy the log-determinant in the evidence. The trace that an iteration needs is
    first read off in equilibrium, and taken from the inverse when the readings can tell no change any more.

    Parameters
    ----------
    max_iter : int, optional
        Iterations at most.
    tol : float, optional
        Change of the coefficients, summed, at which to stop.
    alpha_1, alpha_2, lambda_1, lambda_2 : float, optional
        Shape and inverse scale of the Gamma priors on α and λ.
    alpha_init, lambda_init : float, optional
        First α and λ. Default: 1/Var(y) and 1.
    compute_score : bool, optional
        Whether to measure the log evidence at every iteration.
    evidence_atol : float, optional
        Standard error to reach of each log-determinant in the evidence.
    fit_intercept : bool, optional
        Whether to fit an intercept.
    rtol : float, optional
        Relative residual of the linear systems to reach, as far as rounding lets it fall.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    random_state : None, int or numpy.random.RandomState, optional
        The same by scikit-learn's name; only one of both may be given.

    Attributes
    ----------
    coef_ : array, shape (n_features,)
        Posterior mean β.
    intercept_ : float
        Intercept.
    alpha_, lambda_ : float
        Precision of the noise and of the coefficients.
    sigma_ : array, shape (n_features, n_features)
        Posterior covariance Λ⁻¹, solved column by column.
    scores_ : array, shape (n_iter_ + 1,)
        Log evidence before each iteration and at the end, if ``compute_score=True``.
    scores_std_ : array, shape (n_iter_ + 1,)
        Its standard errors.
    n_iter_ : int
        Iterations.
    X_offset_, X_scale_ : array, shape (n_features,)
        Means that were subtracted from the features, and ones.
    device_time_ : float
        Time the device ran, in units of its time constant.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ThermodynamicRidge : With a given strength.
    sklearn.linear_model.BayesianRidge : The same contract.

    References
    ----------
    MacKay, Bayesian Interpolation, 1992; Tipping, Sparse Bayesian Learning and the Relevance Vector Machine, 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.least_squares import ThermodynamicBayesianRidge
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0], [3.0, 1.0]])
    >>> model = ThermodynamicBayesianRidge(rng=0).fit(X, [0.1, 0.9, 2.1, 2.9])
    >>> mean, std = model.predict([[1.5, 1.0]], return_std=True)
    >>> np.round(mean, 3), bool(0 < std[0] < 0.5)
    (array([1.5]), True)
    """

    def __init__(
        self,
        *,
        max_iter: int = 300,
        tol: float = 1e-3,
        alpha_1: float = 1e-6,
        alpha_2: float = 1e-6,
        lambda_1: float = 1e-6,
        lambda_2: float = 1e-6,
        alpha_init: float | None = None,
        lambda_init: float | None = None,
        compute_score: bool = False,
        evidence_atol: float = 1e-2,
        fit_intercept: bool = True,
        rtol: float = 1e-12,
        device: Any = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.max_iter = max_iter
        self.tol = tol
        self.alpha_1 = alpha_1
        self.alpha_2 = alpha_2
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.alpha_init = alpha_init
        self.lambda_init = lambda_init
        self.compute_score = compute_score
        self.evidence_atol = evidence_atol
        self.fit_intercept = fit_intercept
        self.rtol = rtol
        self.device = device
        self.rng = rng
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ThermodynamicBayesianRidge:
        """Fit to data.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Targets.
        sample_weight : float or array_like, shape (n_samples,), optional
            Weights ≥ 0.

        Returns
        -------
        ThermodynamicBayesianRidge
            The estimator itself.
        """
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS, y_numeric=True)
        dtype = X.dtype
        X, y = sparse_array(X.astype(np.float64, copy=False)), np.asarray(y, dtype=np.float64)
        weights = read_weights(sample_weight, X)
        rows = CentredRows(X, y[:, None], weights, centre=self.fit_intercept)
        rng = read_rng(self.rng, self.random_state)
        evidence = self._read_evidence(y, weights)
        max_iter, tol = self._read_max_iter(), read_number(self.tol, "tol")
        atol = read_number(self.evidence_atol, "evidence_atol", positive=True)
        precision = Precision(rows, self.rtol, self.device, rng)
        self.n_iter_ = 0
        scores: list[tuple[float, float]] = []

        def written() -> tuple[LoadedPrecision, float]:
            """The device at the present α and λ, and the squared errors of its mean."""
            loaded = precision.at(evidence.ridge, coarse=not trace.exact)
            errors = rows.squared_errors(loaded.mean)
            if self.compute_score:
                scores.append(evidence.score(loaded, errors, atol))
            return loaded, errors

        previous = None
        trace = Trace(len(precision.gram) < READ_FROM, READINGS)
        while self.n_iter_ < max_iter:
            self.n_iter_ += 1
            near = None if self.compute_score else precision.near(evidence.ridge)
            if near is None:
                loaded, errors = written()
                mean, determined = loaded.mean, trace.of(loaded)
            else:
                (mean, determined), errors = near, rows.squared_errors(near[0])
            evidence.maximise(mean, determined, errors)
            still = previous is not None and np.sum(np.abs(previous - mean)) < tol
            if still and trace.exact:
                break
            trace.exact |= still
            previous = mean
        else:
            warnings.warn(
                f"the coefficients still change by more than tol={tol:g} after {max_iter} iterations; "
                "pass a larger max_iter=",
                ConvergenceWarning,
                stacklevel=2,
            )
        trace.exact = True
        loaded, _ = written()
        self.alpha_, self.lambda_ = evidence.alpha, evidence.lam
        self._loaded, self._basis = loaded.matrix, precision.basis
        self.coef_ = rows.design.without_zeros(loaded.mean[:, None])[:, 0].astype(dtype)
        self._spread = loaded.factor() / math.sqrt(evidence.alpha)
        self.sigma_ = (self._spread.T @ self._spread).astype(dtype)
        self.device_time_ = precision.device_time
        if self.compute_score:
            self.scores_, self.scores_std_ = np.array(scores).T
        self.X_offset_, self.X_scale_ = rows.x_mean.astype(dtype), np.ones(X.shape[1], dtype)
        self._x_mean = rows.x_mean
        self.intercept_ = float(rows.y_mean[0] - rows.x_mean @ loaded.mean)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Mean of the predictive distribution, and optionally its standard deviation.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        return_std : bool, optional
            Whether to return the standard deviation, too.

        Returns
        -------
        mean : array, shape (n_samples,)
            Means.
        std : array, shape (n_samples,)
            Only with ``return_std=True``: sqrt(xᵀΛ⁻¹x + 1/α) of centred x.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        mean = np.asarray(X @ self.coef_) + self.intercept_
        if not return_std:
            return mean
        centred = (X.toarray() if sp.issparse(X) else X) - self._x_mean
        return mean, np.sqrt(np.sum((centred @ self._spread.T) ** 2, axis=1) + 1 / self.alpha_)

    def sample_coef(self, size: int, rng: Any = None) -> np.ndarray:
        """Draw coefficients from the posterior: readings of the device in equilibrium.

        Parameters
        ----------
        size : int
            How many.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness. Default: that of the estimator.

        Returns
        -------
        array, shape (size, n_features)
            Draws from N(β, Λ⁻¹).
        """
        check_is_fitted(self)
        generator = np.random.default_rng(rng) if rng is not None else read_rng(self.rng, self.random_state)
        within = tla.sample(self._loaded, size, temperature=1 / self.alpha_, device=self.device, rng=generator)
        if self._basis is None:
            return np.asarray(self.coef_ + within)
        prior = generator.standard_normal((size, len(self._basis))) / math.sqrt(self.lambda_)
        return np.asarray(self.coef_ + within @ self._basis.T + prior - prior @ self._basis @ self._basis.T)

    def _read_max_iter(self) -> int:
        if not isinstance(self.max_iter, int | np.integer) or self.max_iter < 1:
            raise ValueError(f"max_iter must be an integer ≥ 1, got {self.max_iter!r}")
        return int(self.max_iter)

    def _read_evidence(self, y: np.ndarray, weights: np.ndarray) -> Evidence:
        """Where the iteration starts."""
        names = ("alpha_1", "alpha_2", "lambda_1", "lambda_2")
        alpha_1, alpha_2, lambda_1, lambda_2 = (read_number(getattr(self, name), name) for name in names)
        variance = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        alpha = 1 / (variance + np.finfo(float).eps) if self.alpha_init is None else self.alpha_init
        lam = 1.0 if self.lambda_init is None else self.lambda_init
        return Evidence(
            read_number(alpha, "alpha_init", positive=True),
            read_number(lam, "lambda_init", positive=True),
            (alpha_1, alpha_2, lambda_1, lambda_2),
            float(weights.sum()),
        )

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
