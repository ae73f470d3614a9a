"""A x = b as refinement sees it: products, true residuals in one or two precisions, and the norms that judge them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from thermolinalg._arrays import Array, column_norms, eps, namespace
from thermolinalg.operators import Operator

__all__ = ["Equation", "Measure"]


@dataclass(frozen=True)
class Measure:
    """Units in which residuals and solutions are measured.

    Parameters
    ----------
    rows, columns : array, shape (m, 1) and (n, 1), optional
        Weights of residuals and of solutions; None is one.
    """

    rows: Array | None = None
    columns: Array | None = None

    def residual(self, r: Array) -> Array:
        """Norms (k,) of residuals (m, k)."""
        return column_norms(r if self.rows is None else self.rows * r)

    def solution(self, x: Array) -> Array:
        """Norms (k,) of solutions (n, k)."""
        return column_norms(x if self.columns is None else self.columns * x)


@dataclass(frozen=True)
class Equation:
    """Real A x = b with numbers near one.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A.
    rhs : array, shape (m, k)
        b.
    measures : tuple of Measure
        The user's own units first; then those in which A is balanced, where they differ.
    size : float
        Norm of A in the last of them.
    auxiliary : int
        Leading unknowns that nobody asks for, and whose rounding is no error of the answer.
    """

    matrix: Operator
    rhs: Array
    measures: tuple[Measure, ...]
    size: float
    auxiliary: int = 0

    @cached_property
    def xp(self) -> Any:
        """Namespace of the arrays."""
        return namespace(self.rhs)

    @cached_property
    def eps(self) -> float:
        """Machine epsilon of their dtype."""
        return eps(self.rhs)

    @cached_property
    def loads(self) -> tuple[Array, ...]:
        """Norms (k,) of b in every measure."""
        return self.norms(self.rhs)

    @property
    def balanced(self) -> Measure:
        """The units in which A is balanced: those of backward errors."""
        return self.measures[-1]

    def zero(self) -> Array:
        """x = 0 (n, k)."""
        shape = (self.matrix.shape[1], self.rhs.shape[1])
        return self.xp.zeros(shape, dtype=self.rhs.dtype, device=self.rhs.device)

    def product(self, x: Array) -> Array:
        """A x."""
        return self.matrix.apply(x)

    def residual(self, x: Array) -> Array:
        """b − A x in working precision."""
        return self.rhs - self.matrix.apply(x)

    def extended(self, x: Array, low: Array) -> Array | None:
        """b − A (x + low) accumulated in extended precision; None where there is none."""
        return self.matrix.extended_residual(self.rhs, x, low)

    def rounded(self, low: Array) -> Array:
        """What an iterate x + low keeps of `low` when the answer is rounded: that of auxiliary unknowns."""
        kept = self.xp.zeros_like(low)
        kept[: self.auxiliary, :] = low[: self.auxiliary, :]
        return kept

    def norms(self, r: Array) -> tuple[Array, ...]:
        """Norms (k,) of a residual in every measure."""
        return tuple(measure.residual(r) for measure in self.measures)

    def lengths(self, x: Array) -> tuple[Array, ...]:
        """Norms (k,) of a solution in every measure."""
        return tuple(measure.solution(x) for measure in self.measures)

    def floor(self, x: Array) -> Array:
        """‖A‖‖x‖ + ‖b‖ (k,) in the balanced units: a residual over it is the normwise backward error."""
        return self.size * self.balanced.solution(x) + self.loads[-1]
