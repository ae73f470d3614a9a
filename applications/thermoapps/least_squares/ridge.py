"""Ridge regression whose normal equations a device solves, and whose posterior the same device samples."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._design import CentredRows
from thermoapps._reading import FLOATS, naming, read_number, read_rng, read_weights, sparse_array

__all__ = ["ThermodynamicRidge"]


SQUARED = 1e8
"""Condition of XᵀX + αI beyond which X itself is held beside sqrt(α) I, whose condition is the root of it."""


class ThermodynamicRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    r"""Ridge regression on a simulated thermodynamic device: the answers of `sklearn.linear_model.Ridge`.

    Minimises :math:`\sum_i w_i (y_i - c - x_i^\top\beta)^2 + \alpha \|\beta\|^2`. The device holds XᵀWX + αI of
    centred data, or XXᵀ + αI where there are more features than samples, or, where these are ill conditioned, the
    rows themselves above sqrt(α) I; all targets run side by side.

    Parameters
    ----------
    alpha : float or array_like of shape (n_targets,), optional
        Penalty α ≥ 0, one for all targets or one for each. Zero gives the least-squares solution of minimum norm.
    fit_intercept : bool, optional
        Whether to fit c; it is not penalised.
    n_posterior_samples : int, optional
        Samples to read from the device beside the solution, for ``predict(X, return_std=True)``.
    rtol : float, optional
        Relative residual of the normal equations to reach.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.
    random_state : None, int or numpy.random.RandomState, optional
        The same by scikit-learn's name; only one of both may be given.

    Attributes
    ----------
    coef_ : array, shape (n_features,) or (n_targets, n_features)
        β; of one target, one-dimensional.
    intercept_ : float or array, shape (n_targets,)
        c.
    noise_variance_ : float or array, shape (n_targets,)
        σ² of maximum evidence at this α: (Σ w (y − ŷ)² + α‖β‖²)/Σ w.
    posterior_samples_ : array, shape (n_posterior_samples, n_features) or (…, n_targets, n_features), or None
        Draws from N(β, σ²(XᵀWX + αI)⁻¹).
    device_time_ : float
        Time the device ran for the solution, in units of its time constant.
    n_iter_ : None
        As of scikit-learn's direct solvers.
    solver_ : str
        ``"thermodynamic"``.
    n_features_in_ : int
        Number of features.

    See Also
    --------
    ThermodynamicBayesianRidge : With its strength from the data.
    sklearn.linear_model.Ridge : The same contract.

    Notes
    -----
    An equilibrium reading of the device is a draw from the posterior under the prior N(0, σ²/α). The predictive
    standard deviation is the spread of n draws and the noise, and is itself known to a relative 1/sqrt(2n).

    References
    ----------
    Aifer et al., Thermodynamic Linear Algebra, arXiv:2308.05660.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.least_squares import ThermodynamicRidge
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> ridge = ThermodynamicRidge(alpha=1.0, rng=0).fit(X, X @ [1.0, 2.0])
    >>> np.round(ridge.coef_, 6), round(float(ridge.intercept_), 6)
    (array([0.5, 1. ]), 0.75)
    """

    def __init__(
        self,
        alpha: Any = 1.0,
        *,
        fit_intercept: bool = True,
        n_posterior_samples: int = 0,
        rtol: float = 1e-10,
        device: Any = None,
        rng: Any = None,
        random_state: Any = None,
    ) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.n_posterior_samples = n_posterior_samples
        self.rtol = rtol
        self.device = device
        self.rng = rng
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> ThermodynamicRidge:
        """Fit to data.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array_like, shape (n_samples,), optional
            Weights ≥ 0.

        Returns
        -------
        ThermodynamicRidge
            The estimator itself.
        """
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=FLOATS, multi_output=True, y_numeric=True)
        dtype = X.dtype
        X = sparse_array(X.astype(np.float64, copy=False))
        y = np.asarray(y, dtype=np.float64)
        weights = read_weights(sample_weight, X)
        targets = y.reshape(len(y), -1)
        single = targets.shape[1] == 1  # one target gives one-dimensional answers, in one column or none
        alphas = self._read_alphas(targets.shape[1])
        rows = CentredRows(X, targets, weights, centre=self.fit_intercept)
        coef, draws = np.empty((X.shape[1], len(alphas))), []
        device = _Ridges(rows, self.rtol, self.device, read_rng(self.rng, self.random_state))
        for alpha in np.unique(alphas):
            chosen = alphas == alpha
            coef[:, chosen] = rows.design.without_zeros(device.solve(alpha, rows.y[:, chosen]))
        self.device_time_ = device.time
        misfit = np.sum((rows.y - rows.times(coef)) ** 2, axis=0) + alphas * np.sum(coef**2, axis=0)
        noise = misfit / weights.sum()
        self.posterior_samples_ = None
        if self.n_posterior_samples:
            for variance, alpha, column in zip(noise, alphas, coef.T, strict=True):
                draws.append(column + np.sqrt(variance) * device.sample(alpha, self.n_posterior_samples))
            self.posterior_samples_ = draws[0] if single else np.stack(draws, axis=1)
        intercept = rows.y_mean - rows.x_mean @ coef
        self.coef_ = (coef[:, 0] if single else coef.T).astype(dtype)
        self.intercept_ = intercept if y.ndim == 2 else float(intercept[0])
        self.noise_variance_ = float(noise[0]) if single else noise
        self._x_mean = rows.x_mean
        self.n_iter_, self.solver_ = None, "thermodynamic"
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """Predict targets, and optionally their standard deviations.

        Parameters
        ----------
        X : array_like or sparse array, shape (n_samples, n_features)
            Samples.
        return_std : bool, optional
            Whether to return the predictive standard deviation, too; needs ``n_posterior_samples``.

        Returns
        -------
        y : array, shape (n_samples,) or (n_samples, n_targets)
            Predictions.
        std : array, shape of y
            Only with ``return_std=True``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=FLOATS, reset=False)
        mean = np.asarray(X @ self.coef_.T) + self.intercept_
        if not return_std:
            return mean
        if self.posterior_samples_ is None:
            raise ValueError(
                "no posterior samples to take a standard deviation from; fit with n_posterior_samples=1000"
            )
        deviations = np.moveaxis(self.posterior_samples_ - self.coef_, -1, 0).reshape(X.shape[1], -1)
        spread = np.asarray(X @ deviations) - self._x_mean @ deviations
        squares = np.mean(spread.reshape(X.shape[0], len(self.posterior_samples_), -1) ** 2, axis=1)
        return mean, np.sqrt(squares.reshape(mean.shape) + self.noise_variance_)

    def _read_alphas(self, n_targets: int) -> np.ndarray:
        given = np.ravel(self.alpha)
        if len(given) not in (1, n_targets):
            raise ValueError(f"alpha has {len(given)} entries for {n_targets} targets; pass one, or one for each")
        return np.broadcast_to([read_number(alpha, "alpha") for alpha in given], n_targets)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class _Ridges:
    """Devices that hold RᵀR + αI, one for each penalty that is asked for; or RRᵀ + αI where R is wide."""

    def __init__(self, rows: CentredRows, rtol: float, device: Any, rng: np.random.Generator) -> None:
        self.rows = rows
        self.options: dict[str, Any] = {"device": device, "rng": rng}
        self.rtol, self.time = rtol, 0.0
        self._held: dict[tuple[float, bool], tla.PreparedDevice] = {}

    def solve(self, alpha: float, y: np.ndarray) -> np.ndarray:
        """Coefficients (p, k) of the targets (n, k); of minimum norm without a penalty."""
        if alpha == 0:
            return self._least_squares(y)
        rows, wide = self.rows, self.rows.wide
        load = y if wide else rows.transposed(y)
        try:
            x, info = self._hold(alpha, dual=wide).solve(load, rtol=self.rtol, return_info=True)
        except tla.SingularError:
            return self._of_rows(alpha, y)
        self._count(info)
        if info.get("condition", 1.0) > SQUARED:
            return self._of_rows(alpha, y)
        return np.asarray(rows.transposed(x) if wide else x)

    def sample(self, alpha: float, size: int) -> np.ndarray:
        """Draws (size, p) of covariance (RᵀR + αI)⁻¹."""
        with naming("XᵀX + alpha·I", "scale the features to one unit, or pass a larger alpha"):
            return np.asarray(self._hold(alpha).sample(size))

    def _of_rows(self, alpha: float, y: np.ndarray) -> np.ndarray:
        """The same from the rows above sqrt(α) I, whose condition is not squared."""
        rows, damp = self.rows.dense(), float(np.sqrt(alpha))
        result, info = tla.lstsq(rows, y, damp=damp, rtol=self.rtol, return_info=True, **self.options)
        self._count(info)
        return np.asarray(result.x)

    def _least_squares(self, y: np.ndarray) -> np.ndarray:
        """Least squares of columns of equal size; where these are dependent, of minimum norm in the units given."""
        rows, scales = self.rows.dense(), self.rows.design.scales
        for unit in (scales, np.ones_like(scales)):
            result, info = tla.lstsq(rows / unit, y, rtol=self.rtol, return_info=True, **self.options)
            self._count(info)
            if result.rank == len(scales):
                break
        return np.asarray(result.x / unit[:, None])

    def _count(self, info: tla.Info) -> None:
        self.time += float(info.get("device_time", 0.0))

    def _hold(self, alpha: float, *, dual: bool = False) -> tla.PreparedDevice:
        if (alpha, dual) not in self._held:
            gram = self.rows.kernel() if dual else self.rows.gram()
            matrix = gram + alpha * np.eye(len(gram))
            self._held[alpha, dual] = tla.program(matrix, assume_a="pos", **self.options)
        return self._held[alpha, dual]
