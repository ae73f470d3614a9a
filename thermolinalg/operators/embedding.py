"""The skew embedding: a general A, of any shape and condition, as the coupling of a device that is always stable."""

from __future__ import annotations

import math

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg._validation import as_positive
from thermolinalg.operators.base import Operator
from thermolinalg.operators.dense import Dense
from thermolinalg.operators.sparse import Sparse

__all__ = ["SkewEmbedding", "largest_singular_value_bound"]


class SkewEmbedding(Operator):
    """M = [[αI, A], [−Aᵀ, αI]] from A of shape (m, n): a device that relaxes to the Tikhonov solution of A x = b.

    M is normal with the eigenvalues α ± iσ_j, σ_j the singular values of A, and α where A is rectangular. With the
    load (b, 0) the mean of its lower half is Aᵀ(AAᵀ + α²I)⁻¹b, which tends to the (minimum-norm) solution as α → 0;
    it forgets its start at the rate α, so that with α ∝ σ_min it takes a time proportional to the condition of A,
    where a device that holds AᵀA needs its square.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A, with both products.
    alpha : float
        α > 0, in the units of A.

    Raises
    ------
    ValueError
        α is not positive and finite.

    See Also
    --------
    quasi_definite : Embeddings of A that is not symmetric.

    Examples
    --------
    >>> import numpy as np
    >>> M = SkewEmbedding(Dense(np.array([[2.0, 1.0]]), symmetric=False), 0.5)
    >>> M.dense()
    array([[ 0.5,  2. ,  1. ],
           [-2. ,  0.5,  0. ],
           [-1. ,  0. ,  0.5]])
    """

    structure = "skew embedding"
    symmetric = False

    def __init__(self, matrix: Operator, alpha: float) -> None:
        m, n = matrix.shape
        super().__init__(matrix.dtype, (m + n, m + n), matrix.like)
        self.matrix, self.alpha = matrix, as_positive(alpha, "alpha")

    @property
    def couplings(self) -> int:
        return 2 * self.matrix.couplings + int(self.shape[0])

    def apply(self, block: Array) -> Array:
        return self._times(block, 1.0)

    def apply_transposed(self, block: Array) -> Array:
        return self._times(block, -1.0)

    def _times(self, block: Array, sign: float) -> Array:
        """(αu ± A v, αv ∓ Aᵀu)."""
        m = self.matrix.shape[0]
        u, v = block[:m], block[m:]
        crossed = [sign * self.matrix.apply(v), -sign * self.matrix.apply_transposed(u)]
        return self.alpha * block + namespace(block).concat(crossed, axis=0)

    def diagonal(self) -> Array:
        return as_array(namespace(self.like).full((self.shape[0],), self.alpha), self.like)

    def norm_bound(self) -> float | None:
        """Upper bound of the largest |eigenvalue|, sqrt(α² + σ_max²), or None where A gives none."""
        bound = largest_singular_value_bound(self.matrix)
        return None if bound is None else math.hypot(self.alpha, bound)


def largest_singular_value_bound(matrix: Operator) -> float | None:
    """Cheap upper bound of σ_max, or None: the norm of a symmetric A, ‖A‖_F, or sqrt(‖A‖₁ ‖A‖_∞) of a sparse A.

    Parameters
    ----------
    matrix : Operator, shape (m, n)

    Returns
    -------
    float or None
    """
    if isinstance(matrix, Sparse) and min(matrix.shape):
        magnitudes = abs(matrix.matrix)
        return math.sqrt(float(magnitudes.sum(axis=0).max())) * math.sqrt(float(magnitudes.sum(axis=1).max()))
    # What bounds the largest eigenvalue bounds the largest singular value of a symmetric A only; ‖A‖_F always does.
    return matrix.norm_bound() if matrix.symmetric or isinstance(matrix, Dense) else None
