"""Nodes that warm up while a run lasts: their noise and their conductances start off by a share that dies away."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg.simulation._transition import Matrix, Transition
from thermolinalg.simulation.nodes import NodeProcess

__all__ = ["WarmingProcess", "WarmingProfile"]

STEPS = 128
"""Steps of a profile from one to zero: laws err by less than a thousandth of what changes."""

HALVES = 13
"""Halves of the last step that are told apart; what is left then is nothing, 1e-6."""


KEPT = 256
"""Laws that are kept."""


class WarmingProfile:
    """p(t) = e^{−t/w} as a staircase, each step with the mean of p over it.

    Parameters
    ----------
    time : float
        w.

    Examples
    --------
    >>> profile = WarmingProfile(100.0)
    >>> profile.pieces(0.0, 5.0)  # which step, and for how long
    [(0, 0.78...), (1, 0.79...), (2, 0.79...), (3, 0.80...), (4, 0.80...), (5, 0.81...), (6, 0.19...)]
    """

    def __init__(self, time: float) -> None:
        self.time = time
        edges = np.append(1 - np.arange(STEPS) / STEPS, 0.5 ** np.arange(1, HALVES + 1) / STEPS)
        self.begins = -time * np.log(edges)
        self.levels = np.append((edges[:-1] - edges[1:]) / np.log(edges[:-1] / edges[1:]), 0.0)

    @property
    def lasting(self) -> float:
        """Time from which on nothing is left."""
        return float(self.begins[-1])

    def piece(self, t: float) -> tuple[int, float]:
        """The step at a time, and where it ends.

        Parameters
        ----------
        t : float

        Returns
        -------
        tuple of int and float
        """
        index = int(np.searchsorted(self.begins, t, side="right")) - 1
        return index, float(self.begins[index + 1]) if index + 1 < len(self.begins) else math.inf

    def pieces(self, begin: float, end: float) -> list[tuple[int, float]]:
        """The steps between two times, and for how long each of them is there.

        Parameters
        ----------
        begin, end : float

        Returns
        -------
        list of tuple of int and float
        """
        found = []
        while True:
            index, until = self.piece(begin)
            found.append((index, min(until, end) - begin))
            if until >= end:
                return found
            begin = until


class WarmingProcess(NodeProcess):
    """C ẋ = −(1 + ε_G p(t)) G x + b + noise of intensity (1 + ε_T p(t)) D, p(t) = e^{−t/w} from the start of a run on.

    It is linear still, with a law that is exact for the staircase of p.

    Parameters
    ----------
    G, D : ndarray, shape (d, d)
    capacity : ndarray, shape (d,)
    bandwidth, correlation_time : float
        As for `NodeProcess`.
    profile : WarmingProfile
    stiffness, heat : float
        ε_G and ε_T, above −1.

    Examples
    --------
    >>> process = WarmingProcess(np.eye(1), 2 * np.eye(1), np.ones(1), math.inf, 0.0, WarmingProfile(1e9), 0.0, 0.5)
    >>> hot, settled = process.after(40.0).covariance, process.stationary.covariance
    >>> round(float(hot[0, 0]), 2), float(settled[0, 0])
    (1.5, 1.0)
    """

    def __init__(
        self,
        G: Matrix,
        D: Matrix,
        capacity: Matrix,
        bandwidth: float,
        correlation_time: float,
        profile: WarmingProfile,
        stiffness: float,
        heat: float,
    ) -> None:
        super().__init__(G, D, capacity, bandwidth, correlation_time)
        self.profile, self.stiffness, self.heat = profile, stiffness, heat
        self._steps: dict[int, NodeProcess] = {}
        self._laws: dict[tuple[int, str], Transition] = {}

    @property
    def lasting(self) -> float:
        """Time from which on nothing changes."""
        return self.profile.lasting

    @property
    def start(self) -> Matrix:
        """Covariance of the states at a start, where noise with a memory is in equilibrium with the first step."""
        return self._step(0).start

    def after(self, time: float) -> Transition:
        """Law of the voltages a time after a start."""
        return self._read(self._chained(0.0, time), self.d)

    def window(self, burn_in: float, duration: float, readings: int | None) -> Transition:
        """Joint law of the voltages at the end of a window, and of their average over it."""
        if burn_in >= self.lasting:
            return super().window(burn_in, duration, readings)
        n = len(self.process.M)
        nothing = np.zeros((2 * n, n))
        law = self._chained(0.0, burn_in)
        if readings is None:
            law = law.then(Transition(np.eye(2 * n, n), np.zeros((2 * n, 2 * n)), nothing))
            for index, length in self.profile.pieces(burn_in, burn_in + duration):
                within = self._step(index).process.window_law(0.0, length)
                law = law.then(_adding(within, length / duration))
        else:
            first = np.vstack([np.eye(n), np.eye(n) / readings])
            law = law.then(Transition(first, np.zeros((2 * n, 2 * n)), nothing))
            law = self._counted(law, burn_in, duration / readings, readings)
        return self._read_window(law)

    def path(self, x0: Matrix, b: Matrix, times: np.ndarray, rng: np.random.Generator) -> Matrix:
        """Voltages (len(times), d) along one path."""
        state, now, load = self._begun(x0, rng), 0.0, self.entry @ b
        states = []
        for time in map(float, times):
            for index, length in self.profile.pieces(now, time):
                state = self._law(index, length).sample(state, load, rng=rng)
            now = time
            states.append(state[: self.d])
        return np.stack(states)

    def _step(self, index: int) -> NodeProcess:
        """The process on one step of the staircase."""
        if index not in self._steps:
            level = float(self.profile.levels[index])
            G, D = (1 + self.stiffness * level) * self.G, (1 + self.heat * level) * self.D
            self._steps[index] = NodeProcess(G, D, self.capacity, self.bandwidth, self.correlation_time)
        return self._steps[index]

    def _law(self, index: int, length: float) -> Transition:
        """Law of all states over a part of a step, kept for the runs to come."""
        key = (index, f"{length:.12g}")  # times that differ by rounding share one
        if key not in self._laws:
            while len(self._laws) >= KEPT:
                del self._laws[next(iter(self._laws))]
            self._laws[key] = self._step(index).process.transition(length)
        return self._laws[key]

    def _chained(self, begin: float, end: float) -> Transition:
        """Law of all states from one time to another."""
        (index, length), *others = self.profile.pieces(begin, end)
        law = self._step(index).process.transition(length)
        for index, length in others:
            law = law.then(self._step(index).process.transition(length))
        return law

    def _counted(self, law: Transition, begin: float, spacing: float, readings: int) -> Transition:
        """A law up to the first reading, with the others added to its second half."""
        done = 1
        while done < readings:
            now = begin + (done - 1) * spacing
            index, until = self.profile.piece(now)
            whole = readings - done if math.isinf(until) else min(readings - done, int((until - now) / spacing))
            if whole:
                law = law.then(_repeated(_read_once(self._step(index).process.transition(spacing), readings), whole))
            else:
                law = law.then(_read_once(self._chained(now, now + spacing), readings))
            done += max(whole, 1)
        return law


def _adding(law: Transition, weight: float) -> Transition:
    """From (x, S) to (x, S + weight · average), of a law from x to (x, average)."""
    n = law.decay.shape[1]
    weights = np.repeat([1.0, weight], n)
    decay = np.hstack([weights[:, None] * law.decay, np.vstack([np.zeros((n, n)), np.eye(n)])])
    return Transition(decay, weights[:, None] * law.covariance * weights, weights[:, None] * law.response)


def _read_once(law: Transition, readings: int) -> Transition:
    """From (x, S) to (x, S + x/N) after a step."""
    twice = Transition(np.tile(law.decay, (2, 1)), np.tile(law.covariance, (2, 2)), np.tile(law.response, (2, 1)))
    return _adding(twice, 1 / readings)


def _repeated(law: Transition, times: int) -> Transition:
    """A law so many times in a row, by binary powers."""
    found: Transition | None = None
    while times:
        if times % 2:
            found = law if found is None else found.then(law)
        times //= 2
        law = law.then(law) if times else law
    assert found is not None
    return found
