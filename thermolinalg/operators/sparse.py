"""A held as a sparse array."""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, as_array, as_float64, dtype_name
from thermolinalg.operators._scaling import inverse_root, same_scaling, scaled_entries
from thermolinalg.operators.base import Operator
from thermolinalg.operators.sliced import SLICED_EPS, Sliced, bits_of_slices, one_by_one, sparse_slices

try:
    # SciPy's own kernels add to what is there; its public product allocates, and adding takes two passes more.
    from scipy.sparse._sparsetools import csr_matvec, csr_matvecs
except ImportError:  # not part of its interface
    csr_matvec = csr_matvecs = None

__all__ = ["Sparse"]


class Sparse(Operator):
    """A matrix held as a SciPy sparse array.

    Parameters
    ----------
    matrix : sparse array, shape (m, n)
        Brought to CSR form.
    symmetric : bool, optional
        Whether Aᵀ = A.

    See Also
    --------
    MatrixFree, Diagonal, Dense : Matrices by how they are stored.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.sparse
    >>> A = Sparse(scipy.sparse.diags_array([[1.0], [2.0, 2.0], [1.0]], offsets=[-1, 0, 1]))
    >>> A
    <2x2 sparse operator, float64>
    >>> A @ np.array([1.0, 0.0])
    array([2., 1.])
    """

    structure = "sparse"

    def __init__(self, matrix: Any, *, symmetric: bool = True) -> None:
        self.matrix = scipy.sparse.csr_array(matrix)
        self.symmetric = symmetric
        super().__init__(self.matrix.dtype, self.matrix.shape)

    def holding(self, matrix: Any, *, symmetric: bool = True) -> Sparse:
        """Another matrix of the same precision, whose vectors live where those of this one do.

        Parameters
        ----------
        matrix : sparse array, shape (m, n)
        symmetric : bool, optional
            Whether it is.
        """
        return Sparse(matrix, symmetric=symmetric)

    def multiplier(self, matrix: Any) -> Any:
        """What `@` multiplies vectors of this operator with: a SciPy sparse array (m, n) as its namespace has it."""
        return matrix

    @cached_property
    def _multiplier(self) -> Any:
        return self.multiplier(self.matrix)

    @cached_property
    def _transposed(self) -> Any:
        """A view that SciPy multiplies about as fast as the matrix itself."""
        return self.multiplier(self.matrix.T)

    @property
    def couplings(self) -> int:
        return int(self.matrix.nnz)

    def apply(self, block: Array) -> Array:
        return self._multiplier @ block

    def apply_transposed(self, block: Array) -> Array:
        return self._transposed @ block

    def add_product(self, block: Array, total: Array) -> Array:
        A, fit = self.matrix, block.dtype == total.dtype == self.matrix.dtype
        if not (fit and csr_matvecs and block.flags.c_contiguous and total.flags.c_contiguous):
            return super().add_product(block, total)
        (m, n), k = A.shape, block.shape[1]
        x, y = block.reshape(-1), total.reshape(-1)
        if k == 1:
            csr_matvec(m, n, A.indptr, A.indices, A.data, x, y)
        else:
            csr_matvecs(m, n, k, A.indptr, A.indices, A.data, x, y)
        return total

    def extended_product(self, block: Array) -> Array:
        wide = self.matrix.astype(dtype_name(block))
        return self.multiplier(wide) @ block

    @property
    def extended_eps(self) -> float:
        return SLICED_EPS if self.matrix.dtype == np.float64 else super().extended_eps

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        double = dtype_name(b) == "float64"
        return self._sliced.residual(b, x, low) if double else super().extended_residual(b, x, low)

    @cached_property
    def _sliced(self) -> Sliced:
        """A in slices, for residuals of twice the precision."""
        terms = int(np.diff(self.matrix.indptr).max(initial=1))
        bits = bits_of_slices(terms)
        return Sliced([partial(one_by_one, self.multiplier(part)) for part in sparse_slices(self.matrix, bits)], bits)

    def absolute(self, block: Array) -> Array:
        return self.multiplier(abs(self.matrix)) @ block

    def _adjoint(self) -> Operator:
        return self if self.symmetric else self.holding(self.matrix.T, symmetric=False)

    def diagonal(self) -> Array:
        return as_array(self.matrix.diagonal(), self.like)

    @property
    def is_diagonal(self) -> bool:
        """Whether nothing is stored off the diagonal."""
        rows, columns = self.matrix.nonzero()
        return self.symmetric and bool(np.array_equal(rows, columns))

    def eigenvalues(self) -> Array | None:
        return self.diagonal() if self.is_diagonal else None

    def norm_bound(self) -> float:
        return float(abs(self.matrix).sum(axis=1).max())

    def column_squares(self) -> Array:
        return as_array(np.asarray(self.matrix.power(2).sum(axis=0)).ravel(), self.like)

    def dense(self) -> Array:
        return as_array(self.matrix.toarray(), self.like)

    def gram(self) -> Array:
        matrix = self.matrix.astype(np.float64)
        return as_array((matrix @ matrix.T).toarray(), as_float64(self.like))

    def normal(self) -> Array:
        return as_array((self.matrix.T @ self.matrix).toarray(), self.like)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return self.rescaled(diagonal, diagonal, factor)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        A = self.matrix
        data = scaled_entries(A, rows, columns, factor)
        symmetric = self.symmetric and same_scaling(rows, columns)
        return self.holding(scipy.sparse.csr_array((data, A.indices, A.indptr), A.shape), symmetric=symmetric)

    def negated(self) -> Operator:
        return self.holding(-self.matrix, symmetric=self.symmetric)

    def jacobi_scaling(self) -> Array:
        return inverse_root(self.diagonal())
