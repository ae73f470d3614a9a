"""A copy of A that rounding or mismatch has made indefinite, lifted until it is positive definite again."""

from __future__ import annotations

import math

import numpy as np
import scipy.sparse
import scipy.sparse.linalg

from thermolinalg._arrays import as_float64, namespace, plus_identity, to_numpy
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.operators import Dense, Operator, Sparse

__all__ = ["lifted", "missing_lift"]


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
    return step * math.ceil(0.5 - _smallest_eigenvalue(copy) / step) if step > 0 else 0.0


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


def _smallest_eigenvalue(operator: Operator) -> float:
    """Of a symmetric matrix that need not be definite."""
    if isinstance(operator, Sparse):
        matrix = operator.matrix.astype(np.float64)
        return float(scipy.sparse.linalg.eigsh(matrix, k=1, which="SA", return_eigenvectors=False)[0])
    matrix = as_float64(operator.dense())
    return float(to_numpy(namespace(matrix).linalg.eigvalsh(matrix))[0])
