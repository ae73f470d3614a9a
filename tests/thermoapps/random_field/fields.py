"""Fields of every kind, declared once, and the exact Gaussian process that each of them is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from thermoapps.random_field import GaussianField, Grid

PLANE = Grid((9, 8), spacing=(1.0, 1.5), origin=(5.0, -3.0))


def ring(n: int = 30) -> Any:
    links = sp.eye_array(n, k=1, format="lil")
    links[0, n - 1] = 1.0
    return sp.csr_array(links + links.T)


def coordinates() -> np.ndarray:
    return np.column_stack([np.ones(PLANE.size), PLANE.nodes])


FIELDS = {
    "matern": GaussianField.from_matern(PLANE, range=5.0, standard_deviation=2.0),
    "rough matern": GaussianField.from_matern(PLANE, range=5.0, standard_deviation=2.0, alpha=1),
    "space": GaussianField.from_matern(Grid((4, 3, 5), 0.5), range=1.5),
    "graph": GaussianField.graph(ring(), kappa=0.4, scale=3.0),
    "one node": GaussianField([[4.0]]),
    "intrinsic walk": GaussianField.on_grid((40,), scale=0.7),
    "intrinsic of order 2": GaussianField.on_grid((6, 7), order=2),
    "two parts": GaussianField.graph(sp.block_diag([ring(12), ring(9)])),
    "unknown mean": GaussianField.from_matern(PLANE, range=5.0).with_trend(),
    "trend": GaussianField.from_matern(PLANE, range=5.0).with_trend(coordinates()),
}

IMPROPER = [name for name, field in FIELDS.items() if field.null_space.shape[1]]


@dataclass
class Exact:
    """Mean and covariance (n,), (n, n) of the nodes, and the log evidence, by the formulas of universal kriging."""

    mean: np.ndarray
    covariance: np.ndarray
    log_evidence: float
    coefficients: np.ndarray
    rounding: float


def kriging(S: np.ndarray, B: np.ndarray, H: np.ndarray, y: np.ndarray, noise: Any) -> Exact:
    """The field of covariance S with the flat trend B, given y = H x + noise; no precision and no device in it."""
    V = H @ S @ H.T + np.diag(np.broadcast_to(noise, len(y)) ** 2.0)
    X, gain = H @ B, np.linalg.solve(V, H @ S).T
    information = X.T @ np.linalg.solve(V, X)
    coefficients = np.linalg.solve(information, X.T @ np.linalg.solve(V, y))
    r, left = y - X @ coefficients, B - gain @ X
    logs = np.linalg.slogdet(V)[1] + np.linalg.slogdet(information)[1] + (len(y) - B.shape[1]) * np.log(2 * np.pi)
    return Exact(
        B @ coefficients + gain @ r,
        S - gain @ H @ S + left @ np.linalg.solve(information, left.T),
        float(-(logs + r @ np.linalg.solve(V, r)) / 2),
        coefficients,
        1e-15 * float(np.linalg.cond(V)) * (1.0 + float(r @ np.linalg.solve(V, r))),
    )


def exact(name: str, H: Any, y: np.ndarray, noise: Any) -> Exact:
    """What the field of this name has to say."""
    field = FIELDS[name]
    n, H = field.size, H.toarray() if sp.issparse(H) else H
    if field.covariates:
        prior, B = FIELDS["matern"].precision.toarray() * 4.0, coordinates()[:, : field.covariates]
    else:
        prior, B = field.precision.toarray(), field.null_space
    intrinsic = B.shape[1] and not field.covariates
    S = np.linalg.pinv(prior, rcond=1e-12, hermitian=True) if intrinsic else np.linalg.inv(prior)
    assert S.shape == (n, n)
    return kriging(S, B, H, y, noise)
