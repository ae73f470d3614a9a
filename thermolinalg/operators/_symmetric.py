"""Whatever stands for a real symmetric matrix, as an operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from thermolinalg._validation import checked_sparse
from thermolinalg.operators._checks import check_symmetric, real, real_array
from thermolinalg.operators.base import Dense, MatrixFree, Operator, Sparse

__all__ = ["symmetric_operator"]


def symmetric_operator(A: Any, name: str = "A") -> Operator:
    """A symmetric matrix in any form as an `Operator`.

    Parameters
    ----------
    A : array_like, sparse array, Operator or LinearOperator, shape (n, n)
        Real and symmetric; the symmetry of a LinearOperator is taken on trust.
    name : str, optional
        What error messages call it.

    Returns
    -------
    Operator
        Dense, sparse or matrix-free; an `Operator` as it is.

    Raises
    ------
    TypeError
        Complex, masked or object arrays, or np.matrix.
    ValueError
        Not square, symmetric and finite.

    Examples
    --------
    >>> import numpy as np
    >>> symmetric_operator(np.eye(3))
    <3x3 dense operator, float64>
    """
    if isinstance(A, Operator):
        operator = A
    elif isinstance(A, LinearOperator):
        if np.dtype(A.dtype).kind == "c":
            raise TypeError(f"{name} must be real, got dtype {A.dtype}")
        operator = MatrixFree(A)
    elif scipy.sparse.issparse(A):
        matrix = real(checked_sparse(A, name), name)
        check_symmetric(matrix, name)
        return Sparse(matrix)
    else:
        matrix = real_array(A, name, 2)
        check_symmetric(matrix, name)
        return Dense(matrix)
    if operator.shape[0] != operator.shape[1] or operator.shape[0] == 0:
        raise ValueError(f"{name} must be square and not empty, got shape {operator.shape}")
    return operator
