"""Graphs of samples, and the linear systems in which labels on them are at rest."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

__all__ = ["Harmonic", "Spread", "checked_weights", "weights_between"]

TIED = 1e-14
"""Part of a degree, for each sample, below which edges are lost in the rounding of the others."""


def weights_between(estimator: Any, X: Any, Z: Any) -> Any:
    """Weights (n, m) of the edges from samples X (n, d) to others Z (m, d), by an estimator's `kernel`."""
    kernel = estimator.kernel
    if kernel == "rbf":
        return rbf_kernel(X, Z, gamma=estimator.gamma)
    if kernel == "knn":
        neighbours = min(int(estimator.n_neighbors), int(Z.shape[0]))
        search = NearestNeighbors(n_neighbors=neighbours, n_jobs=estimator.n_jobs).fit(Z)
        return sp.csr_array(search.kneighbors_graph(X, mode="connectivity"))
    if callable(kernel):
        return kernel(X, Z)
    raise ValueError(f"kernel must be 'rbf', 'knn', 'precomputed' or a function, got {kernel!r}")


def checked_weights(weights: Any, shape: tuple[int, int]) -> Any:
    """Weights as a float array or CSR array of that shape, finite and ≥ 0."""
    found = sp.csr_array(weights, dtype=float) if sp.issparse(weights) else np.asarray(weights, dtype=float)
    if found.shape != shape:
        raise ValueError(f"the weights that kernel makes have shape {found.shape} where the samples need {shape}")
    numbers = found.data if sp.issparse(found) else found
    if not (np.isfinite(numbers).all() and np.all(np.asarray(numbers) >= 0)):
        raise ValueError("the weights of a graph must be finite and ≥ 0: kernel gives others")
    return found


class Spread:
    """(I − αS) F = Y with S = D^{−1/2} W D^{−1/2} without loops: labels that give way to their neighbours by α.

    Where no known label is reached above rounding, samples are as in `Harmonic`.

    Parameters
    ----------
    weights : array or sparse array, shape (n, n)
        W.
    labels : array, shape (n, k)
        Y, zero where unknown.
    alpha : float
        α.

    Attributes
    ----------
    matrix, load : arrays
        Of the linear system.
    symmetric : bool
        Whether its matrix is, and positive definite then.

    References
    ----------
    Zhou et al., Learning with local and global consistency, NeurIPS 2003, equation 4.
    """

    def __init__(self, weights: Any, labels: np.ndarray, alpha: float) -> None:
        W = self._W = _without_loops(weights)
        # Degrees of a directed graph are what comes in, as scikit-learn has them.
        degree = np.asarray(W.sum(axis=0)).ravel()
        root = np.sqrt(np.where(degree > 0, degree, 1.0))
        scaled = (
            W / root / root[:, None] if not sp.issparse(W) else sp.diags_array(1 / root) @ W @ sp.diags_array(1 / root)
        )
        identity = sp.eye_array(len(labels), format="csr") if sp.issparse(W) else np.eye(len(labels))
        self.matrix, self.load = identity - alpha * scaled, labels
        self.symmetric = _is_symmetric(W)
        self._least = TIED * len(labels) * np.asarray(W.sum(axis=1)).ravel()
        self._settled = _reaching(W, np.asarray(labels.any(axis=1)), self._least)

    def distributions(self, x: np.ndarray) -> np.ndarray:
        """Labels of all samples from the solution, whose rows are noise where no label is reached."""
        found = np.where(self._settled[:, None], x, 0.0)
        return _tied(self._W, found, self._settled, self._least)


class Harmonic:
    """(D − W)_UU F_U = W_UL Y_L: labels that stay where they are known, and are the mean of their neighbours elsewhere.

    Samples from which no known label is reached stay without one. A cluster that is tied to the others by weights below
    rounding has the mean of what it is tied to, which is the limit of weak ties.

    Parameters
    ----------
    weights : array or sparse array, shape (n, n)
        W.
    labels : array, shape (n, k)
        Y, zero where unknown.

    Attributes
    ----------
    matrix, load : arrays
        Of the linear system.
    symmetric : bool
        Whether its matrix is, and positive definite then.

    References
    ----------
    Zhu, Ghahramani and Lafferty, Semi-supervised learning using Gaussian fields and harmonic functions, ICML 2003,
    equation 5.
    """

    def __init__(self, weights: Any, labels: np.ndarray) -> None:
        self._W, self._labels = _without_loops(weights), labels
        degree = np.asarray(self._W.sum(axis=1)).ravel()
        self._least = TIED * len(labels) * degree
        known = np.asarray(labels.any(axis=1))
        self._settled = _reaching(self._W, known, self._least)
        self._open = np.flatnonzero(self._settled & ~known)
        rows = self._W[self._open]
        among, own = rows[:, self._open], degree[self._open]
        self.matrix = sp.csr_array(sp.diags_array(own) - among) if sp.issparse(among) else np.diag(own) - among
        self.load = np.asarray(rows @ labels)
        self.symmetric = _is_symmetric(among)

    def distributions(self, x: np.ndarray) -> np.ndarray:
        """Labels of all samples from the solution."""
        found = self._labels.copy()
        found[self._open] = x
        return _tied(self._W, found, self._settled, self._least)


def _without_loops(weights: Any) -> Any:
    """W with a zero diagonal."""
    if sp.issparse(weights):
        return sp.csr_array(weights - sp.diags_array(weights.diagonal()))
    return weights - np.diag(weights.diagonal())


def _is_symmetric(W: Any) -> bool:
    difference = abs(W - W.T)
    return 0 in W.shape or bool(difference.max() <= 1e-14 * abs(W).max())


def _reaching(W: Any, known: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Which samples have a way to a known one along edges that sum to more than that."""
    reached = known
    while True:
        further = reached | (np.asarray(W @ (reached / 1.0)).ravel() > least)
        if (further == reached).all():
            return reached
        reached = further


def _tied(W: Any, labels: np.ndarray, settled: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Labels of all samples that are tied to settled ones by anything, the strongest tie first."""
    found = labels.copy()
    while True:
        ties = np.asarray(W @ (settled / 1.0)).ravel()
        tied = np.flatnonzero((ties > 0) & ~settled)
        if not len(tied):
            return found
        start = np.arange(len(ties)) == tied[np.argmax(ties[tied])]
        cluster = _reaching(W, start, least) & ~settled
        # In units of the strongest tie, for ties may be as small as numbers are.
        drawn = np.asarray(W[np.flatnonzero(cluster)] @ (found / ties[start])).sum(axis=0)
        found[cluster] = drawn / (drawn.sum() or 1.0)
        settled = settled | cluster
