"""Whether a posterior under a flat prior can be normalised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from thermoapps.bayesian.likelihoods import Likelihood

__all__ = ["is_proper"]

Vector = NDArray[np.float64]

DETERMINED = 1e-9
"""Parts of scores of unit columns that are rounding."""


def is_proper(likelihood: Likelihood, rows: Vector) -> bool:
    """Whether the likelihood falls off in every direction of the coefficients.

    It does not where some direction moves no score, or moves scores only the way in which the likelihood rises for
    ever: a linear program finds the latter, such as a hyperplane that separates the labels.

    Parameters
    ----------
    likelihood : Likelihood
    rows : array, shape (n, d)
        Columns whose coefficients have a flat prior.

    Returns
    -------
    bool

    References
    ----------
    Albert and Anderson, On the existence of maximum likelihood estimates in logistic regression models, Biometrika 71
    (1984) 1.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.bayesian.likelihoods import Bernoulli
    >>> rows = np.array([[1.0, -1.0], [1.0, 1.0], [1.0, 2.0]])
    >>> is_proper(Bernoulli(np.array([0.0, 1.0, 1.0])), rows), is_proper(Bernoulli(np.array([0.0, 1.0, 0.0])), rows)
    (False, True)
    """
    if rows.shape[1] == 0:
        return True
    sizes = np.abs(rows).max(axis=0, initial=0.0)
    if (sizes == 0).any() or np.linalg.matrix_rank(rows / sizes, DETERMINED) < rows.shape[1]:
        return False
    signs, still = likelihood.flat_ways()
    rising = signs[:, None] * rows / sizes
    best = linprog(
        -rising[~still].sum(axis=0),
        A_ub=-rising[~still],
        b_ub=np.zeros(np.count_nonzero(~still)),
        A_eq=rising[still] if still.any() else None,
        b_eq=np.zeros(np.count_nonzero(still)) if still.any() else None,
        bounds=(-1, 1),
    )
    return bool(-best.fun <= DETERMINED * len(rows))
