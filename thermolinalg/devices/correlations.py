"""A general device driven by a noise of one's own: its covariance, and the covariance between readings a lag apart.

Both are drawn from the law of n independent readings at a cost that does not depend on n.
"""

from __future__ import annotations

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices.general import GeneralProgram
from thermolinalg.devices.schedule import Schedule
from thermolinalg.simulation import Transition, transition
from thermolinalg.simulation.covariances import wishart_factor

__all__ = ["lagged_covariance", "noise_covariance"]


def noise_covariance(
    program: GeneralProgram, noise: np.ndarray, schedule: Schedule, *, rng: np.random.Generator
) -> Array:
    """Sample covariance of independent readings under a noise of covariance D: an estimate of X, A X + X Aᵀ = D.

    The mean is known to be zero, so that n readings have n degrees of freedom.

    Parameters
    ----------
    program : GeneralProgram
        With A on it.
    noise : ndarray, shape (d, d)
        D per unit of the user's time, symmetric positive semidefinite.
    schedule : Schedule
        As `GeneralProgram.independent_readings`, or slower.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (d, d)

    Raises
    ------
    ValueError
        The schedule has no readings, or they are not independent.
    LinAlgError
        The device never settles.
    """
    factor, n = _readings(program, noise, schedule, rng)
    return factor @ factor.T / n


def lagged_covariance(
    program: GeneralProgram, noise: np.ndarray, lag: float, schedule: Schedule, *, rng: np.random.Generator
) -> Array:
    """Average of x(t + lag) x(t)ᵀ over independent pairs: an estimate of e^{−A lag} X.

    Given the early readings with squares S = T Tᵀ, the late ones are P x + ξ: their products are P S + C G Tᵀ with
    P = e^{−A lag}, C Cᵀ the covariance of ξ and G standard normal.

    Parameters
    ----------
    program : GeneralProgram
        With A on it.
    noise : ndarray, shape (d, d)
        D as in `noise_covariance`.
    lag : float
        In the user's units of time.
    schedule : Schedule
        Of the early readings; a pair takes its lag on top.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (d, d)

    Raises
    ------
    ValueError, LinAlgError
        As `noise_covariance`.
    """
    factor, n = _readings(program, noise, schedule, rng)
    wait = lag * program.norm
    program.ledger.record(len(factor), 1, n * wait, n)
    late = transition(program.drift, noise / program.norm, wait)
    xi = late.root @ rng.standard_normal(factor.shape)
    return (late.decay @ factor + xi) @ factor.T / n


def _readings(
    program: GeneralProgram, noise: np.ndarray, schedule: Schedule, rng: np.random.Generator
) -> tuple[Array, int]:
    """T with T Tᵀ the sum of squares of independent readings, and their number."""
    shortest = program.relaxation.time
    if schedule.readings is None or min(schedule.burn_in, schedule.spacing or 0.0) < (1 - 1e-9) * shortest:
        raise ValueError(
            f"a covariance needs independent readings: pass Schedule(burn_in=t, readings=n, spacing=t) with "
            f"t ≥ {shortest:.6g}, the time in which this device forgets; got {schedule}"
        )
    d = len(noise)
    settled = Transition(np.zeros((d, d)), program.relaxation.covariance(noise / program.norm), np.zeros((d, d)))
    program.ledger.record(d, 1, schedule.total, schedule.readings)
    return settled.root @ next(wishart_factor(d, schedule.readings, noise, rng)), schedule.readings
