"""The engine of diagonal matrices: the nodes are the modes."""

from __future__ import annotations

from collections.abc import Sequence

from thermolinalg._arrays import Array
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.modal import ModalEngine

__all__ = ["DiagonalEngine"]


class DiagonalEngine(ModalEngine):
    """f(A) V = f(d) ∘ V for A = diag(d).

    Parameters
    ----------
    operator : Diagonal
        With entries ≥ 0.

    Raises
    ------
    LinAlgError
        An entry is negative.

    See Also
    --------
    CirculantEngine, KroneckerEngine, LowRankEngine, BlockEngine : Engines of structured A.
    """

    name = "diagonal"

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        return Cost(setup=0.0, per_column=2.0 * len(law.inputs) * len(outputs) * d, memory=8.0 * d)

    def to_modes(self, block: Array) -> Array:
        return block

    def from_modes(self, block: Array) -> Array:
        return block
