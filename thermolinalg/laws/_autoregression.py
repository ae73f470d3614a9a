"""Moments of averages over a first-order process, in forms without cancellation.

A mode of the overdamped device is an autoregression: y ← a y + gain·b + innovation, a = e^{−u} per reading.
All variances here are in units of 2T. The building blocks are φ₁(z) = (1 − e^{−z})/z, φ₂(z) = (1 − φ₁(z))/z and
ψ(z) = (1 − 2φ₁(z) + φ₁(2z))/z², finite at z = 0, where they are 1, 1/2 and 1/3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.laws._linear import Coefficients

__all__ = [
    "Moments",
    "autoregression",
    "average_coefficients",
    "combine",
    "continuous",
    "discrete",
    "one_minus_exp_over",
    "phi2",
    "window_coefficients",
]

_SERIES_BELOW = 1.0
_TINY = 1e-300
"""Where φ₁ is 1 to the last digit."""
_TERMS = 22


class Moments(NamedTuple):
    """Coefficients and covariance (in units of 2T) of the average over a window and the state at its end."""

    average_decay: Array
    average_response: Array
    state_decay: Array
    state_response: Array
    average_variance: Array
    covariance: Array
    """Of the average with the state; E[average · conj(state)] of a damped rotation, whose coefficients are complex."""
    state_variance: Array
    own_variance: Array
    """Variance of the average that the state does not explain: average_variance − |covariance|²/state_variance."""


def one_minus_exp_over(z: Array) -> Array:
    """φ₁(z) = (1 − e^{−z})/z, 1 at z = 0; z may be complex, with Re z ≥ 0."""
    xp = namespace(z)
    safe = xp.where(z == 0, _TINY, z)
    return -xp.expm1(-safe) / safe


def _continued(direct: Callable[[Array], Array], z: Array, coefficients: list[float]) -> Array:
    """A function by its power series where |z| is small, and `direct` elsewhere."""
    xp = namespace(z)
    small = xp.abs(z) < _SERIES_BELOW
    if not bool(xp.any(small)):
        return direct(z)
    near = xp.where(small, z, 0.0)
    series = near * coefficients[-1]
    for c in reversed(coefficients[1:-1]):
        series += c
        series *= near
    return xp.where(small, series + coefficients[0], direct(xp.where(small, 1.0, z)))


_PHI2 = [(-1.0) ** k / math.factorial(k + 2) for k in range(_TERMS)]
# (1 − e^{−x})² = Σ_{j≥2} c_j x^j
_SQUARE = [(-1.0) ** j * (2.0**j - 2.0) / math.factorial(j) for j in range(2, _TERMS + 2)]


def phi2(z: Array) -> Array:
    """φ₂(z) = (1 − φ₁(z))/z, 1/2 at z = 0; z may be complex, with Re z ≥ 0."""
    return _continued(lambda z: (1 - one_minus_exp_over(z)) / z, z, _PHI2)


def _psi(z: Array) -> Array:
    def direct(z: Array) -> Array:
        return (1 - 2 * one_minus_exp_over(z) + one_minus_exp_over(2 * z)) / z**2

    return _continued(direct, z, [c / (j + 3) for j, c in enumerate(_SQUARE)])


@lru_cache(maxsize=128)
def _power_means(n: int) -> tuple[float, ...]:
    """(1/n) Σ_{m<n} (m/n)^j for j = 2, 3, …: directly for small n, by Faulhaber's formula for large n."""
    if n <= 4096:
        m = np.arange(n) / n
        return tuple(float(np.mean(m**j)) for j in range(2, _TERMS + 2))
    from scipy.special import bernoulli, comb  # here, because it takes a tenth of the package's time to import

    b = bernoulli(_TERMS + 2)
    return tuple(
        sum(comb(j + 1, k) * b[k] * float(n) ** -k for k in range(j + 1)) / (j + 1) for j in range(2, _TERMS + 2)
    )


def _psi_discrete(u: Array, n: int) -> Array:
    """Σ_{m<n} (1 − e^{−mu})² / (n³u²), which tends to ψ(nu) as n grows."""

    def direct(z: Array) -> Array:
        ratio1 = one_minus_exp_over(z) / one_minus_exp_over(z / n)
        ratio2 = one_minus_exp_over(2 * z) / one_minus_exp_over(2 * z / n)
        return (1 - 2 * ratio1 + ratio2) / z**2

    return _continued(direct, n * u, [c * s for c, s in zip(_SQUARE, _power_means(n), strict=True)])


def _from_start(lam: Array, burn_in: float, conditional: tuple[Array, ...]) -> Moments:
    """Moments after a known start from those conditional on the state y at the first instant of the window."""
    xp = namespace(lam)
    decay0, response0 = xp.exp(-lam * burn_in), burn_in * one_minus_exp_over(lam * burn_in)
    return combine(decay0, response0, burn_in * one_minus_exp_over(2 * lam * burn_in), conditional)


def combine(
    decay0: Array,
    response0: Array,
    variance0: Array,
    conditional: tuple[Array, ...],
) -> Moments:
    """Chain burn-in (decay0, response0, variance0) with a window given its first state y.

    `conditional` is (weight of y in the average, response of the average, weight of y in the state, response of the
    state, variance of the average, covariance, variance of the state), all given y.
    """
    xp = namespace(variance0)
    p, r, q, s, var_a, cov, var_l = conditional
    state_variance = q**2 * variance0 + var_l
    # The determinant of the 2 × 2 covariance as a sum of positive terms, so that nothing cancels.
    determinant = variance0 * (p**2 * var_l + q**2 * var_a - 2 * p * q * cov) + (var_a * var_l - cov**2)
    safe = xp.where(state_variance > 0, state_variance, 1.0)
    return Moments(
        p * decay0,
        p * response0 + r,
        q * decay0,
        q * response0 + s,
        p**2 * variance0 + var_a,
        p * q * variance0 + cov,
        state_variance,
        xp.where(determinant > 0, determinant, 0.0) / safe,
    )


def continuous(lam: Array, burn_in: float, duration: float) -> Moments:
    """Time average over [t0, t0 + T_w] and the state at its end, after a known start at time 0."""
    xp = namespace(lam)
    z = lam * duration
    phi1 = one_minus_exp_over(z)
    conditional = (
        phi1,
        duration * phi2(z),
        xp.exp(-z),
        duration * phi1,
        duration * _psi(z),
        duration * phi1**2 / 2,
        duration * one_minus_exp_over(2 * z),
    )
    return _from_start(lam, burn_in, conditional)


def discrete(lam: Array, burn_in: float, spacing: float, readings: int) -> Moments:
    """Mean of N readings spaced by h, the first one at t0, and the last reading, after a known start at time 0."""
    u = lam * spacing
    gain, innovation = spacing * one_minus_exp_over(u), spacing * one_minus_exp_over(2 * u)
    return _from_start(lam, burn_in, autoregression(u, gain, innovation, readings))


def autoregression(u: Array, gain: Array, innovation: Array, n: int) -> tuple[Array, ...]:
    """Mean of n readings y₀ … y_{n−1} of y ← e^{−u} y + gain·b + noise of variance `innovation`, given y₀.

    With g_k = (1 − a^k)/(1 − a) = k φ₁(ku)/φ₁(u); see `combine` for the meaning of the seven results.
    """
    xp = namespace(u)
    m = n - 1
    phi1 = one_minus_exp_over(u)
    g_n, g_m = n * one_minus_exp_over(n * u) / phi1, m * one_minus_exp_over(m * u) / phi1
    return (
        g_n / n,
        gain * (n * phi2(n * u) - phi2(u)) / phi1**2,
        xp.exp(-m * u),
        gain * g_m,
        innovation * n * _psi_discrete(u, n) / phi1**2,
        innovation * g_m * g_n / (n * (1 + xp.exp(-u))),
        innovation * m * one_minus_exp_over(2 * m * u) / one_minus_exp_over(2 * u),
    )


def window_coefficients(moments: Moments, temperature: float) -> Coefficients:
    """Coefficients of (x0, b, z1, z2) in (average, state): the lower Cholesky factor, the state first."""
    xp = namespace(moments.state_variance)
    root = (2 * temperature) ** 0.5
    deviation = xp.sqrt(moments.state_variance)
    shared = moments.covariance / xp.where(deviation > 0, deviation, 1.0)
    return [
        [moments.average_decay, moments.average_response, root * shared, root * xp.sqrt(moments.own_variance)],
        [moments.state_decay, moments.state_response, root * deviation, None],
    ]


def average_coefficients(moments: Moments, temperature: float) -> Coefficients:
    """Coefficients of (x0, b, z) in (average,), whatever the state at the end."""
    noise = namespace(moments.average_variance).sqrt(2 * temperature * moments.average_variance)
    return [[moments.average_decay, moments.average_response, noise]]
