"""The dense engine: one symmetric eigendecomposition serves every function, time and temperature."""

from __future__ import annotations

from collections.abc import Sequence

from thermolinalg._arrays import Array, eigh, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, check_positive, combine_modes
from thermolinalg.operators.base import Operator

__all__ = ["DenseEngine"]


class DenseEngine:
    """f(A) V = Q f(Λ) Qᵀ V from A = Q Λ Qᵀ.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite; its matrix is formed.

    Raises
    ------
    LinAlgError
        A is indefinite.
    """

    name = "dense eigendecomposition"

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        values, self.vectors = eigh(operator.dense())
        self.values = check_positive(values)

    @staticmethod
    def price(d: int, columns: int = 1) -> Cost:
        """Cost of the decomposition of a d × d matrix and of drawing so many columns."""
        return Cost(setup=9.0 * d**3, per_column=4.0 * d**2, memory=16.0 * d**2)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        blocks = len(law.inputs) + len(outputs)
        return Cost(setup=0.0, per_column=2.0 * blocks * d**2, memory=8.0 * d**2)

    def interval(self) -> tuple[float, float]:
        return float(self.values[0]), float(self.values[-1])

    def eigenvalues(self) -> Array:
        return self.values

    def supports(self, law: LinearLaw) -> bool:
        return True

    def to_modes(self, block: Array) -> Array:
        """Coordinates Qᵀ V of a block (d, k)."""
        return self.vectors.T @ block

    def from_modes(self, block: Array) -> Array:
        """Vectors Q Y of coordinates Y (d, k)."""
        return self.vectors @ block

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        modes = [None if block is None else self.to_modes(block) for block in inputs]
        results = combine_modes(law, self.values, modes, outputs)
        xp = namespace(self.vectors)
        return [xp.zeros_like(self.vectors[:, :1]) if y is None else self.from_modes(y) for y in results]
