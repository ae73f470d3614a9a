"""What the imperfections of a device imply of the error of a reading that its noise does not tell."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, as_array, column_norms, namespace, to_numpy
from thermolinalg.devices.imperfections import Imperfections, connected
from thermolinalg.devices.imperfections.wires import first_order_drop
from thermolinalg.devices.ranging import Ranged
from thermolinalg.devices.reading import Reading
from thermolinalg.devices.schedule import Schedule

__all__ = ["CAUSES", "combined", "implied_errors"]

CAUSES = ("matrix", "inputs", "outputs", "mismatch", "offset", "drift", "warming")
"""Rounding of the matrix, of the load and of the reading (with the offset of its converters); errors of the elements;
offsets; what moves all elements one way: age, wires, gain, a lifted copy; and a cold start."""

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


def implied_errors(
    program: Ranged, run: Averaging, read: Array, gain: Array, schedule: Schedule, seed: int
) -> dict[str, Array] | None:
    """One standard deviation of what a reading misses whatever its noise, over devices of the same kind, by its cause.

    An error δA of the elements and δb of the load move a reading y by A⁻¹(δb − δA y), to first order. Each row of that
    load is drawn with random signs, and the device itself applies the inverse. What drifts all elements one way, and
    what the converters make of the reading, stands beside it.

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
    dict of array, shape (d, k), or None
        In the user's units, by `CAUSES`; None where first order does not tell: stuck parts, errors of the size of the
        reading, or more nodes than can be looked at.
    """
    imperfections = program.imperfections
    stuck = imperfections.amplifiers.known("stuck") + sum(
        imperfections.couplings.known(name) for name in ("stuck_off", "stuck_on")
    )
    if stuck or read.shape[0] > FORMABLE:
        return None
    G, y = program.factor * to_numpy(program.effective.dense()).astype(np.float64), to_numpy(read).astype(np.float64)
    rng, (d, k) = np.random.default_rng(seed), read.shape
    zero = as_array(np.zeros((d, k)), read)

    def answered(loads: np.ndarray) -> np.ndarray:
        """What loads (d, k, n) move the reading by, in the user's units."""
        told = run.average(_as_loaded(program, loads.reshape(d, -1), read), schedule, rng=rng).value
        return np.asarray(to_numpy(told).astype(np.float64).reshape(loads.shape) / to_numpy(gain)[:, None])

    errors = dict.fromkeys(CAUSES, zero)
    for name, variance in _load_variances(imperfections, G, y).items():
        if variance.any():
            loads = rng.choice([-1.0, 1.0], size=(d, k, PROBES)) * np.sqrt(variance)[:, :, None]
            errors[name] = as_array(np.sqrt(np.mean(answered(loads) ** 2, axis=2)), read)
    certain = {
        "drift": _certain_shift(imperfections, G, y) - program.factor * program.lift * y,
        "warming": imperfections.warming.excess(schedule.burn_in, schedule.duration) * (G @ y),
    }
    for name, shift in certain.items():
        if shift.any():
            errors[name] = as_array(abs(answered(shift[:, :, None])[:, :, 0]), read)
    outputs = imperfections.outputs
    steps = np.array([outputs.step(float(largest)) for largest in abs(y).max(axis=0)])
    converted = as_array(np.sqrt(steps**2 / 12 + outputs.known("offset") ** 2) * np.ones((d, k)), read)
    errors["outputs"] = program.to_user(converted, gain)
    small = column_norms(combined(errors)) <= FIRST_ORDER * column_norms(program.to_user(read, gain))
    return errors if bool(namespace(read).all(small)) else None


def combined(errors: dict[str, Array]) -> Array:
    """Root of the sum of the squares of independent errors.

    Parameters
    ----------
    errors : dict of array
        At least one.

    Returns
    -------
    array
    """
    first, *others = errors.values()
    largest = abs(first)
    xp = namespace(first)
    for other in others:
        largest = xp.hypot(largest, other)
    return largest


def _load_variances(imperfections: Imperfections, G: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Variances (d, k) of the load that is missed, by cause."""
    couplings, inputs, amplifiers = imperfections.couplings, imperfections.inputs, imperfections.amplifiers
    size, there = abs(G), G != 0
    top, bits = float(size.max(initial=0.0)), int(couplings.known("bits"))
    step = top / (2 ** (bits - 1) - 1 if bits > 1 else 1) if bits else 0.0
    least = top / couplings.known("on_off_ratio")
    rounded = step**2 * couplings.rounding_variance * there + least**2 / 12 * (there & (size <= least))
    strayed = (couplings.known("mismatch") * G) ** 2 + (couplings.known("write_noise") * top) ** 2 * there
    s, one = connected(G)[:, None], np.ones_like(y)
    return {
        "matrix": rounded @ y**2,
        "mismatch": strayed @ y**2,
        "inputs": inputs.step(1.0) ** 2 / 12 * one,
        "offset": (inputs.known("offset") ** 2 + (amplifiers.known("offset") * s) ** 2) * one,
    }


def _certain_shift(imperfections: Imperfections, G: np.ndarray, y: np.ndarray) -> np.ndarray:
    """What of the load is missed for certain (d, k): by drift, wires and the gain of the amplifiers."""
    couplings, size = imperfections.couplings, abs(G)
    lost = (1 - couplings.aged) / couplings.aged * (G @ y)
    if top := float(size.max(initial=0.0)):
        lost = lost + couplings.known("series_resistance") * ((size * G / top) @ y)
        if wires := couplings.known("wire_resistance"):
            lost = lost + first_order_drop(G, wires) @ y
    return np.asarray(lost - connected(G)[:, None] * y / imperfections.amplifiers.known("gain"))


def _as_loaded(program: Ranged, loads: np.ndarray, like: Array) -> Array:
    """The user's loads that stand at the inputs as these (d, n), at gain one."""
    scaled = as_array(loads, like) / program.factor
    return scaled if program.scaling is None else scaled / program.scaling[:, None]
