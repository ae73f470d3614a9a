"""The engine of low rank plus identity: one eigendecomposition of the small Gram matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from thermolinalg._arrays import Array, as_array, as_float64, eps, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, evaluate
from thermolinalg.matrix_functions.modal import zero_column
from thermolinalg.operators import LowRankPlusIdentity, Normal

__all__ = ["LowRankEngine"]


class LowRankEngine:
    """f(A) V = f(λ) V + Rᵀ Q [(f(λ+Σ) − f(λ))/Σ] Qᵀ R V for A = λI + RᵀR, from RRᵀ = QΣQᵀ.

    One product with R serves all inputs, one with Rᵀ each output; R itself is never formed. Derived in docs/laws.md.

    Parameters
    ----------
    operator : LowRankPlusIdentity or Normal
        With one shift for all nodes; worth its price where R has fewer rows than columns.

    Raises
    ------
    ValueError
        A `Normal` operator with a shift for each node.
    """

    name = "low rank (eigendecomposition of the Gram matrix)"

    def __init__(self, operator: LowRankPlusIdentity | Normal) -> None:
        if not isinstance(operator.ridge, float):
            raise ValueError("the low-rank engine needs one shift for all nodes; scale A by shift^(-1/2) first")
        self.operator, self.shift = operator, operator.ridge
        values, self.vectors = operator.factor.spectrum
        self.values = operator.weight * values
        # Modes at rounding level are noise: their divided difference is taken over a step that is none.
        floor = values.shape[0] * eps(operator.like) * float(self.values[-1])
        xp = namespace(values)
        self.steps = xp.clip(self.values, max(floor, float(np.finfo(np.float64).tiny)), None)

    @staticmethod
    def price(d: int, r: int) -> Cost:
        """Cost of the Gram matrix and its decomposition, and of one pass over R of shape (r, d)."""
        return Cost(setup=2.0 * d * r**2 + 9.0 * r**3, per_column=2.0 * d * r, products=1, memory=16.0 * r**2)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        r, d = self.operator.factor.shape
        once = self.price(d, r)
        blocks = len(law.inputs) + len(outputs)
        return Cost(setup=0.0, per_column=blocks * once.per_column, products=1, memory=once.memory)

    def interval(self) -> tuple[float, float]:
        r, d = self.operator.factor.shape
        smallest = 0.0 if r < d else float(self.values[r - d])
        return self.shift + smallest, self.shift + float(self.values[-1])

    def eigenvalues(self) -> Array:
        values = self.shift + self.operator.weight * self.operator.factor.eigenvalues()
        return as_array(values, self.operator.like)

    def supports(self, law: LinearLaw) -> bool:
        return True

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        xp = namespace(self.steps)
        # First the function at the shift, then at the modes of RᵀR.
        rows = evaluate(law, self.shift + xp.concat([xp.zeros_like(self.steps[:1]), self.steps]))
        used = [rows[law.outputs.index(name)] for name in outputs]
        needed = {
            j: block for j, block in enumerate(inputs) if block is not None and any(row[j] is not None for row in used)
        }
        if not needed:
            return [zero_column(self.operator) for _ in outputs]
        modes = self._modes(needed)
        return [
            self._combined([(row[j], block, modes[j]) for j, block in needed.items() if row[j] is not None])
            for row in used
        ]

    def _modes(self, blocks: dict[int, Array]) -> dict[int, Array]:
        """Qᵀ R V (r, k) in double precision for every block, with one product."""
        xp = namespace(self.vectors)
        product = self.operator.factor.apply(xp.concat(list(blocks.values()), axis=1))
        stacked, start, modes = self.vectors.T @ as_float64(product), 0, {}
        for j, block in blocks.items():
            modes[j] = stacked[:, start : start + block.shape[1]]
            start += block.shape[1]
        return modes

    def _combined(self, terms: Sequence[tuple[Array, Array, Array]]) -> Array:
        """Σ_j f_j(A) V_j from the values of f_j, V_j and Qᵀ R V_j."""
        if not terms:
            return zero_column(self.operator)
        everywhere, in_range = 0.0, 0.0
        for f, block, modes in terms:
            everywhere = everywhere + float(f[0]) * block
            slope = self.operator.weight * (f[1:] - f[0]) / self.steps
            in_range = in_range + slope[:, None] * modes
        small = as_array(self.vectors @ in_range, self.operator.like)
        return everywhere + self.operator.factor.apply_transposed(small)
