"""Poisson regression with a logarithmic link, by Fisher scoring on a device."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.metrics import d2_tweedie_score
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._reading import FLOATS, read_number, read_rng, read_weights, sparse_array
from thermoapps.generalized_linear._predictor import LinearPredictor
from thermoapps.generalized_linear.scoring import fisher_scoring

__all__ = ["ThermodynamicPoissonRegressor"]


class ThermodynamicPoissonRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Poisson regression on a simulated thermodynamic device: the answers of `sklearn.linear_model.PoissonRegressor`.

    With :math:`\mu_i = \exp(c + x_i^\top\beta)`, minimises
    :math:`\sum_i w_i (\mu_i - y_i\ln\mu_i) / \sum_i w_i + \alpha\|\beta\|^2/2`. Each step is a solve with the Fisher
    information [1 X]ᵀ diag(wμ) [1 X]/Σw + α diag(0, I) of centred X.

    Parameters
    ----------
    alpha : float, optional
        Penalty α ≥ 0. Without one, dependent features get the coefficients of least norm.
    fit_intercept : bool, optional
        Whether to fit c; it is not penalised.
    max_iter : int, optional
        Steps at most.
    tol : float, optional
        Largest entry of the gradient to accept, of features in units of their deviations.
    rtol : float, optional
        Relative residual of each step on the device.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    random_state : None, int or numpy.random.RandomState, optional
        The same by scikit-learn's name; only one of both may be given.

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

    See Also
    --------
    ThermodynamicLogisticRegression : Classes.
    sklearn.linear_model.PoissonRegressor : The same contract.

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
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter
        self.tol = tol
        self.rtol = rtol
        self.device = device
        self.rng = rng
        self.random_state = random_state

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
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS, y_numeric=True)
        dtype = X.dtype
        X, y = sparse_array(X.astype(np.float64, copy=False)), np.asarray(y, dtype=np.float64)
        if np.any(y < 0):
            raise ValueError("y has negative entries; a Poisson rate fits counts ≥ 0")
        alpha = read_number(self.alpha, "alpha")
        weights = read_weights(sample_weight, X)
        weights = weights / weights.sum()
        if self.fit_intercept and not weights @ y > 0:
            raise ValueError("y is zero at every sample of positive weight: the fitted rate would be exp(−∞)")
        likelihood = _Rates(LinearPredictor(X, weights, intercept=bool(self.fit_intercept)), y, weights, alpha)
        fitted = fisher_scoring(
            likelihood,
            tol=read_number(self.tol, "tol"),
            max_iter=self.max_iter,
            rtol=self.rtol,
            device=self.device,
            rng=read_rng(self.rng, self.random_state),
            advice="pass a positive alpha",
        )
        coef, intercept = likelihood.predictor.coefficients(fitted.theta)
        self.coef_, self.intercept_ = coef[0].astype(dtype), float(intercept[0])
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
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
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


class _Rates:
    """The penalised negative log-likelihood of counts with rates μ = exp(score)."""

    def __init__(self, predictor: LinearPredictor, y: np.ndarray, weights: np.ndarray, alpha: float) -> None:
        self.predictor, self.y, self.weights, self.alpha = predictor, y, weights, alpha

    def start(self) -> np.ndarray:
        theta = np.zeros((1, self.predictor.width))
        if self.predictor.intercept:
            theta[0, -1] = np.log(self.weights @ self.y)
        return theta

    def objective(self, theta: np.ndarray) -> float:
        scores, rates = self._rates(theta)
        squares = self.predictor.penalty(self.alpha) @ theta[0] ** 2
        return float(self.weights @ (rates - self.y * scores) + squares / 2)

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        _, rates = self._rates(theta)
        penalty = self.predictor.penalty(self.alpha)
        gradient = self.predictor.transposed((self.weights * (rates - self.y))[:, None]) + penalty * theta
        return gradient, self.predictor.information(self.weights * rates) + np.diag(penalty)

    def changing(self, step: np.ndarray) -> np.ndarray:
        return step

    def _rates(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        scores = self.predictor.scores(theta)[:, 0]
        with np.errstate(over="ignore"):  # a step that goes too far has an infinite objective and is shortened
            return scores, np.exp(scores)
