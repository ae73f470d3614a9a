"""Symmetric systems, each written into the device once and used for many right-hand sides."""

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
    assume_a : {'pos', 'sym'}, optional
        As in `thermolinalg.solve`.

    Attributes
    ----------
    programs : int
        Matrices written.
    device_time : float
        Time run under all of them, in units of τ.
    """

    def __init__(self, device: Any, rng: np.random.Generator, assume_a: str = "pos") -> None:
        self.device, self.rng, self.assume_a = device, rng, assume_a
        self.programs, self.device_time = 0, 0.0
        self._held: tla.PreparedDevice | None = None

    def write(self, matrix: Any) -> None:
        """Program another matrix."""
        self.programs += 1
        if self._held is None:
            self._held = tla.program(matrix, assume_a=self.assume_a, device=self.device, rng=self.rng)
        else:
            self._held.update(matrix, assume_a=self.assume_a)

    def solve(self, b: Vector, rtol: float) -> Vector:
        """The x with Mx = b, to a relative residual."""
        assert self._held is not None, "nothing is programmed yet"
        with warnings.catch_warnings():
            # An inexact direction costs an iteration; what is returned is certified apart.
            warnings.simplefilter("ignore", tla.ThermodynamicWarning)
            x, info = self._held.solve(b, rtol=rtol, maxiter=RUNS, return_info=True)
        self.device_time = float(info.device_time)
        return np.asarray(x)
