"""Bayesian Poisson regression: the posterior itself, sampled by nonlinear cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps.bayesian._sampled import SampledPosterior
from thermoapps.bayesian.likelihoods import Poisson

__all__ = ["ThermodynamicBayesianPoissonRegressor"]

Vector = NDArray[np.float64]


class ThermodynamicBayesianPoissonRegressor(RegressorMixin, SampledPosterior):  # type: ignore[misc]
    r"""Poisson regression with rates :math:`e^{b + x^\top\beta}`, whose posterior is drawn by nonlinear cells.

    As `ThermodynamicBayesianLogisticRegression`, for counts.

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
    ThermodynamicBayesianLinearRegression, ThermodynamicBayesianLogisticRegression : Posteriors on a device.

    References
    ----------
    Thermodynamic Bayesian inference, arXiv:2410.01793.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.bayesian import ThermodynamicBayesianPoissonRegressor
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> model = ThermodynamicBayesianPoissonRegressor(rng=0).fit(X, [1, 2, 7, 12])
    >>> mean, std = model.predict([[2.0]], return_std=True)
    >>> bool(4 < mean[0] < 9), bool(std[0] ** 2 > mean[0])
    (True, True)
    """

    def fit(self, X: Any, y: Any) -> ThermodynamicBayesianPoissonRegressor:
        """Sample the posterior of counts.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Targets ≥ 0; what is between two integers has the likelihood that Γ in the place of the factorial gives.

        Returns
        -------
        ThermodynamicBayesianPoissonRegressor
            The estimator itself.

        Raises
        ------
        ValueError
            Negative targets; zeros only, or such that fit ever better with coefficients without end, under a flat
            prior.

        Warns
        -----
        ThermodynamicWarning
            The draws are too correlated for error bars that hold.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        y = np.asarray(y, dtype=float)
        if np.any(y < 0):
            raise ValueError("y has negative entries; a Poisson rate fits counts ≥ 0")
        start = float(np.log(y.mean())) if y.any() else 0.0
        self._run(X, Poisson(y), start, "rates may fall to zero without end, or features repeat each other")
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Mean of the predictive distribution of counts, and optionally its standard deviation.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        return_std : bool, optional
            Whether to return the standard deviation, too.

        Returns
        -------
        mean : array, shape (n_samples,)
            Mean rate over the posterior.
        std : array, shape (n_samples,)
            Only with ``return_std=True``: of a count, sqrt(mean + variance of the rate).
        """
        check_is_fitted(self, "walk_")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        rates = np.exp(self._scores(X))
        mean = rates.mean(axis=1)
        return (mean, np.sqrt(mean + rates.var(axis=1))) if return_std else mean

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags
