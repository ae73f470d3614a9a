"""The engine of Kronecker products and sums: one small eigendecomposition per factor."""

from __future__ import annotations

import math
from collections.abc import Sequence

from thermolinalg._arrays import Array
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.modal import ModalEngine
from thermolinalg.operators import Kronecker, KroneckerSum

__all__ = ["KroneckerEngine"]


class KroneckerEngine(ModalEngine):
    """f(A) V = Q f(Λ) Qᵀ V with Q = Q₁ ⊗ … ⊗ Q_m from A_i = Q_i Λ_i Q_iᵀ.

    Λ combines the eigenvalues of the factors: their products (`Kronecker`) or sums (`KroneckerSum`).

    Parameters
    ----------
    operator : Kronecker or KroneckerSum
        Positive semidefinite.

    Raises
    ------
    LinAlgError
        A is indefinite.

    See Also
    --------
    LowRankEngine, BlockEngine, DiagonalEngine, CirculantEngine : Engines of structured A.
    """

    name = "Kronecker (eigendecomposition of each factor)"

    operator: Kronecker | KroneckerSum

    @staticmethod
    def price(sizes: Sequence[int]) -> Cost:
        """Cost of decomposing factors of these sizes and of one rotation of a column."""
        d = float(math.prod(sizes))
        return Cost(sum(9.0 * n**3 for n in sizes), 2.0 * d * sum(sizes), memory=8.0 * d)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        blocks = len(law.inputs) + len(outputs)
        once = self.price(self.operator.sizes)
        return Cost(setup=0.0, per_column=blocks * once.per_column, memory=once.memory)

    def to_modes(self, block: Array) -> Array:
        return self.operator.rotate(block, transposed=True)

    def from_modes(self, block: Array) -> Array:
        return self.operator.rotate(block, transposed=False)
