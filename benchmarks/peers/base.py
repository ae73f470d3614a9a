"""What a peer offers: an estimate of A⁻¹b and one of A⁻¹ from a window of readings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from benchmarks.problems import Array, Window

Estimator = Callable[[int], Array]


class Peer(ABC):
    """A simulator of the device. What may be prepared once (compilation, types) is done before the clock runs."""

    name: ClassVar[str]
    method: ClassVar[str]

    @abstractmethod
    def solve(self, window: Window) -> Estimator:
        """From a seed to the average of the readings."""

    @abstractmethod
    def inv(self, window: Window) -> Estimator:
        """From a seed to the covariance of the readings over T."""


class Stepper(Peer):
    """A peer that steps through time; its cost grows with the number of readings, so long runs may be shortened.

    Attributes
    ----------
    step : float
        Time step; ten to a reading. Euler's rule multiplies a mode's variance by 2/(2 − λ step), which the check
        of the law shows.
    """

    step: ClassVar[float] = 0.1

    @abstractmethod
    def path(self, window: Window) -> Estimator:
        """From a seed to the states at 0, spacing, 2·spacing, …, shape (readings and burn-in, d)."""

    def solve(self, window: Window) -> Estimator:
        """Average of the path after the burn-in."""
        path, start = self.path(window), _burned_in(window)
        return lambda seed: path(seed)[start:].mean(axis=0)

    def inv(self, window: Window) -> Estimator:
        """Sample covariance of the path after the burn-in."""
        path, start = self.path(window), _burned_in(window)
        return lambda seed: np.cov(path(seed)[start:], rowvar=False) / window.temperature

    def steps_per_reading(self, window: Window) -> int:
        """Time steps from one reading to the next."""
        return round(window.spacing / self.step)


def reading_times(window: Window) -> Array:
    """Times 0, spacing, … up to the last reading."""
    return window.spacing * np.arange(round(window.duration / window.spacing) + 1)


def _burned_in(window: Window) -> int:
    """Index of the first reading on the path."""
    return round(window.burn_in / window.spacing)
