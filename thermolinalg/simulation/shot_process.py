"""Nodes that are driven by shots, between which everything is linear."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from thermolinalg.laws import EQUILIBRIUM_TIMES
from thermolinalg.simulation._transition import Matrix, Transition, norm_bound
from thermolinalg.simulation.averages import NodeNoise
from thermolinalg.simulation.nodes import NodeProcess
from thermolinalg.simulation.shots import ShotTrain

__all__ = ["Drawn", "ShotProcess"]

STEPS = 2**16
"""Steps of shots that are told apart in one law: some seconds for few nodes."""

SCARCE = 10.0
"""Excess kurtosis of an average whose scatter 32 runs tell to a third; a wider one they do not."""

BLOCK = 2**18
"""Trains that are followed at once; TERMS numbers are kept for each."""


@dataclass(frozen=True)
class Drawn:
    """A law that is known by what it draws.

    Parameters
    ----------
    draw : callable
        ``draw(x0, b, rng)``, from starts and loads (d, k).
    """

    draw: Callable[[Matrix, Matrix, np.random.Generator], Matrix]

    def sample(self, x0: Matrix, c: Matrix, *, rng: np.random.Generator) -> Matrix:
        """Draw from it, as from a `Transition`.

        Parameters
        ----------
        x0, c : ndarray, shape (d, k)
        rng : numpy.random.Generator

        Returns
        -------
        ndarray
        """
        return self.draw(x0, c, rng)


class ShotProcess:
    """C ẋ = −(G x − b) + shots: a `NodeProcess` whose white noise is a `ShotTrain` for each source.

    Between shots the nodes are linear, and sums over shots are found without a time step: over parts of a time with
    ‖M‖h ≤ 1/2 the shots enter by their moments Σ J δ^p/p!, in the series of e^{−Mδ}. Means and covariances are those of
    the `NodeProcess` (Campbell's theorem). Shots so old that nothing would tell them from normal noise are drawn as
    such, which leaves an excess kurtosis of `TOLD` out.

    Parameters
    ----------
    nodes : NodeProcess
        Of noise that is white.
    noise : NodeNoise
        Its sources.
    train : ShotTrain

    Examples
    --------
    >>> import numpy as np
    >>> noise = NodeNoise(2 * np.ones(1), 0.0)
    >>> nodes = NodeProcess(np.eye(1), noise.covariance, np.ones(1))
    >>> process = ShotProcess(nodes, noise, ShotTrain(0.5, "signs"))
    >>> nothing = np.zeros((1, 100_000))
    >>> x = process.stationary.sample(nothing, nothing, rng=np.random.default_rng(0))
    >>> bool(abs(np.mean(x**2) - 1) < 0.03), bool(abs(np.mean(x**4) / np.mean(x**2) ** 2 - 5) < 0.3)  # 3 + 1/0.5
    (True, True)
    """

    def __init__(self, nodes: NodeProcess, noise: NodeNoise, train: ShotTrain) -> None:
        self.nodes, self.train = nodes, train
        self.sources = nodes.entry @ noise.root

    @cached_property
    def memory(self) -> float:
        """Age from which on shots are drawn as normal noise."""
        return self.train.memory(self.nodes.slowest.real)

    @cached_property
    def stationary(self) -> Drawn:
        """Law in equilibrium, whatever the start."""
        return self.after(self.memory + 2 * EQUILIBRIUM_TIMES / self.nodes.slowest.real)

    def after(self, time: float) -> Drawn:
        """Law of the voltages a time after a start.

        Parameters
        ----------
        time : float

        Returns
        -------
        Drawn
            From x0 and b, (d, k) each, to (d, k).
        """
        return Drawn(partial(self._read, self._step(time)))

    def window(self, burn_in: float, duration: float, readings: int | None) -> Drawn:
        """Joint law of the voltages at the end of a window, and of their average over it.

        Where the average is as good as normal, only the shots before the end are told apart.

        Parameters
        ----------
        burn_in, duration : float
        readings : int or None
            None averages continuously.

        Returns
        -------
        Drawn
            From x0 and b, (d, k) each, to (2d, k).
        """
        if self.train.excess(min(1.8 / duration, norm_bound(self.nodes.modes.H))) > SCARCE:
            raise ValueError(
                f"a window of {duration:.3g} τ sees {self.train.rate * duration:.2g} shots of each source, too few for "
                "an error bar: pass a longer one, or a higher rate"
            )
        if self.train.averages_out(duration):
            late = self.memory / duration
        else:
            late = 1.0
        if readings is None:
            late = min(late, 1.0)
            head = self._head(burn_in, (1 - late) * duration, None)
            tail: Callable[..., tuple[Matrix, Matrix]] = self._integrated(late * duration)
        else:
            count = min(readings - 1, math.ceil(late * readings))
            spacing, late = duration / readings, count / readings
            head = self._head(burn_in, (readings - count) * spacing, readings - count)
            tail = partial(self._summed, self._step(spacing), count)
        return Drawn(partial(self._windowed, head, tail, late))

    def path(self, x0: Matrix, b: Matrix, times: np.ndarray, rng: np.random.Generator) -> Matrix:
        """Voltages along one path or k, as `NodeProcess.path`.

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
        columns = x0.reshape(len(x0), -1)
        state, load = self._begun(columns), self.nodes.entry @ b.reshape(len(b), -1)
        found, spacing, step = [], -1.0, None
        rounding = 4 * np.finfo(float).eps * float(times[-1])
        for time in np.diff(times, prepend=0.0):
            if step is None or abs(time - spacing) > rounding:
                spacing, step = float(time), self._step(float(time))
            state = step.sample(state, load, rng=rng)
            found.append(state[: self.nodes.d].reshape(x0.shape))
        return np.stack(found)

    # -- laws of all states -------------------------------------------------------------------------------------------

    def _step(self, time: float) -> Drawn:
        """All states after a time: normal from the shots of long ago, and from the late ones as they fall."""
        late, process = min(time, self.memory), self.nodes.process
        quiet = process.transition(late)
        quiet = Transition(quiet.decay, 0 * quiet.covariance, quiet.response)
        return Drawn(partial(self._stepped, process.transition(time - late).then(quiet), late))

    def _stepped(
        self, normal: Transition, late: float, state: Matrix, load: Matrix, rng: np.random.Generator
    ) -> Matrix:
        """See `_step`."""
        return normal.sample(state, load, rng=rng) + self._struck(late, state.shape[1], rng)[0]

    def _head(self, burn_in: float, duration: float, readings: int | None) -> Drawn | Transition:
        """All states at the end of the early part of a window, and their average over it where there is one."""
        if duration > 0 and (readings is None or readings > 1):
            return self.nodes.process.window_law(burn_in, duration, readings)
        return self._step(burn_in)

    def _integrated(self, duration: float) -> Callable[[Matrix, Matrix, np.random.Generator], tuple[Matrix, Matrix]]:
        """What draws all states after a time with all its shots, and their average over it."""
        return partial(self._averaged, self.nodes.process.window_law(0.0, duration), duration)

    def _averaged(
        self, law: Transition, duration: float, state: Matrix, load: Matrix, rng: np.random.Generator
    ) -> tuple[Matrix, Matrix]:
        """See `_integrated`."""
        end, average = np.split(law.mean(state, load), 2)
        struck, area = self._struck(duration, state.shape[1], rng)
        return end + struck, average + area / duration

    def _summed(
        self, step: Drawn, count: int, state: Matrix, load: Matrix, rng: np.random.Generator
    ) -> tuple[Matrix, Matrix]:
        """All states after so many steps, and their mean over the steps."""
        total = np.zeros_like(state)
        for _ in range(count):
            state = step.sample(state, load, rng=rng)
            total += state
        return state, total / max(count, 1)

    def _struck(self, time: float, columns: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """What the shots of a time, and nothing else, make of all states and of their integrals, (n, columns) each."""
        n, m = self.sources.shape
        x, area = np.zeros((2, n, columns))
        size = norm_bound(self.nodes.process.M)
        count = math.ceil(2 * size * time)
        if count > STEPS:
            raise ValueError(
                f"shots at {self.train.rate:g} in τ are told apart for {time:.3g} τ, which takes {count} steps of this "
                "device: pass a higher rate, a shorter schedule, or amplifiers of less bandwidth"
            )
        if not count:
            return x, area
        h, M, width = time / count, self.nodes.process.M, max(1, BLOCK // m)
        law = self.nodes.process.transition(h)
        for first in range(0, columns, width):
            some = slice(first, min(first + width, columns))
            k = some.stop - first
            each = max(1, BLOCK // (m * k))
            for done in range(0, count, each):
                fallen = self.train.moments(h, (min(each, count - done), m, k), rng)
                later = np.zeros((fallen.shape[1], n, k))  # Horner's rule; the integral is one term behind
                for moment in fallen[:0:-1]:
                    later = self.sources @ moment - M @ later
                now = self.sources @ fallen[0] - M @ later
                for kick, piece in zip(now, later, strict=True):
                    area[:, some] += law.response @ x[:, some] + piece
                    x[:, some] = law.decay @ x[:, some] + kick
        return x, area

    # -- laws of the voltages -----------------------------------------------------------------------------------------

    def _begun(self, x0: Matrix) -> Matrix:
        """All states at a start."""
        return np.concatenate([x0, np.zeros((len(self.sources) - self.nodes.d, *x0.shape[1:]))])

    def _read(self, step: Drawn, x0: Matrix, b: Matrix, rng: np.random.Generator) -> Matrix:
        """The voltages after a step."""
        return step.sample(self._begun(x0), self.nodes.entry @ b, rng=rng)[: self.nodes.d]

    def _windowed(
        self,
        head: Drawn | Transition,
        tail: Callable[..., tuple[Matrix, Matrix]],
        late: float,
        x0: Matrix,
        b: Matrix,
        rng: np.random.Generator,
    ) -> Matrix:
        """Voltages at the end of a window and their average, whose late part has this share."""
        n, d, load = len(self.sources), self.nodes.d, self.nodes.entry @ b
        begun = head.sample(self._begun(x0), load, rng=rng)
        state, early = begun[:n], begun[-n:]
        end, average = tail(state, load, rng)
        return np.vstack([end[:d], (1 - late) * early[:d] + late * average[:d]])
