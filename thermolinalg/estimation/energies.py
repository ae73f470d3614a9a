"""Readings on the way to a determinant, freed of what their energies, whose means are known, tell of their scatter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermolinalg.devices import Drivable, Spectrum
from thermolinalg.laws.work import logistic

__all__ = ["PILOT", "WithEnergies", "reader"]

PILOT = 4
"""Readings in each group of the pilot that finds the scatter: more share out better, and cost their time."""

WORTH = 0.8
"""Share of the variance that has to be left at most, so that chance alone does not make energies count."""

Reader = Callable[[float, int], NDArray[np.float64]]
"""``reader(u, n)``: means of groups of n readings of d log det H_s/du at the log-odds u of s."""


def reader(program: Drivable, spectrum: Spectrum, rng: np.random.Generator) -> Reader:
    """Readings of a device on the way, with their energies where it tells those and their means are known.

    Parameters
    ----------
    program : Drivable
    spectrum : Spectrum
        What it holds.
    rng : numpy.random.Generator

    Returns
    -------
    callable
        ``reader(u, n)`` gives means (groups,).
    """
    if spectrum.traces is not None and spectrum.modes is None and hasattr(program, "energies_along"):
        return WithEnergies(program, spectrum, rng)
    return lambda u, n: program.readings_along(spectrum.start, u, n, rng=rng)


class WithEnergies:
    r"""Readings whose energies serve as control variates.

    In equilibrium :math:`x^T H_s^k x/T` has the mean :math:`\mathrm{tr} H_s^{k-1}`: the order for k = 1, as
    equipartition has it, then the trace and the squared Frobenius norm of H_s. What of d log det H_s/du scatters with
    the three of them is taken out: the part of the integrand that is a quadratic function of the spectrum. The weights
    are those of a first block of readings at each point, which is not used again, so that no bias comes in.

    Parameters
    ----------
    program : Drivable
        With `energies_along`.
    spectrum : Spectrum
        With `traces`.
    rng : numpy.random.Generator
    """

    def __init__(self, program: Any, spectrum: Spectrum, rng: np.random.Generator) -> None:
        assert spectrum.traces is not None
        self.program, self.spectrum, self.rng = program, spectrum, rng
        self.traces = spectrum.traces
        self._weights: dict[float, NDArray[np.float64]] = {}

    def __call__(self, u: float, n: int) -> NDArray[np.float64]:
        """Means (groups,); the first ones at a point only say how the next scatter."""
        if u not in self._weights:
            singles = [self._read(u, 1) for _ in range(PILOT)]
            self._weights[u] = _fitted(np.concatenate(singles, axis=1))
            return np.asarray(np.mean([self._freed(u, one) for one in singles], axis=0))
        return self._freed(u, self._read(u, n))

    def _read(self, u: float, n: int) -> NDArray[np.float64]:
        """The integrand and three energies (4, groups), those relative to their means and less one."""
        read = np.array(self.program.energies_along(self.spectrum.start, u, n, rng=self.rng))
        read[1:] = read[1:] / self._means(u)[:, None] - 1
        return read

    def _freed(self, u: float, read: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(read[0] - self._weights[u] @ read[1:])

    def _means(self, u: float) -> NDArray[np.float64]:
        """tr H_s^k for k = 0, 1, 2."""
        s, left, d = float(logistic(u)), float(logistic(-u)) * self.spectrum.start, self.spectrum.order
        first, second = self.traces
        return np.array([d, left * d + s * first, left**2 * d + 2 * left * s * first + s**2 * second])


def _fitted(read: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (3,) that leave least of the scatter of the first row (4, m); zero where they leave most of it."""
    value, energies = read[0], read[1:]
    design = np.vstack([np.ones_like(value), energies]).T
    weights, *_ = np.linalg.lstsq(design, value)
    left = value - design @ weights
    freedom = len(value) - len(weights)
    useful = left @ left / freedom <= WORTH * np.var(value, ddof=1)
    return np.asarray(weights[1:]) if useful else np.zeros(len(energies))
