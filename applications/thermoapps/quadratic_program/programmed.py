"""Positive definite systems, each written into the device once and used for many right-hand sides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import thermolinalg as tla
from thermoapps.quadratic_program.problem import Vector

__all__ = ["Programmed"]


class Programmed:
    """The device of one problem: the matrix it holds, what it ran, how often it was programmed.

    Parameters
    ----------
    device : Device, optional
        As in `thermolinalg.solve`.
    rng : numpy.random.Generator
        Source of randomness.
    """

    def __init__(self, device: Any, rng: np.random.Generator) -> None:
        self.device, self.rng = device, rng
        self.programs = 0
        self._matrix: Any = None
        self._inverse: Any = None
        self._earlier = 0.0

    @property
    def device_time(self) -> float:
        """Time run under all programs, in units of τ."""
        info = None if self._inverse is None else self._inverse.info
        return self._earlier + (0.0 if info is None else float(info.device_time))

    def write(self, matrix: Any, *, rtol: float) -> None:
        """Program another matrix."""
        self._earlier = self.device_time
        self._matrix, self.programs = matrix, self.programs + 1
        self._inverse = tla.ThermodynamicInverse(
            matrix, assume_a="pos", rtol=rtol, maxiter=12, device=self.device, rng=self.rng
        )

    def solve(self, b: Vector, guess: Vector | None = None) -> Vector:
        """The x with Mx = b; a guess leaves the device only the correction."""
        with warnings.catch_warnings():
            # An inexact direction costs an iteration; what is returned is certified apart.
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            if guess is None:
                return np.asarray(self._inverse @ b)
            residual = b - self._matrix @ guess
            return guess + np.asarray(self._inverse @ residual) if residual.any() else guess
