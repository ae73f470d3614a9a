"""Least squares as a square system: the residual is an unknown beside x, and nothing is squared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from thermolinalg._arrays import Array, column_norms, eps, namespace
from thermolinalg.devices import Reading, Schedule
from thermolinalg.operators import Operator
from thermolinalg.systems.held import Adapter

__all__ = ["Augmented", "LeastSquaresInverse"]

CLEAN = 5.0
"""Times eps: share of a solution that may be left in the null space. A run more takes out two to four digits."""

CLEANINGS = 16
"""Runs at most that take the null space out of a reading; a biased device takes fewer digits out in each."""

LARGE = 10.0
"""Over the solution, a part in the null space whose own rounding has to be taken out in a second pass."""


class Augmented(Operator):
    """The matrix [[αI, A], [−Aᵀ, δI]] of min ‖b − A x‖² + αδ‖x‖², with unknowns u = (b − A x)/α and x.

    Parameters
    ----------
    matrix : Operator, shape (m, n)
        A.
    upper, lower : float
        α > 0, near the smallest singular value for the best condition, and δ ≥ 0.
    """

    structure = "augmented"
    symmetric = False

    def __init__(self, matrix: Operator, upper: float, lower: float) -> None:
        m, n = matrix.shape
        super().__init__(matrix.dtype, (m + n, m + n), matrix.like)
        self.matrix, self.upper, self.lower = matrix, upper, lower

    def apply(self, block: Array) -> Array:
        m = self.matrix.shape[0]
        u, x = block[:m, :], block[m:, :]
        first = self.upper * u + self.matrix.apply(x)
        return namespace(block).concat([first, self.lower * x - self.matrix.apply_transposed(u)])

    def apply_transposed(self, block: Array) -> Array:
        m = self.matrix.shape[0]
        u, x = block[:m, :], block[m:, :]
        first = self.upper * u - self.matrix.apply(x)
        return namespace(block).concat([first, self.lower * x + self.matrix.apply_transposed(u)])

    def extended_product(self, block: Array) -> Array | None:
        m = self.matrix.shape[0]
        u, x = block[:m, :], block[m:, :]
        first, second = self.matrix.extended_product(x), self.matrix.T.extended_product(u)
        if first is None or second is None:
            return None
        return namespace(block).concat([self.upper * u + first, self.lower * x - second])

    def absolute(self, block: Array) -> Array | None:
        m = self.matrix.shape[0]
        u, x = block[:m, :], block[m:, :]
        first, second = self.matrix.absolute(x), self.matrix.T.absolute(u)
        if first is None or second is None:
            return None
        return namespace(block).concat([self.upper * u + first, self.lower * x + second])


@dataclass(frozen=True)
class LeastSquaresInverse(Adapter):
    """A skew device as a noisy inverse of the augmented matrix.

    Its own lower block is αI where the augmented one is δI: a run leaves α(α − δ)/(α² + σ²) of x, which refinement
    removes. Along the null space of a deficient A the lower voltages wander, and no residual shows it: what is read of
    them is taken to the row space.

    Parameters
    ----------
    program : Averaging
        Holds [[αI, A], [−Aᵀ, αI]].
    matrix : Operator, shape (m, n)
        A.
    alpha : float
        α.
    row_space : array, shape (n, r), or None
        An orthonormal basis of the row space, where it is known.
    full_rank : bool
        Whether there is no null space.
    bias : float
        Most that a run leaves of x, relative to its norm.
    """

    matrix: Operator
    alpha: float
    row_space: Array | None
    full_rank: bool
    bias: float = 0.0
    definite: bool = False

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Load (m + n, k), run the schedule, return u and x."""
        reading = self.program.average(b, schedule, rng=rng, state=state)
        if self.full_rank:
            return reading
        return replace(
            reading,
            value=self._in_row_space(reading.value, schedule, rng),
            replicas=lambda: self._in_row_space(reading.noise, schedule, rng),
        )

    def _in_row_space(self, z: Array, schedule: Schedule, rng: np.random.Generator) -> Array:
        """u, and x without its part in the null space.

        Where no basis is known the device tells that part itself: loaded with (0, αx) its lower voltages are
        α² (AᵀA + α²)⁻¹ x. Residuals of that, which the null space enters with α, are sent back until it is known.
        """
        xp, m = namespace(z), self.matrix.shape[0]
        u, x = z[:m, :], z[m:, :]
        if self.row_space is not None:
            return xp.concat([u, self.row_space @ (self.row_space.T @ x)])
        held, zero = Augmented(self.matrix, self.alpha, self.alpha), xp.zeros_like(u)
        load = self.alpha * x
        part, residual, left = xp.zeros_like(z), load, column_norms(load)
        for _ in range(CLEANINGS):
            part = part + self.program.average(xp.concat([zero, residual]), schedule, rng=rng).value
            # What rounding leaves in the upper half lies in the row space, and loaded would bring its own noise.
            residual, before = load - held.apply(part)[m:, :], left
            left, size = column_norms(residual), self.alpha * column_norms(x - part[m:, :])
            if bool(((left <= CLEAN * eps(x) * size) | (left > before / 2)).all()):
                break
        cleaned = xp.concat([u, x - part[m:, :]])
        # The difference of two large numbers is worth another look.
        large = column_norms(part) > LARGE * column_norms(x - part[m:, :])
        return self._in_row_space(cleaned, schedule, rng) if bool(large.any()) else cleaned
