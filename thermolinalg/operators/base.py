"""What A can be: one class that every engine can read, closed under sums, multiples, scaling and transposition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, cast

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import Array, add_multiple, as_array, is_distributed, namespace, same_place, to_numpy
from thermolinalg.operators._rules import Rules
from thermolinalg.operators._scaling import (
    combined,
    rounded_inverse_root,
    same_scaling,
    scaled_array,
    scaled_rows,
    split,
)

__all__ = ["Operator", "Scaled", "Sum", "Transposed"]


class Operator(Rules, LinearOperator):  # type: ignore[misc]
    """A real linear map with the rules the engines can use.

    A subclass gives `apply`, `apply_transposed` where it is not symmetric, and whichever rules it knows exactly:
    `diagonal`, `trace`, `norm_bound`, `eigenvalues`, `dense`, `absolute`, `extended_product`, `scaled`, …. As a SciPy
    `LinearOperator` it works wherever SciPy takes one; sums, multiples by numbers, negatives and transposes of
    operators are operators again, all other expressions are SciPy's.

    Parameters
    ----------
    dtype : dtype
        Real floating type.
    shape : tuple of int
        (m, n).
    like : array, optional
        An array of the namespace, dtype and device that products take and give (default: NumPy, `dtype`).

    See Also
    --------
    Sum, Scaled, Normal : Made of other operators.
    """

    structure = "operator"
    symmetric = True

    def __init__(self, dtype: Any, shape: tuple[int, int], like: Array | None = None) -> None:
        self.like: Array = np.empty(0, dtype) if like is None else like
        super().__init__(np.dtype(str(dtype).removeprefix("torch.")), shape)

    def apply_transposed(self, block: Array) -> Array:
        if self.symmetric:
            return self.apply(block)
        raise NotImplementedError

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        """The operator factor · S A S with S = diag(diagonal) (None: the identity) and factor > 0."""
        return Scaled(self, factor, rows=diagonal, columns=diagonal)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        """The operator factor · diag(rows) A diag(columns) of any A (None: the identity) and factor ≠ 0."""
        return Scaled(self, factor, rows=rows, columns=columns)

    def negated(self) -> Operator:
        """The operator −A; ``-A`` makes it."""
        return Scaled(self, -1.0)

    # -- as SciPy's LinearOperator ------------------------------------------------------------------------------------

    def dot(self, x: Any) -> Any:
        """A x as SciPy's, of vectors whose rows lie on several ranks too."""
        if not is_distributed(x):
            return super().dot(x)
        if x.shape[0] != self.shape[1]:
            raise ValueError(f"{self!r} does not fit x of shape {x.shape}")
        return self.apply(x[:, None])[:, 0] if x.ndim == 1 else self.apply(x)

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

    def __add__(self, other: Any) -> Any:
        return Sum([self, other]) if isinstance(other, Operator) else super().__add__(other)

    def __neg__(self) -> Operator:
        return self.negated()

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Real):
            return super().__mul__(other)
        factor = float(other)
        if not 0 < abs(factor) < float("inf"):
            raise ValueError(f"an operator can only be multiplied by a finite number that is not zero, got {factor!r}")
        return self.scaled(factor) if factor > 0 else self.negated().scaled(-factor)

    def __rmul__(self, other: Any) -> Any:
        return self * other if isinstance(other, Real) else super().__rmul__(other)

    def __truediv__(self, other: Any) -> Any:
        return self * (1 / other) if isinstance(other, Real) else super().__truediv__(other)

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<{m}x{n} {self.structure} operator, {self.dtype}>"


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

    @property
    def couplings(self) -> int:
        return self.operator.couplings

    def apply(self, block: Array) -> Array:
        return self.operator.apply_transposed(block)

    def apply_transposed(self, block: Array) -> Array:
        return self.operator.apply(block)

    def diagonal(self) -> Array | None:
        return self.operator.diagonal()

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

    See Also
    --------
    Normal, Operator, Sum : Made of other operators.
    """

    def __init__(
        self, operator: Operator, factor: float = 1.0, *, rows: Array | None = None, columns: Array | None = None
    ) -> None:
        super().__init__(operator.dtype, operator.shape, operator.like)
        self.operator, self.factor, self.rows, self.columns = operator, factor, rows, columns
        self._before, self._after = split(factor)
        self.structure = operator.structure
        self.symmetric = operator.symmetric and same_scaling(rows, columns)

    @property
    def _scalings(self) -> list[Array]:
        return [scaling for scaling in (self.rows, self.columns) if scaling is not None]

    @property
    def couplings(self) -> int:
        return self.operator.couplings

    def apply(self, block: Array) -> Array:
        return self._after * self._between(self.operator.apply, block, self.columns, self.rows)

    def apply_transposed(self, block: Array) -> Array:
        return self._after * self._between(self.operator.apply_transposed, block, self.rows, self.columns)

    def add_product(self, block: Array, total: Array) -> Array:
        return add_multiple(self._after, self._between(self.operator.apply, block, self.columns, self.rows), total)

    def _between(self, A: Callable[[Array], Array], v: Array, first: Array | None, last: Array | None) -> Array:
        """A product between both scalings, without what of the factor comes after it."""
        return scaled_rows(last, A(scaled_rows(first, v if self._before == 1.0 else self._before * v)))

    def extended_product(self, block: Array) -> Array | None:
        product = self.operator.extended_product(scaled_rows(self.columns, self._before * block))
        return None if product is None else self._after * scaled_rows(self.rows, product)

    def absolute(self, block: Array) -> Array | None:
        sizes = [None if scaling is None else abs(scaling) for scaling in (self.rows, self.columns)]
        product = self.operator.absolute(scaled_rows(sizes[1], self._before * block))
        return None if product is None else abs(self._after) * scaled_rows(sizes[0], product)

    def _adjoint(self) -> Operator:
        if self.symmetric:
            return self
        return Scaled(self.operator._adjoint(), self.factor, rows=self.columns, columns=self.rows)

    def diagonal(self) -> Array | None:
        diagonal = self.operator.diagonal()
        if diagonal is None:
            return None
        for scaling in self._scalings:
            diagonal = diagonal * scaling[: diagonal.shape[0]]
        return self.factor * diagonal

    def trace(self) -> float | None:
        if self._scalings:
            return super().trace()
        trace = self.operator.trace()
        return None if trace is None else self.factor * trace

    def eigenvalues(self) -> Array | None:
        values = None if self._scalings else self.operator.eigenvalues()
        return None if values is None else self.factor * values

    def norm_bound(self) -> float | None:
        bound = self.operator.norm_bound()
        if bound is None:
            return None
        for scaling in self._scalings:
            bound *= float(namespace(scaling).max(abs(scaling)))
        return abs(self.factor) * bound

    def column_squares(self) -> Array | None:
        squares = None if self.rows is not None else self.operator.column_squares()
        if squares is None:
            return None
        return self.factor**2 * (squares if self.columns is None else squares * self.columns**2)

    def dense(self) -> Array:
        return scaled_array(self.operator.dense(), self.rows, self.columns, self.factor)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return self.rescaled(diagonal, diagonal, factor)

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        rows, columns = combined(self.rows, rows), combined(self.columns, columns)
        return Scaled(self.operator, factor * self.factor, rows=rows, columns=columns)

    def jacobi_scaling(self) -> Array | None:
        return None if self._scalings or self.diagonal() is not None else self.operator.jacobi_scaling()

    def negated(self) -> Operator:
        return self.operator if self.factor == -1.0 and not self._scalings else self.rescaled(None, None, -1.0)


class Sum(Operator):
    """A = A₁ + … + A_m of operators of one shape; `A + B` makes it.

    Parameters
    ----------
    terms : sequence of Operator
        The terms; sums among them are merged.

    Raises
    ------
    TypeError
        Terms live in different namespaces.
    ValueError
        No terms, or terms of different shapes.

    See Also
    --------
    Scaled, Normal, Operator : Made of other operators.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Diagonal, Toeplitz
    >>> A = Diagonal([1.0, 2.0, 3.0]) + 2.0 * Toeplitz([1.0, 0.5, 0.0])
    >>> A
    <3x3 sum of diagonal + Toeplitz, float64>
    >>> A.diagonal()
    array([3., 4., 5.])
    """

    structure = "sum"

    def __init__(self, terms: Sequence[Operator]) -> None:
        flat: list[Operator] = []
        for term in terms:
            flat.extend(term.terms if isinstance(term, Sum) else [term])
        self.terms: tuple[Operator, ...] = tuple(flat)
        if not self.terms:
            raise ValueError("terms must not be empty: pass at least one operator")
        first = self.terms[0]
        for term in self.terms:
            if term.shape != first.shape:
                raise ValueError(f"operators of shapes {first.shape} and {term.shape} cannot be added")
            if not same_place(term.like, first.like):
                raise TypeError("operators must all live in NumPy or all in torch on one device to be added")
        likes = [term.like for term in self.terms]
        like = next(like for like in likes if like.dtype == namespace(*likes).result_type(*likes))
        super().__init__(like.dtype, first.shape, like)
        self.symmetric = all(term.symmetric for term in self.terms)

    @staticmethod
    def _total(parts: Sequence[Any]) -> Any:
        """The sum of what all terms know, None if one of them does not."""
        return None if any(part is None for part in parts) else sum(parts[1:], start=parts[0])

    def apply(self, block: Array) -> Array:
        return self._total([term.apply(block) for term in self.terms])

    def apply_transposed(self, block: Array) -> Array:
        return self._total([term.apply_transposed(block) for term in self.terms])

    def extended_product(self, block: Array) -> Array | None:
        return self._total([term.extended_product(block) for term in self.terms])

    def absolute(self, block: Array) -> Array | None:
        return self._total([term.absolute(block) for term in self.terms])

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Sum([term._adjoint() for term in self.terms])

    def diagonal(self) -> Array | None:
        return self._total([term.diagonal() for term in self.terms])

    def trace(self) -> float | None:
        return cast("float | None", self._total([term.trace() for term in self.terms]))

    def norm_bound(self) -> float | None:
        return cast("float | None", self._total([term.norm_bound() for term in self.terms]))

    def dense(self) -> Array:
        return self._total([term.dense() for term in self.terms])

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return Sum([term.scaled(factor, diagonal) for term in self.terms])

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        return Sum([term.rescaled(rows, columns, factor) for term in self.terms])

    def negated(self) -> Operator:
        return Sum([term.negated() for term in self.terms])

    def jacobi_scaling(self) -> Array | None:
        return rounded_inverse_root(self.diagonal())

    def __repr__(self) -> str:
        return f"<{self.shape[0]}x{self.shape[1]} sum of {' + '.join(t.structure for t in self.terms)}, {self.dtype}>"
