"""A device driven by a noise of one's own: its covariance, and the covariance between readings a lag apart.

Both are drawn from the law of n independent readings at a cost that does not depend on n.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.devices.reading import Ledger
from thermolinalg.devices.schedule import Schedule
from thermolinalg.simulation import Transition
from thermolinalg.simulation.covariances import wishart_factor
from thermolinalg.simulation.relaxation import Relaxation

__all__ = ["lagged_covariance", "noise_covariance"]


class Drifting(Protocol):
    """A drift M = A/norm on a device, and how it forgets."""

    ledger: Ledger
    norm: float

    @property
    def relaxation(self) -> Relaxation:
        """How M forgets; LinAlgError where it never does."""
        ...


def noise_covariance(program: Drifting, noise: np.ndarray, schedule: Schedule, *, rng: np.random.Generator) -> Array:
    """See `GeneralProgram.noise_covariance`."""
    factor, n = _readings(program, noise, schedule, rng)
    return factor @ factor.T / n


def lagged_covariance(
    program: Drifting, noise: np.ndarray, lag: float, schedule: Schedule, *, rng: np.random.Generator
) -> Array:
    """See `GeneralProgram.lagged_covariance`.

    Given the early readings with squares S = T Tᵀ, the late ones are P x + ξ: their products are P S + C G Tᵀ with
    P = e^{−A lag}, C Cᵀ the covariance of ξ and G standard normal.
    """
    factor, n = _readings(program, noise, schedule, rng)
    wait = lag * program.norm
    program.ledger.record(len(factor), 1, n * wait, n)
    late = program.relaxation.transition(noise / program.norm, wait)
    xi = late.root @ rng.standard_normal(factor.shape)
    return (late.decay @ factor + xi) @ factor.T / n


def _readings(program: Drifting, noise: np.ndarray, schedule: Schedule, rng: np.random.Generator) -> tuple[Array, int]:
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
