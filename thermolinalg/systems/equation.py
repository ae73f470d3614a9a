"""A x = b as refinement sees it: products, true residuals in one or two precisions, and the norms that judge them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, column_norms, eps, in_range, namespace, product
from thermolinalg.operators import Operator

__all__ = ["Equation", "Measure"]


@dataclass(frozen=True, eq=False)
class Measure:
    """Units in which residuals and solutions are measured.

    Parameters
    ----------
    rows, columns : array, shape (m, 1) and (n, 1), optional
        Weights of residuals and of solutions; None is one.

    See Also
    --------
    Equation, DeviceInverse, Condition : What is known of a system.
    """

    rows: Array | None = None
    columns: Array | None = None

    def residual(self, r: Array) -> Array:
        """Norms (k,) of residuals (m, k)."""
        return column_norms(r if self.rows is None else self.rows * r)

    def solution(self, x: Array) -> Array:
        """Norms (k,) of solutions (n, k)."""
        return column_norms(x if self.columns is None else self.columns * x)

    @cached_property
    def row_squares(self) -> Array | None:
        """Squares (1, m) of the weights of residuals; None where the dtype cannot hold them."""
        return _squares(self.rows)

    @cached_property
    def column_squares(self) -> Array | None:
        """Squares (1, n) of the weights of solutions; None where the dtype cannot hold them."""
        return _squares(self.columns)


def _squares(weights: Array | None) -> Array | None:
    if weights is None:
        return None
    xp, squares = namespace(weights), (weights * weights).T
    held = (squares >= xp.finfo(weights.dtype).smallest_normal) | (weights == 0).T
    return squares if bool(xp.all(held)) else None


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

    See Also
    --------
    DeviceInverse, Condition, Measure : What is known of a system.
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
    def loads(self) -> Array:
        """Norms (q, k) of b in every measure."""
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

    def asked(self, x: Array) -> Array:
        """Solutions (n, k) without their auxiliary unknowns: zero there."""
        if not self.auxiliary:
            return x
        kept = x + 0.0
        kept[: self.auxiliary, :] = 0.0
        return kept

    def norms(self, r: Array) -> Array:
        """Norms (q, k) of a residual in every measure."""
        return self.measured(r)[0]

    def lengths(self, x: Array) -> Array:
        """Norms (q, k) of a solution in every measure."""
        return self.measured(None, x)[0]

    def measured(self, r: Array | None, *solutions: Array) -> list[Array]:
        """Norms (q, k) in every measure of a residual and of solutions."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = [] if r is None else [self._weighted(self._row_squares, r, Measure.residual)]
            for x in solutions:
                found.append(self._weighted(self._column_squares, x, Measure.solution))
        return found

    def _weighted(self, weights: Array | None, block: Array, measured: Callable[[Measure, Array], Array]) -> Array:
        """All norms by one product of squares; one by one where these leave the range of the dtype."""
        if weights is not None and weights.shape[1]:
            squares = product(weights, block * block)
            if in_range(squares) or not bool((block != 0).any()):
                return squares**0.5
        return self.xp.stack([measured(measure, block) for measure in self.measures])

    @cached_property
    def _row_squares(self) -> Array | None:
        """Squared weights (q, m) of residuals in every measure, where the dtype holds them."""
        return self._stacked([(measure.rows, measure.row_squares) for measure in self.measures], self.rhs.shape[0])

    @cached_property
    def _column_squares(self) -> Array | None:
        """Squared weights (q, n) of solutions."""
        columns = [(measure.columns, measure.column_squares) for measure in self.measures]
        return self._stacked(columns, self.matrix.shape[1])

    def _stacked(self, pairs: list[tuple[Array | None, Array | None]], size: int) -> Array | None:
        if any(weights is not None and squares is None for weights, squares in pairs):
            return None
        ones = self.xp.ones((size, 1), dtype=self.rhs.dtype, device=self.rhs.device).T
        rows = [ones if squares is None else squares for _, squares in pairs]
        return rows[0] if len(rows) == 1 else self.xp.concat(rows)

    def floor(self, x: Array) -> Array:
        """‖A‖‖x‖ + ‖b‖ (k,) in the balanced units: a residual over it is the normwise backward error."""
        return self.size * self.balanced.solution(x) + self.loads[-1]
