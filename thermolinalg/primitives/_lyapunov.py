"""What solve_continuous_lyapunov works with: the equation in the device's range, and the runs that answer it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, cast

import numpy as np

from thermolinalg._arrays import Array, dtype_name, is_torch, to_numpy
from thermolinalg._validation import checked_array
from thermolinalg.devices import Correlated, Device, GeneralDevice, Ledger, Reading, Schedule
from thermolinalg.devices.protocols import as_correlated
from thermolinalg.devices.watched import watched_program
from thermolinalg.operators import Dense, Operator
from thermolinalg.operators._extended import LONG_DOUBLE_IS_WIDER
from thermolinalg.primitives._linear_solve import PRECISION

__all__ = ["MOST_READINGS", "LyapunovEquation", "LyapunovMap", "Relaxations", "embedding", "read_equation"]

MOST_READINGS = 10**15
"""Beyond this the noise of a covariance is its rounding in double precision."""


@dataclass(frozen=True)
class LyapunovEquation:
    """The equation in double precision, with ‖a‖ and ‖q‖ near 1 and a on the stable side.

    Parameters
    ----------
    a, q : ndarray, shape (d, d)
    exponents : tuple of int
        X is 2**exponents[1] / 2**exponents[0] times the solution of this equation; q is 2**exponents[1] times this q.
    single : bool
        Whether the result is in single precision.
    like : array
        An array of the namespace and device of the result.
    device : Device
    """

    a: np.ndarray
    q: np.ndarray
    exponents: tuple[int, int]
    single: bool
    like: Array
    device: Device

    @property
    def is_complex(self) -> bool:
        """Whether X is complex."""
        return np.iscomplexobj(self.q)

    @cached_property
    def hermitian(self) -> bool:
        """Whether q, and with it X, is Hermitian to rounding."""
        return bool(np.linalg.norm(self.q - self.q.conj().T) <= 4 * np.finfo(float).eps * np.linalg.norm(self.q))

    def product(self, x: np.ndarray) -> Array:
        """a x + x aᴴ."""
        return self.a @ x + x @ self.a.conj().T

    def residual(self, x: np.ndarray) -> Array:
        """q − a x − x aᴴ."""
        return self.q - self.product(x)

    def pack(self, x: np.ndarray) -> Array:
        """A matrix as one column of real numbers."""
        return np.ascontiguousarray(x).view(np.float64).reshape(-1, 1)

    def unpack(self, column: np.ndarray) -> Array:
        """The matrix of a column."""
        return np.ascontiguousarray(column).reshape(-1).view(self.q.dtype).reshape(self.q.shape)

    def single_like(self) -> Array:
        """An array of the precision of the result."""
        return np.empty(0, np.float32 if self.single else np.float64)

    def restore(self, x: np.ndarray, *, error: bool = False) -> Array:
        """The solution (or its error, which is real) in the user's units and precision."""
        e, f = self.exponents
        with np.errstate(over="ignore", under="ignore"):
            scaled = _ldexp(x, f - e)
            if self.single:
                scaled = scaled.astype(np.complex64 if self.is_complex and not error else np.float32)
        if not np.isfinite(scaled).all():
            raise OverflowError(f"X leaves the range of {scaled.dtype}: scale q down, or a up")
        if is_torch(self.like):
            import torch

            return torch.as_tensor(scaled, device=self.like.device)
        return scaled

    def rounded(self, x: np.ndarray) -> np.ndarray:
        """The solution as the user gets it, in the units and precision of this equation."""
        e, f = self.exponents
        return _ldexp(to_numpy(self.restore(x)).astype(x.dtype), e - f)


class LyapunovMap(Operator):
    """X ↦ a X + X aᴴ on columns of real numbers.

    Parameters
    ----------
    equation : LyapunovEquation
    """

    structure = "Lyapunov"
    symmetric = False

    def __init__(self, equation: LyapunovEquation) -> None:
        n = equation.pack(equation.q).shape[0]
        super().__init__(np.dtype(np.float64), (n, n))
        self.equation = equation

    def apply(self, block: Array) -> Array:
        columns = [self.equation.pack(self.equation.product(self.equation.unpack(x))) for x in block.T]
        return np.concatenate(columns, axis=1)

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        equation = self.equation
        wide = np.clongdouble if equation.is_complex else np.longdouble
        if not LONG_DOUBLE_IS_WIDER:
            return None
        a, q = equation.a.astype(wide), equation.unpack(b).astype(wide)
        total = equation.unpack(x).astype(wide) + equation.unpack(low)
        r = (q - a @ total - total @ a.conj().T).astype(equation.q.dtype)
        return equation.pack((r + r.conj().T) / 2 if equation.hermitian else r)

    def absolute(self, block: Array) -> Array:
        a, equation = abs(self.equation.a), self.equation
        columns = []
        for x in block.T:
            size = abs(equation.unpack(x))
            bound = a @ size + size @ a.T
            columns.append(equation.pack(bound * (1 + 1j) if equation.is_complex else bound))
        return np.concatenate(columns, axis=1)


def read_equation(a: Any, q: Any, device: object) -> LyapunovEquation:
    """Check a and q and bring them to the device's side of the imaginary axis and into its range."""
    if device is None:
        device = GeneralDevice()
    if not callable(getattr(device, "program", None)):
        raise TypeError(
            f"device must be None or have a method program(operator), such as GeneralDevice(); not {device!r}"
        )
    a, q = (checked_array(x, name, ndim=(0, 1, 2)) for x, name in ((a, "a"), (q, "q")))
    if is_torch(a) != is_torch(q):
        raise TypeError("a and q must both be torch tensors, or both not")
    drift, noise = (np.atleast_2d(to_numpy(x)) for x in (a, q))
    for name, x in (("a", drift), ("q", noise)):
        if x.shape[0] != x.shape[1] and x.size:
            raise ValueError(f"{name} must be square, got shape {x.shape}")
    if drift.shape != noise.shape:
        raise ValueError(f"a and q must have the same shape, got {drift.shape} and {noise.shape}")
    single = all(dtype_name(x) in ("float32", "complex64") for x in (a, q))
    (drift, e), (noise, f) = (_normalised(x) for x in (drift, noise))
    if np.iscomplexobj(drift):
        noise = noise.astype(np.complex128)
    side = _side(drift, e)
    return LyapunovEquation(side * drift, side * noise, (e, f), single, a, cast(Device, device))


def _normalised(x: np.ndarray) -> tuple[np.ndarray, int]:
    """x/2ᵏ with entries of size up to 1, exactly, and k."""
    x = np.ascontiguousarray(x, dtype=np.complex128 if np.iscomplexobj(x) else np.float64)
    _, exponent = np.frexp(np.abs(x.view(np.float64)).max(initial=0.0))
    return _ldexp(x, -int(exponent)), int(exponent)


def _ldexp(x: np.ndarray, exponent: int) -> np.ndarray:
    x = np.ascontiguousarray(x)
    return np.ldexp(x.view(np.float64), exponent).view(x.dtype)


def _side(a: np.ndarray, exponent: int) -> int:
    """1 where all eigenvalues are in Re > 0, −1 where all are in Re < 0."""
    if a.size == 0:
        return 1
    eigenvalues = np.linalg.eigvals(a)
    rounding = len(a) * np.finfo(float).eps * np.linalg.norm(a, 2)
    if eigenvalues.real.min() > rounding:
        return 1
    if eigenvalues.real.max() < -rounding:
        return -1
    ends = np.ldexp([eigenvalues.real.min(), eigenvalues.real.max()], exponent)
    if ends[0] > 0 or ends[1] < 0:
        raise np.linalg.LinAlgError(
            f"a device with drift a never settles: the real parts of the eigenvalues of a range from {ends[0]:.6g} to "
            f"{ends[1]:.6g}, and the smallest in size is below rounding, {np.ldexp(rounding, exponent):.3g}"
        )
    raise np.linalg.LinAlgError(
        f"a device with drift a never settles: the real parts of the eigenvalues of a range from {ends[0]:.6g} to "
        f"{ends[1]:.6g}, and all must be positive, or all negative; scipy.linalg.solve_continuous_lyapunov takes such a"
    )


@dataclass
class Relaxations:
    """X from q by runs of the device, one for each semidefinite part: a noisy inverse of X ↦ a X + X aᴴ.

    It is what `refine` takes as a device; X and q travel as columns of real numbers.

    Attributes
    ----------
    noise : float
        Norm of the residual that the last run left by itself, over that of its load.
    """

    equation: LyapunovEquation
    ledger: Ledger = field(default_factory=lambda: Ledger(programs=0))
    readings: int = 0
    noise: float = 0.0
    definite = False
    bias = 0.0
    ideal = True

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
        self.ledger.programs += 1
        program.ledger = self.ledger
        return program

    @property
    def failures(self) -> list[str]:
        """Runs that failed and were right the second time."""
        return [failure for program in self.programs for failure in getattr(program, "failures", [])]

    def describe(self) -> dict[str, str]:
        """Engine and reason, for the report of a call."""
        return self.programs[0].describe()

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.programs[0].rate()

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
            self.readings = round((len(self.equation.a) + 1) / relative**2)
        growth = max(self.noise / relative, 1.0) ** 2
        self.readings = int(min(growth * self.readings, MOST_READINGS))
        return self.independent_readings(self.readings)

    def average(self, b: np.ndarray, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Run the device on each semidefinite part of the loads, one column after the other."""
        values, errors, gains = [], [], []
        for column in b.T:
            load = self.equation.unpack(column)
            size = float(np.abs(load).max()) or 1.0
            x, variance = self.estimate(load / size, schedule, rng)
            left, norm = np.linalg.norm(load / size - self.equation.product(x)), np.linalg.norm(load / size)
            self.noise = float(left / norm) if norm > 0 else 0.0
            values.append(self.equation.pack(size * x))
            errors.append(self.equation.pack(np.sqrt(variance).astype(self.equation.q.dtype)))
            gains.append(1 / size)
        return Reading(
            np.concatenate(values, axis=1),
            self.ledger.device_time,
            schedule,
            replicas=lambda: errors[0],
            gain=np.array(gains),
        )

    def estimate(self, load: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """X as the device reads it, and the variance of its entries (of Re plus that of Im where it is complex)."""
        x: np.ndarray = np.zeros_like(load)
        real, imaginary = np.zeros(load.shape), np.zeros(load.shape)
        for factor, noise in _semidefinite_parts(load):
            part = self.covariance(noise, schedule, rng)
            x = x + (factor * part if self.equation.is_complex else (factor * part).real)
            # Wishart: pairs of entries of X̂ = U + iV, whose variances the embedding shares between both.
            size = np.outer(np.diag(part).real, np.diag(part).real)
            if np.isrealobj(part):
                variances = [size + part**2, np.zeros_like(size)]
            else:
                excess = part.real**2 - part.imag**2
                variances = [(size + excess) / 2, (size - excess) / 2]
            if isinstance(factor, complex):
                variances.reverse()
            real, imaginary = real + variances[0], imaginary + variances[1]
        total = real + imaginary if self.equation.is_complex else real
        return x, np.maximum(total, 0.0) / (schedule.readings or 1)

    def covariance(self, noise: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> Array:
        """Sample covariance under a semidefinite noise, through the real form where something is complex."""
        if np.isrealobj(noise) and np.isrealobj(self.equation.a):
            return self.real.noise_covariance(noise, schedule, rng=rng)
        d = len(noise)
        # The real form of q has the real form of X as its covariance, once in each of two blocks.
        s = self.embedded.noise_covariance(embedding(noise), schedule, rng=rng)
        return (s[:d, :d] + s[d:, d:]) / 2 + 0.5j * (s[d:, :d] - s[:d, d:])


def _semidefinite_parts(q: np.ndarray) -> Iterator[tuple[complex, np.ndarray]]:
    """Factors ±1, ±i and Hermitian positive semidefinite matrices whose sum is q."""
    hermitian = (q + q.conj().T) / 2
    for unit, part in ((1, hermitian), (1j, -1j * (q - hermitian))):
        if np.linalg.norm(part) <= 4 * np.finfo(float).eps * np.linalg.norm(q):
            continue
        weights, vectors = np.linalg.eigh(part)
        rounding = len(q) * np.finfo(float).eps * np.abs(weights).max()
        for sign in (1, -1):
            kept = sign * weights > rounding
            if kept.any():
                yield sign * unit, (vectors[:, kept] * abs(weights[kept])) @ vectors[:, kept].conj().T


def embedding(x: np.ndarray) -> np.ndarray:
    """[[Re, −Im], [Im, Re]]."""
    return np.block([[x.real, -x.imag], [x.imag, x.real]])
