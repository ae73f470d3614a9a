"""Label spreading and label propagation: what iterations converge to, from one linear system on a device."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

import thermolinalg as tla
from thermoapps._reading import read_number, read_rng
from thermoapps.semi_supervised.graphs import Harmonic, Spread, checked_weights, weights_between

__all__ = ["ThermodynamicLabelPropagation", "ThermodynamicLabelSpreading"]


class _OnGraph(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """What both estimators share."""

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: float = 20,
        n_neighbors: int = 7,
        max_iter: int = 100,
        tol: float = 1e-10,
        n_jobs: int | None = None,
        random_state: Any = None,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        self.kernel = kernel
        self.gamma = gamma
        self.n_neighbors = n_neighbors
        self.max_iter = max_iter
        self.tol = tol
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.device = device
        self.rng = rng

    @abstractmethod
    def _system(self, weights: Any, labels: np.ndarray) -> Any:
        """The linear system of the labels."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit to samples of which some are labelled.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n_samples, n_features)
            Samples, or the weights of their graph (n_samples, n_samples) where `kernel` is 'precomputed'.
        y : array_like, shape (n_samples,)
            Labels; −1 where unknown.

        Returns
        -------
        estimator
            The estimator itself.
        """
        rng = read_rng(self.rng, self.random_state)
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y[y != -1])
        if not len(self.classes_):
            raise ValueError("y has no labels: all samples are marked −1")
        n = X.shape[0]
        graph = X if self.kernel == "precomputed" else weights_between(self, X, X)
        system = self._system(checked_weights(graph, (n, n)), (y[:, None] == self.classes_).astype(float))
        self.X_, self.n_iter_, self.device_time_ = X, 1, 0.0
        found = np.zeros(system.load.shape)
        if found.size:
            found, info = self._solved(system, rng)
            self.n_iter_, self.device_time_ = max(info.n_runs, 1), info.device_time
        self.label_distributions_ = _normalised(system.distributions(np.maximum(found, 0.0)))
        self.transduction_ = self.classes_[np.argmax(self.label_distributions_, axis=1)]
        return self

    def _solved(self, system: Any, rng: np.random.Generator) -> Any:
        """The solution of the system on a device, and its report."""
        options = {"rtol": read_number(self.tol, "tol"), "device": self.device, "rng": rng, "return_info": True}
        most = int(read_number(self.max_iter, "max_iter", positive=True))
        structure = "pos" if system.symmetric else "gen"
        try:
            return tla.solve(system.matrix, system.load, assume_a=structure, maxiter=most, **options)
        except np.linalg.LinAlgError as refusal:
            raise ValueError(
                "the graph ties some samples to labels by weights below rounding; widen kernel (a smaller gamma, more "
                "n_neighbors)"
            ) from refusal

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the labels of new samples: the mean over the samples of the graph, by their weights.

        Parameters
        ----------
        X : array_like, shape (m, n_features)
            New samples, or their weights (m, n_samples) to those of the graph where `kernel` is 'precomputed'.

        Returns
        -------
        array, shape (m, n_classes)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        weights = X if self.kernel == "precomputed" else weights_between(self, X, self.X_)
        weights = checked_weights(weights, (X.shape[0], self.X_.shape[0]))
        return _normalised(np.asarray(weights @ self.label_distributions_))

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest label of new samples.

        Parameters
        ----------
        X : array_like, shape (m, n_features)
            As for `predict_proba`.

        Returns
        -------
        array, shape (m,)
        """
        probabilities = self.predict_proba(X)
        return np.asarray(self.classes_[np.argmax(probabilities, axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags


def _normalised(distributions: np.ndarray) -> np.ndarray:
    """Rows that sum to 1, or are zero."""
    total = distributions.sum(axis=1, keepdims=True)
    return np.asarray(distributions / np.where(total == 0, 1.0, total))


class ThermodynamicLabelSpreading(_OnGraph):
    """Label spreading with the parameters and answers of `LabelSpreading`, its iteration replaced by what it tends to.

    The device holds I − αS, with S the weights of a graph divided by the roots of both degrees: sparse where the graph
    is. scikit-learn stops its iteration at a tolerance; this is its limit.

    Parameters
    ----------
    kernel : {"rbf", "knn", "precomputed"} or callable, optional
        Weights of the graph: exp(−γ|x − z|²); 1 for the nearest neighbours; X itself; or ``kernel(X, Z)``.
    gamma : float, optional
        γ.
    n_neighbors : int, optional
        How many neighbours, each sample itself counted.
    alpha : float, optional
        0 < α < 1: how far labels give way to those of their neighbours.
    max_iter : int, optional
        Device runs at most.
    tol : float, optional
        Relative residual of the linear system.
    n_jobs : int, optional
        Processes that look for neighbours.
    device : thermolinalg.devices.Device, optional
        Default: an ideal overdamped `thermolinalg.LangevinDevice`.
    rng, random_state : None, int or generator, optional
        Source of randomness, by either name; None is fresh entropy.

    Attributes
    ----------
    X_ : array or sparse matrix
        The samples.
    classes_ : array, shape (n_classes,)
        Labels.
    label_distributions_ : array, shape (n_samples, n_classes)
        Probabilities of the labels of each sample.
    transduction_ : array, shape (n_samples,)
        The likeliest label of each.
    n_iter_ : int
        Runs of the device, one at least.
    device_time_ : float
        Time that they took, in units of τ.
    n_features_in_ : int
        Number of features.

    Raises
    ------
    ValueError
        In `fit`: no labels, weights that are negative or not finite, or α out of range.

    See Also
    --------
    ThermodynamicLabelPropagation : Labels on graphs.

    References
    ----------
    Zhou et al., Learning with local and global consistency, NeurIPS 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.semi_supervised import ThermodynamicLabelSpreading
    >>> X = [[0.0], [0.1], [0.2], [1.0], [1.1], [1.2]]
    >>> ThermodynamicLabelSpreading(rng=0).fit(X, [0, -1, -1, -1, -1, 1]).transduction_
    array([0, 0, 0, 1, 1, 1])
    """

    def __init__(
        self,
        kernel: Any = "rbf",
        *,
        gamma: float = 20,
        n_neighbors: int = 7,
        alpha: float = 0.2,
        max_iter: int = 100,
        tol: float = 1e-10,
        n_jobs: int | None = None,
        random_state: Any = None,
        device: Any = None,
        rng: Any = None,
    ) -> None:
        super().__init__(
            kernel,
            gamma=gamma,
            n_neighbors=n_neighbors,
            max_iter=max_iter,
            tol=tol,
            n_jobs=n_jobs,
            random_state=random_state,
            device=device,
            rng=rng,
        )
        self.alpha = alpha

    def _system(self, weights: Any, labels: np.ndarray) -> Spread:
        alpha = read_number(self.alpha, "alpha", positive=True)
        if alpha >= 1:
            raise ValueError(f"alpha must be below 1, got {self.alpha!r}: labels would give way altogether")
        return Spread(weights, labels, alpha)


class ThermodynamicLabelPropagation(_OnGraph):
    """Label propagation with the parameters and answers of `LabelPropagation`, its iteration replaced by its limit.

    Known labels stay; each other sample has the mean of its neighbours. The device holds the graph's Laplacian between
    the samples without labels.

    Parameters
    ----------
    kernel, gamma, n_neighbors, max_iter, tol, n_jobs, device, rng, random_state : optional
        As for `ThermodynamicLabelSpreading`.

    Attributes
    ----------
    X_, classes_, label_distributions_, transduction_, n_iter_, device_time_, n_features_in_
        As for `ThermodynamicLabelSpreading`.

    Raises
    ------
    ValueError
        In `fit`: no labels, or weights that are negative, not finite, or below rounding.

    See Also
    --------
    ThermodynamicLabelSpreading : Labels on graphs.

    References
    ----------
    Zhu, Ghahramani and Lafferty, Semi-supervised learning using Gaussian fields and harmonic functions, ICML 2003.

    Examples
    --------
    >>> from thermoapps.semi_supervised import ThermodynamicLabelPropagation
    >>> path = [[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]]
    >>> chain = ThermodynamicLabelPropagation("precomputed", rng=0).fit(path, [0, -1, -1, 1])
    >>> chain.label_distributions_.round(6)[:, 1]
    array([0.      , 0.333333, 0.666667, 1.      ])
    """

    def _system(self, weights: Any, labels: np.ndarray) -> Harmonic:
        return Harmonic(weights, labels)
