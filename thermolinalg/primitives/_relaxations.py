"""Runs of a device that answer a Lyapunov equation: one for each semidefinite part of q."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices import Correlated, Ledger, Reading, Schedule
from thermolinalg.devices.protocols import as_correlated
from thermolinalg.devices.watched import watched_program
from thermolinalg.operators import Dense
from thermolinalg.primitives._linear_solve import PRECISION
from thermolinalg.primitives._lyapunov import LyapunovEquation, embedding, even

__all__ = ["Relaxations"]

MOST_READINGS = 10**15
"""Beyond this the noise of a covariance is its rounding in double precision."""

CERTAIN = 1e-4
"""Pivots of a Cholesky factor above this share of the largest are not those of a singular matrix."""

FINEST = 1e-7
"""Noise below this is not asked of a single run: it would take more readings than that."""


@dataclass
class Relaxations:
    """X from q by runs of the device, one for each semidefinite part: a noisy inverse of X ↦ a X + X aᴴ.

    It is what `refine` takes as a device; X and q travel as columns of real numbers.

    Attributes
    ----------
    noise : float
        Norm of the residual that the last run left by itself, over that of its load, in its worst units.
    spread : ndarray, shape (d, d)
        Standard deviations of one reading of the last run.
    """

    equation: LyapunovEquation
    ledger: Ledger = field(default_factory=lambda: Ledger(programs=0))
    readings: int = 0
    noise: float = 0.0
    spread: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    definite = False
    bias = 0.0

    @cached_property
    def real(self) -> Correlated:
        """The device with a real drift a on it."""
        return self._program(self.equation.a)

    @cached_property
    def embedded(self) -> Correlated:
        """The device with the real form of a on it: twice the nodes, for complex a or noise."""
        return self._program(embedding(self.equation.a))

    def _program(self, drift: np.ndarray) -> Correlated:
        device = self.equation.device
        try:
            program = as_correlated(watched_program(device, Dense(drift, symmetric=False)), device)
        except TypeError:
            raise TypeError(
                "a Lyapunov equation needs a device of general couplings and noise, such as GeneralDevice(); "
                f"not {device!r}"
            ) from None
        self.ledger.write(program.ledger.couplings)
        program.ledger = self.ledger
        return program

    @property
    def failures(self) -> list[str]:
        """Runs that failed and were right the second time."""
        return [failure for program in self.programs for failure in getattr(program, "failures", [])]

    @property
    def ideal(self) -> bool:
        """Whether the device says of itself that it has no errors but noise."""
        return all(getattr(program, "ideal", False) for program in self.programs)

    @property
    def own(self) -> bool:
        """Whether the device is simulated by this package."""
        return all(getattr(program, "own", False) for program in self.programs)

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        return self.programs[0].describe()

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.programs[0].rate()

    def left(self, burn_in: float) -> float:
        """Share of the start of the slowest mode that is left after a burn-in."""
        return math.exp(-burn_in * self.rate())

    @property
    def programs(self) -> tuple[Correlated, ...]:
        """The devices that the parts of q need."""
        if self.equation.is_complex:
            return (self.embedded,)
        return (self.real,) if self.equation.hermitian else (self.real, self.embedded)

    def independent_readings(self, n: int) -> Schedule:
        """n readings that are independent on each of the devices."""
        return max((program.independent_readings(n) for program in self.programs), key=lambda each: each.burn_in)

    def timetable(self, b: np.ndarray, relative: float = PRECISION) -> Schedule:
        """Readings for the next run: more where the noise of the last left more than a share of its load."""
        if not self.readings:
            # E‖X̂ − X‖² = (‖X‖² + (tr X)²)/n ≤ (d + 1)‖X‖²/n
            self.readings = round((len(self.equation.a) + 1) / max(relative, FINEST) ** 2)
        growth = min(max(self.noise / max(relative, FINEST), 1.0), MOST_READINGS) ** 2
        self.readings = int(min(growth * self.readings, MOST_READINGS))
        return self.independent_readings(self.readings)

    def average(self, b: np.ndarray, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Run the device on each semidefinite part of the loads, one column after the other."""
        values, errors, gains = [], [], []
        for column in b.T:
            load = self.equation.unpack(column)
            size = float(np.abs(load).max()) or 1.0
            with np.errstate(over="ignore", invalid="ignore"):  # a device may read anything
                x, error = self.estimate(load / size, schedule, rng)
                self.noise = self._left(load / size - self.equation.product(x), load / size)
                values.append(self.equation.pack(size * x))
                self.spread = size * (schedule.readings or 1) ** 0.5 * error
            errors.append(self.equation.pack(error.astype(self.equation.q.dtype)))
            gains.append(1 / size)
        return Reading(
            np.concatenate(values, axis=1),
            self.ledger.device_time,
            schedule,
            replicas=lambda: errors[0],
            gain=np.array(gains),
        )

    def _left(self, residual: np.ndarray, load: np.ndarray) -> float:
        """Share of a load that is left, in whichever units it is larger."""
        r, b = (self.equation.pack(each) for each in (residual, load))
        shares = [float(m.residual(r)[0] / norm) for m in self.equation.measures if (norm := m.residual(b)[0]) > 0]
        return max((math.inf if math.isnan(share) else share for share in shares), default=0.0)

    def estimate(self, load: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """X as the device reads it, and the standard error of its entries (of Re and Im together where complex)."""
        x: np.ndarray = np.zeros_like(load)
        real, imaginary = np.zeros(load.shape), np.zeros(load.shape)
        for factor, noise in _semidefinite_parts(load):
            part = self.covariance(noise, schedule, rng)
            x = x + (factor * part if self.equation.is_complex else (factor * part).real)
            deviations = _deviations(part)
            if isinstance(factor, complex):
                deviations.reverse()
            real, imaginary = np.hypot(real, deviations[0]), np.hypot(imaginary, deviations[1])
        total = np.hypot(real, imaginary) if self.equation.is_complex else real
        return x, total / (schedule.readings or 1) ** 0.5

    def covariance(self, noise: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> Array:
        """Sample covariance under a semidefinite noise, through the real form where something is complex."""
        if np.isrealobj(noise) and np.isrealobj(self.equation.a):
            return self.real.noise_covariance(noise, schedule, rng=rng)
        d = len(noise)
        if self.embedded not in self.programs:
            # The timetable is that of the device with the real drift; loads that bound the rounding are not Hermitian.
            schedule = self.embedded.independent_readings(schedule.readings or 1)
        # The real form of q has the real form of X as its covariance, once in each of two blocks.
        s = self.embedded.noise_covariance(embedding(noise), schedule, rng=rng)
        return (s[:d, :d] + s[d:, d:]) / 2 + 0.5j * (s[d:, :d] - s[:d, d:])


def _deviations(part: np.ndarray) -> list[np.ndarray]:
    """Standard deviations of Re and Im of a covariance, for one reading.

    Wishart: those of pairs of entries of X̂ = U + iV, whose variances the embedding shares between both.
    """
    largest = np.abs(part).max() or 1.0
    unit = part / largest
    size = np.outer(np.diag(unit).real, np.diag(unit).real)
    if np.isrealobj(unit):
        variances = [size + unit**2, np.zeros_like(size)]
    else:
        excess = unit.real**2 - unit.imag**2
        variances = [(size + excess) / 2, (size - excess) / 2]
    return [largest * np.sqrt(np.maximum(variance, 0.0)) for variance in variances]


def _definite(part: np.ndarray) -> bool:
    """Whether a Cholesky factorisation finds it positive definite, well above rounding."""
    try:
        pivots = np.diag(np.linalg.cholesky(part))
    except np.linalg.LinAlgError:
        return False
    return bool(pivots.min() > CERTAIN * pivots.max())


def _semidefinite_parts(load: np.ndarray) -> Iterator[tuple[complex, np.ndarray]]:
    """Factors ±1, ±i and Hermitian positive semidefinite matrices whose sum is q, told apart where q is even."""
    q, units = even(load)
    hermitian = (q + q.conj().T) / 2
    for unit, part in ((1, hermitian), (1j, -1j * (q - hermitian))):
        if np.linalg.norm(part) <= 4 * np.finfo(float).eps * np.linalg.norm(q):
            continue
        if np.isrealobj(part) and _definite(part):
            yield unit, part / units[:, None] / units
            continue
        weights, vectors = np.linalg.eigh(part)
        rounding = len(q) * np.finfo(float).eps * np.abs(weights).max()
        vectors = vectors / units[:, None]
        for sign in (1, -1):
            kept = sign * weights > rounding
            if kept.any():
                yield sign * unit, (vectors[:, kept] * abs(weights[kept])) @ vectors[:, kept].conj().T
