"""Annealing by bifurcation: cells with inertia, released from their springs while they cool."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermoapps._reading import read_count
from thermoapps.annealing.cells import AbsorbingRails, Comparators
from thermoapps.annealing.ising import Ising, Vector
from thermoapps.annealing.resuming import Memory
from thermolinalg.simulation import nonlinear

__all__ = ["Bifurcation"]

SEGMENT = 25
"""Steps from one look at the clock to the next."""


@dataclass(frozen=True)
class Bifurcation:
    """Box cells with inertia that drive each other through comparators, while their springs fade and they cool.

    The spring falls from one to zero: at first every cell swings about zero, then they fall to either rail, driven by
    the signs of the others. Friction and noise at a falling temperature let them leave what is worse. Without both it
    is discrete simulated bifurcation.

    Parameters
    ----------
    steps : int, optional
        How many.
    step : float, optional
        Length of a step, in units of one over the frequency of the spring at the start; at most 1.
    gain : float, optional
        Of the drive of a cell, for a root mean square of one.
    temperature : float, optional
        At the start; it falls to zero in proportion to time.
    friction : float, optional
        Rate at which cells forget their momentum.
    every : int, optional
        Steps between two actions of friction and noise.

    Raises
    ------
    ValueError
        Numbers out of range.

    See Also
    --------
    ParallelTempering : Methods of `LangevinSampler`.
    Comparators, AbsorbingRails : Cells that anneal.

    Examples
    --------
    >>> import numpy as np
    >>> ring = Ising(np.roll(np.eye(8), 1, axis=0) + np.roll(np.eye(8), -1, axis=0))
    >>> spins = Bifurcation(steps=300).run(ring, np.ones((8, 20)), np.random.default_rng(0))
    >>> float(ring.energies(spins).min())
    -8.0

    References
    ----------
    Goto et al., Science Advances 7 (2021) eabe7953; Kanao and Goto, Communications Physics 5 (2022) 153.
    """

    steps: int = 1000
    step: float = 0.5
    gain: float = 0.5
    temperature: float = 0.1
    friction: float = 0.1
    every: int = 5

    def __post_init__(self) -> None:
        read_count(self.steps, "steps")
        if not 0 < self.step <= 1:
            raise ValueError(f"step must lie between 0 and 1, got {self.step}: longer ones are not stable")
        if not 0 < self.gain < math.inf:
            raise ValueError(f"gain must be positive, got {self.gain}")
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature must be finite and at least 0, got {self.temperature}")
        AbsorbingRails(self.friction, self.every)  # refuses what it cannot do

    @property
    def time(self) -> float:
        """Of a read, in units of one over the frequency of the spring at the start, which is the device's τ."""
        return self.steps * self.step

    def run(
        self,
        ising: Ising,
        start: Vector,
        rng: np.random.Generator,
        stopped: Callable[[], bool] = lambda: False,
        memory: Memory | None = None,
    ) -> Vector:
        """Spins after the schedule.

        Parameters
        ----------
        ising : Ising
        start : array, shape (n, k)
            Signs of the cells at the beginning; columns are reads.
        rng : numpy.random.Generator
        stopped : callable, optional
            Asked from time to time; True ends the run where it stands.
        memory : Memory, optional
            Where the run notes how it stands; one that is not empty is gone on from, bit for bit, with its generator.

        Returns
        -------
        array, shape (n, k)
            Entries ±1.
        """
        start, rng, memory = ising.columns(start), np.random.default_rng(rng), memory or Memory()
        if not start.size:
            return start
        cells, rails = Comparators.of(ising, self.gain), AbsorbingRails(self.friction, self.every)
        spring, heat = nonlinear.LinearRamp(1.0, 0.0, self.time), nonlinear.LinearRamp(self.temperature, 0.0, self.time)

        def schedule(t: float) -> nonlinear.Equation:
            return nonlinear.Equation(cells.held(spring(t)), heat(t), lower=-1.0, upper=1.0)

        here: Any
        if memory.state:
            here, taken = _checkpoint(**memory.state, step=self.step, rng=rng), int(memory.state["steps"])
        else:
            swing = np.float32(0.1) * np.abs(rng.standard_normal(start.shape, dtype=np.float32))
            here, taken = np.copysign(swing, start).astype(np.float32), 0
        while taken < self.steps and not (taken and stopped()):
            count = min(SEGMENT, self.steps - taken)
            run = nonlinear.simulate(schedule, here, time=count * self.step, step=self.step, integrator=rails, rng=rng)
            here, taken = run.checkpoint, taken + count
            velocity, kicks = here.state.memory
            memory.keep(x=here.state.x, velocity=velocity, kicks=kicks, steps=taken)
        return np.asarray(np.copysign(1.0, here.x))


def _checkpoint(x: Any, velocity: Any, kicks: Any, steps: Any, step: float, rng: np.random.Generator) -> Any:
    """A run of the cells, as memory has it."""
    return nonlinear.Checkpoint(nonlinear.State(x, (velocity, int(kicks))), step, int(steps), rng)
