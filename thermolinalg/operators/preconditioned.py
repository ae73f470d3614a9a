"""A together with an approximation of its inverse."""

from __future__ import annotations

from thermolinalg._arrays import Array, as_array
from thermolinalg.operators._scaling import same_scaling
from thermolinalg.operators.base import Operator

__all__ = ["Preconditioned"]


class Preconditioned(Operator):
    """A symmetric positive definite A with the M ≈ A⁻¹ by which solves with it are short.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        A.
    inverse : Operator, shape (d, d)
        M, symmetric positive definite; it may live in NumPy where A is in torch.
    """

    def __init__(self, operator: Operator, inverse: Operator) -> None:
        super().__init__(operator.dtype, operator.shape, operator.like)
        self.operator, self.inverse = operator, inverse
        self.structure, self.symmetric = operator.structure, operator.symmetric

    def apply_inverse(self, block: Array) -> Array:
        """M R for a block R (d, k)."""
        return as_array(self.inverse.apply(as_array(block, self.inverse.like)), block)

    def scaled(self, factor: float, diagonal: Array | None = None) -> Operator:
        back = None if diagonal is None else as_array(1 / diagonal, self.inverse.like)
        return Preconditioned(self.operator.scaled(factor, diagonal), self.inverse.scaled(1 / factor, back))

    def rescaled(self, rows: Array | None, columns: Array | None, factor: float = 1.0) -> Operator:
        if factor > 0 and same_scaling(rows, columns):
            return self.scaled(factor, rows)
        return self.operator.rescaled(rows, columns, factor)

    def negated(self) -> Operator:
        return self.operator.negated()

    # -- all else is A's own -------------------------------------------------------------------------------------------

    @property
    def couplings(self) -> int:
        return self.operator.couplings

    def apply(self, block: Array) -> Array:
        return self.operator.apply(block)

    def apply_transposed(self, block: Array) -> Array:
        return self.operator.apply_transposed(block)

    def add_product(self, block: Array, total: Array) -> Array:
        return self.operator.add_product(block, total)

    def absolute(self, block: Array) -> Array | None:
        return self.operator.absolute(block)

    def extended_product(self, block: Array) -> Array | None:
        return self.operator.extended_product(block)

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        return self.operator.extended_residual(b, x, low)

    @property
    def extended_eps(self) -> float:
        return self.operator.extended_eps

    def diagonal(self) -> Array | None:
        return self.operator.diagonal()

    def eigenvalues(self) -> Array | None:
        return self.operator.eigenvalues()

    def norm_bound(self) -> float | None:
        return self.operator.norm_bound()

    def column_squares(self) -> Array | None:
        return self.operator.column_squares()

    def jacobi_scaling(self) -> Array | None:
        return self.operator.jacobi_scaling()

    def dense(self) -> Array:
        return self.operator.dense()
