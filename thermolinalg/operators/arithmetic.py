"""Sums and positive multiples of operators."""

from __future__ import annotations

from collections.abc import Sequence

from thermolinalg._arrays import Array, namespace, same_place
from thermolinalg.operators._checks import rounded_inverse_root
from thermolinalg.operators.base import Operator

__all__ = ["Sum", "positive_multiple"]


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

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg.operators import Diagonal, Toeplitz
    >>> A = Diagonal([1.0, 2.0, 3.0]) + 2.0 * Toeplitz([1.0, 0.5, 0.0])
    >>> A
    <3x3 sum operator of diagonal + Toeplitz, float64>
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
        xp = namespace(*likes)
        like = xp.empty(0, dtype=xp.result_type(*likes), device=first.like.device)
        super().__init__(like.dtype, first.shape, like)
        self.symmetric = all(term.symmetric for term in self.terms)

    def apply(self, block: Array) -> Array:
        products = [term.apply(block) for term in self.terms]
        return sum(products[1:], start=products[0])

    def apply_transposed(self, block: Array) -> Array:
        products = [term.apply_transposed(block) for term in self.terms]
        return sum(products[1:], start=products[0])

    def _adjoint(self) -> Operator:
        return self if self.symmetric else Sum([term.T for term in self.terms])

    def absolute(self, block: Array) -> Array | None:
        total: Array = 0.0
        for term in self.terms:
            product = term.absolute(block)
            if product is None:
                return None
            total = total + product
        return total

    def diagonal(self) -> Array | None:
        total: Array = 0.0
        for term in self.terms:
            diagonal = term.diagonal()
            if diagonal is None:
                return None
            total = total + diagonal
        return total

    def trace(self) -> float | None:
        traces = [term.trace() for term in self.terms]
        return None if None in traces else sum(t for t in traces if t is not None)

    def norm_bound(self) -> float | None:
        bounds = [term.norm_bound() for term in self.terms]
        return None if None in bounds else sum(b for b in bounds if b is not None)

    def dense(self) -> Array:
        matrices = [term.dense() for term in self.terms]
        return sum(matrices[1:], start=matrices[0])

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        return Sum([term.scaled(factor, diagonal) for term in self.terms])

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        return Sum([term.rescaled(rows, columns, factor) for term in self.terms])

    def negated(self) -> Operator:
        return Sum([term.negated() for term in self.terms])

    def jacobi_scaling(self) -> Array | None:
        return rounded_inverse_root(self.diagonal())

    def __repr__(self) -> str:
        m, n = self.shape
        return f"<{m}x{n} sum operator of {' + '.join(term.structure for term in self.terms)}, {self.dtype}>"


def positive_multiple(operator: Operator, factor: float) -> Operator:
    """The operator c · A with c > 0; `c * A` makes it.

    Parameters
    ----------
    operator : Operator
        A.
    factor : float
        c.

    Returns
    -------
    Operator
        With the structure of A.

    Raises
    ------
    ValueError
        c is not positive and finite.

    Examples
    --------
    >>> from thermolinalg.operators import Diagonal
    >>> 2.0 * Diagonal([1.0, 3.0])
    <2x2 diagonal operator, float64>
    """
    if not 0 < factor < float("inf"):
        raise ValueError(
            f"an operator can only be multiplied by a positive finite number, got {factor!r}: devices need A positive "
            "semidefinite; -(c * A) and A - B give SciPy's general LinearOperator"
        )
    return operator.scaled(factor)
