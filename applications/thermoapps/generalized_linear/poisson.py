"""Poisson regression with a logarithmic link, by Fisher scoring on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import d2_tweedie_score
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._rows import read_number, read_weights, sparse_array, weighted_gram
from thermoapps.generalized_linear.scoring import fisher_scoring

__all__ = ["ThermodynamicPoissonRegressor"]


class ThermodynamicPoissonRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Poisson regression on a simulated thermodynamic device: the answers of `sklearn.linear_model.PoissonRegressor`.

    With :math:`\mu_i = \exp(c + x_i^\top\beta)`, minimises
    :math:`\sum_i w_i (\mu_i - y_i\ln\mu_i) / \sum_i w_i + \alpha\|\beta\|^2/2`. Each step is a solve with the Fisher
    information [1 X]ᵀ diag(wμ) [1 X]/Σw + α diag(0, I).

    Parameters
    ----------
    alpha : float, optional
        Penalty α ≥ 0.
    fit_intercept : bool, optional
        Whether to fit c; it is not penalised.
    max_iter : int, optional
        Steps at most.
    tol : float, optional
        Largest entry of the gradient to accept.
    rtol : float, optional
        Relative residual of each step on the device.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Attributes
    ----------
    coef_ : array, shape (n_features,)
        β.
    intercept_ : float
        c.
    n_iter_ : int
        Steps taken.
    device_time_ : float
        Time the device ran, in units of its time constant.
    n_features_in_ : int
        Number of features.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models, 1989.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.generalized_linear import ThermodynamicPoissonRegressor
    >>> X = np.array([[1.0], [2.0], [3.0], [4.0]])
    >>> model = ThermodynamicPoissonRegressor(alpha=0.0, rng=0).fit(X, [2.0, 4.0, 8.0, 16.0])
    >>> np.round(model.predict([[5.0]]), 4)
    array([32.])
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        fit_intercept: bool = True,
        max_iter: int = 100,
        tol: float = 1e-10,
        rtol: float = 1e-6,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.rtol = rtol
        self.device = device
        self.rng = rng

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ThermodynamicPoissonRegressor:
        """Fit to counts or rates.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Targets ≥ 0.
        sample_weight : float or array_like, shape (n_samples,), optional
            Weights ≥ 0, such as exposures.

        Returns
        -------
        ThermodynamicPoissonRegressor
            The estimator itself.
        """
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=np.float64, y_numeric=True)
        X = sparse_array(X)
        y = np.asarray(y, dtype=np.float64)
        if np.any(y < 0):
            raise ValueError("y has negative entries; a Poisson rate fits counts ≥ 0")
        alpha = read_number(self.alpha, "alpha")
        weights = read_weights(sample_weight, X)
        weights = weights / weights.sum()
        mean = float(weights @ y)
        if mean == 0 and self.fit_intercept:
            raise ValueError("y is zero at every sample of positive weight: the fitted rate would be exp(−∞)")
        p = X.shape[1]

        def rates(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            eta = X @ theta[:p] + theta[p:].sum()
            with np.errstate(over="ignore"):  # a step that goes too far has an infinite objective and is shortened
                return eta, np.exp(eta)

        def objective(theta: np.ndarray) -> float:
            eta, mu = rates(theta)
            return float(weights @ (mu - y * eta) + alpha / 2 * theta[:p] @ theta[:p])

        def derivatives(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            _, mu = rates(theta)
            gradient, information = np.zeros_like(theta), np.zeros((len(theta), len(theta)))
            gradient[:p] = X.T @ (weights * (mu - y)) + alpha * theta[:p]
            information[:p, :p] = weighted_gram(X, weights * mu) + alpha * np.eye(p)
            if self.fit_intercept:
                gradient[p] = weights @ (mu - y)
                information[:p, p] = information[p, :p] = X.T @ (weights * mu)
                information[p, p] = weights @ mu
            return gradient, (information + information.T) / 2

        start = np.zeros(p + bool(self.fit_intercept))
        if self.fit_intercept:
            start[p] = np.log(mean)
        fitted = fisher_scoring(
            objective,
            derivatives,
            start,
            tol=read_number(self.tol, "tol"),
            max_iter=self.max_iter,
            rtol=self.rtol,
            device=self.device,
            rng=self.rng,
        )
        self.coef_, self.intercept_ = fitted.theta[:p], float(fitted.theta[p:].sum())
        self.n_iter_, self.device_time_ = fitted.n_iter, fitted.device_time
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Rates μ.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples,)
            Rates.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        return np.asarray(np.exp(X @ self.coef_ + self.intercept_))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """D², the fraction of the deviance explained; as R² for squared errors.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Targets ≥ 0.
        sample_weight : array_like, shape (n_samples,), optional
            Weights.

        Returns
        -------
        float
            At most 1. Where all targets are equal there is no deviance to explain: 1 for predictions without any,
            else 0, as scikit-learn's R² has it.
        """
        predicted = self.predict(X)
        if np.ptp(y) == 0:
            return float(np.allclose(predicted, np.ravel(y)[0]))
        return float(d2_tweedie_score(y, predicted, sample_weight=sample_weight, power=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.positive_only = True
        return tags
