"""The skew embedding on a device whose couplings are symmetric: its upper half eliminated, the condition squared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from thermolinalg._arrays import Array, namespace, plus_identity
from thermolinalg.devices import Reading, Schedule
from thermolinalg.operators import Dense, Normal, Operator, Sparse
from thermolinalg.operators.read import shifted_operator
from thermolinalg.systems.held import Adapter

__all__ = ["Eliminated", "regularised_gram"]


def regularised_gram(matrix: Operator, alpha: float) -> Operator:
    """AᵀA + α²I: formed where A is an array, by products where it is not."""
    if isinstance(matrix, Dense):
        return Dense(plus_identity(matrix.matrix.T @ matrix.matrix, alpha**2))
    if isinstance(matrix, Sparse):
        return shifted_operator(matrix.holding((matrix.matrix.T @ matrix.matrix).tocsr()), alpha**2)
    return Normal(matrix, alpha**2)


@dataclass(frozen=True)
class Eliminated(Adapter):
    """A program of AᵀA + α²I as one of the embedding [[αI, A], [−Aᵀ, αI]].

    From α u + A x = c₁ and −Aᵀu + α x = c₂ follows (AᵀA + α²) x = Aᵀc₁ + α c₂, which the device solves, and
    u = (c₁ − A x)/α, which is one digital product.

    Parameters
    ----------
    program : Averaging
        Of AᵀA + α²I.
    matrix : Operator, shape (m, n)
        A.
    alpha : float
        α.
    """

    matrix: Operator
    alpha: float

    def timetable(self, b: Array, relative: float) -> Schedule:
        """As that of the program, for the load that b (m + n, k) makes."""
        return self.program.timetable(self._load(b), relative)

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Load b (m + n, k), run the schedule, return the averages of u and x."""
        m = self.matrix.shape[0]
        reading = self.program.average(self._load(b), schedule, rng=rng, state=state)
        last = None if reading.state is None else self._both(b[:m, :], reading.state)
        return replace(
            reading,
            value=self._both(b[:m, :], reading.value),
            state=last,
            replicas=lambda: self._both(0.0 * b[:m, :1], reading.noise),
        )

    def _load(self, b: Array) -> Array:
        m = self.matrix.shape[0]
        return self.matrix.apply_transposed(b[:m, :]) + self.alpha * b[m:, :]

    def _both(self, upper: Array, x: Array) -> Array:
        """u and x for an upper load."""
        return namespace(x).concat([(upper - self.matrix.apply(x)) / self.alpha, x])
