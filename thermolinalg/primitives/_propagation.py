"""What expm_multiply works with: A in its real form, its numerical abscissa by products, and chains of device runs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, cast

import numpy as np
import scipy.sparse
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, aslinearoperator, eigsh, onenormest

from thermolinalg._progress import watched
from thermolinalg.devices import Device, Ledger
from thermolinalg.devices.propagation import CovarianceProducts, ProductProgram, Propagating
from thermolinalg.devices.protocols import as_correlated
from thermolinalg.devices.watched import watched_program
from thermolinalg.estimation.health import Health
from thermolinalg.operators import Dense
from thermolinalg.operators.matrix_free import product
from thermolinalg.primitives._coordinates import numerical_abscissa, plan
from thermolinalg.primitives._exponential import DIRECTIONS, examined, margin
from thermolinalg.primitives._lyapunov import embedding

__all__ = ["CHAINS", "DENSE", "Chains", "Generator", "Looked", "real_form"]

CHAINS = 32
"""Independent chains whose mean is the answer; their scatter tells its standard error with 31 degrees of freedom."""

LOOKED = 2
"""Times L as many readings tell the health of a device. Errors of steps add up, their noise in squares, so that a fault
of six standard errors of a step is 6/√L of the answer, over a bar that 32 chains may tell 40 % too short: 4.2/0.6 = 7
bars, and as many as ten with the noise."""

SEARCHED = 512
"""Order up to which coordinates are looked for: beyond it more steps cost less."""

MOST_STEPS = 100_000
"""Steps of an interval beyond which a change of coordinates is worth a dense matrix."""

CLOSE = 2.0
"""Exponents between which Lanczos does not look for a smaller shift."""

RESTARTS = 100
"""Of Lanczos: where the end of a spectrum is dense, Gershgorin's discs are as good."""

DENSE = 128
"""Order up to which a sparse A is held as an array."""


def real_form(A: Any) -> Any:
    """[[Re A, −Im A], [Im A, Re A]] of an array, sparse array or operator."""
    if scipy.sparse.issparse(A):
        return scipy.sparse.block_array([[A.real, -A.imag], [A.imag, A.real]], format="csr")
    if isinstance(A, np.ndarray):
        return embedding(A)
    d = A.shape[0]

    def through(apply: Any) -> Any:
        def applied(x: np.ndarray) -> np.ndarray:
            y = apply((x[:d] + 1j * x[d:]).reshape(d, -1))
            return np.concatenate([y.real, y.imag]).reshape(x.shape)

        return applied

    forward, adjoint = through(A.matmat), through(A.rmatmat)
    return LinearOperator((2 * d, 2 * d), forward, adjoint, forward, np.float64, adjoint)


@dataclass(frozen=True)
class Generator:
    """A real A in coordinates with a small numerical abscissa where it is an array, as it is where it is not.

    Parameters
    ----------
    A : ndarray, sparse array or LinearOperator, shape (d, d)
        Real.
    reach : float
        The time for which coordinates are chosen.
    """

    A: Any
    reach: float

    @cached_property
    def _coordinates(self) -> Any:
        if not isinstance(self.A, np.ndarray) or len(self.A) > SEARCHED or not self.reach:
            return None
        return plan(self.A * self.reach).coordinates

    @cached_property
    def held(self) -> Any:
        """T⁻¹ A T, or A."""
        if self._coordinates is None:
            return self.A
        return self._coordinates.held / self.reach

    def into(self, B: np.ndarray) -> np.ndarray:
        """T⁻¹ B."""
        return B if self._coordinates is None else np.asarray(self._coordinates.inverse @ B)

    def back(self, V: np.ndarray) -> np.ndarray:
        """T V."""
        return V if self._coordinates is None else np.asarray(self._coordinates.T @ V)

    @cached_property
    def condition(self) -> float:
        """By how much T spreads rounding."""
        return 1.0 if self._coordinates is None else float(self._coordinates.amplification.max())

    def abscissa(self, sign: int) -> float:
        """At least the numerical abscissa of ±A."""
        A = self.held
        if isinstance(A, np.ndarray):
            return numerical_abscissa(sign * A)
        bound = math.inf
        if scipy.sparse.issparse(A):
            S = ((A + A.T) * (sign / 2)).tocsr()
            diagonal = S.diagonal()
            # Gershgorin's discs, and the largest diagonal entry from below.
            bound = float((diagonal + abs(S).sum(axis=1) - abs(diagonal)).max())
            if self.reach * (bound - float(diagonal.max())) <= CLOSE:
                return bound
        return min(bound, _largest_eigenvalue(A, sign, bound))

    @cached_property
    def size(self) -> float:
        """A bound on the norm, or an estimate of it for operators."""
        A = self.held
        if isinstance(A, np.ndarray):
            return float(np.linalg.norm(A, 2))
        if scipy.sparse.issparse(A):
            return math.sqrt(float(abs(A).sum(axis=0).max()) * float(abs(A).sum(axis=1).max()))
        return math.sqrt(float(onenormest(A)) * float(onenormest(A.H)))


def _largest_eigenvalue(A: Any, sign: int, otherwise: float) -> float:
    """Of the symmetric part of ±A, with what Lanczos leaves open."""
    d = A.shape[0]
    operator = aslinearoperator(A)
    symmetric = LinearOperator((d, d), lambda x: sign * (operator.matvec(x) + operator.rmatvec(x)) / 2, dtype=float)
    if d <= 2:
        dense = symmetric @ np.eye(d)
        return float(np.linalg.eigvalsh((dense + dense.T) / 2)[-1])
    start = np.random.default_rng(0).standard_normal(d)
    if not np.any(symmetric @ start):
        return 0.0
    try:
        values, vectors = eigsh(symmetric, k=1, which="LA", v0=start, maxiter=RESTARTS, tol=1e-6)
    except ArpackNoConvergence:
        if math.isfinite(otherwise):
            return otherwise
        raise ValueError(
            "the largest eigenvalue of the symmetric part of A, which the device needs, does not converge by products; "
            "pass A as a sparse array"
        ) from None
    x = vectors[:, 0]
    return float(values[0] + np.linalg.norm(symmetric @ x - values[0] * x))


class Looked(LinearOperator):  # type: ignore[misc]
    """A map whose products are looked at, each of them: of the right shape, numbers, finite.

    Parameters
    ----------
    operator : LinearOperator
    """

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__(operator.dtype, operator.shape)
        self.operator = operator

    def _matmat(self, block: np.ndarray) -> np.ndarray:
        image = product(self.operator, block)
        if not np.isfinite(image).all() and np.isfinite(block).all():
            raise ValueError("products with A give NaN or infinity")
        return image

    def _adjoint(self) -> LinearOperator:
        return Looked(self.operator.H)


@dataclass
class Chains:
    """Independent chains B → e^{A t₁} B → e^{A t₂} B → …, each interval in N steps read one after the other.

    Parameters
    ----------
    generator : Generator
    intervals : ndarray, shape (times,)
        Between the times, from 0 on.
    device : Device or None
        None draws readings by products.
    """

    generator: Generator
    intervals: np.ndarray
    device: Device | None
    programs: dict[float, tuple[Propagating, int, float]] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=lambda: Ledger(programs=0))

    def program(self, t: float) -> tuple[Propagating, int, float]:
        """For an interval: the device with the step on it, the number N of steps, and the shift of one."""
        if t not in self.programs:
            A, sign = self.generator.held, 1 if t > 0 else -1
            growth = abs(t) * self.generator.abscissa(sign)
            # Errors of N steps grow as √N e^{α/N}; they are e^{α} for one. A normal A would need no more than one.
            steps = max(1, math.ceil(growth))
            if steps > MOST_STEPS:
                advice = "; expm(A.toarray()) @ B looks for better coordinates" if scipy.sparse.issparse(A) else ""
                raise ValueError(
                    f"the symmetric part of A t has the eigenvalue {growth:.3g}, and e^(A t) takes as many steps, more "
                    f"than {MOST_STEPS}{advice}"
                )
            h = t / steps
            slack = margin(min(A.shape[0], 1000), abs(h) * self.generator.size)
            shift = growth / steps + slack
            size = abs(h) * self.generator.size + abs(shift)
            program = ProductProgram(A * h, shift, slack, size) if self.device is None else self._held(A * h, shift)
            self.ledger.write(program.ledger.couplings)
            program.ledger = self.ledger
            self.programs[t] = program, steps, shift
        return self.programs[t]

    def _held(self, step: Any, shift: float) -> Propagating:
        assert self.device is not None
        if not isinstance(step, np.ndarray):
            raise TypeError("a device that is passed holds dense arrays: pass A.toarray(), or device=None")
        drift = shift * np.eye(len(step)) - step
        program = watched_program(self.device, Dense(drift, symmetric=False))
        return CovarianceProducts(as_correlated(program, self.device), drift)

    @cached_property
    def steps(self) -> int:
        """In all."""
        return sum(self.program(t)[1] for t in self.intervals if t)

    def device_time(self, n: int) -> float:
        """Of all chains with n pairs of readings for each step."""
        total = 0.0
        for t in self.intervals:
            if t:
                program, steps, _ = self.program(t)
                lag = self.generator.size * abs(t) / steps
                total += steps * CHAINS * (program.independent_readings(n).total + n * lag)
        return total

    def run(self, B: np.ndarray, n: int, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Mean and standard error (d, k) at every time."""
        V = np.broadcast_to(self.generator.into(B), (CHAINS, *B.shape)).copy()
        steps = watched(range(self.steps), "step")
        for t in self.intervals:
            if t:
                program, count, shift = self.program(t)
                schedule = program.independent_readings(n)
                for _ in islice(steps, count):
                    V = math.exp(shift) * program.lagged_products(V, schedule, rng=rng)
            outer = np.stack([self.generator.back(each) for each in V])
            with np.errstate(over="ignore"):
                scatter = outer.std(axis=0, ddof=1)
            yield outer.mean(axis=0), scatter / math.sqrt(CHAINS)
        next(steps, None)  # which counts the last one

    def health(self, B: np.ndarray, n: int, rng: np.random.Generator) -> Health | None:
        """Of a device that is not the package's own, looked at `LOOKED` times as long as n pairs for each step took."""
        columns, found = self.generator.into(B), cast(Health | None, None)
        along = columns[:, columns.any(axis=0)][:, :DIRECTIONS]
        along = along / np.linalg.norm(along, axis=0)
        for program, steps, _ in self.programs.values():
            if isinstance(program, CovarianceProducts):
                health = examined(program.program, program.drift, along, LOOKED * CHAINS * n * steps, rng)
                found = found.add(health) if found and health else health
        return found

    def rounding(self, noise: np.ndarray, value: np.ndarray, n: int) -> np.ndarray:
        """An error of rounding grows as one of noise does; readings have their own."""
        eps = float(np.finfo(float).eps)
        size = max((self.generator.size * abs(t) / self.program(t)[1] for t in self.intervals if t), default=0.0)
        share = eps * max(size, 1.0) * self.generator.condition * math.sqrt(CHAINS * n)
        return np.asarray(share * noise + eps * max(self.steps, 1) * np.abs(value))
