"""Positive definite systems, each written into the device once and used for many right-hand sides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

import thermolinalg as tla

__all__ = ["Programmed"]

Vector = NDArray[np.float64]

RUNS = 12
"""Device runs of one system at most: a direction that needs more is taken as it is, and the next one corrects it."""


class Programmed:
    """The device of one problem: the matrix it holds, what it ran, how often it was programmed.

    Parameters
    ----------
    device : Device, optional
        As in `thermolinalg.solve`.
    rng : numpy.random.Generator
        Source of randomness.

    Attributes
    ----------
    programs : int
        Matrices written.
    device_time : float
        Time run under all of them, in units of τ.
    """

    def __init__(self, device: Any, rng: np.random.Generator) -> None:
        self.device, self.rng = device, rng
        self.programs, self.device_time = 0, 0.0
        self._matrix: Any = None
        self._held: tla.PreparedDevice | None = None
        self._rtol = 0.0

    def write(self, matrix: Any, *, rtol: float) -> None:
        """Program another matrix, whose systems are solved to a relative residual."""
        self._matrix, self._rtol, self.programs = matrix, rtol, self.programs + 1
        if self._held is None:
            self._held = tla.program(matrix, assume_a="pos", device=self.device, rng=self.rng)
        else:
            self._held.update(matrix, assume_a="pos")

    def solve(self, b: Vector, guess: Vector | None = None) -> Vector:
        """The x with Mx = b; a guess leaves the device only the correction."""
        assert self._held is not None, "nothing is programmed yet"
        residual = b if guess is None else b - self._matrix @ guess
        with warnings.catch_warnings():
            # An inexact direction costs an iteration; what is returned is certified apart.
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            step, info = self._held.solve(residual, rtol=self._rtol, maxiter=RUNS, return_info=True)
        self.device_time = float(info.device_time)
        return np.asarray(step if guess is None else guess + step)
