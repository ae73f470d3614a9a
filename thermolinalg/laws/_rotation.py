"""Moments of averages over a damped rotation, dw = −(μ w − b) dt + noise with complex μ = α + iσ, without cancellation.

The real counterpart is `_autoregression`. A complex number stands for its 2 × 2 rotation and stretch, so the covariance
of f z and g z, z a standard normal pair, is f times the conjugate of g. All variances are in units of 2T.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws._autoregression import Moments, one_minus_exp_over, phi2

__all__ = ["continuous", "discrete", "phi2", "relax"]

_SERIES_BELOW = 1.0
"""Below this |z| the closed forms cancel, and integrals of positive integrands are taken instead."""

_NODES, _WEIGHTS = (0.5 * (x + shift) for x, shift in zip(np.polynomial.legendre.leggauss(14), (1.0, 0.0), strict=True))
"""Gauss–Legendre rule on [0, 1]: for integrands made of e^{−zs}, |z| ≤ 1, it is exact to rounding."""


class _Stretch(NamedTuple):
    """A stretch of time, given its first state y: S = p y + r b and state = q y + s b, plus noise.

    S is an average, or a sum of readings; cov is E[S · conj(state)] of the noise.
    """

    p: Array
    r: Array
    q: Array
    s: Array
    sum_variance: Array
    cov: Array
    state_variance: Array


def relax(mu: Array, t: float) -> tuple[Array, Array, Array]:
    """Decay, response and variance of the state a time t after a known one."""
    xp = namespace(mu)
    return xp.exp(-mu * t), t * one_minus_exp_over(mu * t), t * one_minus_exp_over(2 * xp.real(mu) * t)


def continuous(mu: Array, burn_in: float, duration: float) -> Moments:
    """Time average over [t0, t0 + T_w] and the state at its end, after a known start at time 0."""
    xp = namespace(mu)
    z = mu * duration
    phi1, damped = one_minus_exp_over(z), one_minus_exp_over(2 * xp.real(z))
    psi, shared = _overlaps(z, phi1, damped)
    window = _Stretch(
        phi1, duration * phi2(z), xp.exp(-z), duration * phi1, duration * psi, duration * shared, duration * damped
    )
    return _after_burn_in(mu, burn_in, window, 1.0)


def discrete(mu: Array, burn_in: float, spacing: float, readings: int) -> Moments:
    """Mean of N readings spaced by h, the first one at t0, and the last reading, after a known start at time 0."""
    return _after_burn_in(mu, burn_in, _read(mu, spacing, readings), float(readings))


def _overlaps(z: Array, phi1: Array, damped: Array) -> tuple[Array, Array]:
    """∫₀¹ |1 − e^{−zs}|² ds / |z|² and ∫₀¹ (1 − e^{−zs}) e^{−z̄s} ds / z: noise of the average, and with the state."""
    xp = namespace(z)
    small = xp.abs(z) < _SERIES_BELOW
    if not bool(xp.any(small)):
        return (1 - 2 * xp.real(phi1) + damped) / xp.abs(z) ** 2, (xp.conj(phi1) - damped) / z
    psi, shared = xp.real(0 * z), 0 * z
    for s, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        response = s * one_minus_exp_over(xp.where(small, z, 0.0) * s)
        psi = psi + weight * xp.abs(response) ** 2
        shared = shared + weight * response * xp.exp(-xp.conj(xp.where(small, z, 0.0)) * s)
    safe = xp.where(small, 1.0, z)
    direct = (1 - 2 * xp.real(phi1) + damped) / xp.abs(safe) ** 2
    return xp.where(small, psi, direct), xp.where(small, shared, (xp.conj(phi1) - damped) / safe)


def _read(mu: Array, spacing: float, readings: int) -> _Stretch:
    """N readings, the first one at once and the others `spacing` apart, S being their sum: by doubling.

    Only products, and sums of noises that are independent of each other, so that nothing cancels.
    """
    xp = namespace(mu)
    zero = 0 * mu
    u = mu * spacing
    decay, gain, innovation = relax(mu, spacing)
    none = xp.real(zero)
    reading = _Stretch(1 + zero, zero, 1 + zero, zero, none, zero, none)
    segment = reading
    square = _join(reading, _Stretch(zero, zero, decay, gain, none, zero, innovation))
    remaining, steps = readings - 1, 1
    while remaining:
        if remaining & 1:
            segment = _join(square, segment)
        remaining >>= 1
        if remaining:
            steps *= 2
            # The propagator in closed form, so that rounding does not grow with the number of readings.
            readings_weight = steps * one_minus_exp_over(steps * u) / one_minus_exp_over(u)
            square = _join(square, square)._replace(p=readings_weight, q=xp.exp(-steps * u), s=gain * readings_weight)
    return segment


def _join(first: _Stretch, then: _Stretch) -> _Stretch:
    """One stretch after another, S being the sum of both."""
    xp = namespace(first.q)
    carried = xp.abs(then.p) ** 2 * first.state_variance
    crossed = 2 * xp.real(xp.conj(then.p) * first.cov)
    return _Stretch(
        first.p + then.p * first.q,
        first.r + then.p * first.s + then.r,
        then.q * first.q,
        then.q * first.s + then.s,
        first.sum_variance + carried + crossed + then.sum_variance,
        xp.conj(then.q) * (first.cov + then.p * first.state_variance) + then.cov,
        xp.abs(then.q) ** 2 * first.state_variance + then.state_variance,
    )


def _after_burn_in(mu: Array, burn_in: float, window: _Stretch, count: float) -> Moments:
    """Chain burn-in and window; S/count is the average."""
    xp = namespace(mu)
    decay, response, before = relax(mu, burn_in)
    p, q, cov = window.p / count, window.q, window.cov / count
    average_variance, last_variance = window.sum_variance / count**2, window.state_variance
    state_variance = xp.abs(q) ** 2 * before + last_variance
    # The determinant of the covariance: what is unknown of the first state, and what the window adds.
    unknown = (
        xp.abs(p) ** 2 * last_variance + xp.abs(q) ** 2 * average_variance - 2 * xp.real(p * xp.conj(q) * xp.conj(cov))
    )
    determinant = before * unknown + (average_variance * last_variance - xp.abs(cov) ** 2)
    safe = xp.where(state_variance > 0, state_variance, 1.0)
    return Moments(
        p * decay,
        p * response + window.r / count,
        q * decay,
        q * response + window.s,
        xp.abs(p) ** 2 * before + average_variance,
        p * xp.conj(q) * before + cov,
        state_variance,
        xp.where(determinant > 0, determinant, 0.0) / safe,
    )
