"""The engine of Kronecker products and sums: one small eigendecomposition per factor."""

from __future__ import annotations

from collections.abc import Sequence

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, check_positive, combine_modes
from thermolinalg.matrix_functions.diagonal import zero_column
from thermolinalg.operators import Kronecker, KroneckerSum

__all__ = ["KroneckerEngine"]


class KroneckerEngine:
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
    """

    name = "Kronecker (eigendecomposition of each factor)"

    def __init__(self, operator: Kronecker | KroneckerSum) -> None:
        self.operator = operator
        self.values = check_positive(operator.eigenvalues(), operator.order)

    @staticmethod
    def price(sizes: Sequence[int]) -> Cost:
        """Cost of decomposing factors of these sizes and of one rotation of a column."""
        d = float(namespace().prod(namespace().asarray(sizes, dtype=float)))
        return Cost(sum(9.0 * n**3 for n in sizes), 2.0 * d * sum(sizes), memory=8.0 * d)

    def cost(self, law: LinearLaw, outputs: Sequence[str]) -> Cost:
        """Cost of applying the law."""
        blocks = len(law.inputs) + len(outputs)
        once = self.price(self.operator.sizes)
        return Cost(setup=0.0, per_column=blocks * once.per_column, memory=once.memory)

    def interval(self) -> tuple[float, float]:
        xp = namespace(self.values)
        return float(xp.min(self.values)), float(xp.max(self.values))

    def eigenvalues(self) -> Array:
        return self.values

    def supports(self, law: LinearLaw) -> bool:
        return True

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        rotate = self.operator.rotate
        modes = [None if block is None else rotate(block, transposed=True) for block in inputs]
        results = combine_modes(law, self.values, modes, outputs)
        return [zero_column(self.operator) if y is None else rotate(y, transposed=False) for y in results]
