"""Logistic regression, binary and multinomial, by Fisher scoring on a device."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._reading import FLOATS, read_number, read_rng, read_weights, sparse_array
from thermoapps.generalized_linear._predictor import LinearPredictor
from thermoapps.generalized_linear.scoring import fisher_scoring

__all__ = ["ThermodynamicLogisticRegression"]

SEPARATED = 1e-6
"""Mean loss without a penalty below which the classes are separated."""


class ThermodynamicLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    r"""Logistic regression on a simulated device: the answers of `sklearn.linear_model.LogisticRegression`.

    Minimises :math:`C\sum_i w_i (-\ln p_{i, y_i}) + \|B\|^2/2` over coefficients B and free intercepts, with p the
    softmax of K linear scores, or the logistic function of one where there are two classes. Each step is a solve
    with the Fisher information, whose blocks are Zᵀ diag(w p_k (δ_kl − p_l)) Z plus the penalty: a natural gradient.

    Parameters
    ----------
    C : float, optional
        Inverse of the penalty, > 0; infinite for none, and then dependent features get the coefficients of least norm.
    fit_intercept : bool, optional
        Whether to fit intercepts; they are not penalised.
    class_weight : dict, 'balanced' or None, optional
        Weights of the classes.
    max_iter : int, optional
        Steps at most.
    tol : float, optional
        Largest entry to accept of the gradient of the objective over C Σ w, of features in units of their deviations.
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
    classes_ : array, shape (n_classes,)
        Labels.
    coef_ : array, shape (1, n_features) or (n_classes, n_features)
        B.
    intercept_ : array, shape (1,) or (n_classes,)
        Intercepts; those of more than two classes sum to zero.
    n_iter_ : array, shape (1,)
        Steps taken.
    device_time_ : float
        Time the device ran, in units of its time constant.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ThermodynamicPoissonRegressor : Counts.
    sklearn.linear_model.LogisticRegression : The same contract.

    References
    ----------
    McCullagh and Nelder, Generalized Linear Models, 1989; Amari, Natural Gradient Works Efficiently in Learning, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.generalized_linear import ThermodynamicLogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = ThermodynamicLogisticRegression(rng=0).fit(X, ["cold", "cold", "hot", "hot"])
    >>> model.predict([[-1.5], [0.3]])
    array(['cold', 'hot'], dtype='<U4')
    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        max_iter: int = 100,
        tol: float = 1e-10,
        rtol: float = 1e-6,
        device: Any = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol
        self.rtol = rtol
        self.device = device
        self.rng = rng
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ThermodynamicLogisticRegression:
        """Fit to labelled samples.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Labels.
        sample_weight : float or array_like, shape (n_samples,), optional
            Weights ≥ 0.

        Returns
        -------
        ThermodynamicLogisticRegression
            The estimator itself.
        """
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS)
        dtype = X.dtype
        X = sparse_array(X.astype(np.float64, copy=False))
        check_classification_targets(y)
        C = read_number(self.C, "C", positive=True, infinite=True)
        weights = read_weights(sample_weight, X)
        self.classes_, labels = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]!r}; a classifier needs at least two")
        if np.any(np.bincount(labels, weights, n_classes) == 0):
            raise ValueError("sample_weight is zero throughout a class; leave its samples out")
        if self.class_weight is not None:
            counted = weights if sample_weight is not None else None
            factors = compute_class_weight(self.class_weight, classes=self.classes_, y=y, sample_weight=counted)
            weights = weights * factors[labels]
        scores = 1 if n_classes == 2 else n_classes
        total = weights.sum()
        predictor = LinearPredictor(X, weights / total, intercept=bool(self.fit_intercept))
        likelihood = _Softmax(predictor, labels, weights / total, 1 / (C * total), scores)
        fitted = fisher_scoring(
            likelihood,
            tol=read_number(self.tol, "tol"),
            max_iter=self.max_iter,
            rtol=self.rtol,
            device=self.device,
            rng=read_rng(self.rng, self.random_state),
            advice="pass a smaller C",
        )
        theta = fitted.theta
        if math.isinf(C) and likelihood.objective(theta) < SEPARATED:
            warnings.warn(
                "the classes are separated by a hyperplane, and without a penalty the coefficients grow without end; "
                "pass a finite C",
                ConvergenceWarning,
                stacklevel=2,
            )
        coef, intercept = predictor.coefficients(theta)
        self.coef_, self.intercept_ = coef.astype(dtype), intercept.astype(dtype)
        self.n_iter_, self.device_time_ = np.array([fitted.n_iter], dtype=np.int32), fitted.device_time
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Linear scores.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples,) or (n_samples, n_classes)
            Scores; of the second class where there are two.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        scores = np.asarray(X @ self.coef_.T) + self.intercept_
        return np.asarray(scores[:, 0] if len(self.classes_) == 2 else scores)

    def predict(self, X: Any) -> np.ndarray:
        """Most probable labels.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples,)
            Labels.
        """
        scores = self.decision_function(X)
        chosen = (scores > 0).astype(int) if scores.ndim == 1 else np.argmax(scores, axis=1)
        return np.asarray(self.classes_[chosen])

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples, n_classes)
            Probabilities in the order of `classes_`.
        """
        return np.asarray(softmax(_all_scores(self.decision_function(X)), axis=1))

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Logarithms of the probabilities of the classes.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples, n_classes)
            Logarithms in the order of `classes_`.
        """
        return np.asarray(log_softmax(_all_scores(self.decision_function(X)), axis=1))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _all_scores(scores: np.ndarray) -> np.ndarray:
    """Scores of all classes; a single score is that of the second class against zero."""
    return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], axis=1)


class _Softmax:
    """The penalised negative log-likelihood of labels, for K scores, or for one where there are two classes."""

    def __init__(
        self, predictor: LinearPredictor, labels: np.ndarray, weights: np.ndarray, penalty: float, scores: int
    ) -> None:
        self.predictor, self.weights, self.strength = predictor, weights, penalty
        classes = max(scores, 2)
        self.hits = np.eye(classes)[labels][:, classes - scores :]
        self._latest: tuple[np.ndarray | None, np.ndarray, np.ndarray] = (None, weights, self.hits)

    def start(self) -> np.ndarray:
        return np.zeros((self.hits.shape[1], self.predictor.width))

    def objective(self, theta: np.ndarray) -> float:
        losses, _ = self._predicted(theta)
        return float(self.weights @ losses + np.sum(theta**2 * self.predictor.penalty(self.strength)) / 2)

    def derivatives(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        K, width = theta.shape
        _, p = self._predicted(theta)
        penalty = self.predictor.penalty(self.strength)
        gradient = self.predictor.transposed((p - self.hits) * self.weights[:, None]) + theta * penalty
        information = np.empty((K, width, K, width))
        for k in range(K):
            for m in range(k + 1):
                block = self.predictor.information(self.weights * p[:, k] * ((k == m) - p[:, m]))
                information[k, :, m, :] = information[m, :, k, :] = block
            information[k, :, k, :] += np.diag(penalty)
        if K > 1:  # the same vector on all scores changes no probability, and would leave F nearly singular
            j = np.arange(width)
            information[:, j, :, j] += self.predictor.scales[:, None, None] ** 2 / K
        return gradient, information.reshape(K * width, K * width)

    def changing(self, step: np.ndarray) -> np.ndarray:
        # The same vector on all scores changes nothing: their sum stays at zero, where it starts.
        return step - step.mean(axis=0) if len(step) > 1 else step

    def _predicted(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Losses (n,) of the samples and probabilities (n, K), kept until the next θ."""
        known, losses, p = self._latest
        if known is not theta:
            scores = self.predictor.scores(theta)
            alone = scores.shape[1] == 1  # beside a score that is zero
            top = np.max(scores, axis=1, initial=0.0 if alone else -np.inf)
            p = np.exp(scores - top[:, None])
            total = p.sum(axis=1) + (np.exp(-top) if alone else 0.0)
            losses = top + np.log(total) - np.sum(scores * self.hits, axis=1)
            p /= total[:, None]
            self._latest = theta, losses, p
        return losses, p
