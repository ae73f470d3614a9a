"""Least squares as a device sees it: which square system carries A x ≈ b, and how x is read off it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, column_norms, dtype_name, eps, namespace
from thermolinalg.devices import Ledger, Program, Reading, Schedule
from thermolinalg.operators import Dense, Operator
from thermolinalg.primitives._system import System, rounding_shift

__all__ = ["LeastSquaresSystem", "RowSpaceProgram"]


@dataclass
class LeastSquaresSystem(System):
    """The minimum-norm least-squares problem min ‖b − A x‖, on a device.

    Where A has full column rank the device holds AᵀA and x is its mean; where it has full row rank only, it holds AAᵀ
    and x = Aᵀw; where it has neither, AᵀA with its floating modes grounded, and x is the part of the mean in the row
    space. Rank and null space are found digitally: no relaxation shows them in finite time.

    Parameters
    ----------
    loadable, b, device, rng
        As in `System`; A of shape (m, n), b of shape (m, k).
    cutoff : float
        Singular values up to cutoff × the largest count as zero.
    """

    cutoff: float = 0.0

    def __post_init__(self) -> None:
        self.is_complex = self.loadable.is_complex
        a = self.loadable.operator.dense()
        xp = namespace(a)
        self._a = a
        self.has_complex_rhs = not self.is_complex and "complex" in dtype_name(self.b)
        self.rhs = self.real_form(self.b)
        u, self.singular_values, vt = xp.linalg.svd(a, full_matrices=False)
        largest = float(xp.max(self.singular_values)) if self.singular_values.shape[0] else 0.0
        rank = int(xp.sum(xp.astype(self.singular_values > self.cutoff * largest, xp.int64)))
        self._range, self._rows, self.rank = u[:, :rank], vt[:rank, :].T, rank
        m, n = a.shape
        self._by_rows = rank == m < n
        self.matrix: Operator = Dense(a, symmetric=False)
        program = self.device.program(
            Dense(a @ a.T if self._by_rows else self._gram(a, largest, rank == n)), rng=self.rng
        )
        if self._by_rows:
            program = RowSpaceProgram(program, a.T)
        elif rank < n:
            program = RowSpaceProgram(program, self._rows @ self._rows.T)
        self.program = program

    @property
    def definite(self) -> bool:
        """Whether residuals and unknowns are of one space, with AᵀA between them."""
        return not self._by_rows

    def _gram(self, a: Array, largest: float, full_rank: bool) -> Array:
        gram = a.T @ a
        xp = namespace(a)
        identity = xp.eye(a.shape[1], dtype=a.dtype, device=a.device)
        # A shift at rounding level keeps a nearly singular matrix loadable; refinement removes its effect.
        gram = gram + rounding_shift(gram) * (xp.linalg.diagonal(gram) + eps(a) * largest**2) * identity
        return gram if full_rank else gram + largest**2 * (identity - self._rows @ self._rows.T)

    def load(self) -> Array:
        """The right-hand side as it is loaded: b, or Aᵀb."""
        return self.rhs if self._by_rows else self._a.T @ self.rhs

    def apply(self, block: Array) -> Array:
        """What a step x changes in the load: A x, or AᵀA x."""
        product = self._a @ block
        return product if self._by_rows else self._a.T @ product

    def residual(self, x: Array, low: Array | None = None) -> tuple[Array, Array]:
        """The residual to send back, and the norms of the part of b − A x in the range of A, column by column."""
        r = self.rhs - self._a @ x
        norms = column_norms(self._range.T @ r)
        if low is not None:
            extended = self.matrix.extended_residual(self.rhs, x, low)
            r = r - self._a @ low if extended is None else extended
        return (r if self._by_rows else self._a.T @ r), norms


@dataclass
class RowSpaceProgram:
    """A program whose readings are taken to the row space of A, where the minimum-norm solution lives.

    Parameters
    ----------
    program : Program
        Holds AAᵀ, or AᵀA with its floating modes grounded.
    to_rows : array, shape (n, d)
        Aᵀ, or the projector onto the row space.
    """

    program: Program
    to_rows: Array

    @property
    def ledger(self) -> Ledger:
        """Of the program."""
        return self.program.ledger

    def rate(self) -> float:
        """Of the program."""
        return self.program.rate()

    def timetable(self, b: Array, relative: float) -> Schedule:
        """Of the program."""
        return self.program.timetable(b, relative)

    def describe(self) -> dict[str, Any]:
        """Of the program."""
        return self.program.describe()

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """A reading of the program, its value and noise taken to the row space."""
        reading = self.program.average(b, schedule, rng=rng, start=start, state=state)
        return replace(reading, value=self.to_rows @ reading.value, replicas=lambda: self.to_rows @ reading.noise)
