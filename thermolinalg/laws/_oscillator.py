"""Moments of a damped, driven, noisy oscillator m ẍ + γ ẋ + λ x = b + noise and of averages over it, by doubling.

The closed forms cancel in many regimes (λt, γt/m small; ringing; creeping), so a stretch of time is built from a Taylor
series on a short step by joining stretches: only products and sums of positive semidefinite terms. Noise is in units of
2γT. S is the integral of x, or the sum of its readings.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws._autoregression import one_minus_exp_over

__all__ = ["Oscillator", "Segment", "cholesky2", "join"]

_TERMS = 18
_SHORT = 0.5
"""Length of the Taylor step in units of the fastest rate: 0.5¹⁸/18! is far below rounding."""


class Segment(NamedTuple):
    """A stretch of time: (S, x, v, b) → `matrix` · (S, x, v, b), plus noise of `covariance` in (S, x, v).

    Both have the shape (*modes, 4, 4); b is carried along unchanged and its row and column of the covariance are zero.
    """

    matrix: Array
    covariance: Array


def join(first: Segment, then: Segment) -> Segment:
    """One stretch after another."""
    return Segment(then.matrix @ first.matrix, then.covariance + then.matrix @ first.covariance @ then.matrix.mT)


def cholesky2(a: Array, b: Array, c: Array) -> tuple[Array, Array, Array]:
    """Lower Cholesky factor (l11, l21, l22) of [[a, b], [b, c]], of rank one or zero too."""
    xp = namespace(a)
    l11 = xp.sqrt(a)
    l21 = b / xp.where(a > 0, l11, 1.0)
    return l11, l21, xp.sqrt(xp.clip(c - l21**2, 0.0, None))


class Oscillator:
    """Modes of given stiffness.

    Parameters
    ----------
    lam : array
        Stiffness λ ≥ 0 of each mode, float64.
    mass, friction : float
        Positive.
    """

    def __init__(self, lam: Array, mass: float, friction: float) -> None:
        self.lam, self.mass, self.friction = lam, mass, friction
        self.xp = namespace(lam)

    def propagator(self, t: float) -> tuple[Array, Array, Array, Array]:
        """Weights of (x, v) in (x, v) a time t later: xx, xv, vx, vv, one formula for creeping and ringing each."""
        xp, half = self.xp, self.friction / (2 * self.mass)
        squared = half**2 - self.lam / self.mass
        creeps, root = squared >= 0, xp.sqrt(xp.abs(squared))
        slow, angle = self.lam / self.mass / (half + root), root * t
        creep, ring = xp.exp(-slow * t), math.exp(-half * t)
        sinc = xp.where(angle == 0, 1.0, xp.sin(angle) / xp.where(angle == 0, 1.0, angle))
        xv = t * xp.where(creeps, creep * one_minus_exp_over(2 * angle), ring * sinc)
        xx = xp.where(creeps, creep + slow * xv, ring * xp.cos(angle) + half * xv)
        vv = xp.where(creeps, xp.exp(-(half + root) * t) - slow * xv, ring * xp.cos(angle) - half * xv)
        return xx, xv, -self.lam / self.mass * xv, vv

    def integrate(self, t: float) -> Segment:
        """A stretch of time t, S being the integral of x."""
        rate = max(self.friction, math.sqrt(self.mass * float(self.xp.max(self.lam)))) / self.mass
        doublings = math.ceil(math.log2(max(rate * t / _SHORT, 1.0)))
        h = t / 2**doublings
        segment = self._short(h)
        for k in range(doublings):
            segment = self._exact(join(segment, segment), 2 ** (k + 1) * h)
        return segment

    def read(self, spacing: float, readings: int) -> Segment:
        """N readings, the first one at once and the others `spacing` apart, S being their sum."""
        reading = self._rows([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
        segment = Segment(reading, 0 * reading)
        move = self.integrate(spacing)
        square = join(segment, Segment(self._keep_sum(move.matrix), self._keep_sum(move.covariance, 0.0)))
        # readings − 1 times (read, move), then the last reading: powers by repeated squaring.
        remaining, steps = readings - 1, 1
        while remaining:
            if remaining & 1:
                segment = join(square, segment)
            remaining >>= 1
            if remaining:
                steps *= 2
                square = self._exact(join(square, square), steps * spacing)
        return segment

    def _short(self, h: float) -> Segment:
        """A stretch so short that the Taylor series of g, the response of x to a kick in v, converges at once."""
        xp = self.xp
        # g(s) = h Σ_k g_k (s/h)^k solves m g'' + γ g' + λ g = 0, g(0) = 0, g'(0) = 1.
        g = [0 * self.lam, 0 * self.lam + 1]
        for k in range(_TERMS - 2):
            fall = self.friction * h * (k + 1) * g[k + 1] + self.lam * h**2 * g[k]
            g.append(-fall / (self.mass * (k + 1) * (k + 2)))
        # Coefficients of (s/h)^0 … (s/h)^K in ∫g, g and g': what a kick at time −s has done to S, x and v by now.
        integral = [g[0], *(h**2 * c / (k + 1) for k, c in enumerate(g))]
        rate = [*((k + 1) * c for k, c in enumerate(g[1:])), g[0], g[0]]
        kicks = xp.stack([xp.stack(row, axis=-1) for row in (integral, [*(h * c for c in g), g[0]], rate)], axis=-2)
        orders = xp.arange(_TERMS + 1, dtype=self.lam.dtype, device=self.lam.device)
        overlap = h / (orders[:, None] + orders[None, :] + 1)
        noise = kicks @ overlap @ kicks.mT / self.mass**2
        g1, g2 = sum(integral), sum(h * c / (k + 1) for k, c in enumerate(integral))
        g0 = h * sum(g)
        matrix = self._rows(
            [
                [1.0, g0 + self.friction / self.mass * g1, g1, g2 / self.mass],
                [0.0, 1.0, 0.0, g1 / self.mass],
                [0.0, 0.0, 1.0, g0 / self.mass],
            ]
        )
        covariance = xp.zeros_like(matrix)
        covariance[..., :3, :3] = noise
        return self._exact(Segment(matrix, covariance), h)

    def _exact(self, segment: Segment, t: float) -> Segment:
        """The segment with its propagator in closed form, so that rounding does not grow with the doublings."""
        xx, xv, vx, vv = self.propagator(t)
        for i, j, value in ((1, 1, xx), (1, 2, xv), (2, 1, vx), (2, 2, vv), (2, 3, xv / self.mass)):
            segment.matrix[..., i, j] = value
        return segment

    def _rows(self, rows: list[list[Any]]) -> Array:
        stacked = [
            self.xp.stack([0 * self.lam + value for value in row], axis=-1) for row in [*rows, [0.0, 0.0, 0.0, 1.0]]
        ]
        return self.xp.stack(stacked, axis=-2)

    def _keep_sum(self, matrix: Array, own: float = 1.0) -> Array:
        """The matrix with a first row and column that leave S alone."""
        matrix[..., 0, :] = 0.0
        matrix[..., :, 0] = 0.0
        matrix[..., 0, 0] = own
        return matrix
