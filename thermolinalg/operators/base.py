"""What A can be: one class that every engine can read, and its dense, sparse and matrix-free forms."""

from __future__ import annotations

import contextlib
from numbers import Real
from typing import Any, cast

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, as_array, is_torch, namespace, to_numpy
from thermolinalg.operators._scaling import row_blocks, same_scaling, scaled_array, scaled_entries

__all__ = ["Dense", "MatrixFree", "Operator", "Scaled", "Sparse"]


class Operator(LinearOperator):  # type: ignore[misc]
    """A real linear map with the rules the engines can use.

    A subclass gives `apply`, and whichever of `diagonal`, `trace`, `norm_bound`, `eigenvalues`, `dense` and
    `scaled` it knows exactly. As a SciPy `LinearOperator` it works wherever SciPy takes one.

    Parameters
    ----------
    dtype : dtype
        Real floating type.
    shape : tuple of int
        (m, n).
    like : array, optional
        An array of the namespace, dtype and device that products take and give (default: NumPy, `dtype`).
    """

    structure = "operator"
    symmetric = True

    def __init__(self, dtype: Any, shape: tuple[int, int], like: Array | None = None) -> None:
        self.like: Array = np.empty(0, dtype) if like is None else like
        super().__init__(np.dtype(str(dtype).removeprefix("torch.")), shape)

    # -- products ---------------------------------------------------------------------------------------------------

    def apply(self, block: Array) -> Array:
        """Product A V with a block of vectors V (n, k), in the operator's own namespace."""
        raise NotImplementedError

    def apply_transposed(self, block: Array) -> Array:
        """Product Aᵀ U with a block of vectors U (m, k); the same as `apply` for symmetric operators."""
        if self.symmetric:
            return self.apply(block)
        raise NotImplementedError

    def _matmat(self, x: np.ndarray) -> np.ndarray:
        return to_numpy(self.apply(as_array(x, self.like)))

    def _rmatmat(self, x: np.ndarray) -> np.ndarray:
        return to_numpy(self.apply_transposed(as_array(x, self.like)))

    def _matvec(self, x: np.ndarray) -> np.ndarray:
        return self._matmat(x.reshape(-1, 1))[:, 0]

    def _rmatvec(self, x: np.ndarray) -> np.ndarray:
        return self._rmatmat(x.reshape(-1, 1))[:, 0]

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Transposed(self)

    def _transpose(self) -> Operator:
        return self._adjoint()

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        """b − A (x + low) accumulated in extended precision, or None where there is none."""
        return None

    def absolute(self, block: Array) -> Array | None:
        """|A| V for a block V ≥ 0 (n, k), with |A| the entries' absolute values or an upper bound of them, or None."""
        return None

    @property
    def order(self) -> int:
        """Order of the largest matrix that has to be diagonalised as a whole: rounding of eigenvalues grows with it."""
        return int(self.shape[0])

    # -- exact rules, None where there is none ------------------------------------------------------------------------

    def diagonal(self) -> Array | None:
        """Diagonal entries (n,), or None."""
        return None

    def trace(self) -> float | None:
        """Trace, or None."""
        diagonal = self.diagonal()
        return None if diagonal is None else float(namespace(diagonal).sum(diagonal))

    def eigenvalues(self) -> Array | None:
        """All eigenvalues (n,) where the structure gives them cheaply, in no particular order, or None."""
        return None

    def norm_bound(self) -> float | None:
        """Cheap upper bound of the largest eigenvalue in size, or None."""
        return None

    def dense(self) -> Array:
        """The matrix itself (m, n)."""
        n = self.shape[1]
        identity = as_array(np.eye(n), self.like)
        return self.apply(identity)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        """The operator factor · S A S with S = diag(diagonal) (None: the identity) and factor > 0."""
        return Scaled(self, factor, rows=diagonal, columns=diagonal)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        """The operator factor · diag(rows) A diag(columns) of any A (None: the identity) and factor ≠ 0."""
        return Scaled(self, factor, rows=rows, columns=columns)

    def negated(self) -> Operator:
        """The operator −A."""
        return Scaled(self, -1.0)

    def jacobi_scaling(self) -> Array | None:
        """Entries of the S that gives S A S a unit diagonal without harming the structure, or None."""
        return None

    # -- sums and positive multiples keep the rules; all other expressions are SciPy's ---------------------------------

    def __add__(self, other: Any) -> Any:
        from thermolinalg.operators.arithmetic import Sum

        return Sum([self, other]) if isinstance(other, Operator) else super().__add__(other)

    def __mul__(self, other: Any) -> Any:
        from thermolinalg.operators.arithmetic import positive_multiple

        return positive_multiple(self, float(other)) if isinstance(other, Real) else super().__mul__(other)

    def __rmul__(self, other: Any) -> Any:
        return self * other if isinstance(other, Real) else super().__rmul__(other)

    def __truediv__(self, other: Any) -> Any:
        return self * (1 / other) if isinstance(other, Real) else super().__truediv__(other)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<{m}x{n} {self.structure} operator, {self.dtype}>"


def _inverse_root(diagonal: Array) -> Array:
    """1/sqrt of the diagonal rounded to powers of two, so that scaling itself makes no rounding errors."""
    xp = namespace(diagonal)
    return 2.0 ** xp.round(-0.5 * xp.log2(diagonal))


def _extended_residual(matrix: Any, b: np.ndarray, x: np.ndarray, low: np.ndarray) -> np.ndarray:
    wide = np.longdouble if matrix.dtype == np.float64 else np.float64
    product = matrix.astype(wide) @ (x.astype(wide) + low.astype(wide))
    return np.asarray(b.astype(wide) - product, dtype=b.dtype)


class Dense(Operator):
    """A symmetric matrix held as an array.

    Parameters
    ----------
    matrix : array_like, shape (n, n)
        NumPy array or torch tensor.
    symmetric : bool, optional
        Whether Aᵀ = A.
    """

    structure = "dense"

    def __init__(self, matrix: Array, *, symmetric: bool = True) -> None:
        super().__init__(matrix.dtype, tuple(matrix.shape), matrix)
        self.matrix = matrix
        self.symmetric = symmetric

    def apply(self, block: Array) -> Array:
        return self.matrix @ block

    def apply_transposed(self, block: Array) -> Array:
        return self.matrix.T @ block

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Dense(self.matrix.T, symmetric=False)

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        return None if is_torch(self.matrix) else _extended_residual(self.matrix, b, x, low)

    def absolute(self, block: Array) -> Array:
        parts = [abs(self.matrix[part]) @ block for part in row_blocks(self.shape)]
        return namespace(self.matrix).concat([self.matrix[:0] @ block, *parts])

    def diagonal(self) -> Array:
        return namespace(self.matrix).linalg.diagonal(self.matrix)

    def norm_bound(self) -> float:
        xp = namespace(self.matrix)
        # The Frobenius norm needs no copy of |A|; both bound the largest eigenvalue.
        return float(xp.linalg.vector_norm(self.matrix))

    def dense(self) -> Array:
        return self.matrix

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        if diagonal is None:
            return Dense(self.matrix * factor, symmetric=self.symmetric)
        matrix = self.matrix * (factor * diagonal)
        matrix *= diagonal[:, None]
        return Dense(matrix, symmetric=self.symmetric)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        symmetric = self.symmetric and same_scaling(rows, columns)
        return Dense(scaled_array(self.matrix, rows, columns, factor), symmetric=symmetric)

    def negated(self) -> Operator:
        return Dense(-self.matrix, symmetric=self.symmetric)

    def jacobi_scaling(self) -> Array:
        return _inverse_root(self.diagonal())


class Sparse(Operator):
    """A symmetric matrix held as a SciPy sparse array.

    Parameters
    ----------
    matrix : sparse array, shape (n, n)
        Brought to CSR form.
    symmetric : bool, optional
        Whether Aᵀ = A.
    """

    structure = "sparse"

    def __init__(self, matrix: Any, *, symmetric: bool = True) -> None:
        self.matrix = scipy.sparse.csr_array(matrix)
        self.symmetric = symmetric
        super().__init__(self.matrix.dtype, self.matrix.shape)

    def apply(self, block: Array) -> Array:
        return self.matrix @ block

    def apply_transposed(self, block: Array) -> Array:
        return self.matrix.T @ block

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Sparse(self.matrix.T, symmetric=False)

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        return _extended_residual(self.matrix, b, x, low)

    def absolute(self, block: Array) -> Array:
        return abs(self.matrix) @ block

    def diagonal(self) -> Array:
        return self.matrix.diagonal()

    @property
    def is_diagonal(self) -> bool:
        """Whether nothing is stored off the diagonal."""
        rows, columns = self.matrix.nonzero()
        return self.symmetric and bool(np.array_equal(rows, columns))

    def eigenvalues(self) -> Array | None:
        return self.diagonal() if self.is_diagonal else None

    def norm_bound(self) -> float:
        return float(abs(self.matrix).sum(axis=1).max())

    def dense(self) -> Array:
        return self.matrix.toarray()

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        if diagonal is None:
            return Sparse(self.matrix * factor, symmetric=self.symmetric)
        scaling = scipy.sparse.diags_array(diagonal)
        return Sparse(scaling @ (self.matrix * factor) @ scaling, symmetric=self.symmetric)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        A = self.matrix
        row = np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))
        data = scaled_entries(A.data, row, A.indices, (rows, columns), factor)
        symmetric = self.symmetric and same_scaling(rows, columns)
        return Sparse(scipy.sparse.csr_array((data, A.indices, A.indptr), A.shape), symmetric=symmetric)

    def negated(self) -> Operator:
        return Sparse(-self.matrix, symmetric=self.symmetric)

    def jacobi_scaling(self) -> Array:
        return _inverse_root(self.diagonal())


def product(operator: LinearOperator, block: np.ndarray) -> np.ndarray:
    """Product of any LinearOperator with a block (n, k); some take nothing but vectors (n,), such as Jacobians."""
    if block.shape[1] != 1:
        with contextlib.suppress(ValueError):
            return np.asarray(operator.matmat(block))
    return np.stack([operator.matvec(column) for column in block.T], axis=1)


class MatrixFree(Operator):
    """A symmetric map known only by its products.

    Parameters
    ----------
    operator : LinearOperator
        Anything `scipy.sparse.linalg.aslinearoperator` takes.
    symmetric : bool, optional
        Whether Aᵀ = A.
    """

    structure = "matrix-free"

    def __init__(self, operator: LinearOperator, *, symmetric: bool = True) -> None:
        self.operator = operator
        self.symmetric = symmetric
        dtype = np.dtype(operator.dtype if operator.dtype is not None else np.float64)
        super().__init__(dtype if dtype.kind == "f" else np.float64, operator.shape)

    def apply(self, block: Array) -> Array:
        return np.asarray(product(self.operator, block), dtype=np.result_type(self.dtype, block.dtype))

    def apply_transposed(self, block: Array) -> Array:
        if self.symmetric:
            return self.apply(block)
        return np.asarray(product(self.operator.H, block), dtype=np.result_type(self.dtype, block.dtype))


class Transposed(Operator):
    """The operator Aᵀ of one that has no form of its own for it; ``A.T`` makes it.

    Parameters
    ----------
    operator : Operator
        A, with both products.
    """

    def __init__(self, operator: Operator) -> None:
        m, n = operator.shape
        super().__init__(operator.dtype, (n, m), operator.like)
        self.operator = operator
        self.structure, self.symmetric = operator.structure, operator.symmetric

    def _adjoint(self) -> Operator:
        return self.operator

    def apply(self, block: Array) -> Array:
        return self.operator.apply_transposed(block)

    def apply_transposed(self, block: Array) -> Array:
        return self.operator.apply(block)

    def diagonal(self) -> Array | None:
        return self.operator.diagonal()

    def trace(self) -> float | None:
        return self.operator.trace()

    def eigenvalues(self) -> Array | None:
        return self.operator.eigenvalues()

    def dense(self) -> Array:
        return self.operator.dense().T

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        return self.operator.rescaled(columns, rows, factor)._adjoint()


class Scaled(Operator):
    """The operator factor · diag(rows) A diag(columns) of one that keeps no rule of its own under scaling.

    Parameters
    ----------
    operator : Operator
        A, which is scaled.
    factor : float
        Not zero.
    rows : array, shape (m,), optional
        Scaling from the left; None is the identity.
    columns : array, shape (n,), optional
        Scaling from the right; symmetry is kept where it is the same as `rows`.
    """

    def __init__(
        self, operator: Operator, factor: float = 1.0, *, rows: Array | None = None, columns: Array | None = None
    ) -> None:
        super().__init__(operator.dtype, operator.shape, operator.like)
        self.operator, self.factor, self.rows, self.columns = operator, factor, rows, columns
        self.structure = operator.structure
        self.symmetric = operator.symmetric and same_scaling(rows, columns)

    def apply(self, block: Array) -> Array:
        product = self.operator.apply(_times(self.columns, block))
        return self.factor * _times(self.rows, product)

    def apply_transposed(self, block: Array) -> Array:
        product = self.operator.apply_transposed(_times(self.rows, block))
        return self.factor * _times(self.columns, product)

    def _adjoint(self) -> Operator:
        if self.symmetric:
            return self
        return Scaled(self.operator.T, self.factor, rows=self.columns, columns=self.rows)

    def absolute(self, block: Array) -> Array | None:
        product = self.operator.absolute(_times(_size(self.columns), block))
        return None if product is None else abs(self.factor) * _times(_size(self.rows), product)

    def diagonal(self) -> Array | None:
        diagonal = self.operator.diagonal()
        if diagonal is None:
            return None
        for scaling in (self.rows, self.columns):
            diagonal = diagonal if scaling is None else diagonal * scaling[: diagonal.shape[0]]
        return self.factor * diagonal

    def eigenvalues(self) -> Array | None:
        values = self.operator.eigenvalues() if self.rows is None and self.columns is None else None
        return None if values is None else self.factor * values

    def norm_bound(self) -> float | None:
        bound = self.operator.norm_bound()
        if bound is None:
            return None
        for scaling in (self.rows, self.columns):
            bound *= 1.0 if scaling is None else float(namespace(scaling).max(abs(scaling)))
        return abs(self.factor) * bound

    def dense(self) -> Array:
        return scaled_array(self.operator.dense(), self.rows, self.columns, self.factor)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        return Scaled(
            self.operator, factor * self.factor, rows=_both(self.rows, rows), columns=_both(self.columns, columns)
        )

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return self.rescaled(diagonal, diagonal, factor)

    def negated(self) -> Operator:
        if self.factor == -1.0 and self.rows is None and self.columns is None:
            return self.operator
        return self.rescaled(None, None, -1.0)


def _times(scaling: Array | None, block: Array) -> Array:
    return block if scaling is None else scaling[:, None] * block


def _size(scaling: Array | None) -> Array | None:
    return None if scaling is None else abs(scaling)


def _both(first: Array | None, second: Array | None) -> Array | None:
    return second if first is None else first if second is None else first * second


def place(operator: Operator) -> Array:
    """An empty array where the operator's vectors live (namespace, dtype, device)."""
    return cast(Any, operator.like)[:0] if is_torch(operator.like) else operator.like
