"""Parallel tempering of box cells: replicas of several temperatures that change places."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from thermoapps._reading import read_count
from thermoapps.annealing.ising import Ising, Vector
from thermoapps.annealing.resuming import Memory
from thermolinalg.simulation import nonlinear

__all__ = ["ParallelTempering"]


@dataclass(frozen=True)
class _EulerOfEach:
    """Euler's step between reflecting rails, each column at a temperature of its own."""

    order: ClassVar[int] = 1
    stable: ClassVar[float] = 2.0

    temperatures: Vector

    def begin(self, equation: nonlinear.Equation, x: Any, rng: np.random.Generator) -> nonlinear.State:
        """The state before the first step."""
        return nonlinear.State(equation.folded(x))

    def advance(
        self, equation: nonlinear.Equation, state: nonlinear.State, step: float, rng: np.random.Generator
    ) -> nonlinear.State:
        """The state a step later."""
        x = state.x
        moved = rng.standard_normal(x.shape, dtype=x.dtype.type)
        moved *= np.sqrt(2 * step * self.temperatures).astype(x.dtype)
        moved += x
        moved += x.dtype.type(step) * equation.force(x)
        return nonlinear.State(equation.folded(moved))

    def bias(self, z: float) -> float:
        """Of a linear cell, exactly."""
        return z / (2 - z) if z < 2 else math.inf

    def length(self, ratio: float) -> float:
        """The step whose h × curvature is z, from z over the curvature."""
        return ratio


@dataclass(frozen=True)
class ParallelTempering:
    """Box cells, U = ½ xᵀJx + hᵀx on [-1, 1]ⁿ, at several temperatures side by side; neighbours change places.

    U is linear in each cell, so that its minimum stands in a corner of the box. Every `every` steps neighbouring
    temperatures change places by Metropolis's rule, and the signs of the coldest replica are read; the lowest reading
    is returned. Euler's step and reflection cost an error of the first order in the step, which an optimiser bears.

    Parameters
    ----------
    temperatures : tuple of float, optional
        Rising, in units of the root mean square of what a spin feels.
    steps : int, optional
        How many.
    step : float, optional
        Length of a step, in units of one over the root mean square of what a spin feels.
    every : int, optional
        Steps between exchanges.

    Raises
    ------
    ValueError
        Numbers out of range.

    See Also
    --------
    Bifurcation : Methods of `LangevinSampler`.

    Examples
    --------
    >>> import numpy as np
    >>> ring = Ising(np.roll(np.eye(8), 1, axis=0) + np.roll(np.eye(8), -1, axis=0))
    >>> spins = ParallelTempering(steps=300).run(ring, np.ones((8, 4)), np.random.default_rng(0))
    >>> float(ring.energies(spins).min())
    -8.0

    References
    ----------
    Hukushima and Nemoto, J. Phys. Soc. Jpn. 65 (1996) 1604.
    """

    temperatures: tuple[float, ...] = tuple(float(t) for t in np.geomspace(0.05, 0.8, 12).round(4))
    steps: int = 1000
    step: float = 0.2
    every: int = 10

    def __post_init__(self) -> None:
        ladder = np.asarray(self.temperatures, dtype=float)
        rises = ladder.ndim == 1 and len(ladder) > 1 and ladder[0] > 0 and bool((np.diff(ladder) > 0).all())
        if not rises or not np.isfinite(ladder).all():
            raise ValueError(f"temperatures must be positive and rise, at least two of them, got {self.temperatures}")
        object.__setattr__(self, "temperatures", tuple(ladder.tolist()))
        read_count(self.steps, "steps")
        read_count(self.every, "every")
        if not 0 < self.step <= 1:
            raise ValueError(f"step must lie between 0 and 1, got {self.step}: longer ones pass from rail to rail")

    @property
    def time(self) -> float:
        """Of a read with all its replicas, in units of one over the root mean square of what a spin feels."""
        return self.steps * self.step * len(self.temperatures)

    def run(
        self,
        ising: Ising,
        start: Vector,
        rng: np.random.Generator,
        stopped: Callable[[], bool] = lambda: False,
        memory: Memory | None = None,
    ) -> Vector:
        """The lowest reading of the coldest replica of every read.

        Parameters
        ----------
        ising : Ising
        start : array, shape (n, k)
            Signs of all replicas of a read at the beginning.
        rng : numpy.random.Generator
        stopped : callable, optional
            Asked at every exchange; True ends the run where it stands.
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
        k, levels = start.shape[1], len(self.temperatures)
        largest = float(ising.scales.max(initial=0.0)) or 1.0
        scale = largest * float(np.sqrt(np.mean((ising.scales / largest) ** 2)))
        J = ising.over(np.full(ising.n, scale)).astype(np.float32) if ising.stored else ising.J * (1 / scale)
        equation = nonlinear.Equation(nonlinear.Network(J, -ising.h / scale), 0.0, lower=-1.0, upper=1.0)
        ladder = np.repeat(self.temperatures, k)  # level by level
        here: Any = memory.state.get("x", np.tile(0.5 * start, (1, levels)).astype(np.float32))
        best = np.array(memory.state.get("best", start), dtype=float)
        lowest, left = ising.energies(best), int(memory.state.get("left", self.steps))
        integrator = _EulerOfEach(ladder)
        while left and not stopped():
            taken = min(self.every, left)
            run = nonlinear.simulate(
                equation, here, time=taken * self.step, step=self.step, integrator=integrator, rng=rng
            )
            x = run.last
            left, spins = left - taken, np.copysign(1.0, x[:, :k])
            energies = ising.energies(spins)
            better = energies < lowest
            best[:, better], lowest[better] = spins[:, better], energies[better]
            here = x[:, _exchanged(equation.value(x), ladder, levels, rng)]
            memory.keep(x=here, best=best.astype(np.int8), left=left)
        return best


def _exchanged(U: Vector, ladder: Vector, levels: int, rng: np.random.Generator) -> Vector:
    """Which replica stands where after neighbours have changed places by Metropolis's rule."""
    places, inverse = np.arange(len(U)).reshape(levels, -1), 1 / ladder.reshape(levels, -1)
    for parity in (0, 1):
        for level in range(parity, levels - 1, 2):
            cold, hot = places[level], places[level + 1]
            swap = np.log(rng.random(len(cold))) < (inverse[level] - inverse[level + 1]) * (U[cold] - U[hot])
            places[level], places[level + 1] = np.where(swap, hot, cold), np.where(swap, cold, hot)
    return places.ravel()
