"""The engine of circulant matrices: Fourier modes."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost, check_positive, combine_modes
from thermolinalg.matrix_functions.diagonal import zero_column
from thermolinalg.operators import Circulant, Operator

__all__ = ["CirculantEngine"]


class CirculantEngine:
    """f(A) V = F⁻¹ f(Λ) F V with F the discrete Fourier transform and Λ that of the first column.

    Parameters
    ----------
    operator : Circulant
        Positive semidefinite.

    Raises
    ------
    LinAlgError
        A is indefinite.
    """

    name = "circulant (fast Fourier transform)"

    def __init__(self, operator: Circulant) -> None:
        self.operator: Operator = operator
        # Real vectors have half a spectrum: modes k and n − k share an eigenvalue.
        self.values = check_positive(operator.transform, operator.order)

    def cost(self, law: LinearLaw, outputs: Sequence[str]) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        blocks = len(law.inputs) + len(outputs)
        return Cost(setup=0.0, per_column=2.5 * blocks * d * log2(2 * d), memory=8.0 * d)

    def interval(self) -> tuple[float, float]:
        xp = namespace(self.values)
        return float(xp.min(self.values)), float(xp.max(self.values))

    def eigenvalues(self) -> Array:
        values = self.operator.eigenvalues()
        return None if values is None else check_positive(values, self.operator.order)

    def supports(self, law: LinearLaw) -> bool:
        return True

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        xp, d = namespace(self.values), self.operator.shape[0]
        modes = [None if block is None else xp.fft.rfft(block, axis=0) for block in inputs]
        results = combine_modes(law, self.values, modes, outputs)
        return [zero_column(self.operator) if y is None else xp.fft.irfft(y, n=d, axis=0) for y in results]
