"""The engine of low rank plus identity: everything happens in the small Gram matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, as_array, as_float64, eps, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._gram_polynomial import DividedDifferences
from thermolinalg.matrix_functions.base import Cost, evaluate
from thermolinalg.matrix_functions.modal import zero_column
from thermolinalg.operators import LowRankPlusIdentity, Normal

__all__ = ["LowRankEngine"]

_SMALL = 256
"""Up to so many rows the Gram matrix is decomposed at once."""

_PRODUCT_WEIGHT = 6.0
"""A product with a matrix moves memory: a flop in it costs about this many flops of a decomposition."""


class LowRankEngine:
    """f(A) V = f(λ) V + Rᵀ h(RRᵀ) R V for A = λI + RᵀR, with h(σ) = (f(λ+σ) − f(λ))/σ.

    One product with R serves all inputs, one with Rᵀ each output; R itself is never formed. The functions h of the
    Gram matrix come from its eigendecomposition; of a large one that is used once or twice, from polynomials in a
    shifted inverse, which are as exact and cost a fraction. Derived in docs/laws.md.

    Parameters
    ----------
    operator : LowRankPlusIdentity or Normal
        With one shift for all nodes; worth its price where R has fewer rows than columns.

    Raises
    ------
    ValueError
        A `Normal` operator with a shift for each node.

    See Also
    --------
    BlockEngine, DiagonalEngine, CirculantEngine, KroneckerEngine : Engines of structured A.
    """

    name = "low rank (functions of the Gram matrix)"

    def __init__(self, operator: LowRankPlusIdentity | Normal) -> None:
        if not isinstance(operator.ridge, float):
            raise ValueError("the low-rank engine needs one shift for all nodes; scale A by shift^(-1/2) first")
        self.operator, self.shift = operator, operator.ridge
        self._spent = 0.0
        if operator.factor.shape[0] <= _SMALL:
            operator.factor.spectrum  # noqa: B018  (a Gram matrix that is none is refused here)

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

    @cached_property
    def values(self) -> Array:
        """Eigenvalues of w RRᵀ (r,), ascending, in double precision."""
        return self.operator.weight * self.operator.factor.spectrum[0]

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
        probed = self._probed(law, outputs)
        needed = {
            j: block
            for j, block in enumerate(inputs)
            if block is not None and any(row[j] is not None and row[j].any() for row in probed)
        }
        if not needed:
            return [zero_column(self.operator) for _ in outputs]
        results = []
        for row, small in zip(probed, self._in_rows(law, self._products(needed), outputs), strict=True):
            everywhere = [float(row[j][0]) * block for j, block in needed.items() if row[j] is not None]
            if not everywhere:
                results.append(zero_column(self.operator))
                continue
            spread = self.operator.factor.apply_transposed(as_array(self.operator.weight * small, self.operator.like))
            results.append(sum(everywhere[1:], start=everywhere[0]) + spread)
        return results

    def _probed(self, law: LinearLaw, outputs: Sequence[str]) -> list[Any]:
        """The functions of each output at λ, and at a few points more: zero everywhere, and its input is not needed."""
        gram = self.operator.factor.gram_matrix
        # Up to the mean of the eigenvalues, which lies among them: a law need not hold beyond the largest.
        mean = self.operator.weight * float(namespace(gram).linalg.trace(gram)) / gram.shape[0]
        rows = law.functions(self.shift + mean * np.array([0.0, 0.13, 0.37, 0.71, 1.0]))
        return [rows[law.outputs.index(name)] for name in outputs]

    def _products(self, blocks: Mapping[int, Array]) -> dict[int, Array]:
        """R V (r, k) in double precision for every block, with one product."""
        xp = namespace(*blocks.values())
        product = as_float64(self.operator.factor.apply(xp.concat(list(blocks.values()), axis=1)))
        products, start = {}, 0
        for j, block in blocks.items():
            products[j] = product[:, start : start + block.shape[1]]
            start += block.shape[1]
        return products

    def _in_rows(self, law: LinearLaw, products: Mapping[int, Array], outputs: Sequence[str]) -> list[Array]:
        """Σ_j h_j(w RRᵀ) products_j (r, k) for each output."""
        factor = self.operator.factor
        if not factor.is_decomposed:
            small = self._by_polynomials(law, products, outputs)
            if small is not None:
                return small
        return self._by_modes(law, products, outputs)

    def _by_modes(self, law: LinearLaw, products: Mapping[int, Array], outputs: Sequence[str]) -> list[Array]:
        vectors = self.operator.factor.spectrum[1]
        xp = namespace(vectors)
        floor = max(self._rounding * float(self.values[-1]), float(np.finfo(np.float64).tiny))
        tiny = eps(self.values) * floor
        # The functions at the shift, then at the modes of RᵀR, and again with modes at the level of rounding moved off.
        steps = xp.concat([xp.clip(self.values, tiny, None), xp.clip(self.values, floor, None)])
        rows = evaluate(law, self.shift + xp.concat([xp.zeros_like(steps[:1]), steps]))
        modes = {j: vectors.T @ product for j, product in products.items()}
        results = []
        for row in (rows[law.outputs.index(name)] for name in outputs):
            total = 0 * vectors[:, :1]
            for j, mode in modes.items():
                if row[j] is not None:
                    total = total + _slopes(row[j], steps, floor)[:, None] * mode
            results.append(vectors @ total)
        return results

    @property
    def _rounding(self) -> float:
        """Modes below this share of the largest come from the rounding of R V, at 1e-6 of what it does to f(λ)."""
        rows = self.operator.factor.shape[0]
        return float(max(1e6 * rows**0.5 * eps(self.operator.like) ** 2, rows * np.finfo(np.float64).eps))

    def _by_polynomials(
        self, law: LinearLaw, products: Mapping[int, Array], outputs: Sequence[str]
    ) -> list[Array] | None:
        """As `_by_modes` without a decomposition, unless that has become, or would be, the dearer way."""
        gram, weight = self.operator.factor.gram_matrix, self.operator.weight
        gram = gram if weight == 1 else weight * gram
        r = gram.shape[0]
        largest = float(namespace(gram).linalg.trace(gram))
        if largest <= 0:
            return None
        differences = DividedDifferences.of(law, outputs, self.shift, largest, eps(self.operator.like))
        if differences is None:
            return None
        each = 2.0 * r**2 * _PRODUCT_WEIGHT * sum(product.shape[1] for product in products.values())
        left = self.price(0, r).setup - self._spent - r**3
        degree = differences.degree(outputs, int(left / each)) if left > each else None
        if degree is None:
            return None
        self._spent += r**3 + degree * each
        return differences.apply(gram, products, outputs, int(left / each))


def _slopes(f: Array, steps: Array, floor: float) -> Array:
    """Divided differences at the modes; where steeper than f(λ)/floor, which would blow up rounding, those over floor.

    ``f`` holds f(λ), f(λ + steps); ``steps`` the modes twice, the second time not below `floor`.
    """
    xp = namespace(f)
    slopes = (f[1:] - f[0]) / steps
    r = steps.shape[0] // 2
    return xp.where(floor * xp.abs(slopes[:r]) <= xp.abs(f[0]), slopes[:r], slopes[r:])
