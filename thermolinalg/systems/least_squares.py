"""Least squares as a square system: the residual is an unknown beside x, and nothing is squared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from thermolinalg._arrays import Array, eps, is_torch, namespace
from thermolinalg.devices import Ledger, Program, Reading, Schedule
from thermolinalg.operators import Operator

__all__ = ["Augmented", "LeastSquares", "LeastSquaresInverse"]


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

    def extended_residual(self, b: Array, x: Array, low: Array) -> Array | None:
        if is_torch(b) or np.finfo(np.longdouble).eps >= eps(b):
            return None
        m = self.matrix.shape[0]
        wide = np.longdouble
        u, v = x[:m].astype(wide) + low[:m], x[m:].astype(wide) + low[m:]
        first = self.matrix.extended_residual(b[:m].astype(wide), x[m:], low[m:])
        second = self.matrix.T.extended_residual(-b[m:].astype(wide), x[:m], low[:m])
        if first is None or second is None:
            return None
        return np.concatenate([first - self.upper * u, -second - self.lower * v]).astype(b.dtype)

    def absolute(self, block: Array) -> Array | None:
        m = self.matrix.shape[0]
        u, x = block[:m, :], block[m:, :]
        first, second = self.matrix.absolute(x), self.matrix.T.absolute(u)
        if first is None or second is None:
            return None
        return namespace(block).concat([self.upper * u + first, self.lower * x + second])


@dataclass(frozen=True)
class LeastSquares:
    """min ‖b − A x‖ as the augmented system with the right-hand side (b, 0).

    Parameters
    ----------
    shape : tuple of int
        (m, n) of A.
    """

    shape: tuple[int, int]

    def into(self, b: Array) -> Array:
        xp = namespace(b)
        return xp.concat([b, xp.zeros((self.shape[1], b.shape[1]), dtype=b.dtype, device=b.device)])

    def start(self, x: Array) -> Array:
        xp = namespace(x)
        return xp.concat([xp.zeros((self.shape[0], x.shape[1]), dtype=x.dtype, device=x.device), x])

    def back(self, x: Array) -> Array:
        return x[self.shape[0] :, :]

    def back_error(self, e: Array) -> Array:
        return e[self.shape[0] :, :]

    def tolerance(self, t: Array) -> Array:
        return t

    def norms(self, norms: np.ndarray) -> np.ndarray:
        return norms


@dataclass(frozen=True)
class LeastSquaresInverse:
    """A skew device as a noisy inverse of the augmented matrix.

    Its own lower block is αI where the augmented one is δI: a run leaves α(α − δ)/(α² + σ²) of x, which refinement
    removes.

    Parameters
    ----------
    program : Program
        Holds [[αI, A], [−Aᵀ, αI]].
    matrix : Operator, shape (m, n)
        A.
    alpha : float
        α.
    in_row_space : bool
        Whether x is taken from the upper voltages, x = (Aᵀu + c)/α for a lower load c: it then lies in the row space of
        A, where the lower voltages of a deficient A wander along its null space.
    bias : float
        Most that a run leaves of x, relative to its norm.
    """

    program: Program
    matrix: Operator
    alpha: float
    in_row_space: bool
    bias: float = 0.0
    definite: bool = False

    @property
    def ideal(self) -> bool:
        """Whether the device says of itself that it has no errors but noise."""
        return bool(getattr(self.program, "ideal", False))

    @property
    def ledger(self) -> Ledger:
        """Of the program."""
        return self.program.ledger

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.program.rate()

    def timetable(self, b: Array, relative: float) -> Schedule:
        """Of the program."""
        return self.program.timetable(b, relative)

    def describe(self) -> dict[str, str]:
        """Of the program."""
        return self.program.describe()

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator, state: bool = False) -> Reading:
        """Load (m + n, k), run the schedule, return u and x."""
        reading = self.program.average(b, schedule, rng=rng, state=state)
        if not self.in_row_space:
            return reading
        m = self.matrix.shape[0]
        return replace(
            reading,
            value=self._with_rows(reading.value, b[m:, :]),
            replicas=lambda: self._with_rows(reading.noise, None),
        )

    def _with_rows(self, z: Array, load: Array | None) -> Array:
        """u, and x from it."""
        u = z[: self.matrix.shape[0], :]
        x = self.matrix.apply_transposed(u)
        return namespace(z).concat([u, (x if load is None else x + load) / self.alpha])
