"""How far readings are from equilibrium in all directions together: tr M − d and ‖M − I‖² of M = A Σ/T."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Deviation", "chi_square", "energy_deviation"]

WIDEST = 512
"""Differences of readings at most that are multiplied with each other at once."""

FEWEST = 8
"""Degrees of freedom from which on the normal form of χ² is near enough."""

MODES = 10
"""Nodes from which on squared products are near enough to χ²; fewer are looked at one by one anyway."""


def chi_square(mean: NDArray[np.float64], n: float) -> NDArray[np.float64]:
    """How far χ²/n is from its law, as a normal number (Wilson and Hilferty)."""
    return np.asarray((np.cbrt(mean) - 1 + 2 / (9 * n)) / math.sqrt(2 / (9 * n)))


def energy_deviation(d: int, n: float) -> float:
    """Standard deviation of tr M − d as n readings of d nodes tell it, √(2d/n).

    With the eigenvalues m of M log det A is off by −Σ ln m of a device that reads M, and tr M − d = Σ (m − 1): to
    first order what is seen is what log det is off by.
    """
    return math.sqrt(2 * d / n)


@dataclass
class Deviation:
    r"""Sums over readings x with residuals r = A x − b.

    The energy :math:`(x - \bar x)^T (r - \bar r)/T` is :math:`\chi^2_d`. Differences of readings, y with A y = s, have
    :math:`E\,(y_1^T s_2)^2 = T^2\,\mathrm{tr}\,M^2`, so that the mean over pairs of

    .. math:: (y_1^T s_2)^2/T^2 - y_1^T s_1/T - y_2^T s_2/T + d

    is ‖M − I‖² without bias, of variance 2d(d + 1) a pair in equilibrium (Chen, Zhang and Zhong, Tests for
    High-Dimensional Covariance Matrices, JASA 105, 2010). A change of every coupling at random, which no single
    direction shows, is seen there.

    Parameters
    ----------
    d : int
        Nodes.
    temperature : float
        T in the units of the readings.
    allowed : float, optional
        Relative error of a variance that the device admits.
    """

    d: int
    temperature: float
    allowed: float = 0.0
    _count: int = 0
    _products: float = 0.0
    _sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros((2, 1)))
    _distance: float = 0.0
    _pairs: float = 0.0
    _degrees: float = 0.0

    def take(self, x: NDArray[np.float64], r: NDArray[np.float64]) -> None:
        """Add readings (n, d) and their residuals."""
        self._count += len(x)
        self._products += float(np.vdot(x, r)) / self.temperature
        self._sums = self._sums + np.stack([x.sum(axis=0), r.sum(axis=0)])
        if self.d < MODES:
            return
        half = len(x) // 2
        y, s = (part[: 2 * half : 2] - part[1 : 2 * half : 2] for part in (x, r))
        for begin in range(0, half - FEWEST, WIDEST):
            self._multiply(y[begin : begin + WIDEST], s[begin : begin + WIDEST])

    def _multiply(self, y: NDArray[np.float64], s: NDArray[np.float64]) -> None:
        """All pairs of some differences."""
        m, products = len(y), y @ s.T / (2 * self.temperature)
        own = np.diagonal(products)
        squares = float(np.vdot(products, products.T) - own @ own)
        self._distance += squares - 2 * (m - 1) * float(own.sum()) + m * (m - 1) * self.d
        self._pairs += m * (m - 1) / 2
        self._degrees += min(self.d * (self.d + 1) / 2, m * (m - 1) / 2)

    def energy(self, share: float) -> float:
        """tr M − d in standard deviations, of readings worth `share` independent ones each; 0 of too few."""
        degrees = self.d * (self._count * share - 1)
        if degrees < FEWEST:
            return 0.0
        centred = self._products - float(self._sums[0] @ self._sums[1]) / (self._count * self.temperature)
        # Without the mean of the readings goes one of the independent ones.
        off = centred / (self.d * (self._count - 1 / share)) - 1
        beyond = off - min(max(off, -self.allowed), self.allowed)
        return float(chi_square(np.asarray(1 + beyond), degrees))

    def distance(self) -> float:
        """‖M − I‖² in standard deviations above none, of independent readings; 0 of too few."""
        if not self._pairs:
            return 0.0
        # Twice the sum over pairs is what has been added up.
        beyond = self._distance / 2 - self.d * self.allowed**2 * self._pairs
        z = max(beyond, 0.0) / math.sqrt(self._pairs * 2 * self.d * (self.d + 1))
        return float(chi_square(np.asarray(1 + z * math.sqrt(2 / self._degrees)), self._degrees))
