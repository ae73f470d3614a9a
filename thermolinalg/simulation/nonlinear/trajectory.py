"""What a simulation returns: readings, and the checkpoint from which it goes on."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass

import numpy as np

from thermolinalg._arrays import Array
from thermolinalg.simulation.nonlinear.integrators import State

__all__ = ["Checkpoint", "Trajectory"]


@dataclass(frozen=True)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped; give it to `simulate` as its start. It pickles.

    Parameters
    ----------
    state : State
        Voltages, and what the integrator remembers.
    step : float
        Length of a step.
    steps : int
        Steps of that length taken since the origin.
    rng : numpy.random.Generator
        Source of randomness, where it stands.
    origin : float
        Time from which the steps are counted.
    single : bool
        Whether there is one replica, of readings without an axis for it.
    """

    state: State
    step: float
    steps: int
    rng: np.random.Generator
    origin: float = 0.0
    single: bool = False

    @property
    def time(self) -> float:
        """Where it stands."""
        return self.origin + self.steps * self.step

    @property
    def x(self) -> Array:
        """Voltages, (d, k), or (d,) of a single replica."""
        return self.state.x[:, 0] if self.single else self.state.x

    def generator(self) -> np.random.Generator:
        """A generator that goes on from here; the checkpoint's own stays where it is."""
        return deepcopy(self.rng)

    def paced(self, step: float) -> Checkpoint:
        """The same, to go on in steps of another length; the count goes on where they differ by rounding only."""
        if math.isclose(step, self.step, rel_tol=1e-12):
            return self
        return Checkpoint(self.state, step, 0, self.rng, self.time, self.single)

    def after(self, state: State, steps: int) -> Checkpoint:
        """So many steps later, at that state."""
        return Checkpoint(state, self.step, self.steps + steps, self.rng, self.origin, self.single)

    def kept(self) -> Checkpoint:
        """With a generator of its own."""
        return Checkpoint(self.state, self.step, self.steps, self.generator(), self.origin, self.single)


@dataclass(frozen=True)
class Trajectory:
    """Readings of replicas side by side.

    Parameters
    ----------
    times : array, shape (n,)
        When they were read.
    x : array, shape (n, d, k)
        What was read.
    checkpoint : Checkpoint
        From which the run goes on.
    acceptance : float or None
        Share of the steps that were accepted, where some are refused.
    """

    times: np.ndarray
    x: Array
    checkpoint: Checkpoint
    acceptance: float | None = None

    @property
    def last(self) -> Array:
        """The last reading, (d, k)."""
        return self.x[-1]

    @property
    def step(self) -> float:
        """Length of a step."""
        return self.checkpoint.step
