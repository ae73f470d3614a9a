"""What is added to the voltages and the readings of a program: a line of interference, and 1/f noise."""

from __future__ import annotations

import math

import numpy as np

from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.node_laws import NodeLaws
from thermolinalg.devices.schedule import Schedule
from thermolinalg.simulation._transition import Matrix
from thermolinalg.simulation.disturbances import Line, PinkNoise

__all__ = ["Disturbance"]


class Disturbance:
    """What disturbs a program, drawn for each run: nothing where its device has neither interference nor flicker.

    Parameters
    ----------
    laws : NodeLaws
        Of the nodes that it disturbs.
    stuck : ndarray of bool, shape (d,)
        Nodes that see no current.
    imperfections : Imperfections
    rng : numpy.random.Generator
        Draws the amplitudes of this copy.
    """

    def __init__(
        self, laws: NodeLaws, stuck: np.ndarray, imperfections: Imperfections, rng: np.random.Generator
    ) -> None:
        interference, flicker = imperfections.interference, imperfections.flicker
        self.d, self.jitter = len(stuck), laws.jitter
        self.line: Line | None = None
        self.pink: PinkNoise | None = None
        if not interference.is_perfect:
            if imperfections.warming.known("conductance"):
                raise ValueError(
                    "interference= is simulated without a conductance of warming=, with which nodes would follow it "
                    "by another law at each instant: leave out one of them"
                )
            u, v = imperfections.frozen("interference", rng).standard_normal((2, self.d))
            currents = np.where(stuck, 0.0, interference.known("amplitude") * u)
            self.line = Line(laws.process, interference.known("frequency"), currents)
            self.pickup = interference.known("pickup") * v
        if size := flicker.known("size"):
            self.pink = PinkNoise(size, flicker.fastest, flicker.slowest)

    @property
    def absent(self) -> bool:
        """Whether there is none."""
        return self.line is None and self.pink is None

    def of_average(
        self, schedule: Schedule, instants: Matrix | None, runs: int, rng: np.random.Generator
    ) -> tuple[Matrix, Matrix]:
        """What is added to the voltages at the end of a window, and to their average as it is read, (d, k) each.

        The readings of a window whose instants are not given are as far apart as its schedule says.
        """
        end, read = np.zeros((self.d, runs)), np.zeros((self.d, runs))
        window = (schedule.burn_in, schedule.duration, schedule.readings)
        if self.line is not None:
            turn = _phases(runs, rng)
            if instants is None:
                last, average = self.line.window(*window)
                carried = self.line.averaging(*window)
            else:
                path = self.line.path(instants)
                last, average, carried = path[-1], path.mean(axis=0), self._carried(instants).mean()
            end += (last[:, None] * turn).real
            read += ((average + carried * self.pickup)[:, None] * turn).real
        if self.pink is not None:
            read += math.sqrt(self.pink.variance_of_average(*window[1:])) * rng.standard_normal((self.d, runs))
        return end, read

    def of_state(self, time: float, runs: int, rng: np.random.Generator) -> tuple[Matrix, Matrix]:
        """What is added to the voltages after a time, and to what is read of them then, (d, k) each."""
        held, read = np.zeros((self.d, runs)), np.zeros((self.d, runs))
        if self.line is not None:
            turn, settled = _phases(runs, rng), math.isinf(time)
            voltages = self.line.settled if settled else self.line.after(time)
            carried = 1.0 if settled else self._carried(np.array(time))
            held += (voltages[:, None] * turn).real
            read += held + ((carried * self.pickup)[:, None] * turn).real
        if self.pink is not None:
            read += math.sqrt(self.pink.autocovariance(0.0)) * rng.standard_normal((self.d, runs))
        return held, read

    def of_readings(self, schedule: Schedule, instants: Matrix, rng: np.random.Generator) -> Matrix:
        """What is added to each reading of one run, (d, n)."""
        count, spacing = schedule.grid()
        read = np.zeros((self.d, count))
        if self.line is not None:
            (turn,) = _phases(1, rng)
            path = self.line.path(instants)
            read += ((path + self._carried(instants)[:, None] * self.pickup) * turn).real.T
        if self.pink is not None:
            read += self.pink.path(spacing, count, self.d, rng).T
        return read

    def autocovariance(self, lag: float) -> Matrix:
        """What is added to the covariance (d, d) of readings with those a lag earlier, over all phases."""
        added = np.zeros((self.d, self.d))
        if self.line is not None:
            read = self.line.settled + self.pickup
            # Of two instants that jitter: the mean of e^{iω(lag + √2 δ ξ)}.
            kept = math.exp(-((self.line.frequency * self.jitter) ** 2)) if lag else 1.0
            added += kept * (np.outer(read, read.conj()) * np.exp(1j * self.line.frequency * lag)).real / 2
        if self.pink is not None:
            added += self.pink.autocovariance(lag) * np.eye(self.d)
        return added

    def _carried(self, times: Matrix) -> np.ndarray:
        """e^{iωt}, which the readings pick up."""
        assert self.line is not None
        return np.asarray(np.exp(1j * self.line.frequency * times))


def _phases(runs: int, rng: np.random.Generator) -> np.ndarray:
    """e^{iφ} of so many runs."""
    return np.asarray(np.exp(2j * math.pi * rng.random(runs)))
