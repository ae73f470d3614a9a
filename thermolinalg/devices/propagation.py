"""A device whose couplings are known by products only, under the noise that makes its covariance the identity."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import scipy.linalg

from thermolinalg.devices.protocols import Correlated
from thermolinalg.devices.reading import Ledger
from thermolinalg.devices.schedule import Schedule
from thermolinalg.simulation.relaxation import FORGOTTEN

__all__ = ["CovarianceProducts", "ProductProgram", "Propagating"]

TAYLOR = 4.0
"""Norm of an exponent up to which its Taylor polynomial loses no more than two digits to cancellation."""

MOST_TERMS = 60
"""Of them; 4⁶⁰/60! is far below rounding."""


class Propagating(Protocol):
    """A program with the drift M and the noise M + Mᵀ that reads products of e^{−M} with vectors."""

    ledger: Ledger

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, or a bound from below, in 1/τ."""
        ...

    def independent_readings(self, n: int) -> Schedule:
        """Timetable of n readings so far apart that each has forgotten the one before."""
        ...

    def lagged_products(self, V: np.ndarray, schedule: Schedule, *, rng: np.random.Generator) -> np.ndarray:
        """Means (g, d, k) of x(t + 1) (V_iᵀ x(t))ᵀ over one run for each V_i (d, k): estimates of e^{−M} V_i."""
        ...

    def describe(self) -> dict[str, str]:
        """`engine` and `reason` for the report of a call."""
        ...


class ProductProgram:
    """M = αI − A with M + Mᵀ ≥ 2m, whose readings are drawn from their law by products with A.

    Parameters
    ----------
    A : array, sparse array or LinearOperator, shape (d, d)
        Real.
    shift : float
        α.
    slack : float
        m: the device forgets as e^{−mt}.
    size : float
        Bound on ‖M‖, which makes the unit of time τ.

    Attributes
    ----------
    ideal : bool
        True: this device has no imperfections.

    Examples
    --------
    >>> A = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> program = ProductProgram(A, 0.5, 0.5, 1.5)
    >>> rng = np.random.default_rng(0)
    >>> mean = program.lagged_products(np.eye(2)[None], program.independent_readings(10**12), rng=rng)[0]
    >>> np.round(np.exp(0.5) * mean, 4)  # e^A, a rotation by one radian
    array([[ 0.5403,  0.8415],
           [-0.8415,  0.5403]])
    """

    ideal = True

    def __init__(self, A: Any, shift: float, slack: float, size: float) -> None:
        self.A, self.shift, self.slack, self.size = A, shift, slack, size
        self.ledger = Ledger(programs=1)

    def rate(self) -> float:
        """m in 1/τ."""
        return self.slack / self.size

    def independent_readings(self, n: int) -> Schedule:
        """n readings so far apart that e^{−mt} is at most 1e-8."""
        time = -math.log(FORGOTTEN) / self.rate()
        return Schedule(burn_in=time, readings=n, spacing=time, bound="independent readings")

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        return {"engine": "products", "reason": "A is known by products: Taylor polynomials of e^(A − αI) on vectors"}

    def lagged_products(self, V: np.ndarray, schedule: Schedule, *, rng: np.random.Generator) -> np.ndarray:
        """See `Propagating`.

        With V = U R and orthonormal U (d, r), the squares of the n early readings Uᵀx are F Fᵀ from the Wishart law.
        Across U they are white, and together with the noise of the lag they make the late readings white up to
        a aᵀ, a = e^{−M} U: the mean is (a F + (I − a aᵀ)^½ G) Fᵀ R/n with white G.
        """
        n = schedule.readings or 1
        U, R = np.linalg.qr(V)
        groups, d, r = U.shape
        a = self._decayed(U.transpose(1, 0, 2).reshape(d, groups * r)).reshape(d, groups, r).transpose(1, 0, 2)
        F = _wishart_factors(groups, r, n, rng)
        late = a @ F + _across(a, rng.standard_normal((groups, d, F.shape[2])))
        self.ledger.record(d, groups, schedule.total + n * self.size, groups * n)
        return np.asarray(late @ (F.transpose(0, 2, 1) @ R) / n)

    def _decayed(self, U: np.ndarray) -> np.ndarray:
        """e^{−M} U: of an array as it is, else by Taylor polynomials on steps of a norm up to four."""
        if isinstance(self.A, np.ndarray):
            return np.asarray(self._exponential @ U)
        steps = max(1, math.ceil(self.size / TAYLOR))
        for _ in range(steps):
            term = total = U
            for k in range(1, MOST_TERMS):
                term = (self.A @ term - self.shift * term) / (steps * k)
                total = total + term
                if np.linalg.norm(term) <= np.finfo(float).eps / 4 * np.linalg.norm(total):
                    break
            U = total
        return np.asarray(U)

    @cached_property
    def _exponential(self) -> np.ndarray:
        return np.asarray(scipy.linalg.expm(self.A - self.shift * np.eye(len(self.A))))


class CovarianceProducts:
    """Any `Correlated` program with the real form of M on it: its lagged covariance times vectors.

    Parameters
    ----------
    program : Correlated
    drift : ndarray, shape (d, d)
        M, real.
    """

    def __init__(self, program: Correlated, drift: np.ndarray) -> None:
        self.program, self.drift = program, drift
        self.rate, self.independent_readings, self.describe = (
            program.rate,
            program.independent_readings,
            program.describe,
        )
        self.ideal = bool(getattr(program, "ideal", False))

    @property
    def ledger(self) -> Ledger:
        """Of the program."""
        return self.program.ledger

    @ledger.setter
    def ledger(self, ledger: Ledger) -> None:
        self.program.ledger = ledger

    @property
    def failures(self) -> list[str]:
        """Of the program, where it is watched."""
        return list(getattr(self.program, "failures", ()))

    def lagged_products(self, V: np.ndarray, schedule: Schedule, *, rng: np.random.Generator) -> np.ndarray:
        """See `Propagating`."""
        noise = self.drift + self.drift.T
        return np.stack([self.program.lagged_covariance(noise, 1.0, schedule, rng=rng) @ each for each in V])


def _wishart_factors(groups: int, r: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """F (groups, r, min(r, n)) with F Fᵀ the sums of squares of n white readings: Bartlett's where n ≥ r."""
    if n < r:
        return rng.standard_normal((groups, r, n))
    F = np.tril(rng.standard_normal((groups, r, r)), -1)
    F[:, range(r), range(r)] = np.sqrt(rng.chisquare(n - np.arange(r, dtype=float), (groups, r)))
    return F


def _across(a: np.ndarray, g: np.ndarray) -> np.ndarray:
    """(I − a aᵀ)^½ g for ‖a‖ ≤ 1, for stacks of both."""
    left, sizes, _ = np.linalg.svd(a, full_matrices=False)
    lost = 1 - np.sqrt(np.clip(1 - sizes**2, 0.0, None))
    return np.asarray(g - (left * lost[:, None, :]) @ (left.transpose(0, 2, 1) @ g))
