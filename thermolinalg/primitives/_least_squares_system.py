"""Least squares as a device sees it: which square system carries A x ≈ b, and how x is read off it."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg._arrays import Array, dtype_name, eps, namespace
from thermolinalg.operators import Dense, Operator
from thermolinalg.primitives._system import System, rounding_shift

__all__ = ["LeastSquaresSystem"]


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
        # `matrix` takes the unknown to A x: what the residual is measured in.
        self.matrix: Operator = Dense(a @ a.T) if self._by_rows else Dense(a, symmetric=False)
        held = self.matrix if self._by_rows else Dense(self._gram(a, largest, rank == n))
        self.program = self.device.program(held, rng=self.rng)

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
        """Product of the square system with a block of unknowns."""
        return self._a @ (self._a.T @ block) if self._by_rows else self._a.T @ (self._a @ block)

    def residual(self, x: Array, low: Array | None = None) -> tuple[Array, Array]:
        """The residual to send back, and the norms of the part of b − A x in the range of A, column by column."""
        r = self.rhs - self._a @ self.solution(x)
        norms = namespace(r).linalg.vector_norm(self._range.T @ r, axis=0)
        if low is not None:
            r = r - self._a @ self.solution(low)
        return (r if self._by_rows else self._a.T @ r), norms

    def solution(self, unknown: Array) -> Array:
        """x from what the device holds: w gives Aᵀw, the mean its part in the row space."""
        return self._a.T @ unknown if self._by_rows else self._project(unknown)

    def _project(self, block: Array) -> Array:
        if self.rank == self._a.shape[1]:
            return block
        return self._rows @ (self._rows.T @ block)

    def restore(self, x: Array) -> Array:
        return super().restore(self.solution(x))

    def restore_error(self, error: Array) -> Array:
        return super().restore_error(((self._a.T**2) @ error**2) ** 0.5 if self._by_rows else error)
