"""Real matrices for the demonstration, from data that scikit-learn brings along."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse

__all__ = ["Problem", "problems"]


@dataclass(frozen=True)
class Problem:
    """A positive definite system from data.

    Parameters
    ----------
    name : str
        Data and matrix.
    A : ndarray or csr_array, shape (d, d)
    b : ndarray, shape (d,)
    labels : tuple of str, optional
        Names of the nodes, where they have some.
    """

    name: str
    A: Any
    b: np.ndarray
    labels: tuple[str, ...] = ()

    @property
    def dense(self) -> np.ndarray:
        """A as an array, for the digital comparison."""
        return np.asarray(self.A.toarray() if scipy.sparse.issparse(self.A) else self.A)


def problems(size: int | None = None) -> list[Problem]:
    """Normal and kernel matrices of two data sets, and the Laplacian of a graph.

    Parameters
    ----------
    size : int, optional
        Most rows taken of each data set; default: all.

    Returns
    -------
    list of Problem

    Raises
    ------
    ImportError
        Scikit-learn is missing.
    """
    try:
        from sklearn.datasets import load_diabetes, load_digits
        from sklearn.metrics.pairwise import rbf_kernel
        from sklearn.neighbors import kneighbors_graph
    except ImportError as error:
        raise ImportError(
            "the demo needs scikit-learn; install it with: pip install 'thermolinalg[sklearn]'"
        ) from error

    diabetes, digits = load_diabetes(), load_digits()
    X, y = _standardised(diabetes.data[:size]), _standardised(diabetes.target[:size])
    D, digit = digits.data[:size] / 16, _standardised(digits.target[:size])
    neighbours = kneighbors_graph(D, n_neighbors=8)
    graph = neighbours.maximum(neighbours.T)
    laplacian = scipy.sparse.csgraph.laplacian(graph)
    return [
        Problem("diabetes, normal matrix", _normal(X, 1e-2), X.T @ y / len(X), tuple(diabetes.feature_names)),
        Problem("diabetes, RBF kernel", rbf_kernel(X) + 0.1 * np.eye(len(X)), y),
        Problem("digits, normal matrix", _normal(D, 1e-2), D.T @ digit / len(D)),
        Problem("digits, RBF kernel", rbf_kernel(D, gamma=0.1) + 0.1 * np.eye(len(D)), digit),
        # A tenth of a conductance from each node to ground makes the Laplacian positive definite.
        Problem(
            "digits, graph Laplacian", scipy.sparse.csr_array(laplacian + 0.1 * scipy.sparse.eye_array(len(D))), digit
        ),
    ]


def _standardised(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))


def _normal(X: np.ndarray, ridge: float) -> np.ndarray:
    """XᵀX/n + λI."""
    return np.asarray(X.T @ X / len(X) + ridge * np.eye(X.shape[1]))
