"""Nodes with more behind them than their voltages: capacitors of their own, inertia, and noise with a memory."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy.linalg

from thermolinalg.laws import forgotten
from thermolinalg.simulation._transition import Matrix, Transition
from thermolinalg.simulation.doubling import Doubling
from thermolinalg.simulation.non_normal import LinearProcess
from thermolinalg.simulation.settling import Modes, Spread

__all__ = ["NodeProcess"]


class NodeProcess:
    """C ẋ = −(G x − b) + noise, each node with its own capacitor, inertia and coloured noise on top where asked for.

    The state stacks the voltages x, their rates v where there is inertia, ẋ = v and v̇ = ω(−v − C⁻¹(G x − b − n)), and
    the noise n where it has a memory, ṅ = −n/τ_n + white noise/τ_n. It is linear, so that every law of what is read is
    exact. Loads and starts concern the voltages; v starts at zero and n in equilibrium.

    Parameters
    ----------
    G : ndarray, shape (d, d)
        Any matrix that makes the device stable.
    D : ndarray, shape (d, d)
        Covariance of the noise currents per unit time, symmetric positive semidefinite.
    capacity : ndarray, shape (d,)
        C.
    bandwidth : float, optional
        ω; infinite: no inertia.
    correlation_time : float, optional
        τ_n; 0: white noise.

    Examples
    --------
    >>> import numpy as np
    >>> process = NodeProcess(np.diag([1.0, 3.0]), 2 * np.eye(2), np.ones(2), correlation_time=0.5)
    >>> process.stationary.covariance.diagonal().round(12)  # 1/λ times 1/(1 + λτ_n)
    array([0.66666667, 0.13333333])
    """

    def __init__(
        self, G: Matrix, D: Matrix, capacity: Matrix, bandwidth: float = math.inf, correlation_time: float = 0.0
    ) -> None:
        self.d, self.G, self.D, self.capacity = len(G), G, D, capacity
        self.bandwidth, self.correlation_time = bandwidth, correlation_time
        self.modes = Modes(G, capacity, bandwidth, correlation_time)

    @cached_property
    def _states(self) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        """Drift of all states, intensity of their noise, where currents enter, and the covariance of the start."""
        d, D, inverse = self.d, self.D, 1 / self.capacity[:, None]
        one, zero = np.eye(d), np.zeros((d, d))
        # What the currents do: x at once, or v, which x follows.
        inert = math.isfinite(self.bandwidth)
        speed = self.bandwidth if inert else 1.0
        force, drive = speed * inverse * self.G, speed * inverse * one
        M, entry = self._inert(force, drive, self.bandwidth) if inert else (force, drive)
        noise = entry @ D @ entry.T
        start = np.zeros_like(noise)
        if self.correlation_time > 0:
            n, tau = len(M), self.correlation_time
            M = np.block([[M, -entry], [np.zeros((d, n)), one / tau]])
            noise = scipy.linalg.block_diag(np.zeros((n, n)), D / tau**2)
            start = scipy.linalg.block_diag(np.zeros((n, n)), D / (2 * tau))
            entry = np.vstack([entry, zero])
        return M, noise, entry, start

    @cached_property
    def process(self) -> LinearProcess:
        """The process of all states."""
        return LinearProcess(self._states[0], self._states[1])

    @property
    def entry(self) -> Matrix:
        """Where currents enter the states."""
        return self._states[2]

    @property
    def start(self) -> Matrix:
        """Covariance of the states at a start, where noise with a memory is in equilibrium."""
        return self._states[3]

    @staticmethod
    def _inert(force: Matrix, drive: Matrix, bandwidth: float) -> tuple[Matrix, Matrix]:
        """Drift and entry of the currents where rates are states of their own."""
        zero, one = np.zeros_like(force), np.eye(len(force))
        return np.block([[zero, -one], [force, bandwidth * one]]), np.vstack([zero, drive])

    @property
    def lasting(self) -> float:
        """Time from the start of a run on in which its parts change: none."""
        return 0.0

    @property
    def remembers(self) -> float:
        """Correlation time of what drives the nodes, where that outlives them: nothing does."""
        return 0.0

    @property
    def slowest(self) -> complex:
        """The eigenvalue of the drift with the smallest real part."""
        return self.modes.slowest

    @cached_property
    def stationary(self) -> Transition:
        """Law in equilibrium, whatever the start.

        Raises
        ------
        LinAlgError
            There is none.
        """
        d = self.d
        response = np.asarray(np.linalg.inv(self.G), dtype=np.float64)
        return Transition(np.zeros((d, d)), self._spread.xx, response)

    def after(self, time: float) -> Transition:
        """Law of the voltages a time after a start.

        Parameters
        ----------
        time : float

        Returns
        -------
        Transition
            From x0 and b, d numbers each, to d numbers.
        """
        return self._read(self.process.transition(time), self.d)

    def window(self, burn_in: float, duration: float, readings: int | None) -> Transition:
        """Joint law of the voltages at the end of a window, and of their average over it.

        Where the burn-in and the window are both long, equilibrium tells it without the path (`Modes.window`).

        Parameters
        ----------
        burn_in, duration : float
        readings : int or None

        Returns
        -------
        Transition
            From x0 and b, d numbers each, to 2d numbers.
        """
        rate = self.slowest.real
        if readings is None and forgotten(rate * min(burn_in, duration)):
            return self._long_window(duration)
        return self._read_window(self.process.window_law(burn_in, duration, readings))

    def _read_window(self, law: Transition) -> Transition:
        """A law of all states and their average as one of what is read."""
        n = len(self.process.M)
        rows = np.concatenate([np.arange(self.d), n + np.arange(self.d)])
        return self._read(
            Transition(law.decay[rows], law.covariance[np.ix_(rows, rows)], law.response[rows]), 2 * self.d
        )

    def path(self, x0: Matrix, b: Matrix, times: np.ndarray, rng: np.random.Generator) -> Matrix:
        """Voltages (len(times), d), or (len(times), d, k), along one path or k.

        Parameters
        ----------
        x0, b : ndarray, shape (d,) or (d, k)
        times : ndarray
            Sorted.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (len(times), d) or (len(times), d, k)
        """
        driven = LinearProcess(self.process.M, self.process.D, self.entry @ b)
        return np.asarray(driven.path(self._begun(x0, rng), times, rng=rng)[:, : self.d])

    def _begun(self, x0: Matrix, rng: np.random.Generator) -> Matrix:
        """All states at a start, noise with a memory in equilibrium."""
        state = np.concatenate([x0, np.zeros((len(self.process.M) - self.d, *x0.shape[1:]))])
        hidden = Transition(np.eye(len(state)), self.start, np.zeros_like(self.start))
        return hidden.sample(state, rng=rng)

    def autocovariance(self, lag: float) -> Matrix:
        """Covariance (d, d) of the voltages with those a lag earlier, in equilibrium."""
        blocks = [self._spread.xx]
        if math.isfinite(self.bandwidth):
            blocks.append(self._spread.vx)
        if self.correlation_time > 0:
            blocks.append(self.capacity[:, None] * self._spread.nx)
        return np.asarray(self.process.transition(lag).decay[: self.d] @ np.vstack(blocks))

    @cached_property
    def _spread(self) -> Spread:
        """Stationary covariances of the voltages with all states; their noise is counted in units of a rate."""
        found = self.modes.spread(self.D / self.capacity / self.capacity[:, None])
        if found is None:  # the long way serves every drift
            d, columns = self.d, Doubling(self.process.M).covariance(self.process.D)[:, : self.d]
            inert, coloured = math.isfinite(self.bandwidth), self.correlation_time > 0
            vx = columns[d : 2 * d] if inert else np.zeros((d, d))
            nx = columns[-d:] / self.capacity[:, None] if coloured else np.zeros((d, d))
            found = Spread(columns[:d], vx, nx)
        return found

    def _read(self, law: Transition, rows: int) -> Transition:
        """A law of all states as one of what is read, from voltages and loads alone."""
        P = law.decay[:rows]
        spread = law.covariance[:rows, :rows] + P @ self.start @ P.T
        return Transition(P[:, : self.d], spread, law.response[:rows] @ self.entry)

    def _long_window(self, duration: float) -> Transition:
        """See `window`."""
        with_end, average = self.modes.window(self._spread, duration)
        covariance = np.block([[self._spread.xx, with_end], [with_end.T, average]])
        response = self.stationary.response
        return Transition(np.zeros((2 * self.d, self.d)), covariance, np.vstack([response, response]))
