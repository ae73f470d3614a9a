"""Trajectories: equally spaced readings drawn one after the other from the exact step law."""

from __future__ import annotations

import numpy as np

from thermolinalg._arrays import Array, namespace, standard_normal
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Diagonalising, Engine, evaluate

__all__ = ["autoregressive_path", "modal_path"]

_CHUNK = 256


def autoregressive_path(
    engine: Engine,
    first: LinearLaw,
    step: LinearLaw,
    start: Array | None,
    load: Array,
    readings: int,
    rng: np.random.Generator,
) -> Array:
    """Readings (n, d) of x ← step(x, b, z), the first drawn by `first` from `start`.

    Engines that diagonalise A run in its eigenbasis, where a step costs O(d); the others apply the law at each step.
    The laws must have the inputs (x0, b, z) and the output state.
    """
    if isinstance(engine, Diagonalising):
        modes = modal_path(
            engine.eigenvalues(),
            first,
            step,
            None if start is None else engine.to_modes(start)[:, 0],
            engine.to_modes(load)[:, 0],
            readings,
            rng,
        )
        return engine.from_modes(modes.T).T
    xp = namespace(load)
    states, x, law = [], start, first
    for _ in range(readings):
        z = standard_normal(rng, tuple(load.shape), load)
        (x,) = engine.apply(law, [x, load, z], ("state",))
        states.append(x[:, 0])
        law = step
    return xp.stack(states)


def modal_path(
    lam: Array,
    first: LinearLaw,
    step: LinearLaw,
    start: Array | None,
    load: Array,
    readings: int,
    rng: np.random.Generator,
) -> Array:
    """The same readings (n, d) in coordinates where A is diagonal, noise drawn in chunks."""
    xp = namespace(lam)
    path = xp.empty((readings, lam.shape[0]), dtype=lam.dtype, device=lam.device)
    ((decay0, response0, noise0),) = evaluate(first, lam)
    ((decay, response, noise),) = evaluate(step, lam)
    y = response0 * load + noise0 * standard_normal(rng, tuple(lam.shape), lam)
    if start is not None and decay0 is not None:
        y = y + decay0 * start
    path[0] = y
    drift = response * load
    for begin in range(1, readings, _CHUNK):
        end = min(begin + _CHUNK, readings)
        block = standard_normal(rng, (end - begin, lam.shape[0]), lam)
        block *= noise
        block += drift
        for i in range(begin, end):
            y = decay * y
            y += block[i - begin]
            path[i] = y
    return path
