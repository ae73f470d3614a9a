"""Nodes whose drive has noise that falls as 1/f beside its white noise: a sum of currents, one for each octave."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thermolinalg.simulation._transition import Matrix, Transition
from thermolinalg.simulation.disturbances import PinkNoise, average_of_decay, variance_of_average
from thermolinalg.simulation.nodes import NodeProcess

__all__ = ["FOLLOWED", "FlickeringProcess"]

FOLLOWED = 128
"""Nodes up to which paths are drawn, every octave as a state of each of them."""

APART = 1e-6
"""Relative distance of a rate of an octave from that of a mode: nearer ones are moved by that."""

DEFECTIVE = 1e-6
"""Modes nearer to each other than that share of their directions are not told apart."""

Complex = NDArray[np.complex128]

Filter = Callable[[Complex], Complex]
"""f(a), what is made of a decay e^{−at}."""


class FlickeringProcess(NodeProcess):
    r"""C ẋ = −(G x − b) + white noise + Σ_k n_k, with Ornstein–Uhlenbeck currents n_k of correlation times τ_k.

    Voltages are the sum of what white noise makes and of what the n_k make, which is independent of it. In a mode of
    rate λ_i under n_k, with :math:`q_i = 1/(\lambda_i + 1/\tau_k)`, the covariances in equilibrium are

    .. math:: S_{ij} = \frac{q_i + q_j}{\lambda_i + \lambda_j}, \qquad
              \Phi_{ij}[f] = S_{ij} f(\lambda_i) + q_j \frac{f(1/\tau_k) - f(\lambda_i)}{\lambda_i - 1/\tau_k},

    the second one with what a filter makes later on of each decay: f = e^{−at} for a lag t, and for averages over a
    window what they make of e^{−at}. Inertia gives each mode two rates, whose voltages are subtracted. A start at rest
    takes away e^{−λt} times the voltages of equilibrium at time zero.

    Parameters
    ----------
    G, D, capacity, bandwidth, correlation_time
        As for `NodeProcess`; D is that of the white noise.
    pink : PinkNoise
        Of the currents: their variances over D, and the τ_k.

    Examples
    --------
    >>> import numpy as np
    >>> pink = PinkNoise.of_corner(0.1, 1.0, 1e4)
    >>> process = FlickeringProcess(np.eye(1), 2 * np.eye(1), np.ones(1), np.inf, 0.0, pink)
    >>> expected = 1 + 2 * pink.power * sum(1 / (1 + 1 / pink.times))  # λ = T = 1
    >>> bool(np.isclose(process.stationary.covariance[0, 0], expected))
    True
    """

    def __init__(
        self, G: Matrix, D: Matrix, capacity: Matrix, bandwidth: float, correlation_time: float, pink: PinkNoise
    ) -> None:
        super().__init__(G, D, capacity, bandwidth, correlation_time)
        self.pink = pink

    @property
    def remembers(self) -> float:
        """Correlation time of the slowest of what drives the nodes."""
        return float(self.pink.times.max())

    @cached_property
    def stationary(self) -> Transition:
        """Law in equilibrium, whatever the start."""
        law = super().stationary
        return Transition(law.decay, law.covariance + self._read_out(self._settled), law.response)

    def after(self, time: float) -> Transition:
        """Law of the voltages a time after a start."""
        law = super().after(time)
        return Transition(law.decay, law.covariance + self._read_out(self._from_rest(time)), law.response)

    def window(self, burn_in: float, duration: float, readings: int | None) -> Transition:
        """Joint law of the voltages at the end of a window, and of their average over it."""
        law, rates = super().window(burn_in, duration, readings), self._modes[0]
        last = burn_in + (duration if readings is None else duration * (readings - 1) / readings)

        def average(a: Complex) -> Complex:
            return np.asarray(average_of_decay(a, duration, readings))

        def begun(a: Complex) -> Complex:
            return np.asarray(np.exp(-a * burn_in) * average(a))

        ended, left, S = np.exp(-rates * last)[:, None], begun(rates), self._settled
        with_begin = self._filtered(begun)
        end = self._from_rest(last)
        across = self._filtered(average) - self._filtered(lambda a: np.exp(-a * last)) * left.conj()
        across += ended * (S * left.conj() - with_begin.conj().T)
        own = self._filtered(lambda a: variance_of_average(a, duration, readings)) / 2 - with_begin * left.conj()
        own = own + own.conj().T + left[:, None] * S * left.conj()
        blocks = [[self._read_out(end), self._read_out(across)], [self._read_out(across).T, self._read_out(own)]]
        return Transition(law.decay, law.covariance + np.block(blocks), law.response)

    def path(self, x0: Matrix, b: Matrix, times: np.ndarray, rng: np.random.Generator) -> Matrix:
        """Voltages along one path or k, octave by octave.

        Raises
        ------
        ValueError
            More than `FOLLOWED` nodes.
        """
        if self.d > FOLLOWED:
            raise ValueError(
                f"readings in a row with 1/f noise in the drive are simulated for up to {FOLLOWED} nodes, and A has "
                f"{self.d}: solve with averages over windows, or leave out drive_flicker="
            )
        return super().path(x0, b, times, rng) + self._added(times, rng, x0[0].size).reshape(len(times), *x0.shape)

    def _added(self, times: np.ndarray, rng: np.random.Generator, columns: int) -> Matrix:
        """What the currents add to the voltages along so many paths (len(times), d, columns), all octaves at once."""
        begun = [Transition(0 * octave.start, octave.start, 0 * octave.start) for octave in self._octaves]
        state = _roots(begun) @ rng.standard_normal((len(begun), len(begun[0].decay), columns))
        found, spacing, rounding = [], -1.0, 4 * np.finfo(float).eps * float(times[-1])
        decay = root = np.zeros(0)
        for step in np.diff(times, prepend=0.0):
            if not abs(step - spacing) <= rounding:
                laws = [octave.process.transition(float(step)) for octave in self._octaves]
                spacing, decay, root = float(step), np.stack([law.decay for law in laws]), _roots(laws)
            state = decay @ state + root @ rng.standard_normal(state.shape)
            found.append(state[:, : self.d].sum(axis=0))
        return np.stack(found)

    def autocovariance(self, lag: float) -> Matrix:
        """Covariance (d, d) of the voltages with those a lag earlier, in equilibrium."""
        return super().autocovariance(lag) + self._read_out(self._filtered(lambda a: np.exp(-a * lag)))

    @cached_property
    def _octaves(self) -> list[NodeProcess]:
        """The nodes under each of the currents alone."""
        power = self.pink.power
        parts = (self.capacity, self.bandwidth)
        return [NodeProcess(self.G, 2 * time * power * self.D, *parts, float(time)) for time in self.pink.times]

    @cached_property
    def _modes(self) -> tuple[Complex, Complex, Complex]:
        """Rates (m,), what the voltages have of each (d, m), and covariances (m, m) of the currents in them."""
        weights, vectors, inverse = self.modes.decomposed
        if np.linalg.cond(vectors) > 1 / DEFECTIVE:
            raise ValueError(
                "couplings so far from symmetric have no modes of their own, which 1/f noise of the drive is "
                "simulated in: leave out drive_flicker=, or pass couplings that are symmetric"
            )
        rates, seen = weights.astype(complex), vectors.astype(complex)
        if np.isfinite(self.bandwidth):
            half = self.bandwidth / 2
            fast = half + np.sqrt(half**2 - self.bandwidth * rates)
            slow = self.bandwidth * rates / fast
            if (abs(fast - slow) < DEFECTIVE * half).any():
                raise ValueError(
                    f"a mode is damped critically at the bandwidth {self.bandwidth:g}, where 1/f noise of the drive is "
                    "not simulated: change bandwidth= by a millionth"
                )
            seen = seen * (self.bandwidth / (fast - slow))
            rates, seen, inverse = np.append(slow, fast), np.hstack([seen, -seen]), np.vstack([inverse, inverse])
        entering = inverse / self.capacity
        return rates, seen, np.asarray(self.pink.power * (entering @ self.D @ entering.conj().T), dtype=complex)

    @cached_property
    def _shares(self) -> Complex:
        """q_i of each octave (octaves, m)."""
        return np.asarray(1 / (self._modes[0] + 1 / self.pink.times[:, None]))

    @cached_property
    def _settled(self) -> Complex:
        """S (m, m), of all octaves."""
        rates, q = self._modes[0], self._shares.sum(axis=0)
        return np.asarray((q[:, None] + q.conj()) / (rates[:, None] + rates.conj()))

    def _filtered(self, f: Filter) -> Complex:
        """Φ[f] (m, m), of all octaves."""
        rates, own = self._modes[0], 1 / self.pink.times[:, None] + 0j
        gap = rates - own
        near = abs(gap) < APART * abs(own)
        gap = np.where(near, APART * own, gap)
        ahead = (f(np.where(near, rates - gap, own)) - f(rates)) / gap
        return np.asarray(f(rates)[:, None] * self._settled + ahead.T @ self._shares.conj())

    def _from_rest(self, time: float) -> Complex:
        """Covariances (m, m) a time after a start at rest."""
        left = np.exp(-self._modes[0] * time)
        since = self._filtered(lambda a: np.exp(-a * time)) * left.conj()
        return np.asarray(self._settled * (1 + left[:, None] * left.conj()) - since - since.conj().T)

    def _read_out(self, covariance: Complex) -> Matrix:
        """Covariances (d, d) of the voltages from those of modes under currents of unit covariance."""
        _, seen, currents = self._modes
        return np.asarray((seen @ (currents * covariance) @ seen.conj().T).real)


def _roots(laws: list[Transition]) -> Matrix:
    """Square roots of the covariances (octaves, n, n)."""
    return np.stack([law.root for law in laws])
