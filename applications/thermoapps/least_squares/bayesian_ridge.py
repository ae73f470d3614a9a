"""Bayesian ridge regression: the device solves, measures the evidence, and is itself the posterior."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._rows import CentredRows, read_number, read_weights

__all__ = ["ThermodynamicBayesianRidge"]


class ThermodynamicBayesianRidge(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Bayesian ridge regression on a simulated device: the answers of `sklearn.linear_model.BayesianRidge`.

    Noise of precision α, prior N(0, I/λ) on the coefficients, Gamma priors on both; α and λ maximise the evidence by
    MacKay's iteration. The device holds Λ = αXᵀX + λI up to a factor: its mean is the posterior mean, its equilibrium
    the posterior N(β, Λ⁻¹), its free energy the log-determinant in the evidence.

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
    device_time_ : float
        Time the device ran, in units of its time constant.
    n_features_in_ : int
        Number of features.

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

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ThermodynamicBayesianRidge:
        """Fit to data.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
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
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = np.asarray(y, dtype=np.float64)
        priors = [
            read_number(getattr(self, f"{name}_{i}"), f"{name}_{i}") for name in ("alpha", "lambda") for i in (1, 2)
        ]
        alpha_1, alpha_2, lambda_1, lambda_2 = priors
        if not isinstance(self.max_iter, int | np.integer) or self.max_iter < 1:
            raise ValueError(f"max_iter must be an integer ≥ 1, got {self.max_iter!r}")
        tol = read_number(self.tol, "tol")
        weights = read_weights(sample_weight, X)
        count = weights.sum()
        rows = CentredRows(X, y[:, None], weights, centre=self.fit_intercept)
        variance = np.average((y - np.average(y, weights=weights)) ** 2, weights=weights)
        alpha = 1 / (variance + np.finfo(float).eps) if self.alpha_init is None else self.alpha_init
        lam = 1.0 if self.lambda_init is None else self.lambda_init
        alpha, lam = read_number(alpha, "alpha_init", positive=True), read_number(lam, "lambda_init", positive=True)

        generator, self.device_time_ = np.random.default_rng(self.rng), 0.0
        scores: list[tuple[float, float]] = []
        p = X.shape[1]
        gram, held_up = (rows.gram(), 0.0) if p <= len(X) else self._kernel(rows)

        def posterior() -> tuple[np.ndarray, np.ndarray, float, float]:
            """Mean, Λ⁻¹, number of well determined coefficients and squared errors at the present α and λ."""
            ridge = lam / alpha
            held = tla.program(gram + ridge * np.eye(len(gram)), assume_a="pos", device=self.device, rng=generator)
            mean, inverse, determined = self._posterior(rows, gram, held, ridge)
            sse = float(np.sum((rows.y - rows.times(mean[:, None])) ** 2))
            if self.compute_score:
                logdet, info = held.logdet(atol=self.evidence_atol, return_info=True)
                logdet, error = float(logdet) + p * math.log(alpha), float(info.standard_error)
                logdet += max(p - len(gram), 0) * math.log(ridge) - math.log1p(held_up / ridge)
                priors = lambda_1 * math.log(lam) - lambda_2 * lam + alpha_1 * math.log(alpha) - alpha_2 * alpha
                fit = p * math.log(lam) + count * math.log(alpha / (2 * math.pi)) - alpha * sse
                scores.append((priors + (fit - lam * float(mean @ mean) - logdet) / 2, error / 2))
            self.device_time_ += held.ledger.device_time
            return mean, inverse / alpha, determined, sse

        previous, self.n_iter_ = None, 0
        while self.n_iter_ < self.max_iter:
            self.n_iter_ += 1
            coef, _, gamma, sse = posterior()
            lam = (gamma + 2 * lambda_1) / (float(coef @ coef) + 2 * lambda_2)
            if count - gamma + 2 * alpha_1 <= 0:
                raise ValueError(
                    f"the weights sum to {count:.3g}, below the {gamma:.3g} coefficients that the data determine, and "
                    "nothing is left to tell the noise by; scale sample_weight up"
                )
            alpha = (count - gamma + 2 * alpha_1) / (sse + 2 * alpha_2)
            if previous is not None and np.sum(np.abs(previous - coef)) < tol:
                break
            previous = coef
        else:
            warnings.warn(
                f"the coefficients still change by more than tol={tol:g} after {self.max_iter} iterations; "
                "pass a larger max_iter=",
                ConvergenceWarning,
                stacklevel=2,
            )
        self.coef_, self.sigma_, _, _ = posterior()
        self.alpha_, self.lambda_ = float(alpha), float(lam)
        if self.compute_score:
            self.scores_, self.scores_std_ = np.array(scores).T
        self._gram, self._x_mean = rows.gram(), rows.x_mean
        self.intercept_ = float(rows.y_mean[0] - rows.x_mean @ self.coef_)
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
            Only with ``return_std=True``: sqrt(xᵀΛ⁻¹x + 1/α) of centred x.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean = X @ self.coef_ + self.intercept_
        if not return_std:
            return mean
        centred = X - self._x_mean
        return mean, np.sqrt(np.sum((centred @ self.sigma_) * centred, axis=1) + 1 / self.alpha_)

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
        system = self._gram + self.lambda_ / self.alpha_ * np.eye(len(self._gram))
        generator = self.rng if rng is None else rng
        deviations = tla.sample(system, size, temperature=1 / self.alpha_, device=self.device, rng=generator)
        return np.asarray(self.coef_ + deviations)

    def _kernel(self, rows: CentredRows) -> tuple[np.ndarray, float]:
        """RRᵀ, and what is added to it along sqrt(w).

        Centred rows have Rᵀ sqrt(w) = 0: what this direction weighs does not matter, but it may not be tiny.
        """
        kernel = rows.kernel()
        if not self.fit_intercept:
            return kernel, 0.0
        along, mean = rows.roots / np.linalg.norm(rows.roots), float(np.trace(kernel)) / len(kernel)
        return kernel + mean * np.outer(along, along), mean

    def _posterior(
        self, rows: CentredRows, gram: np.ndarray, held: tla.PreparedDevice, ridge: float
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """β, (RᵀR + ridge I)⁻¹ and tr (RᵀR + ridge I)⁻¹RᵀR; all columns run side by side on one program."""
        p, n = len(rows.x_mean), len(rows.roots)
        identity = np.eye(p)
        if p <= n:
            x = np.asarray(held.solve(np.hstack([rows.transposed(rows.y), identity]), rtol=self.rtol))
            inverse = (x[:, 1:] + x[:, 1:].T) / 2
            # Not p − ridge tr Λ⁻¹, which cancels where the data tell little.
            return x[:, 0], inverse, float(np.sum(inverse * gram))
        explicit = rows.times(identity)
        x = np.asarray(held.solve(np.hstack([rows.y, explicit]), rtol=self.rtol))
        hat = explicit.T @ x[:, 1:]
        return rows.transposed(x[:, :1])[:, 0], (identity - (hat + hat.T) / 2) / ridge, float(np.trace(hat))
