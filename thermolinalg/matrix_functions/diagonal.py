"""The engine of diagonal matrices: the nodes are the modes."""

from __future__ import annotations

from collections.abc import Sequence

from thermolinalg._arrays import Array, as_array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, check_positive, combine_modes
from thermolinalg.operators import Diagonal, Operator

__all__ = ["DiagonalEngine", "zero_column"]


class DiagonalEngine:
    """f(A) V = f(d) ∘ V for A = diag(d).

    Parameters
    ----------
    operator : Diagonal
        With entries ≥ 0.

    Raises
    ------
    LinAlgError
        An entry is negative.
    """

    name = "diagonal"

    def __init__(self, operator: Diagonal) -> None:
        self.operator: Operator = operator
        self.values = check_positive(operator.entries, operator.order)

    def cost(self, law: LinearLaw, outputs: Sequence[str]) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        return Cost(setup=0.0, per_column=2.0 * len(law.inputs) * len(outputs) * d, memory=8.0 * d)

    def interval(self) -> tuple[float, float]:
        xp = namespace(self.values)
        return float(xp.min(self.values)), float(xp.max(self.values))

    def eigenvalues(self) -> Array:
        return self.values

    def supports(self, law: LinearLaw) -> bool:
        return True

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        results = combine_modes(law, self.values, inputs, outputs)
        return [zero_column(self.operator) if y is None else y for y in results]


def zero_column(operator: Operator) -> Array:
    """The output (d, 1) that no input reaches.

    Parameters
    ----------
    operator : Operator
        Tells the namespace, dtype and device.

    Returns
    -------
    array, shape (d, 1)
    """
    xp = namespace(operator.like)
    return as_array(xp.zeros((operator.shape[0], 1)), operator.like)
