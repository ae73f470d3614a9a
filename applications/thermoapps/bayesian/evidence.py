"""The evidence by work: a device driven from Laplace's Gaussian to the posterior."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

import thermolinalg as tla
from thermoapps.bayesian.posterior import Bridge, Whitened
from thermolinalg.estimation import FreeEnergy, jarzynski
from thermolinalg.simulation import nonlinear

__all__ = ["measured_bridge", "work_of_bridge"]

Vector = NDArray[np.float64]

FIRST, LAST = 4, 256
"""Jumps of the first drives, and at most."""

DWELL = 1.0
"""Relaxation times of the Gaussian between two jumps."""


def work_of_bridge(energy: Whitened, jumps: int, drives: int, *, step: float, rng: np.random.Generator) -> Vector:
    """Work of drives from a standard Gaussian to an energy E in equal jumps, between which Metropolis's rule relaxes.

    ⟨e^{−W}⟩ = (2π)^{−d/2} ∫ e^{−E(u)} du for any number of jumps: Jarzynski's equality, or annealed importance
    sampling.

    Parameters
    ----------
    energy : Whitened
        E.
    jumps : int
    drives : int
        Independent runs side by side.
    step : float
        Length of a step of the integrator.
    rng : numpy.random.Generator

    Returns
    -------
    array, shape (drives,)

    References
    ----------
    Jarzynski, Phys. Rev. Lett. 78 (1997) 2690; Neal, Annealed importance sampling, Stat. Comput. 11 (2001) 125.
    """
    u = rng.standard_normal((len(energy.mode), drives))
    work = np.zeros(drives)
    for before, after in pairwise(np.linspace(0.0, 1.0, jumps + 1)):
        work += (after - before) * (energy.value(u) - np.sum(u * u, axis=0) / 2)
        if after < 1:
            equation = nonlinear.Equation(Bridge(energy, float(after)))
            u = nonlinear.simulate(equation, u, time=DWELL, step=step, integrator=nonlinear.MALA(), rng=rng).last
    return work


def measured_bridge(energy: Whitened, drives: int, atol: float, *, step: float, rng: np.random.Generator) -> FreeEnergy:
    """−ln of the ratio of the integrals, from slower and slower drives until its standard error is below `atol`.

    Parameters
    ----------
    energy : Whitened
    drives : int
    atol : float
        Standard error to reach.
    step : float
        Length of a step of the integrator.
    rng : numpy.random.Generator

    Returns
    -------
    FreeEnergy

    Warns
    -----
    ThermodynamicWarning
        256 jumps are not enough.
    """
    jumps = FIRST
    while True:
        with _quiet():
            estimate = jarzynski(work_of_bridge(energy, jumps, drives, step=step, rng=rng))
        if estimate.standard_error <= atol and estimate.reliable:
            return estimate
        if jumps >= LAST:
            break
        jumps *= 2
    warnings.warn(
        f"the log evidence is known to {estimate.standard_error:.2g} only, above evidence_atol={atol:g}; pass a "
        "larger one, or more drives",
        tla.ThermodynamicWarning,
        stacklevel=4,
    )
    return estimate


@contextmanager
def _quiet() -> Iterator[None]:
    """Without warnings of drives that are repeated more slowly."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", tla.ThermodynamicWarning)
        yield
