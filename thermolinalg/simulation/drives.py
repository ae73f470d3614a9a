"""Driving a device from aI to A and recording the work: trajectory by trajectory, from its exact law."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from thermolinalg._arrays import Array, namespace, standard_normal, to_numpy
from thermolinalg._progress import watched
from thermolinalg.laws import LinearLaw, Overdamped
from thermolinalg.laws.work import Drive
from thermolinalg.matrix_functions.select import Engines

__all__ = ["work_by_products", "work_of_modes"]

_NUMBERS = 2**22
"""Numbers of one block of trajectories: a few of them fit the cache of a CPU."""


def work_of_modes(
    path: Array,
    trajectories: int,
    *,
    rng: np.random.Generator,
    temperature: float = 1.0,
    dwell: float | None = None,
    multiplicity: np.ndarray | None = None,
) -> np.ndarray:
    """Work of each trajectory of a drive, given the stiffness of each mode along the way.

    Every trajectory starts in equilibrium. A jump α → α' does the work ½(α' − α)x² on a mode; then the mode relaxes for
    the time `dwell` by the exact overdamped step. A path read backwards is the reverse drive.

    Parameters
    ----------
    path : array, shape (steps + 1, modes)
        As `thermolinalg.laws.work.Drive.path`.
    trajectories : int
        Number of independent runs.
    rng : numpy.random.Generator
        Source of randomness.
    temperature : float, optional
        T.
    dwell : float, optional
        Time between jumps, in units of τ; None lets the device reach equilibrium each time.
    multiplicity : ndarray, shape (modes,), optional
        How often each mode occurs, where the device reaches equilibrium each time.

    Returns
    -------
    ndarray, shape (trajectories,)

    Examples
    --------
    >>> path = Drive(1.0).path(np.array([2.0, 0.5]), 20)
    >>> work = work_of_modes(path, 4000, rng=np.random.default_rng(0))
    >>> bool(abs(np.mean(np.exp(-work)) - 1.0) < 0.05)  # ln det A = 0: e^{-W} averages to one
    True
    """
    blocks = _blocks(trajectories, path.shape[1])
    if dwell is None and multiplicity is not None:
        return np.concatenate([_block_of_alike(path, multiplicity, n, rng, temperature) for n in blocks])
    return np.concatenate([_block_of_modes(path, n, rng, temperature, dwell) for n in blocks])


def _blocks(trajectories: int, numbers: int) -> Iterator[int]:
    block = max(1, _NUMBERS // numbers)
    return (min(block, trajectories - done) for done in range(0, trajectories, block))


def _block_of_modes(
    path: Array, trajectories: int, rng: np.random.Generator, temperature: float, dwell: float | None
) -> np.ndarray:
    xp, shape = namespace(path), (trajectories, path.shape[1])
    law = Overdamped(temperature)
    x = xp.sqrt(temperature / path[0, :]) * standard_normal(rng, shape, path)
    work = 0 * x[:, 0]
    for before, after in zip(path[:-1, :], path[1:, :], strict=True):
        work += x**2 @ ((after - before) / 2)
        z = standard_normal(rng, shape, path)
        if dwell is None:
            x = xp.sqrt(temperature / after) * z
        else:
            x = law.decay(after, dwell) * x + xp.sqrt(law.variance(after, dwell)) * z
    return to_numpy(work)


def _block_of_alike(
    path: np.ndarray, multiplicity: np.ndarray, trajectories: int, rng: np.random.Generator, temperature: float
) -> np.ndarray:
    """Σ x² over m equal modes in equilibrium is T/α times a draw of χ² with m degrees of freedom."""
    shape, work = (trajectories, len(multiplicity)), np.zeros(trajectories)
    for before, after in pairwise(path):
        work += rng.chisquare(multiplicity, shape) @ (temperature * (after - before) / (2 * before))
    return work


def work_by_products(
    engines: Engines,
    drive: Drive,
    steps: int,
    trajectories: int,
    *,
    rng: np.random.Generator,
    reverse: bool = False,
    temperature: float = 1.0,
    dwell: float | None = None,
) -> np.ndarray:
    """Work of each trajectory of a drive, with A known by its products only.

    Parameters
    ----------
    engines : Engines
        Of A, shape (d, d).
    drive : Drive
        Linear or geometric.
    steps : int
        Number of jumps.
    trajectories : int
        Number of independent runs; they go side by side, as columns.
    rng : numpy.random.Generator
        Source of randomness.
    reverse : bool, optional
        Whether to go from A to aI.
    temperature, dwell
        As for `work_of_modes`.

    Returns
    -------
    ndarray, shape (trajectories,)

    Examples
    --------
    >>> from thermolinalg.operators import Dense
    >>> engines = Engines(Dense(np.diag([2.0, 0.5])))
    >>> work = work_by_products(engines, Drive(1.0), 20, 4000, rng=np.random.default_rng(0))
    >>> bool(abs(np.mean(np.exp(-work)) - 1.0) < 0.05)
    True
    """
    progress = drive.progress(np.linspace(0.0, 1.0, steps + 1)).tolist()
    if reverse:
        progress.reverse()
    law = Overdamped(temperature)
    relax = law.stationary() if dwell is None else law.step(dwell)
    product, runs = engines.operator.apply, []
    for columns in _blocks(trajectories, engines.operator.shape[0]):
        x = _draw(engines, drive.along(law.stationary(), progress[0]), None, columns, rng)
        xp, work = namespace(x), 0.0
        for before, after in watched(list(pairwise(progress)), "jump"):
            work = work + (after - before) / 2 * xp.sum(x * (product(x) - drive.start * x), axis=0)
            x = _draw(engines, drive.along(relax, after), x, columns, rng)
        runs.append(to_numpy(work))
    return np.concatenate(runs)


def _draw(engines: Engines, law: LinearLaw, x: Array | None, columns: int, rng: np.random.Generator) -> Array:
    z = standard_normal(rng, (engines.operator.shape[0], columns), engines.operator.like)
    (state,) = engines.choose(law, ("state",), columns).engine.apply(law, [x, None, z], ["state"])
    return state
