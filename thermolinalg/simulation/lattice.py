"""The lattice random walk: every node steps by +δ, −δ or 0, with chances that make Langevin dynamics of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import erfc

__all__ = ["LatticeMoments", "LatticeWalk"]

SWEEPS = 200
"""Turns of the fixed point for the covariance: each gains a factor of hλ_max/2 ≤ 1/2 at least."""


@dataclass(frozen=True)
class LatticeWalk:
    """Nodes that step by ±δ or 0 with p± = ½(2Th/δ² ± h f/δ), f = b − A x, independently of each other.

    Chances outside of [0, 1], where |f| > 2T/δ, are clipped and counted: there the walk has the wrong drift.

    Parameters
    ----------
    matrix : ndarray, shape (d, d)
        A.
    spacing : float
        δ, of the lattice.
    step : float
        h; 2Th ≤ δ².
    temperature : float
        T.

    References
    ----------
    Lattice random walk, arXiv:2508.20883; moments derived in docs/laws.md.

    Examples
    --------
    >>> walk = LatticeWalk(np.eye(1), spacing=0.25, step=1 / 64, temperature=1.0)
    >>> ends, clipped = walk.run(np.zeros((1, 4)), np.ones((1, 4)), 100, np.random.default_rng(0))
    >>> bool(np.all(ends % 0.25 == 0)), clipped
    (True, 0)
    """

    matrix: np.ndarray
    spacing: float
    step: float
    temperature: float

    def onto(self, x: np.ndarray) -> np.ndarray:
        """The points of the lattice next to x, as they stand in the accumulators: whole numbers."""
        return np.round(x / self.spacing)

    def run(
        self,
        start: np.ndarray,
        load: np.ndarray,
        steps: int,
        rng: np.random.Generator,
        each: Callable[[int, np.ndarray], None] | None = None,
    ) -> tuple[np.ndarray, int]:
        """Take so many steps.

        Parameters
        ----------
        start, load : ndarray, shape (d, k)
            Columns walk side by side.
        steps : int
        rng : numpy.random.Generator
        each : callable, optional
            ``each(i, n)`` sees the accumulators before step i, and after the last one.

        Returns
        -------
        x : ndarray, shape (d, k)
            On the lattice.
        clipped : int
            Draws whose chances were outside of [0, 1].
        """
        n, clipped = self.onto(start), 0
        stir = self.temperature * self.step / self.spacing**2
        # ½ h f/δ = entering − (½ h A) n
        entering, pull = self.step / (2 * self.spacing) * load, self.step / 2 * self.matrix
        for i in range(steps):
            if each is not None:
                each(i, n)
            drift = entering - pull @ n
            draw = rng.random(n.shape)
            n = n + (draw < stir + drift) - (draw >= 1 - (stir - drift))
            clipped += int(np.count_nonzero(np.abs(drift) > stir))
        if each is not None:
            each(steps, n)
        return self.spacing * n, clipped

    def window(
        self,
        start: np.ndarray,
        load: np.ndarray,
        first: int,
        stride: int,
        readings: int,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, int]:
        """Average of readings `stride` steps apart, the first one after `first` steps; the last one; what clipped."""
        total, last = np.zeros(start.shape), first + stride * (readings - 1)

        def accumulate(i: int, n: np.ndarray) -> None:
            if i >= first and (i - first) % stride == 0:
                np.add(total, n, out=total)

        end, clipped = self.run(start, load, last, rng, accumulate)
        return self.spacing * total / readings, end, clipped

    def path(
        self, start: np.ndarray, load: np.ndarray, first: int, stride: int, readings: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, int]:
        """Readings (readings, d, k) at these times, and what clipped."""
        taken: list[np.ndarray] = []

        def read(i: int, n: np.ndarray) -> None:
            if i >= first and (i - first) % stride == 0:
                taken.append(n)

        _, clipped = self.run(start, load, first + stride * (readings - 1), rng, read)
        return self.spacing * np.stack(taken), clipped

    @cached_property
    def moments(self) -> LatticeMoments:
        """Its mean and covariance in equilibrium."""
        return LatticeMoments(self.matrix, self.spacing, self.step, self.temperature)


class LatticeMoments:
    """First and second moments of a lattice walk in equilibrium, exact as long as nothing is clipped.

    The mean is A⁻¹b, and the covariance solves AΣ + ΣA − h offdiag(AΣA) = 2T I: nodes draw independently of each
    other, and the square of the drift of each is part of its own step. Steps decay by I − hA. The distribution is that
    of sums of many steps, all but normal; draws are normal with these moments.

    Parameters
    ----------
    matrix : ndarray, shape (d, d)
        Symmetric positive definite.
    spacing, step, temperature : float
        See `LatticeWalk`.

    Examples
    --------
    >>> moments = LatticeMoments(np.diag([1.0, 2.0]), 0.25, 1 / 64, 1.0)
    >>> moments.covariance.diagonal()  # of a diagonal A exactly T/λ
    array([1. , 0.5])
    """

    def __init__(self, matrix: np.ndarray, spacing: float, step: float, temperature: float) -> None:
        self.matrix, self.spacing, self.step, self.temperature = matrix, spacing, step, temperature
        self.values, self.vectors = np.linalg.eigh(matrix)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Σ (d, d), by a fixed point on the Lyapunov equation."""
        A, h, sums = self.matrix, self.step, self.values[:, None] + self.values
        noise = 2 * self.temperature * np.eye(len(A))
        sigma = self._from_modes(self._to_modes(noise) / sums)
        for _ in range(SWEEPS):
            coupled = h * (A @ sigma @ A)
            np.fill_diagonal(coupled, 0.0)
            refined = self._from_modes(self._to_modes(noise + coupled) / sums)
            change, sigma = float(np.abs(refined - sigma).max(initial=0.0)), refined
            if change <= 1e-15 * float(np.abs(sigma).max(initial=0.0)):
                break
        return np.asarray((sigma + sigma.T) / 2)

    @cached_property
    def bias(self) -> float:
        """Largest relative departure of a variance, in any direction, from that of T A⁻¹: ‖A^½ΣA^½/T − I‖."""
        root = np.sqrt(self.values)
        scaled = root[:, None] * self._to_modes(self.covariance) * root / self.temperature
        return float(np.abs(np.linalg.eigvalsh(scaled - np.eye(len(scaled)))).max(initial=0.0))

    @cached_property
    def clipped_share(self) -> float:
        """Share of the draws in equilibrium whose chances are outside of [0, 1]: where |f| > 2T/δ."""
        spread = np.sqrt(np.einsum("ij,jk,ki->i", self.matrix, self.covariance, self.matrix))
        return float(np.mean(erfc(2 * self.temperature / self.spacing / (2**0.5 * spread)))) if len(spread) else 0.0

    def mean(self, load: np.ndarray) -> np.ndarray:
        """A⁻¹ times the load (d, k)."""
        return np.asarray(self.vectors @ ((self.vectors.T @ load) / self.values[:, None]))

    @cached_property
    def root(self) -> np.ndarray:
        """R (d, d) with R Rᵀ = Σ."""
        return _root(self.covariance)

    def left(self, steps: int, deviation: np.ndarray) -> tuple[np.ndarray, bool]:
        """What deviations (d, k) from the mean decay to, and whether that is within the noise of each mode."""
        decayed = self._decay(steps)[:, None] * (self.vectors.T @ deviation)
        small = np.abs(decayed) <= np.sqrt(self.temperature / self.values)[:, None]
        return np.asarray(self.vectors @ decayed), bool(small.all())

    def averaged(self, stride: int, readings: int, deviation: np.ndarray) -> np.ndarray:
        """Average (d, k) of what deviations at the first reading decay to over a window."""
        log_memory = stride * np.log1p(-self.step * self.values)
        share = np.expm1(readings * log_memory) / np.expm1(log_memory) / readings
        return np.asarray(self.vectors @ (share[:, None] * (self.vectors.T @ deviation)))

    def window(self, stride: int, readings: int, *, state: bool, before: int | None = None) -> np.ndarray:
        """R with R Rᵀ the covariance of the average of a window, and of its last reading where that is asked for.

        With P = (I − hA)^stride the average has (nΣ + SΣ + ΣS)/n², S = Σ_{k<n} (n − k) Pᵏ, and GΣ/n with the last one,
        G = Σ_{k<n} Pᵏ. So many steps `before` the first reading the walk was at one point: Σ lacks
        Δ = (I − hA)^before Σ (I − hA)^before there, the average GΔG/n². What the square of the drift does to Δ is left
        out, a share hλ of it in modes that remember.
        """
        n = readings
        log_memory = stride * np.log1p(-self.step * self.values)
        lost, all_lost = -np.expm1(log_memory), -np.expm1(n * log_memory)
        sums = np.exp(log_memory) * (n * lost - all_lost) / lost**2
        sigma = self._to_modes(self.covariance)
        half = sums[:, None] * sigma
        average = (n * sigma + half + half.T) / n**2
        kept = np.zeros(len(sigma)) if before is None else self._decay(before)
        lacking, over = kept[:, None] * sigma * kept, all_lost / lost
        average -= over[:, None] * lacking * over / n**2
        if not state:
            return np.asarray(self.vectors @ _root(average))
        last = np.exp((n - 1) * log_memory)
        shared = (over[:, None] * sigma - last[:, None] * lacking * over) / n
        both = np.block([[average, shared.T], [shared, sigma - last[:, None] * lacking * last]])
        d = len(sigma)
        root = _root(both)
        return np.concatenate([self.vectors @ root[:d], self.vectors @ root[d:]])

    def memory(self, steps: float) -> np.ndarray:
        """(I − hA)^steps (d, d)."""
        return np.asarray((self.vectors * np.exp(steps * np.log1p(-self.step * self.values))) @ self.vectors.T)

    def path(
        self, start: np.ndarray, load: np.ndarray, stride: int, readings: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Readings (n, d), `stride` steps apart after a reading (d,): an autoregression of these moments."""
        P, mean = self.memory(stride), self.mean(load[:, None])[:, 0]
        root = _root(self.covariance - P @ self.covariance @ P)
        deviation, taken = start - mean, np.empty((readings, len(mean)))
        noise = rng.standard_normal(taken.shape) @ root.T
        for i in range(readings):
            deviation = P @ deviation + noise[i]
            taken[i] = deviation
        return np.asarray(taken + mean)

    def _decay(self, steps: int) -> np.ndarray:
        """(1 − hλ)^steps of every mode."""
        return np.asarray(np.exp(steps * np.log1p(-self.step * self.values)))

    def _to_modes(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(self.vectors.T @ matrix @ self.vectors)

    def _from_modes(self, matrix: np.ndarray) -> np.ndarray:
        return np.asarray(self.vectors @ matrix @ self.vectors.T)


def _root(covariance: np.ndarray) -> np.ndarray:
    """R with R Rᵀ a covariance, positive semidefinite up to rounding."""
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))
