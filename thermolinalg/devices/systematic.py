"""What the imperfections of a device imply of the error of a reading that its noise does not tell."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, as_array, column_norms, namespace, to_numpy
from thermolinalg.devices.imperfections import Imperfections, connected
from thermolinalg.devices.ranging import Ranged
from thermolinalg.devices.reading import Reading
from thermolinalg.devices.schedule import Schedule

__all__ = ["implied_error"]

PROBES = 16
"""Loads of random signs behind an error: their scatter is a sixth of it, their runs cost as much as so many columns."""

FORMABLE = 2048
"""Nodes up to which all elements are looked at."""

FIRST_ORDER = 0.2
"""Share of a reading up to which its error is believed to be of first order in those of the device."""


class Averaging(Protocol):
    """A program that averages."""

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator) -> Reading:
        """Load b (d, k), run the schedule, return the average."""
        ...


def implied_error(program: Ranged, run: Averaging, read: Array, gain: Array, schedule: Schedule, seed: int) -> Array:
    """One standard deviation of what a reading misses whatever its noise, over devices of the same kind.

    An error δA of the elements and δb of the load move a reading y by A⁻¹(δb − δA y), to first order. Each row of that
    load is drawn with random signs, and the device itself applies the inverse; what drifts all elements one way, and
    what the converters make of the reading, is added.

    Parameters
    ----------
    program : Ranged
        The device with its matrix.
    run : Averaging
        The same, which runs it.
    read : array, shape (d, k)
        The reading, in the device's units.
    gain : array, shape (k,)
        β.
    schedule : Schedule
        Of the further runs.
    seed : int
        Of the signs and the noise of the further runs.

    Returns
    -------
    array, shape (d, k), or None
        In the user's units; None where first order does not tell: stuck parts, errors of the size of the reading, or
        more nodes than can be looked at.
    """
    imperfections = program.imperfections
    stuck = imperfections.amplifiers.known("stuck") + sum(
        imperfections.couplings.known(name) for name in ("stuck_off", "stuck_on")
    )
    if stuck or read.shape[0] > FORMABLE:
        return None
    G, y = program.factor * to_numpy(program.effective.dense()).astype(np.float64), to_numpy(read).astype(np.float64)
    spread, shift = _load_errors(imperfections, G, y)
    shift = shift - program.factor * program.lift * y
    rng, (d, k) = np.random.default_rng(seed), read.shape

    def answered(loads: np.ndarray) -> np.ndarray:
        """What loads (d, k, n) move the reading by, in the user's units."""
        if not loads.any():
            return np.zeros(loads.shape)
        told = run.average(_as_loaded(program, loads.reshape(d, -1), read), schedule, rng=rng).value
        return np.asarray(to_numpy(told).astype(np.float64).reshape(loads.shape) / to_numpy(gain)[:, None])

    signs = rng.choice([-1.0, 1.0], size=(d, k, PROBES))
    missed = np.sqrt(np.mean(answered(signs * spread[:, :, None]) ** 2, axis=2))
    missed = missed + abs(answered(shift[:, :, None])[:, :, 0])
    outputs = imperfections.outputs
    steps = np.array([outputs.step(float(largest)) for largest in abs(y).max(axis=0)])
    converted = as_array(np.sqrt(steps**2 / 12 + outputs.known("offset") ** 2) * np.ones((d, k)), read)
    error = as_array(missed, read) + program.to_user(converted, gain)
    small = column_norms(error) <= FIRST_ORDER * column_norms(program.to_user(read, gain))
    return error if bool(namespace(read).all(small)) else None


def _load_errors(imperfections: Imperfections, G: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation (d, k) of the load that is missed, and what is missed for certain."""
    couplings, inputs, amplifiers = imperfections.couplings, imperfections.inputs, imperfections.amplifiers
    size, there = abs(G), G != 0
    top, bits = float(size.max(initial=0.0)), int(couplings.known("bits"))
    step = top / (2 ** (bits - 1) - 1 if bits > 1 else 1) if bits else 0.0
    least = top / couplings.known("on_off_ratio")
    elements = (couplings.known("mismatch") * G) ** 2
    elements = elements + ((couplings.known("write_noise") * top) ** 2 + step**2 / 12) * there
    elements = elements + least**2 / 12 * (there & (size <= least))
    s = connected(G)[:, None]
    load = inputs.step(1.0) ** 2 / 12 + inputs.known("offset") ** 2 + (amplifiers.known("offset") * s) ** 2
    spread = np.sqrt(elements @ y**2 + load)
    lost = (1 - couplings.aged) / couplings.aged * (G @ y)
    if top:
        lost = lost + couplings.known("series_resistance") * ((size * G / top) @ y)
    return spread, lost - s * y / amplifiers.known("gain")


def _as_loaded(program: Ranged, loads: np.ndarray, like: Array) -> Array:
    """The user's loads that stand at the inputs as these (d, n), at gain one."""
    scaled = as_array(loads, like) / program.factor
    return scaled if program.scaling is None else scaled / program.scaling[:, None]
