"""Complex numbers as real ones: twice the rows where A is complex, twice the columns where only b is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.operators.read import complexify, realify
from thermolinalg.systems.base import System

__all__ = ["ComplexColumns", "RealForm"]


@dataclass(frozen=True)
class RealForm(System):
    """Complex A x = b as [[Re A, −Im A], [Im A, Re A]] (Re x, Im x) = (Re b, Im b).

    See Also
    --------
    System, ComplexColumns : Complex systems on real devices.
    """

    def into(self, b: Array) -> Array:
        return realify(b)

    def start(self, x: Array) -> Array:
        return self.into(x)

    def back(self, x: Array) -> Array:
        return complexify(x)

    def back_error(self, e: Array) -> Array:
        half = e.shape[0] // 2
        return namespace(e).hypot(e[:half], e[half:])


@dataclass(frozen=True)
class ComplexColumns(System):
    """Real A with complex right-hand sides: A [Re x, Im x] = [Re b, Im b].

    See Also
    --------
    RealForm, System : Complex systems on real devices.
    """

    def into(self, b: Array) -> Array:
        xp = namespace(b)
        return xp.concat([xp.real(b), xp.imag(b)], axis=1)

    def start(self, x: Array) -> Array:
        return self.into(x)

    def back(self, x: Array) -> Array:
        half = x.shape[1] // 2
        return x[:, :half] + 1j * x[:, half:]

    def back_error(self, e: Array) -> Array:
        half = e.shape[1] // 2
        with np.errstate(over="ignore"):  # infinity is what such a bar is
            return namespace(e).hypot(e[:, :half], e[:, half:])

    def tolerance(self, t: Array) -> Array:
        # Each part may leave its share: ‖r‖² = ‖Re r‖² + ‖Im r‖².
        return namespace(t).concat([t, t]) / 2**0.5

    def norms(self, norms: np.ndarray) -> np.ndarray:
        return np.asarray(np.hypot(*np.split(norms, 2)))
