"""Systems: what stands between the user's A x = b and the one that a device holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array

__all__ = ["Chain", "System"]


class System:
    """A change of variables between an outer system A x = b and an inner one; systems compose, outermost first.

    Each method is the identity unless a system says otherwise.

    See Also
    --------
    Chain, Negated, Rescaled, NormalEquations : Systems around a device.
    ComplexColumns, RealForm : Complex systems on real devices.
    """

    def into(self, b: Array) -> Array:
        """The inner right-hand sides of outer ones b (m, k)."""
        return b

    def back(self, x: Array) -> Array:
        """Outer solutions of inner ones x."""
        return x

    def back_error(self, e: Array) -> Array:
        """Standard errors of outer solutions from those of inner ones."""
        return e

    def tolerance(self, t: Array) -> Array:
        """Norms (k,) of inner residuals that keep those of outer ones below t."""
        return t

    def start(self, x: Array) -> Array:
        """Inner guesses of outer ones x (n, k)."""
        return x

    def norms(self, norms: np.ndarray) -> np.ndarray:
        """Norms of outer residuals from those of inner ones, which were measured in the outer units of rows."""
        return norms


@dataclass(frozen=True)
class Chain(System):
    """Systems one inside the other, as one system.

    Parameters
    ----------
    systems : sequence of System
        Outermost first; none is the identity.

    See Also
    --------
    Negated, Rescaled, NormalEquations, Embedded : Systems around a device.
    """

    systems: Sequence[System]

    def into(self, b: Array) -> Array:
        for system in self.systems:
            b = system.into(b)
        return b

    def back(self, x: Array) -> Array:
        for system in reversed(self.systems):
            x = system.back(x)
        return x

    def back_error(self, e: Array) -> Array:
        for system in reversed(self.systems):
            e = system.back_error(e)
        return e

    def tolerance(self, t: Array) -> Array:
        for system in self.systems:
            t = system.tolerance(t)
        return t

    def start(self, x: Array) -> Array:
        for system in self.systems:
            x = system.start(x)
        return x

    def norms(self, norms: np.ndarray) -> np.ndarray:
        for system in reversed(self.systems):
            norms = system.norms(norms)
        return norms
