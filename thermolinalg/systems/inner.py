"""How a device holds a matrix that is not positive definite: negated, embedded, or as its normal equations."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg._arrays import Array, namespace
from thermolinalg.operators import Operator
from thermolinalg.systems.base import System

__all__ = ["Embedded", "Mirrored", "Negated", "NormalAdjoint", "NormalEquations"]


@dataclass(frozen=True)
class Negated(System):
    """Negative definite A x = b as (−A) x = −b.

    See Also
    --------
    Rescaled, NormalEquations, Embedded, System : Systems around a device.
    """

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

    See Also
    --------
    System, Chain, Negated, Rescaled : Systems around a device.
    """

    shape: tuple[int, int]

    def adjoint(self) -> Mirrored:
        """Aᵀy = c in the same embedding."""
        return Mirrored(self.shape)

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
class Mirrored(System):
    """Aᵀy = c in the skew embedding of A: the load (0, −c), whose upper half tends to A⁻ᵀc as α → 0.

    Parameters
    ----------
    shape : tuple of int
        (m, n) of A.
    """

    shape: tuple[int, int]

    def into(self, b: Array) -> Array:
        xp, (m, _) = namespace(b), self.shape
        return xp.concat([xp.zeros((m, b.shape[1]), dtype=b.dtype, device=b.device), -b])

    def start(self, x: Array) -> Array:
        xp, (_, n) = namespace(x), self.shape
        return xp.concat([x, xp.zeros((n, x.shape[1]), dtype=x.dtype, device=x.device)])

    def back(self, x: Array) -> Array:
        return x[: self.shape[0], :]

    def back_error(self, e: Array) -> Array:
        return e[: self.shape[0], :]


@dataclass(frozen=True)
class NormalEquations(System):
    """Any A x = b as AᵀA x = Aᵀb, for devices whose couplings are symmetric; κ enters squared.

    No norm of Aᵀr bounds that of r but by σ_min: residuals are judged outside.

    Parameters
    ----------
    matrix : Operator
        A.

    See Also
    --------
    Embedded, System, Chain, Negated : Systems around a device.
    """

    matrix: Operator

    def adjoint(self) -> NormalAdjoint:
        """Aᵀy = c on the same device."""
        return NormalAdjoint(self.matrix)

    def into(self, b: Array) -> Array:
        return self.matrix.apply_transposed(b)


@dataclass(frozen=True)
class NormalAdjoint(System):
    """Aᵀy = c as AᵀA x = c, y = A x; κ enters squared.

    No norm of a residual of AᵀA bounds that of Aᵀ but by σ_min: residuals are judged outside.

    Parameters
    ----------
    matrix : Operator
        A.
    """

    matrix: Operator

    def start(self, x: Array) -> Array:
        """Zero: what A takes to x is what the device is asked for."""
        return 0.0 * x

    def back(self, x: Array) -> Array:
        return self.matrix.apply(x)

    def back_error(self, e: Array) -> Array:
        """Of the noise of further runs, which is as linear as the reading."""
        return self.matrix.apply(e)
