"""The windows everyone simulates: readings of dx = −(A x − b) dt + sqrt(2T) dW from x(0) = 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SPACING = 1.0
BURN_IN = 40.0
READINGS = 10_000


@dataclass(frozen=True, eq=False)
class Window:
    """Readings at burn_in, burn_in + spacing, …; times in device time constants τ.

    Parameters
    ----------
    A : ndarray, shape (d, d)
        Symmetric positive definite.
    b : ndarray, shape (d,)
    temperature : float
        T, the noise strength.
    readings : int
    burn_in, spacing : float
    """

    A: Array
    b: Array
    temperature: float
    readings: int = READINGS
    burn_in: float = BURN_IN
    spacing: float = SPACING

    @property
    def size(self) -> int:
        """Dimension d."""
        return len(self.b)

    @property
    def duration(self) -> float:
        """Device time of the whole run, burn-in included."""
        return self.burn_in + self.spacing * (self.readings - 1)

    def shortened(self, readings: int) -> Window:
        """The same window with fewer readings."""
        return replace(self, readings=readings)


def wishart(d: int, aspect: float, rng: np.random.Generator) -> Array:
    """XXᵀ/n with X standard normal of shape (d, n), n = aspect·d.

    The eigenvalues fill [(1 − aspect^−½)², (1 + aspect^−½)²].
    """
    n = round(aspect * d)
    X = rng.standard_normal((d, n))
    return X @ X.T / n


def solve_window(d: int, aspect: float = 4.0) -> Window:
    """Ax = b with a random b, at the temperature that ``thermox.linalg.solve`` is built for: 1/2 (noise dW)."""
    rng = np.random.default_rng(d)
    return Window(wishart(d, aspect, rng), rng.standard_normal(d), temperature=0.5)


def inverse_window(d: int) -> Window:
    """A⁻¹ from the covariance of the readings, without load, at T = 1 (noise sqrt(2) dW)."""
    rng = np.random.default_rng(d)
    return Window(wishart(d, 4.0, rng), np.zeros(d), temperature=1.0)
