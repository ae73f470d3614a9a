"""A copy of A that rounding or mismatch has made indefinite, lifted until it is positive definite again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import namespace, plus_identity, to_numpy
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.matrix_functions.sparse_factor import symmetric_lu
from thermolinalg.operators import Dense, Operator, Sparse

__all__ = ["lifted", "missing_lift"]

SMALL = 128
"""Nodes up to which all eigenvalues are at once."""


def missing_lift(copy: Operator, asked: Operator, resolution: float) -> float:
    """The smallest μ, in steps of the couplings, that makes a copy of a positive definite matrix positive definite.

    Half a step is left at least, so that the slowest mode relaxes in a time that the resolution sets.

    Parameters
    ----------
    copy : Operator, shape (d, d)
        Symmetric, as it was written.
    asked : Operator, shape (d, d)
        What should have been written.
    resolution : float
        A step, relative to the largest element.

    Returns
    -------
    float
        0 where the copy is positive definite, and where what was asked for is not.
    """
    if copy.shape[0] == 0 or _is_definite(copy) or not _is_definite(asked):
        return 0.0
    if isinstance(copy, Sparse):
        largest = float(np.abs(copy.matrix.data).max(initial=0.0))
    else:
        dense = copy.dense()
        largest = float(namespace(dense).max(abs(dense)))
    step = resolution * largest
    return step * math.ceil(0.5 - _smallest_eigenvalue(copy, asked) / step) if step > 0 else 0.0


def lifted(copy: Operator, mu: float) -> Operator:
    """The copy with a conductance μ to ground at every node, A + μI.

    Parameters
    ----------
    copy : Operator, shape (d, d)
    mu : float

    Returns
    -------
    Operator
    """
    if isinstance(copy, Sparse):
        unit = scipy.sparse.eye_array(copy.shape[0], dtype=copy.matrix.dtype, format="csr")
        return copy.holding(copy.matrix + unit.dtype.type(mu) * unit, symmetric=copy.symmetric)
    return Dense(plus_identity(copy.dense(), mu), symmetric=copy.symmetric)


def _is_definite(operator: Operator) -> bool:
    """Whether it is positive definite to working precision."""
    try:
        lower, upper = Engines(operator).interval()
    except np.linalg.LinAlgError:
        return False
    return lower > operator.rounding * upper


def _smallest_eigenvalue(copy: Operator, asked: Operator) -> float:
    """Of a copy that need not be definite; it lies no farther below zero than the errors of the copy are large."""
    d = copy.shape[0]
    if d <= SMALL:
        return float(np.linalg.eigvalsh(to_numpy(copy.dense()).astype(np.float64))[0])
    matrix, errors = _as_numpy(copy), abs(_as_numpy(copy) - _as_numpy(asked))
    below = -1.01 * float(errors.sum(axis=1).max())
    if scipy.sparse.issparse(matrix):
        solve = symmetric_lu(matrix - below * scipy.sparse.eye_array(d)).solve
    else:
        factor = scipy.linalg.cho_factor(matrix - below * np.eye(d), overwrite_a=True, check_finite=False)

        def solve(v: np.ndarray) -> np.ndarray:
            return np.asarray(scipy.linalg.cho_solve(factor, v, check_finite=False))

    inverse = scipy.sparse.linalg.LinearOperator((d, d), matvec=solve, dtype=np.float64)
    start = np.random.default_rng(0).standard_normal(d)
    largest = scipy.sparse.linalg.eigsh(inverse, k=1, v0=start, tol=1e-6, return_eigenvectors=False)[0]
    return below + 1 / float(largest)


def _as_numpy(operator: Operator) -> Any:
    """A dense or a sparse array in double precision."""
    if isinstance(operator, Sparse):
        return operator.matrix.astype(np.float64)
    return to_numpy(operator.dense()).astype(np.float64)
