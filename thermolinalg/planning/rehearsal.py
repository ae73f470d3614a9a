"""Rehearsals: an imperfect device is tried on its simulation, since its numbers alone do not tell how many runs."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from thermolinalg._info import ThermodynamicWarning
from thermolinalg.primitives._pricing import CallPrice
from thermolinalg.primitives.solver import Solver

__all__ = ["is_rehearsed", "rehearsed"]

LARGEST = 2048
"""Unknowns up to which devices are rehearsed: about a second and a half at this size."""

MISSED = 3.0
"""Times the tolerance: a single run beyond it misses by more than its noise."""


def is_rehearsed(prepared: Solver) -> bool:
    """Whether the device is one that errs, simulated here, and small enough."""
    held = prepared.held
    return bool(held.distortion and held.inverse.own and max(prepared.read.shape) <= LARGEST)


def rehearsed(prepared: Solver, b: Any, rtol: float, price: CallPrice, *, refine: bool) -> tuple[CallPrice, str | None]:
    """The price with the runs and the ledger of a rehearsal, and why the device cannot where it could not.

    Parameters
    ----------
    prepared : Solver
    b : array, shape (m,) or (m, k)
    rtol : float
    price : CallPrice
        Of a device without errors.
    refine : bool

    Returns
    -------
    CallPrice, str or None
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ThermodynamicWarning)
        try:
            info = prepared.solve(b, rtol=rtol, refine=refine, return_info=True)[1]
        except (ValueError, np.linalg.LinAlgError) as refusal:
            return price, str(refusal).partition(";")[0]
    loads = np.linalg.norm(np.asarray(b, dtype=complex).reshape(len(b), -1), axis=0)
    left = np.max(np.atleast_1d(info.residual_norm) / np.where(loads > 0, loads, 1.0))
    if not refine:
        missed = left > MISSED * rtol
        return price, f"its errors leave a residual of {left:.2g}, whatever the noise" if missed else None
    ledger = replace(info.ledger)
    price = replace(price, runs=info.n_runs, device_time=ledger.device_time, ledger=ledger)
    return price, None if info.success else f"its errors leave a residual of {left:.2g} after {info.n_runs} runs"
