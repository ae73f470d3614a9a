"""Gaussian process classification by Laplace's approximation, each Newton step a solve on a device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.gaussian_process.kernels import RBF, CompoundKernel, ConstantKernel
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from thermoapps._reading import read_number, read_rng
from thermoapps.gaussian_process.fitting import maximum
from thermoapps.gaussian_process.laplace import LaplaceEvidence, averaged_logistic
from thermoapps.gaussian_process.white import refuse_compound

__all__ = ["ThermodynamicGPClassifier"]

ATOL = 1e-2
"""Standard error of a measured evidence."""


class _Binary(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Two classes; settings are those of `ThermodynamicGPClassifier`."""

    def __init__(
        self,
        kernel: Any = None,
        *,
        optimizer: Any = "fisher_scoring",
        n_restarts_optimizer: int = 0,
        max_iter_predict: int = 100,
        warm_start: bool = False,
        copy_X_train: bool = True,
        tol: float = 1e-5,
        max_iter: int = 100,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        self.kernel = kernel
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.max_iter_predict = max_iter_predict
        self.warm_start = warm_start
        self.copy_X_train = copy_X_train
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.rng = rng

    def fit(self, X: np.ndarray, y: np.ndarray) -> _Binary:
        rng = np.random.default_rng(self.rng)
        self.classes_, targets = np.unique(y, return_inverse=True)
        self.X_train_ = X.copy() if self.copy_X_train else X
        before = getattr(self, "_start", None) if self.warm_start else None
        self._evidence = LaplaceEvidence(
            self.X_train_,
            targets.astype(float),
            max_iter=int(read_number(self.max_iter_predict, "max_iter_predict", positive=True)),
            device=self.device,
            seed=int(rng.integers(2**63)),
            start=before if before is not None and len(before) == len(X) else None,
        )
        self.kernel_ = ConstantKernel(1.0, "fixed") * RBF(1.0, "fixed") if self.kernel is None else clone(self.kernel)
        self.n_iter_ = 1
        if self.optimizer is not None and self.kernel_.n_dims:
            restarts, limits = self.n_restarts_optimizer, (self.tol, self.max_iter)
            best = maximum(self._evidence, self.kernel_, self.optimizer, restarts=restarts, limits=limits, rng=rng)
            self.kernel_, self.n_iter_ = self.kernel_.clone_with_theta(best.theta), best.iterations
            self.kernel_._check_bounds_params()
        _, mode = self._evidence.mode(self.kernel_)
        self._mode, self._inverse, self._start = mode, self._evidence.inverse(), mode.a
        self.device_time_ = self._evidence.device_time
        return self

    def latent_mean(self, X: np.ndarray) -> np.ndarray:
        """Mean of the latent function at X (m, d)."""
        return np.asarray(self.kernel_(X, self.X_train_) @ self._mode.a)

    def latent_mean_and_variance(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the latent function at X (m, d)."""
        cross = self.kernel_(X, self.X_train_)
        u = self._mode.root[:, None] * cross.T
        x, _ = self._inverse.solve(u, 1e-10)
        explained = np.einsum("ij,ij->j", x, 2 * u - self._inverse.matrix @ x)
        return np.asarray(cross @ self._mode.a), np.asarray(self.kernel_.diag(X) - explained)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.classes_[(self.latent_mean(X) > 0).astype(int)])

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        second = averaged_logistic(*self.latent_mean_and_variance(X))
        return np.stack([1 - second, second], axis=1)

    def evidence(self, theta: np.ndarray | None, *, clone_kernel: bool) -> float:
        """The measured evidence at logarithmic parameters."""
        kernel = self.kernel_
        if theta is not None and clone_kernel:
            kernel = kernel.clone_with_theta(theta)
        elif theta is not None:
            kernel.theta = theta
        return self._evidence.value(kernel, ATOL)[0]

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """Its slope in them."""
        return self._evidence.slope(self.kernel_.clone_with_theta(theta)).gradient


class ThermodynamicGPClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian process classification with the parameters, methods and answers of `GaussianProcessClassifier`.

    The posterior of the latent function is Laplace's approximation. Each Newton step towards its mode is a solve with
    B = I + W^½ K W^½, whose eigenvalues are at least 1; the kernel's parameters climb the evidence by Fisher scoring.

    Parameters
    ----------
    kernel : sklearn.gaussian_process.kernels.Kernel, optional
        Covariance function. Default: RBF of length 1 that stays as it is, as in scikit-learn.
    optimizer : {"fisher_scoring", "fmin_l_bfgs_b", None} or callable, optional
        As for `ThermodynamicGPRegressor`.
    n_restarts_optimizer : int, optional
        Further starts, uniform within the logarithmic bounds.
    max_iter_predict : int, optional
        Most Newton steps for each kernel.
    warm_start : bool, optional
        Whether another `fit` begins with the mode of the one before.
    copy_X_train : bool, optional
        Whether to keep a copy of the data.
    random_state : None, int, numpy.random.RandomState, optional
        scikit-learn's name of `rng`.
    multi_class : {"one_vs_rest", "one_vs_one"}, optional
        How more than two classes are told apart; the latter gives no probabilities.
    n_jobs : int, optional
        Processes for several classes.
    tol, max_iter : optional
        Of the ascent, as for `ThermodynamicGPRegressor`.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Attributes
    ----------
    classes_ : array, shape (n_classes,)
        Classes.
    n_classes_ : int
        How many.
    kernel_ : Kernel
        The kernel with its parameters as found; a `CompoundKernel` of those of all classes if they are more than two.
    base_estimator_ : estimator
        The model of two classes, or of all pairs or classes against the rest.
    log_marginal_likelihood_value_ : float
        The evidence as measured when first asked for; the mean over several models.
    n_iter_ : int
        Number of kernels on the way, the largest of the models'.
    device_time_ : float
        Time that the device took for `fit`, in units of τ.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : array, shape (n_features_in_,)
        Their names, where X had any.

    Raises
    ------
    ValueError
        In `fit`: one class only, a `CompoundKernel`, or a setting out of range.

    Warns
    -----
    ConvergenceWarning
        A mode was not found in `max_iter_predict` steps, or a parameter stands on a bound.

    See Also
    --------
    ThermodynamicGPRegressor : Numbers.
    sklearn.gaussian_process.GaussianProcessClassifier : The same contract.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, algorithms 3.1, 3.2 and 5.1.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.gaussian_process import ThermodynamicGPClassifier
    >>> X = np.linspace(-2, 2, 20)[:, None]
    >>> model = ThermodynamicGPClassifier(rng=0).fit(X, X[:, 0] > 0)
    >>> model.predict([[-1.0], [1.0]]), model.predict_proba([[0.0]]).round(2)
    (array([False,  True]), array([[0.5, 0.5]]))
    """

    def __init__(
        self,
        kernel: Any = None,
        *,
        optimizer: Any = "fisher_scoring",
        n_restarts_optimizer: int = 0,
        max_iter_predict: int = 100,
        warm_start: bool = False,
        copy_X_train: bool = True,
        random_state: Any = None,
        multi_class: str = "one_vs_rest",
        n_jobs: int | None = None,
        tol: float = 1e-5,
        max_iter: int = 100,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        self.kernel = kernel
        self.optimizer = optimizer
        self.n_restarts_optimizer = n_restarts_optimizer
        self.max_iter_predict = max_iter_predict
        self.warm_start = warm_start
        self.copy_X_train = copy_X_train
        self.random_state = random_state
        self.multi_class = multi_class
        self.n_jobs = n_jobs
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.rng = rng

    def fit(self, X: Any, y: Any) -> ThermodynamicGPClassifier:
        """Fit to data.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
            Samples.
        y : array_like, shape (n_samples,)
            Classes.

        Returns
        -------
        ThermodynamicGPClassifier
            The estimator itself.
        """
        rng = read_rng(self.rng, self.random_state)
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        refuse_compound(self.kernel)
        if self.multi_class not in ("one_vs_rest", "one_vs_one"):
            raise ValueError(f"multi_class must be 'one_vs_rest' or 'one_vs_one', got {self.multi_class!r}")
        self.classes_ = np.unique(y)
        self.n_classes_ = len(self.classes_)
        if self.n_classes_ == 1:
            raise ValueError(f"y has one class only, {self.classes_[0]!r}; classification needs two")
        settings = {name: getattr(self, name) for name in _Binary().get_params() if name != "rng"}
        before: Any = getattr(self, "base_estimator_", None)
        model: Any = before if self.warm_start and isinstance(before, _Binary) else _Binary()
        model.set_params(**settings, rng=int(rng.integers(2**63)))
        if self.n_classes_ > 2:
            several = OneVsRestClassifier if self.multi_class == "one_vs_rest" else OneVsOneClassifier
            model = several(model, n_jobs=self.n_jobs)
        self.base_estimator_: Any = model.fit(X, y)
        self._value = math.nan
        self.device_time_ = sum(one.device_time_ for one in self._models())
        self.n_iter_ = max(one.n_iter_ for one in self._models())
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Classes (m,) of new samples X (m, n_features)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.base_estimator_.predict(X))

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes of new samples, the latent function averaged over to rounding.

        Parameters
        ----------
        X : array_like, shape (m, n_features)
            Samples.

        Returns
        -------
        array, shape (m, n_classes)
        """
        check_is_fitted(self)
        if self.n_classes_ > 2 and self.multi_class == "one_vs_one":
            raise ValueError("multi_class='one_vs_one' gives no probabilities; pass 'one_vs_rest'")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return np.asarray(self.base_estimator_.predict_proba(X))

    def latent_mean_and_variance(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance (m,) of the latent function of two classes at X (m, n_features)."""
        check_is_fitted(self)
        if self.n_classes_ > 2:
            raise ValueError(f"there is one latent function for two classes, and not for {self.n_classes_}")
        X = validate_data(self, X, dtype=np.float64, reset=False)
        mean, variance = self.base_estimator_.latent_mean_and_variance(X)
        return mean, variance

    def log_marginal_likelihood(self, theta: Any = None, eval_gradient: bool = False, clone_kernel: bool = True) -> Any:
        """Log evidence as measured, with a standard error of 0.005; the mean over several models.

        Parameters
        ----------
        theta : array_like, optional
            Logarithmic parameters of the kernel, of one model or of all; by default those of `kernel_`.
        eval_gradient : bool, optional
            Whether to return the slope in them, too: of two classes only.
        clone_kernel : bool, optional
            Whether `kernel_` stays as it is.

        Returns
        -------
        value : float
            ln p(y | X) of Laplace's approximation.
        gradient : array, shape (p,)
            Only with ``eval_gradient=True``.
        """
        check_is_fitted(self)
        if theta is None and not eval_gradient:
            return self.log_marginal_likelihood_value_
        if self.n_classes_ > 2 and eval_gradient:
            raise NotImplementedError("the slope of the evidence is that of two classes; pass eval_gradient=False")
        theta = np.asarray(self.kernel_.theta if theta is None else theta, dtype=float)
        models = self._models()
        size = models[0].kernel_.n_dims
        if len(theta) not in (size, size * len(models)):
            raise ValueError(f"theta must have {size} or {size * len(models)} entries, got {len(theta)}")
        parts = np.resize(theta, (len(models), size))
        pairs = zip(models, parts, strict=True)
        value = float(np.mean([model.evidence(part, clone_kernel=clone_kernel) for model, part in pairs]))
        return (value, models[0].slope(theta)) if eval_gradient else value

    @property
    def kernel_(self) -> Any:
        """The kernel with its parameters as found."""
        kernels = [model.kernel_ for model in self._models()]
        return kernels[0] if len(kernels) == 1 else CompoundKernel(kernels)

    @property
    def log_marginal_likelihood_value_(self) -> float:
        """The evidence of `kernel_`, measured when first asked for."""
        models = self._models()
        if math.isnan(self._value):
            self._value = float(np.mean([model.evidence(None, clone_kernel=True) for model in models]))
        return self._value

    def _models(self) -> list[Any]:
        """Those of two classes."""
        if not hasattr(self, "base_estimator_"):
            raise AttributeError("it is there after fit")
        return [self.base_estimator_] if self.n_classes_ == 2 else list(self.base_estimator_.estimators_)
