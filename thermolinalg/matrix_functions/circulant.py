"""The engine of circulant matrices: Fourier modes."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Cost
from thermolinalg.matrix_functions.modal import ModalEngine

__all__ = ["CirculantEngine"]


class CirculantEngine(ModalEngine):
    """f(A) V = H f(Λ) H V with H the discrete Hartley transform, Λ the Fourier transform of the first column.

    H_jk = (cos 2πjk/d + sin 2πjk/d)/√d is real, symmetric and its own inverse, and it diagonalises symmetric circulant
    matrices because modes k and d − k share an eigenvalue.

    Parameters
    ----------
    operator : Circulant
        Positive semidefinite.

    Raises
    ------
    LinAlgError
        A is indefinite.

    See Also
    --------
    KroneckerEngine, LowRankEngine, BlockEngine, DiagonalEngine : Engines of structured A.
    """

    name = "circulant (fast Fourier transform)"

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of applying the law."""
        d = self.operator.shape[0]
        blocks = len(law.inputs) + len(outputs)
        return Cost(setup=0.0, per_column=2.5 * blocks * d * log2(2 * d), memory=8.0 * d)

    def to_modes(self, block: Array) -> Array:
        xp, d = namespace(block), self.operator.shape[0]
        half = xp.fft.rfft(block, axis=0) / d**0.5
        even, odd = xp.real(half), xp.imag(half)
        mirrored = slice(1, (d + 1) // 2)
        return xp.concat([even - odd, xp.flip(even[mirrored] + odd[mirrored], axis=0)])

    def from_modes(self, block: Array) -> Array:
        return self.to_modes(block)
