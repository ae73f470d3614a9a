"""Shots: jumps at random times, and when they can be told from normal noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from thermolinalg.simulation._transition import Matrix

__all__ = ["JUMPS", "TERMS", "TOLD", "ShotTrain"]

TOLD = 0.01
"""Excess kurtosis that normal numbers may leave out: 3e7 readings would have to be made for a look at them to tell."""

TERMS = 16
"""Of the series of e^{−Mδ} over ‖M‖δ ≤ 1/2; the first one left out is 7e-19."""

JUMPS = {"signs": 1.0, "normal": 3.0, "laplace": 6.0}
"""Laws of a jump J, all symmetric, by E J⁴/(E J²)²."""


@dataclass(frozen=True)
class ShotTrain:
    """A compound Poisson process of unit intensity: jumps J at random times, rate · E J² = 1.

    Parameters
    ----------
    rate : float
        Shots per time.
    jumps : str
        A key of `JUMPS`.

    Examples
    --------
    >>> ShotTrain(4.0, "normal").excess(2.0)  # of dx = −2x dt + dJ in equilibrium
    1.5
    """

    rate: float
    jumps: str

    def excess(self, decay: float) -> float:
        """Excess kurtosis of the sum of J e^{−λ · age}, by Campbell's theorem: λ E J⁴/(E J²)²/rate.

        Parameters
        ----------
        decay : float
            λ.

        Returns
        -------
        float
        """
        return JUMPS[self.jumps] * decay / self.rate

    def averages_out(self, duration: float) -> bool:
        """Whether an average over a window is normal but for an excess kurtosis of `TOLD`.

        That is at most 9/5 E J⁴/(E J²)²/(rate · T_w) for each mode, its value for those that hardly decay.

        Parameters
        ----------
        duration : float
            T_w.

        Returns
        -------
        bool
        """
        return self.excess(1.8 / duration) <= TOLD

    def memory(self, slowest: float) -> float:
        """Age from which on shots are as good as normal noise.

        What they leave in the kurtosis of a mode is `excess(λ)` e^{−4λt}, at most excess(1/(4et)) for all of them.

        Parameters
        ----------
        slowest : float
            The smallest λ.

        Returns
        -------
        float
        """
        longest = self.excess(1 / (4 * math.e * TOLD))
        if 4 * slowest * longest <= 1:
            return longest
        return math.log(self.excess(slowest) / TOLD) / (4 * slowest)

    def moments(self, time: float, trains: tuple[int, ...], rng: np.random.Generator) -> Matrix:
        """Σ J δ^p/p! over the shots of each train within a time, p = 0, 1, …, where δ are their ages at its end.

        Parameters
        ----------
        time : float
        trains : tuple of int
            Shape of an array of trains.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (TERMS, *trains)
        """
        size = math.prod(trains)
        count = int(rng.poisson(self.rate * time * size))
        whose, age = rng.integers(size, size=count), time * rng.random(count)
        weight, found = self._jumps(count, rng), np.empty((TERMS, size))
        for p in range(TERMS):
            weight = weight * age / p if p else weight
            found[p] = np.bincount(whose, weight, size)
        return found.reshape(TERMS, *trains)

    def _jumps(self, count: int, rng: np.random.Generator) -> Matrix:
        """So many jumps."""
        if self.jumps == "signs":
            sizes = rng.choice([-1.0, 1.0], size=count)
        elif self.jumps == "normal":
            sizes = rng.standard_normal(count)
        else:
            sizes = rng.laplace(scale=math.sqrt(0.5), size=count)
        return np.asarray(sizes / math.sqrt(self.rate))
