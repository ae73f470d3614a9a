"""What rounding does to a posterior: where it shows, and how far it moves the evidence."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import spsolve

from thermoapps.random_field.observing import Observations

__all__ = ["rounding_of_data", "sharpness"]


def sharpness(weighted: Any, Q: Any) -> float:
    """Largest information of data on a node, in units of what its neighbours have; `weighted` is R^{-1/2} H."""
    gained, had = weighted.multiply(weighted).sum(axis=0), Q.diagonal()
    return float(np.max(np.divide(gained, had, out=np.zeros_like(had), where=had > 0)))


def rounding_of_data(Q: Any, noisy: Observations, exact: Observations, solved: np.ndarray, x: np.ndarray) -> float:
    """What the energy at the mean x moves by as y and H x are rounded: by their multipliers, large for close points.

    `exact` holds the independent exact observations, which are solved for the nodes `solved`.
    """
    pulls = (noisy.y - noisy.H @ x) / noisy.noise**2
    forces = Q @ x - noisy.H.T @ pulls
    held = spsolve(sp.csc_array(exact.H[:, solved].T), forces[solved]) if len(exact) else np.zeros(0)
    sizes = [
        np.abs(multipliers) @ (np.abs(part.y) + abs(part.H) @ np.abs(x))
        for part, multipliers in ((noisy, pulls), (exact, np.atleast_1d(held)))
    ]
    return float(8 * np.finfo(float).eps * sum(sizes))
