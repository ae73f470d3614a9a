"""The bench on which a device is checked: a test matrix, a load, and what their law says."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices.protocols import Device, Program
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Dense
from thermolinalg.testing.assertions import assert_covariance, assert_mean

__all__ = ["RELAXED", "Bench"]

RELAXED = 20.0
"""Relaxation times of the slowest mode after which the start counts as forgotten."""


def _test_matrix() -> np.ndarray:
    """A matrix of three nodes with largest eigenvalue 1, a diagonal above 1/2 and no symmetry of its own."""
    a = np.array([[1.0, 0.3, -0.1], [0.3, 0.9, 0.2], [-0.1, 0.2, 0.8]])
    return a / float(np.linalg.eigvalsh(a)[-1])


@dataclass
class Bench:
    """A device with the test matrix on it."""

    device: Device
    temperature: float
    n_se: float
    rng: np.random.Generator
    tolerance: float = 0.0
    copies: int = 4000
    matrix: np.ndarray = field(default_factory=_test_matrix)
    load: np.ndarray = field(default_factory=lambda: np.array([[1.0], [-0.6], [0.25]]))

    def __post_init__(self) -> None:
        self.solution = np.linalg.solve(self.matrix, self.load)[:, 0]
        self.covariance = self.temperature * np.linalg.inv(self.matrix)

    def program(self, factor: float = 1.0, rng: np.random.Generator | None = None) -> Program:
        return self.device.program(Dense(factor * self.matrix), rng=self.rng if rng is None else rng)

    @property
    def runs(self) -> int:
        """Separate runs behind the calibration of error bars."""
        return max(16, self.copies // 10)

    def loads(self, copies: int | None = None) -> np.ndarray:
        return np.repeat(self.load, copies or self.copies, axis=1)

    def schedule(self, program: Program, times: float = 10.0) -> Schedule:
        """Burn-in until equilibrium, and a window of so many relaxation times."""
        return Schedule(burn_in=RELAXED / program.rate(), duration=times / program.rate())

    def assert_mean(self, samples: Array, mean: Array) -> None:
        assert_mean(samples.T, mean, n_se=self.n_se, tolerance=self.tolerance)

    def assert_in_equilibrium(self, samples: Array) -> None:
        self.assert_mean(samples, self.solution)
        assert_covariance(samples.T, self.covariance, n_se=self.n_se, tolerance=self.tolerance)
