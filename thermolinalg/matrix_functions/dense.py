"""The dense engine: one symmetric eigendecomposition serves every function, time and temperature."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from thermolinalg._arrays import Array
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._eigenvectors import decomposed
from thermolinalg.matrix_functions.base import Cost, check_positive
from thermolinalg.matrix_functions.modal import ModalEngine
from thermolinalg.operators import Operator

__all__ = ["DenseEngine"]


class DenseEngine(ModalEngine):
    """f(A) V = Q f(Λ) Qᵀ V from A = Q Λ Qᵀ.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite; its matrix is formed.

    Raises
    ------
    LinAlgError
        A is indefinite.

    See Also
    --------
    LanczosEngine, ChebyshevEngine, RationalEngine, Factorised : Engines of symmetric A.
    """

    name = "dense eigendecomposition"

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        values, self.vectors = decomposed(operator.dense())
        self.values = check_positive(values)

    def shifted(self, operator: Operator, mu: float) -> DenseEngine:
        """The engine of `operator` = A + μI, whose eigenvectors are the same; LinAlgError if it is indefinite."""
        other = copy.copy(self)
        other.operator, other.values = operator, check_positive(self.values + mu)
        vars(other).pop("_evaluated", None)
        return other

    @staticmethod
    def price(d: int) -> Cost:
        """Cost of the decomposition of a d × d matrix, and of one column."""
        return Cost(setup=6.0 * d**3, per_column=4.0 * d**2, memory=16.0 * d**2)

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        blocks = len(law.inputs) + len(outputs)
        return Cost(setup=0.0, per_column=2.0 * blocks * d**2, memory=8.0 * d**2)

    def to_modes(self, block: Array) -> Array:
        return self.vectors.to_modes(block)

    def from_modes(self, block: Array) -> Array:
        return self.vectors.from_modes(block)
