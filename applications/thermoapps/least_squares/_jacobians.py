"""What the search asks of a Jacobian, whether it is an array, sparse or a LinearOperator."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, issparse
from scipy.sparse.linalg import LinearOperator, aslinearoperator

__all__ = ["as_jacobian", "column_norms", "columns", "is_finite", "magnitude", "scaled"]

Vector = NDArray[np.float64]


def as_jacobian(value: Any) -> Any:
    """What a user's function returned, as a float array of two dimensions, a csr_array or a LinearOperator."""
    if isinstance(value, LinearOperator):
        return value
    if issparse(value):
        return csr_array(value, dtype=float)
    return np.atleast_2d(np.asarray(value, dtype=float))


def is_finite(jacobian: Any) -> bool:
    """Whether no entry is NaN or infinite; what an operator holds is not looked at."""
    if isinstance(jacobian, LinearOperator):
        return True
    return bool(np.all(np.isfinite(jacobian.data if issparse(jacobian) else jacobian)))


def column_norms(jacobian: Any) -> Vector | None:
    """Norms of the columns, by squares that neither overflow nor underflow; None for an operator."""
    if isinstance(jacobian, LinearOperator):
        return None
    if not issparse(jacobian):
        largest = np.max(abs(jacobian), axis=0, initial=0.0)
        largest[largest == 0] = 1.0
        return np.asarray(np.linalg.norm(jacobian / largest, axis=0) * largest)
    sizes = abs(jacobian)
    largest = sizes.max(axis=0).toarray().ravel()
    largest[largest == 0] = 1.0
    return np.asarray(np.sqrt((sizes @ diags_array(1 / largest)).power(2).sum(axis=0)) * largest)


def scaled(jacobian: Any, *, rows: Vector | None = None, columns: Vector | None = None) -> Any:
    """The same kind of Jacobian with rows and columns multiplied by numbers."""
    if rows is not None:
        left = diags_array(rows)
        if isinstance(jacobian, LinearOperator):
            jacobian = aslinearoperator(left) @ jacobian
        else:
            jacobian = (left @ jacobian).tocsr() if issparse(jacobian) else rows[:, None] * jacobian
    if columns is not None:
        right = diags_array(columns)
        if isinstance(jacobian, LinearOperator):
            jacobian = jacobian @ aslinearoperator(right)
        else:
            jacobian = (jacobian @ right).tocsr() if issparse(jacobian) else jacobian * columns
    return jacobian


def columns(jacobian: Any, chosen: NDArray[np.bool_]) -> Any:
    """Some of the columns."""
    if chosen.all():
        return jacobian
    if isinstance(jacobian, LinearOperator):
        embedding = diags_array(np.ones(chosen.size), format="csc")[:, chosen]
        return jacobian @ aslinearoperator(embedding)
    return jacobian[:, np.flatnonzero(chosen)]


def magnitude(jacobian: Any, x: Vector) -> Vector:
    """|J||x|, what cancels in residuals at the least; of an operator |J x|."""
    if isinstance(jacobian, LinearOperator):
        return np.asarray(abs(jacobian @ x))
    return np.asarray(abs(jacobian) @ abs(x))
