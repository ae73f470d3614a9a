"""A general matrix in an overdamped device, as its skew embedding: any shape, any condition, always stable."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NoReturn

import numpy as np

from thermolinalg._arrays import Array, namespace, standard_normal
from thermolinalg.devices.imperfections import Imperfections
from thermolinalg.devices.loading import AsWritten, Equilibrated, Loaded
from thermolinalg.devices.reading import REPLICAS, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.windows import Windows
from thermolinalg.laws import LinearLaw, Overdamped, Skew
from thermolinalg.matrix_functions.select import Price
from thermolinalg.matrix_functions.singular import PreparedEmbedding, SingularEngines
from thermolinalg.operators import Dense, Operator, SkewEmbedding, Sparse

__all__ = ["SkewProgram"]


class SkewProgram(Loaded):
    """A skew embedding M = [[αI, A], [−Aᵀ, αI]] written into an overdamped `LangevinDevice`.

    The device holds c M, its largest |eigenvalue| 1 (or M as it is, `AsWritten`), and loads at full range, column by
    column. Loads, values and states of the methods are in the user's units and stack both halves, (m + n, k).

    Parameters
    ----------
    operator : SkewEmbedding
        M; engines that come along with it are used where nothing is imperfect.
    law : Overdamped
        Of the device it was written into.
    loading : Equilibrated or AsWritten
        Likewise.
    imperfections : Imperfections
        Likewise.
    rng : numpy.random.Generator
        Draws this copy's imperfections. One written A stands in both off-diagonal blocks; α is taken as exact.
    """

    def __init__(
        self,
        operator: SkewEmbedding,
        law: Overdamped,
        loading: Equilibrated | AsWritten,
        imperfections: Imperfections,
        rng: np.random.Generator,
    ) -> None:
        self.operator, self.loading, self.imperfections = operator, loading, imperfections
        self.temperature, self.scaling = law.temperature, None
        if isinstance(operator, PreparedEmbedding) and not _rewrites(self.imperfections):
            self.engines = operator.engines
        else:
            self.engines = SingularEngines(_written(operator.matrix, self.imperfections, rng))
        self.effective = SkewEmbedding(self.engines.matrix, operator.alpha)
        self.factor = 1.0
        if isinstance(self.loading, Equilibrated):
            self.factor = 1 / math.hypot(operator.alpha, self.engines.largest())
        self.alpha = self.factor * operator.alpha
        self.law = self.imperfections.heat(Skew(self.alpha, law.temperature))
        self.offset = 0.0
        if self.imperfections.offset:
            self.offset = self.imperfections.offset * standard_normal(rng, (operator.shape[0], 1), operator.like)
        self.ledger = Ledger(programs=1)
        self.drawn = ("none: nothing had to run", "")

    # -- what it is ---------------------------------------------------------------------------------------------------

    def interval(self) -> tuple[float, float]:
        """Smallest and largest singular value of c A, as it was written."""
        lower, upper = self.engines.interval()
        return self.factor * lower, self.factor * upper

    @property
    def ideal(self) -> bool:
        """Whether what a run misses is α² (AᵀA + α²)⁻¹ x and its noise, and nothing else: no imperfections."""
        return self.imperfections.is_perfect

    def rate(self) -> float:
        """Relaxation rate of every mode, in 1/τ: c α."""
        return self.law.relaxation_rate()

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ in the device's units.

        Parameters
        ----------
        b : array, shape (m + n, k)
        relative : float

        Returns
        -------
        Schedule
        """
        load, _ = self.load(b)
        xp = namespace(load)
        squares = xp.mean(load**2, axis=0)
        loaded = squares[squares > 0]
        signal = float(xp.min(loaded)) ** 0.5 if loaded.shape[0] else 1.0
        return Schedule.for_residual(relative, signal, self.law.temperature, self.rate())

    def describe(self) -> dict[str, str]:
        """Engine and reason of the last draw."""
        engine, reason = self.drawn
        return {"engine": engine, "reason": reason}

    def price_window(self, schedule: Schedule, columns: int) -> Price:
        """What simulating the average over one window takes; nothing runs.

        Parameters
        ----------
        schedule : Schedule
        columns : int
            Of the load.

        Returns
        -------
        Price
        """
        law = self.law.average(schedule.burn_in, schedule.duration, schedule.readings).rescaled(self.factor)
        return self.engines.price(law, law.outputs, columns)

    def price_path(self, spacing: float, readings: int) -> Price:
        """What simulating a trajectory of so many readings takes; nothing runs.

        Parameters
        ----------
        spacing : float
            Between readings, in τ.
        readings : int

        Returns
        -------
        Price
        """
        return self.engines.price(self.law.step(spacing).rescaled(self.factor), ("state",), readings)

    # -- what it does -------------------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b, run the schedule and average the voltages over its window, drawn from its exact law.

        Parameters
        ----------
        b : array, shape (m + n, k)
            Columns run side by side on k copies of the device; (b, 0) solves A x = b in the lower half.
        schedule : Schedule
        rng : numpy.random.Generator
        start : array, shape (m + n, k), optional
            Voltages to start from; default zero.
        state : bool, optional
            Whether to draw the last state too, which takes a second normal vector a column.

        Returns
        -------
        Reading
            Value (m + n, k), estimate of M⁻¹b; its standard error is the spread of further runs, drawn when read.
        """
        law = self._window(schedule, state=state)
        load, gain = self.load(b)
        values = self._draw(law, law.outputs, load, self.started(start, gain), rng, b.shape[1])
        self.ledger.record(b.shape[0], b.shape[1], schedule.total, schedule.readings or 1)
        seed = int(rng.integers(2**63))
        return Reading(
            value=self.to_user(self.convert(values[0]), gain),
            state=self.to_user(values[1], gain) if state else None,
            device_time=b.shape[1] * schedule.total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, seed),
            gain=gain,
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b (m + n, k) and return the voltages after `time`; from zero or from `start` (m + n, k).

        Parameters
        ----------
        b : array, shape (m + n, k)
        time : float
            In units of τ; infinity reads in equilibrium.
        rng : numpy.random.Generator
        start : array, shape (m + n, k), optional

        Returns
        -------
        Reading
        """
        stationary = math.isinf(time)
        waited = Schedule.for_covariance(1, self.rate()).burn_in if stationary else time
        law = (self.law.stationary() if stationary else self.law.step(time)).rescaled(self.factor)
        load, gain = self.load(b)
        (value,) = self._draw(law, ("state",), load, self.started(start, gain), rng, b.shape[1])
        self.ledger.record(b.shape[0], b.shape[1], waited)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        read, left = self.to_user(self.convert(value), gain), self.to_user(value, gain)
        return Reading(read, b.shape[1] * waited, schedule, left)

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b and return every reading of the schedule, one after the other.

        Parameters
        ----------
        b : array, shape (m + n,)
        schedule : Schedule
            With `readings`; the first one comes after the burn-in.
        rng : numpy.random.Generator
        start : array, shape (m + n,), optional
        temperature : float, optional
            Temperature T in the user's units, to which the amplification of the load is set: readings in equilibrium
            are from N(M⁻¹b, (T/α) I). By default the load is amplified to full range.

        Returns
        -------
        Reading
            Value (n, m + n).
        """
        count, spacing = schedule.grid()
        load, gain = self.load(b[:, None], None if temperature is None else self._gain_at(temperature))
        state = self.started(None if start is None else start[:, None], gain)
        path = []
        for time in (schedule.burn_in, *[spacing] * (count - 1)):
            (state,) = self._draw(self.law.step(time).rescaled(self.factor), ("state",), load, state, rng, 1)
            path.append(state)
        self.ledger.record(b.shape[0], 1, schedule.total, count)
        stacked = namespace(load).concat(path, axis=1)
        value = self.to_user(self.convert(stacked), gain).T
        return Reading(value, schedule.total, schedule, state=self.to_user(path[-1], gain)[:, 0])

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> NoReturn:
        """Refused: the spread of the readings does not depend on A."""
        raise TypeError(_NO_INVERSE)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> NoReturn:
        """Refused: the spread of the readings does not depend on A."""
        raise TypeError(_NO_INVERSE)

    # -- draws --------------------------------------------------------------------------------------------------------

    def _gain_at(self, temperature: float) -> float:
        """The gain at which the noise has this temperature in the user's units."""
        own = float(self.temperature)
        if own == 0:
            raise ValueError(
                "a device at temperature 0 has no noise to read; pass a device with a law of temperature > 0"
            )
        return math.sqrt(own / (self.factor * temperature))

    def _draw(
        self,
        law: LinearLaw,
        outputs: tuple[str, ...],
        load: Array | None,
        start: Array | None,
        rng: np.random.Generator,
        columns: int,
    ) -> list[Array]:
        """Outputs of a law through the engine that suits it, with fresh noise."""
        choice = self.engines.choose(law, outputs, columns)
        self.drawn = (choice.engine.name, choice.reason)
        known = {"x0": start, "b": load}
        shape = (self.operator.shape[0], columns)
        inputs = [
            known[name] if name in known else standard_normal(rng, shape, self.operator.like) for name in law.inputs
        ]
        return choice.engine.apply(law, inputs, outputs)

    @cached_property
    def _window(self) -> Windows:
        """Laws of the windows run last."""
        return Windows(self.law, self.factor)

    def _replicas(self, schedule: Schedule, seed: int) -> Array:
        """Noise of further runs; it does not depend on the load, so none is needed."""
        law, rng = self._window(schedule, state=False), np.random.default_rng(seed)
        (noise,) = self._draw(law, ("average",), None, None, rng, REPLICAS)
        self.ledger.record(self.operator.shape[0], REPLICAS, schedule.total)
        return self.to_user(noise, 1.0)


_NO_INVERSE = "the spread of a skew device is (T/α)I whatever A is: it solves, it does not invert"


def _rewrites(imperfections: Imperfections) -> bool:
    """Whether the matrix that stands in the hardware differs from the one that was asked for."""
    return imperfections.matrix_bits > 0 or imperfections.mismatch > 0


def _written(matrix: Operator, imperfections: Imperfections, rng: np.random.Generator) -> Operator:
    """A as it ends up in the hardware: rounded to the grid, then mismatched."""
    if not _rewrites(imperfections):
        return matrix
    if isinstance(matrix, Sparse):
        written = matrix.matrix.copy()
        written.data = imperfections.write_array(written.data, rng)
        return Sparse(written, symmetric=False)
    return Dense(imperfections.write_array(matrix.dense(), rng), symmetric=False)
