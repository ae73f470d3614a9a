"""Optimality conditions of quadratic programs, as the matrix that a device holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._validation import as_nonnegative, checked_array, checked_sparse
from thermolinalg.operators.base import Operator
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.sparse import Sparse

__all__ = ["quasi_definite"]


def quasi_definite(P: Any, A: Any, epsilon: float = 0.0) -> Operator:
    """The matrix [[P, Aᵀ], [−A, εI]]: optimality of min ½xᵀPx − cᵀx under A x = b, with unknowns x and multipliers.

    Its symmetric part diag(P, εI) is positive semidefinite, so that it is stable wherever it is nonsingular: a device
    can hold it as a drift (`assume_a='stable'`) or, as any matrix, in the skew embedding.

    Parameters
    ----------
    P : array_like or sparse array, shape (n, n)
        Symmetric positive semidefinite.
    A : array_like or sparse array, shape (m, n)
        Constraints.
    epsilon : float, optional
        ε ≥ 0.

    Returns
    -------
    Dense or Sparse, shape (n + m, n + m)
        Sparse if P or A is.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN or infinity, ε < 0.

    See Also
    --------
    SkewEmbedding : Embeddings of A that is not symmetric.

    References
    ----------
    R. J. Vanderbei, Symmetric quasidefinite matrices, SIAM J. Optim. 5, 100 (1995), doi:10.1137/0805005.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> K = quasi_definite(np.eye(2), np.array([[1.0, 1.0]]))  # the point of x + y = 1 nearest to (1, 0)
    >>> tla.solve(K, [1.0, 0.0, -1.0]).round(12) + 0.0
    array([1., 0., 0.])
    """
    epsilon = as_nonnegative(epsilon, "epsilon")
    sparse = scipy.sparse.issparse(P) or scipy.sparse.issparse(A)
    blocks = [
        checked_sparse(scipy.sparse.csr_array(x), name) if sparse else checked_array(x, name, ndim=(2,))
        for x, name in ((P, "P"), (A, "A"))
    ]
    p, a = blocks
    if p.shape[0] != p.shape[1] or a.shape[1] != p.shape[0]:
        raise ValueError(f"P must be square and A have as many columns, got shapes {p.shape} and {a.shape}")
    m = a.shape[0]
    if sparse:
        corner = epsilon * scipy.sparse.eye_array(m)
        return Sparse(scipy.sparse.block_array([[p, a.T], [-a, corner]], format="csr"), symmetric=False)
    return Dense(np.block([[p, a.T], [-a, epsilon * np.eye(m)]]), symmetric=False)
