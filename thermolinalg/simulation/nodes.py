"""Nodes with more behind them than their voltages: capacitors of their own, inertia, and noise with a memory."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import scipy.linalg

from thermolinalg.laws import forgotten
from thermolinalg.simulation._transition import Matrix, Transition
from thermolinalg.simulation.non_normal import LinearProcess
from thermolinalg.simulation.relaxation import Relaxation

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
        d = len(G)
        self.d, self.G = d, G
        one, zero, inverse = np.eye(d), np.zeros((d, d)), 1 / capacity[:, None]
        # What the currents do: x at once, or v, which x follows.
        inert, coloured = math.isfinite(bandwidth), correlation_time > 0
        force, drive = (bandwidth if inert else 1.0) * inverse * G, (bandwidth if inert else 1.0) * inverse * one
        M, self.entry = (force, drive) if not inert else self._inert(force, drive, bandwidth)
        noise = self.entry @ D @ self.entry.T
        self.start = np.zeros_like(noise)
        if coloured:
            n, tau = len(M), correlation_time
            M = np.block([[M, -self.entry], [np.zeros((d, n)), one / tau]])
            noise = scipy.linalg.block_diag(np.zeros((n, n)), D / tau**2)
            self.start = scipy.linalg.block_diag(np.zeros((n, n)), D / (2 * tau))
            self.entry = np.vstack([self.entry, zero])
        self.process = LinearProcess(M, noise)

    @staticmethod
    def _inert(force: Matrix, drive: Matrix, bandwidth: float) -> tuple[Matrix, Matrix]:
        """Drift and entry of the currents where rates are states of their own."""
        zero, one = np.zeros_like(force), np.eye(len(force))
        return np.block([[zero, -one], [force, bandwidth * one]]), np.vstack([zero, drive])

    @cached_property
    def slowest(self) -> complex:
        """The eigenvalue of the drift with the smallest real part."""
        eigenvalues = np.linalg.eigvals(self.process.M)
        return complex(eigenvalues[np.argmin(eigenvalues.real)])

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
        return Transition(np.zeros((d, d)), self._spread[:d, :d], response)

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

        Where the burn-in and the window are both long, equilibrium tells it without the path: with K = M⁻¹Σ the average
        has the covariance (K + Kᵀ)/T_w − (M⁻¹K + KᵀM⁻ᵀ)/T_w², and K/T_w with the state at the end.

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
        law = self.process.window_law(burn_in, duration, readings)
        n = len(self.process.M)
        rows = np.concatenate([np.arange(self.d), n + np.arange(self.d)])
        return self._read(
            Transition(law.decay[rows], law.covariance[np.ix_(rows, rows)], law.response[rows]), 2 * self.d
        )

    def path(self, x0: Matrix, b: Matrix, times: np.ndarray, rng: np.random.Generator) -> Matrix:
        """Voltages (len(times), d) along one path.

        Parameters
        ----------
        x0, b : ndarray, shape (d,)
        times : ndarray
            Sorted.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (len(times), d)
        """
        state = np.concatenate([x0, np.zeros(len(self.process.M) - self.d)])
        hidden = Transition(np.eye(len(state)), self.start, np.zeros_like(self.start))
        begun = hidden.sample(state, rng=rng)
        driven = LinearProcess(self.process.M, self.process.D, self.entry @ b)
        return np.asarray(driven.path(begun, times, rng=rng)[:, : self.d])

    def autocovariance(self, lag: float) -> Matrix:
        """Covariance (d, d) of the voltages with those a lag earlier, in equilibrium."""
        return np.asarray((self.process.transition(lag).decay @ self._spread)[: self.d, : self.d])

    @cached_property
    def _spread(self) -> Matrix:
        """Stationary covariance of all states."""
        return Relaxation(self.process.M).covariance(self.process.D)

    def _read(self, law: Transition, rows: int) -> Transition:
        """A law of all states as one of what is read, from voltages and loads alone."""
        P = law.decay[:rows]
        spread = law.covariance[:rows, :rows] + P @ self.start @ P.T
        return Transition(P[:, : self.d], spread, law.response[:rows] @ self.entry)

    def _long_window(self, duration: float) -> Transition:
        """See `window`."""
        d, spread = self.d, self._spread
        factor = scipy.linalg.lu_factor(self.process.M)
        once = scipy.linalg.lu_solve(factor, spread)
        K, KK = once[:d, :d], scipy.linalg.lu_solve(factor, once)[:d, :d]
        average = (K + K.T) / duration - (KK + KK.T) / duration**2
        covariance = np.block([[spread[:d, :d], K / duration], [K.T / duration, average]])
        response = self.stationary.response
        return Transition(np.zeros((2 * d, d)), covariance, np.vstack([response, response]))
