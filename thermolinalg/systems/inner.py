"""How a device holds a matrix that is not positive definite: negated, embedded, or as its normal equations."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg.operators import Operator
from thermolinalg.systems.base import System

__all__ = ["Embedded", "Negated", "NormalEquations"]


@dataclass(frozen=True)
class Negated(System):
    """Negative definite A x = b as (−A) x = −b."""

    def into(self, b: Array) -> Array:
        return -b


@dataclass(frozen=True)
class Embedded(System):
    """Any A x = b in the skew embedding [[αI, A], [−Aᵀ, αI]] z = (b, 0), whose lower half tends to A⁺b as α → 0.

    The augmented system of least squares, whose diagonal blocks differ, has the same right-hand side and parts.

    Parameters
    ----------
    shape : tuple of int
        (m, n) of A.
    """

    shape: tuple[int, int]

    def into(self, b: Array) -> Array:
        xp, (_, n) = namespace(b), self.shape
        return xp.concat([b, xp.zeros((n, b.shape[1]), dtype=b.dtype, device=b.device)])

    def start(self, x: Array) -> Array:
        xp, (m, _) = namespace(x), self.shape
        return xp.concat([xp.zeros((m, x.shape[1]), dtype=x.dtype, device=x.device), x])

    def back(self, x: Array) -> Array:
        return x[self.shape[0] :, :]

    def back_error(self, e: Array) -> Array:
        return e[self.shape[0] :, :]


@dataclass(frozen=True)
class NormalEquations(System):
    """Any A x = b as AᵀA x = Aᵀb, for devices whose couplings are symmetric; κ enters squared.

    No norm of Aᵀr bounds that of r but by σ_min: residuals are judged outside.

    Parameters
    ----------
    matrix : Operator
        A.
    """

    matrix: Operator

    def into(self, b: Array) -> Array:
        return self.matrix.apply_transposed(b)
