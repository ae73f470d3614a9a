"""Bayesian logistic regression: the posterior itself, sampled by nonlinear cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps.bayesian._sampled import SampledPosterior
from thermoapps.bayesian.likelihoods import Bernoulli

__all__ = ["ThermodynamicBayesianLogisticRegression"]

Vector = NDArray[np.float64]


class ThermodynamicBayesianLogisticRegression(ClassifierMixin, SampledPosterior):  # type: ignore[misc]
    r"""Logistic regression with a Gaussian prior, whose posterior is drawn by a device of nonlinear cells.

    The cells have the energy :math:`-\ln p(\beta, b \mid y)`, in coordinates in which Laplace's approximation is a
    standard Gaussian, so that units do not matter; replicas are read in equilibrium. Probabilities are means over the
    draws, and less sure than those of the best coefficients.

    Parameters
    ----------
    prior_precision : float or array_like, shape (n_features,), optional
        Of the prior N(0, 1/precision) on the coefficients, ≥ 0; zero is a flat prior.
    fit_intercept : bool, optional
        Whether there is an intercept b.
    intercept_precision : float, optional
        Of its prior; flat by default.
    draws, chains : int, optional
        Readings of each replica, and replicas.
    integrator : optional
        Of `thermolinalg.simulation.nonlinear`. Default: `MALA`, which has no bias.
    tolerance : float, optional
        Relative error of variances that the steps of another integrator may make.
    progress : bool, optional
        Whether to show a progress bar.
    device : thermolinalg.devices.Device, optional
        For Newton's steps to the mode. Default: an ideal `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    random_state : None, int or numpy.random.RandomState, optional
        The same by scikit-learn's name; only one of both may be given.

    Attributes
    ----------
    classes_ : array, shape (2,)
        Labels.
    chains_ : Chains
        Draws of (β, b), (chains, draws, d), with `mean`, `std`, `standard_error`, `ess`, `rhat` and `quantile`.
    coef_ : array, shape (n_features,)
        Posterior means.
    intercept_ : float
        Posterior mean.
    walk_ : Walk
        The replicas, which `draw_more` takes further.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ThermodynamicBayesianPoissonRegressor, ThermodynamicBayesianLinearRegression : Posteriors on a device.

    References
    ----------
    Thermodynamic Bayesian inference, arXiv:2410.01793.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.bayesian import ThermodynamicBayesianLogisticRegression
    >>> X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    >>> model = ThermodynamicBayesianLogisticRegression(rng=0).fit(X, ["cold", "cold", "hot", "hot"])
    >>> model.predict([[-1.5], [0.3]]), bool(model.predict_proba([[0.3]])[0, 1] < 0.7)
    (array(['cold', 'hot'], dtype='<U4'), True)
    """

    def fit(self, X: Any, y: Any) -> ThermodynamicBayesianLogisticRegression:
        """Sample the posterior of labelled samples.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Labels, of two classes.

        Returns
        -------
        ThermodynamicBayesianLogisticRegression
            The estimator itself.

        Raises
        ------
        ValueError
            Other than two classes; classes that a hyperplane separates, under a flat prior.

        Warns
        -----
        ThermodynamicWarning
            The draws are too correlated for error bars that hold.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        kind = type_of_target(y, input_name="y", raise_unknown=True)
        if kind != "binary":
            raise ValueError(f"Only binary classification is supported. The type of the target is {kind}.")
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds one class only, {self.classes_[0]!r}; a classifier needs two")
        share = labels.mean()
        start = float(np.log(share / (1 - share)))
        improper = "a hyperplane separates the classes, or features repeat each other"
        self._run(X, Bernoulli(labels.astype(float)), start, improper)
        return self

    def predict_proba(self, X: Any) -> Vector:
        """Probabilities of both classes, averaged over the posterior.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples, 2)
            Probabilities in the order of `classes_`.
        """
        check_is_fitted(self, "walk_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        second = expit(self._scores(X)).mean(axis=1)
        return np.stack([1 - second, second], axis=1)

    def predict(self, X: Any) -> np.ndarray:
        """More probable labels.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.

        Returns
        -------
        array, shape (n_samples,)
            Labels.
        """
        second = self.predict_proba(X)[:, 1]
        return np.asarray(self.classes_[(second > 0.5).astype(int)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
