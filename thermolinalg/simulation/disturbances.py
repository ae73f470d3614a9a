"""Laws of what disturbs the readings of linear devices: a line of interference, and noise that falls as 1/f."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.signal
import scipy.special
from numpy.typing import NDArray

from thermolinalg.laws import forgotten
from thermolinalg.simulation._transition import Matrix
from thermolinalg.simulation.nodes import NodeProcess

__all__ = ["Line", "PinkNoise", "average_of_decay", "variance_of_average"]

Phasors = NDArray[np.complex128]
"""a of what is read as Re(a e^{iφ}) at the phase φ."""

GONE = 1e-17
"""Share of a transient that is rounding."""

SHORT = 1e-4
"""Windows over correlation times up to which an average is worth no more than a reading, to first order."""


class Line:
    """Currents u cos(ωt + φ) into the nodes of a process, from a start at rest on, as phasors of what is read.

    With M the drift of all states and U how the currents enter them, the states follow as P e^{iωt}, P = (M + iω)⁻¹U u,
    and the start is forgotten as −e^{−Mt}P.

    Parameters
    ----------
    process : NodeProcess
    frequency : float
        ω.
    currents : ndarray, shape (d,)
        u.

    Examples
    --------
    >>> process = NodeProcess(np.diag([1.0, 3.0]), 2 * np.eye(2), np.ones(2))
    >>> np.round(Line(process, 4.0, np.array([1.0, 1.0])).settled, 3)  # 1/(λ + iω)
    array([0.059-0.235j, 0.12 -0.16j ])
    """

    def __init__(self, process: NodeProcess, frequency: float, currents: Matrix) -> None:
        self.process, self.frequency = process, frequency
        M = process.process.M
        resolvent = M + 1j * frequency * np.eye(len(M))
        self.states: Phasors = np.asarray(np.linalg.solve(resolvent, process.entry @ currents), dtype=np.complex128)

    @property
    def settled(self) -> Phasors:
        """Phasors (d,) of the voltages at time zero, where the start was forgotten long ago."""
        return self.states[: self.process.d]

    def after(self, time: float) -> Phasors:
        """Phasors (d,) of the voltages a time after the start.

        Parameters
        ----------
        time : float

        Returns
        -------
        ndarray, shape (d,)
        """
        left = self.process.process.transition(time).decay[: self.process.d] @ self.states
        return np.asarray(np.exp(1j * self.frequency * time) * self.settled - left)

    def window(self, burn_in: float, duration: float, readings: int | None) -> tuple[Phasors, Phasors]:
        """Phasors (d,) of the voltages at the end of a window, and of their average over it.

        Parameters
        ----------
        burn_in, duration : float
        readings : int or None
            None averages continuously.

        Returns
        -------
        end, average : ndarray, shape (d,)
        """
        d, process = self.process.d, self.process.process
        last = burn_in + (duration if readings is None else duration * (readings - 1) / readings)
        end = np.exp(1j * self.frequency * last) * self.settled
        average = self.averaging(burn_in, duration, readings) * self.settled
        if not forgotten(self.process.slowest.real * burn_in):
            left = process.window_law(burn_in, duration, readings).decay @ self.states
            end, average = end - left[:d], average - left[len(process.M) :][:d]
        return end, average

    def averaging(self, burn_in: float, duration: float, readings: int | None) -> complex:
        """What a window makes of e^{iωt}.

        Parameters
        ----------
        burn_in, duration : float
        readings : int or None

        Returns
        -------
        complex
        """
        if readings is None:
            kept, middle = float(np.sinc(self.frequency * duration / (2 * math.pi))), burn_in + duration / 2
        else:
            spacing = duration / readings
            kept = float(scipy.special.diric(self.frequency * spacing, readings))
            middle = burn_in + (readings - 1) * spacing / 2
        return complex(kept * np.exp(1j * self.frequency * middle))

    def path(self, times: Matrix) -> Phasors:
        """Phasors (n, d) of the voltages at each of n instants.

        Parameters
        ----------
        times : ndarray, shape (n,)
            Since the start, in order.

        Returns
        -------
        ndarray, shape (n, d)
        """
        found = np.exp(1j * self.frequency * times)[:, None] * self.settled
        left, now = self.states, 0.0
        steps: dict[str, Matrix] = {}
        for k, time in enumerate(map(float, times)):
            gap = f"{time - now:.12g}"  # distances that differ by rounding share a step
            if gap not in steps:
                steps[gap] = self.process.process.transition(time - now).decay
            left, now = steps[gap] @ left, time
            if not np.linalg.norm(left) > GONE * np.linalg.norm(self.states):
                break
            found[k] -= left[: self.process.d]
        return np.asarray(found)


class PinkNoise:
    """A sum of n independent Ornstein–Uhlenbeck processes, one for each octave of correlation times.

    Parameters
    ----------
    size : float
        Standard deviation of the sum.
    fastest, slowest : float
        Ends of the correlation times τ_k.

    Examples
    --------
    >>> noise = PinkNoise(1.0, 1.0, 1e6)
    >>> [round(noise.variance_of_average(t, None), 2) for t in (1.0, 100.0, 10000.0)]  # not 1, 1/100, 1/10000
    [0.97, 0.72, 0.41]
    """

    def __init__(self, size: float, fastest: float, slowest: float) -> None:
        octaves = math.ceil(math.log2(slowest / fastest)) + 1
        self.times = np.geomspace(fastest, slowest, octaves)
        self.power = size**2 / octaves

    @classmethod
    def of_corner(cls, corner: float, fastest: float, slowest: float) -> PinkNoise:
        """Noise that has the spectrum of unit white noise at a corner frequency ω_c, ω_c/ω elsewhere.

        With the ratio r of neighbouring times each process has the variance ω_c ln r/π.

        Parameters
        ----------
        corner : float
            ω_c.
        fastest, slowest : float
            Ends of the correlation times, not the same.

        Returns
        -------
        PinkNoise
        """
        noise = cls(1.0, fastest, slowest)
        noise.power = corner * math.log(noise.times[1] / noise.times[0]) / math.pi
        return noise

    def autocovariance(self, lag: float) -> float:
        """c(t) = size²/n Σ e^{−t/τ_k}.

        Parameters
        ----------
        lag : float

        Returns
        -------
        float
        """
        return float(self.power * np.exp(-lag / self.times).sum())

    def variance_of_average(self, duration: float, readings: int | None) -> float:
        """Variance of an average over a window: of so many readings, or of all that it is.

        Of each process, with ρ = e^{−Δ/τ_k} and x = T_w/τ_k, that is
        [N(1 − ρ²) − 2ρ(1 − ρ^N)]/[N(1 − ρ)]², or 2(x − 1 + e^{−x})/x².

        Parameters
        ----------
        duration : float
            T_w.
        readings : int or None
            N, Δ = T_w/N apart.

        Returns
        -------
        float
        """
        return float(self.power * variance_of_average(1 / self.times, duration, readings).sum())

    def path(self, spacing: float, readings: int, nodes: int, rng: np.random.Generator) -> Matrix:
        """Draw it at n instants, in equilibrium.

        Parameters
        ----------
        spacing : float
        readings : int
            n.
        nodes : int
            d.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, d)
        """
        total = np.zeros((readings, nodes))
        for time in self.times:
            fresh = rng.standard_normal((readings, nodes))
            fresh[1:] *= math.sqrt(-math.expm1(-2 * spacing / time))
            total += scipy.signal.lfilter([1.0], [1.0, -math.exp(-spacing / time)], fresh, axis=0)
        return np.asarray(math.sqrt(self.power) * total)


def variance_of_average(rate: Any, duration: float, readings: int | None) -> Any:
    """Variance of the average of a process of the autocovariance e^{−at} over a window.

    With ρ = e^{−aΔ} and x = a T_w that is [N(1 − ρ²) − 2ρ(1 − ρ^N)]/[N(1 − ρ)]² for N readings, Δ = T_w/N apart, and
    2(x − 1 + e^{−x})/x² for the integral.

    Parameters
    ----------
    rate : ndarray
        a, real or complex.
    duration : float
        T_w.
    readings : int or None
        N.

    Returns
    -------
    ndarray
    """
    x = rate * duration
    with np.errstate(invalid="ignore", divide="ignore"):
        if readings is None:
            return np.where(abs(x) < SHORT, 1 - x / 3 + x**2 / 12, 2 * (x + np.expm1(-x)) / x**2)
        step, n = x / readings, readings
        lost = -np.expm1(-step)
        exact = (n * lost * (2 - lost) + 2 * (1 - lost) * np.expm1(-x)) / (n * lost) ** 2
        return np.where(abs(x) < SHORT, 1 - step * (n**2 - 1) / (3 * n), exact)


def average_of_decay(rate: Any, duration: float, readings: int | None) -> Any:
    """Average of e^{−at} over a window, from time zero on; arguments as for `variance_of_average`.

    Parameters
    ----------
    rate : ndarray
    duration : float
    readings : int or None

    Returns
    -------
    ndarray
    """
    lost = -np.expm1(-rate * duration)
    return lost / (rate * duration if readings is None else -readings * np.expm1(-rate * duration / readings))
