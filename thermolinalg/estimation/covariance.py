"""Error bars of sample covariances, and how many readings a tolerance asks for."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg.devices import CovarianceReading, Schedule

__all__ = ["effective_readings", "lag_rule", "readings_for", "standard_error"]

SMALLEST = 1e-12
"""Smallest relative error that may be asked of a covariance."""

NODES = 5
"""Lags at which the correlations of one octave of lags are sampled."""


def readings_for(rtol: float, d: int, *, copies: int = 1) -> int:
    r"""Independent readings whose sample covariance has a relative error of `rtol` in the Frobenius norm.

    From :math:`E\|C - \Sigma\|_F^2 = (\|\Sigma\|_F^2 + (\mathrm{tr}\,\Sigma)^2)/(N - 1)` with
    :math:`(\mathrm{tr}\,\Sigma)^2 \le d\,\|\Sigma\|_F^2`.

    Parameters
    ----------
    rtol : float
        Positive.
    d : int
        Number of nodes.
    copies : int, optional
        How many estimates of every entry are averaged: 2 for a complex matrix on its real form.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        No device would live to see so many readings.

    Examples
    --------
    >>> readings_for(0.1, 9)
    1001
    """
    if rtol < SMALLEST:
        raise ValueError(
            f"rtol must be at least {SMALLEST:g} for a covariance, got {rtol:g}: its error falls as N^(-1/2)"
        )
    return math.ceil((d + 1) / (copies * rtol**2)) + 1


def effective_readings(schedule: Schedule, rate: float) -> float:
    """Independent readings that would know the variance of the slowest mode as well: N tanh(rate · spacing)."""
    count, spacing = schedule.grid()
    return count * math.tanh(rate * spacing)


def lag_rule(count: int, *, monotone: bool = True) -> tuple[np.ndarray, np.ndarray]:
    r"""Lags and weights with Σ_i w_i f(m_i) = Σ_{m < count} f(m) for sums of decaying exponentials f.

    The first lags are taken one by one, each octave that follows at a few nodes: those of the Gauss rule for a sum over
    equally spaced points, from the recurrence of the discrete Chebyshev polynomials,
    :math:`\beta_k = k^2 (M^2 - k^2)/(4 (4k^2 - 1))` for M points.

    Parameters
    ----------
    count : int
    monotone : bool, optional
        Whether f only decays; otherwise all lags are taken.

    Returns
    -------
    lags, weights : ndarray

    Examples
    --------
    >>> lags, weights = lag_rule(1000)
    >>> len(lags), round(float(weights @ 0.99**lags), 6), round((1 - 0.99**1000) / 0.01, 6)
    (45, 99.995683, 99.995683)
    """
    begin = min(count, 2 * NODES if monotone else count)
    lags, weights = [np.arange(begin, dtype=float)], [np.ones(begin)]
    while begin < count:
        points = min(begin, count - begin)
        nodes, own = _gauss_sum(points)
        lags.append(begin + nodes)
        weights.append(own)
        begin += points
    return np.concatenate(lags), np.concatenate(weights)


def _gauss_sum(points: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights for sums over 0, 1, …, points − 1."""
    if points <= NODES:
        return np.arange(points, dtype=float), np.ones(points)
    k = np.arange(1, NODES)
    side = np.sqrt(k**2 * (points**2 - k**2) / (4 * (4 * k**2 - 1)))
    nodes, vectors = np.linalg.eigh(np.diag(side, 1) + np.diag(side, -1))
    return nodes + (points - 1) / 2, points * vectors[0] ** 2


def standard_error(reading: CovarianceReading, right: Array | None = None, *, circular: bool = False) -> Array:
    r"""One standard deviation of the entries of C or C B, for a sample covariance C of N readings.

    .. math:: \mathrm{Var}(C B)_{kl} = \frac{1}{N-1} \sum_m \left(1 - \frac{|m|}{N}\right)
              \left[ S^{(m)}_{kk} (B^T S^{(m)} B)_{ll} + (S^{(m)} B)_{kl}^2 \right]

    with :math:`S^{(m)}` the covariance between readings m apart. Independent readings have the term m = 0 only, and C
    itself stands for S; of correlated ones the law of the device tells S. Burn-in only makes the error smaller. Where
    readings are not normal, their excess kurtosis makes the first term larger by that share, at most.

    Parameters
    ----------
    reading : CovarianceReading
        Of d nodes, all together.
    right : array, shape (d, k), optional
        B; default the identity.
    circular : bool, optional
        For the error (modulus) of complex entries, averaged over both copies in the real form: the second term cancels.

    Returns
    -------
    array, shape (d, d) or (d, k)

    References
    ----------
    Fourth moments of Gaussian variables (Isserlis' theorem); the sum over lags is that of Bartlett.
    """
    count, _ = reading.schedule.grid()
    xp = namespace(reading.value)
    unit = xp.max(xp.abs(reading.value))  # squares of entries may leave the range of floating point
    unit = xp.where(unit > 0, unit, 1.0)
    right_unit = 1.0 if right is None else xp.max(xp.abs(right))
    right = None if right is None else right / right_unit
    total = 0.0 * reading.value if right is None else 0.0 * reading.value @ right
    lags, weights = lag_rule(reading.lags + 1, monotone=reading.monotone)
    for lag, weight in zip(lags, weights, strict=True):
        spread = reading.value if reading.autocovariance is None else reading.autocovariance(float(lag))
        spread = spread / unit
        product = spread if right is None else spread @ right
        sizes = xp.linalg.diagonal(spread) if right is None else xp.sum(right * product, axis=0)
        term = (1 + reading.excess) * xp.linalg.diagonal(spread)[:, None] * sizes
        if not circular:
            term += product**2
        total += float(weight * (2 if lag > 0 else 1) * (1 - lag / count)) * term
    return xp.sqrt(total / (count - 1)) * unit * right_unit
