"""The laws that nodes of unequal parts are drawn from: averages from one factor where that will do, all nodes else."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse

from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.schedule import Schedule
from thermolinalg.laws import forgotten
from thermolinalg.simulation import Transition
from thermolinalg.simulation._transition import norm_bound
from thermolinalg.simulation.averages import NodeAverages, NodeNoise
from thermolinalg.simulation.disturbances import PinkNoise
from thermolinalg.simulation.flickering import FlickeringProcess
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.simulation.settling import slowest_rate
from thermolinalg.simulation.shot_process import Drawn, ShotProcess
from thermolinalg.simulation.shots import TOLD, ShotTrain
from thermolinalg.simulation.warming import WarmingProcess, WarmingProfile

__all__ = ["LARGEST", "NodeLaws"]

LARGEST = 4096
"""Nodes up to which dense arrays of them are held and decomposed; beyond it that takes hours."""

SMALL = 128
"""Nodes up to which every law is that of all nodes: an eigendecomposition of so many is at once."""

ENDS = {True: 0.125, False: 1e-3}
"""Share of the variance of an average that the ends of its window may make unseen: of one whose residual is sent back
(True), and of one that is the answer."""

KEPT = 16
"""Timetables whose laws are kept: a refinement runs few, again and again."""

APART = 8.0
"""Standard deviations of the clock between two readings, so that none overtakes another."""

POINTS = 9
"""Of the rule for a mean over the jitter of a lag: exact to 1e-6 for modes that change as fast as that."""

Draw = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray | None, np.ndarray]]


class NodeLaws:
    """Laws of C ẋ = −(G x − b) + noise, made when they are first needed and kept.

    Parameters
    ----------
    G : ndarray or sparse array, shape (d, d)
    capacity : ndarray, shape (d,)
        C.
    noise : NodeNoise
    lower : callable
        Tells the smallest eigenvalue of (G + Gᵀ)/2, or a bound from below.
    imperfections : Imperfections
        What else there is to the drive and to time.

    Raises
    ------
    ValueError
        Parts that are not simulated together: shots with a memory, shots or 1/f noise of the drive that warm up.
    """

    def __init__(
        self,
        G: Any,
        capacity: np.ndarray,
        noise: NodeNoise,
        lower: Callable[[], float],
        imperfections: Imperfections,
    ) -> None:
        shots, warming = imperfections.shots, imperfections.warming
        self.memory = imperfections.amplifiers.known("bandwidth"), imperfections.noise.known("correlation_time")
        flicker, plain = imperfections.drive_flicker, warming.is_perfect
        if not shots.is_perfect and (self.memory[1] or not (plain and flicker.is_perfect)):
            raise ValueError(
                "shots= are simulated without warming=, drive_flicker= and correlation_time of noise=: leave these out"
            )
        if not (flicker.is_perfect or plain):
            raise ValueError("drive_flicker= is simulated without warming=: leave out one of them")
        self.G, self.capacity, self.noise, self.lower = G, capacity, noise, lower
        self.warming, self.jitter = warming, imperfections.clock.known("jitter")
        self.large = len(capacity) > SMALL and warming.is_perfect
        self.train = None if shots.is_perfect else ShotTrain(shots.known("rate"), shots.jumps)
        spectrum = (flicker.known("corner"), flicker.fastest, flicker.slowest)
        self.pink = None if flicker.is_perfect else PinkNoise.of_corner(*spectrum)
        self._windows: dict[tuple[float | int | None, ...], Transition | Drawn] = {}

    @cached_property
    def process(self) -> NodeProcess:
        """The law of all nodes.

        Raises
        ------
        ValueError
            More nodes than dense arrays can hold.
        """
        if (d := len(self.capacity)) > LARGEST:
            raise ValueError(
                f"a device of unequal parts is simulated with dense arrays of up to {LARGEST} nodes, and A has {d}: "
                "beyond it only averages over long windows are; solve to a tolerance, or pass a schedule with a "
                "duration of 500 relaxation times or more"
            )
        G = self.G.toarray() if scipy.sparse.issparse(self.G) else self.G
        parts, warming = (G, self.noise.covariance, self.capacity, *self.memory), self.warming
        if self.pink is not None:
            return FlickeringProcess(*parts, self.pink)
        if warming.is_perfect:
            return NodeProcess(*parts)
        profile = WarmingProfile(warming.known("time"))
        return WarmingProcess(*parts, profile, warming.known("conductance"), warming.known("temperature"))

    @cached_property
    def drawn(self) -> NodeProcess | ShotProcess:
        """What runs are drawn from: the law of all nodes, or, where shots can be told from it, one with its moments."""
        if self.train is None or self.train.excess(norm_bound(self.process.modes.H)) <= TOLD:
            return self.process
        return ShotProcess(self.process, self.noise, self.train)

    @cached_property
    def averages(self) -> NodeAverages | None:
        """The law of averages over long windows; None where the symmetric part of G is not positive definite."""
        lower = self.lower()
        return NodeAverages(self.G, self.capacity, self.noise, lower, *self.memory, self.pink) if lower > 0 else None

    @property
    def slowest(self) -> complex:
        """The rate with the smallest real part, or a bound from below."""
        return self.averages.slowest if self.large and self.averages is not None else self.process.slowest

    def slowest_above(self, value: float) -> float:
        """The smallest rate of modes of G with this eigenvalue at least."""
        bandwidth, correlation_time = self.memory
        weights = np.array([value / self.capacity.max()])
        return slowest_rate(weights, 1 / bandwidth, correlation_time).real

    def averaging(self, schedule: Schedule, instants: np.ndarray | None, *, state: bool) -> Draw:
        """What draws the last voltages and the average of a schedule, from a start and loads (d, k) each.

        Parameters
        ----------
        schedule : Schedule
        instants : ndarray or None
            `instants_averaged` of it.
        state : bool
            Whether anybody asks for the last voltages; where not, they may be None.

        Returns
        -------
        callable
        """
        averages, duration = self.averages if self.large else None, schedule.duration
        if self.train is not None and not self.train.averages_out(duration):
            averages = None
        if averages is not None and schedule.readings is None and not state:
            settled = forgotten(averages.slowest.real * min(schedule.burn_in, duration))
            if settled and averages.ends(duration) <= ENDS[schedule.rough]:
                return lambda start, load, rng: (None, averages.sample(load, duration, rng))
        if instants is not None:
            return lambda start, load, rng: self._one_by_one(instants, start, load, rng)
        law, d = self._window(schedule), len(self.capacity)

        def drawn(start: np.ndarray, load: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
            both = law.sample(start, load, rng=rng)
            return both[:d], both[d:]

        return drawn

    def _window(self, schedule: Schedule) -> Transition | Drawn:
        """Joint law of the last voltages and their average."""
        key = (schedule.burn_in, schedule.duration, schedule.readings)
        if key not in self._windows:
            if len(self._windows) >= KEPT:
                del self._windows[next(iter(self._windows))]
            self._windows[key] = self.drawn.window(*key)
        return self._windows[key]

    def _one_by_one(
        self, instants: np.ndarray, start: np.ndarray, load: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The last voltages and the average of readings whose instants jitter."""
        path = self.drawn.path(start, load, instants, rng)
        return path[-1], path.mean(axis=0)

    def instants_averaged(self, schedule: Schedule, rng: np.random.Generator) -> np.ndarray | None:
        """When the readings of an average are taken; None where that is as the schedule says."""
        return self.instants(schedule, rng) if schedule.readings is not None and self.jitter else None

    def instants(self, schedule: Schedule, rng: np.random.Generator) -> np.ndarray:
        """When the readings of a schedule are taken."""
        count, spacing = schedule.grid()
        times = schedule.burn_in + spacing * np.arange(count)
        if not self.jitter:
            return np.asarray(times)
        if spacing < APART * self.jitter:
            raise ValueError(
                f"readings {spacing:.3g} τ apart are too close for a clock that jitters by {self.jitter:.3g} τ: pass a "
                f"Schedule with a spacing of at least {APART * self.jitter:.3g}"
            )
        off = np.clip(self.jitter * rng.standard_normal(count), -spacing / 2, spacing / 2)
        return np.maximum(times + off, 0.0)

    def autocovariance(self, lag: float) -> np.ndarray:
        """Of the voltages (d, d) at a nominal lag, over all instants, by Gauss and Hermite's rule."""
        if not (self.jitter and lag):
            return self.process.autocovariance(lag)
        points, weights = np.polynomial.hermite_e.hermegauss(POINTS)
        moved = [self.process.autocovariance(abs(lag + 2**0.5 * self.jitter * point)) for point in points]
        return np.tensordot(weights / weights.sum(), moved, axes=1)
