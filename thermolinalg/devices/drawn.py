"""A matrix in a device whose runs are drawn from their law, without a path: what symmetric and skew couplings share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, standard_normal
from thermolinalg.devices.ranging import Ranged
from thermolinalg.devices.reading import REPLICAS, Reading
from thermolinalg.devices.recent_laws import Dynamics, RecentLaws
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.systematic import implied_errors
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.select import Choice, Price

__all__ = ["Drawn"]


class Choosing(Protocol):
    """Engines of one matrix, as `Engines` and `SingularEngines` choose among them."""

    def choose(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Choice:
        """The engine for these outputs of a law, for blocks of so many columns."""
        ...

    def price(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Price:
        """What would be chosen, and what that would spend."""
        ...


class Drawn(Ranged):
    """A matrix written into a device, and what it does with a load.

    Loads, values and states of the methods are in the user's units; see `Loaded` for the device's.

    Attributes
    ----------
    law : Dynamics
        With the temperature that the noise really has.
    engines : Choosing
        Of the matrix as it was written, but for the factor c.
    drawn : tuple of str
        Engine of the last draw, and why it was chosen.
    """

    law: Dynamics
    engines: Choosing
    drawn = ("none: nothing had to run", "")

    def describe(self) -> dict[str, str]:
        """Engine and reason of the last draw."""
        engine, reason = self.drawn
        return {"engine": engine, "reason": reason + self.told_lift()}

    # -- what it does with a load -------------------------------------------------------------------------------------

    def average(
        self, b: Array, schedule: Schedule, *, rng: np.random.Generator, start: Array | None = None, state: bool = False
    ) -> Reading:
        """Load b, run the schedule and average the voltages over its window.

        The window is drawn from its exact law, without a path.

        Parameters
        ----------
        b : array, shape (d, k)
            Columns run side by side on k copies of the device.
        schedule : Schedule
        rng : numpy.random.Generator
        start : array, shape (d, k), optional
            Voltages to start from; default zero.
        state : bool, optional
            Whether to draw the last state too, which takes more normal vectors a column.

        Returns
        -------
        Reading
            Value (d, k), estimate of A⁻¹b; its standard error is the spread of further runs, drawn when read.
        """
        law, (d, k), count = self._laws.window(schedule, state=state), b.shape, schedule.readings or 1

        def run() -> tuple[list[Array], Array, Array]:
            load, gain = self.load(b, rng=rng)
            values = self.draw(law, law.outputs, load, self.started(start, gain), rng)
            self.ledger.record(d, k, schedule.total, count)
            return values, self.convert(values[0], rng, count), gain

        values, read, gain = self.within_range(run)
        seed = rng.bit_generator.random_raw()
        return Reading(
            value=self.to_user(read, gain),
            state=self.to_user(values[1], gain) if state else None,
            device_time=k * schedule.total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, seed),
            gain=gain,
            implied=None if self.is_perfect else lambda: implied_errors(self, self, read, gain, schedule, seed + 1),
        )

    def settle(self, b: Array, time: float, *, rng: np.random.Generator, start: Array | None = None) -> Reading:
        """Load b and return the voltages after `time`; from zero or from `start`.

        Parameters
        ----------
        b : array, shape (d, k)
        time : float
            In units of τ; infinity reads in equilibrium.
        rng : numpy.random.Generator
        start : array, shape (d, k), optional

        Returns
        -------
        Reading
        """
        stationary = math.isinf(time)
        waited = Schedule.for_covariance(1, self.rate()).burn_in if stationary else time
        law = self.after(time)

        def run() -> tuple[Array, Array, Array]:
            load, gain = self.load(b, rng=rng)
            (value,) = self.draw(law, ("state",), load, self.started(start, gain), rng)
            self.ledger.record(b.shape[0], b.shape[1], waited)
            return value, self.convert(value, rng), gain

        value, read, gain = self.within_range(run)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        # Converters round what is read; the voltages stay what they are.
        return Reading(self.to_user(read, gain), b.shape[1] * waited, schedule, self.to_user(value, gain), gain=gain)

    # -- what simulating it takes -------------------------------------------------------------------------------------

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
        law = self._laws.window(schedule, state=False)
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
        return self.engines.price(self.after(spacing), ("state",), readings)

    # -- draws --------------------------------------------------------------------------------------------------------

    def after(self, time: float) -> LinearLaw:
        """Law of the state a time after a known one, or in equilibrium, as functions of the engines' spectrum."""
        return self._laws.after(time)

    def told(self, choice: Choice) -> Choice:
        """The choice itself, which `describe` then names."""
        self.drawn = (choice.engine.name, choice.reason)
        return choice

    def draw(
        self,
        law: LinearLaw,
        outputs: tuple[str, ...],
        load: Array | None,
        start: Array | None,
        rng: np.random.Generator,
        columns: int = 0,
    ) -> list[Array]:
        """Outputs of a law through the engine that suits it, with fresh noise."""
        like, shape = self.operator.like, (self.operator.shape[0], columns or (1 if load is None else load.shape[1]))
        choice = self.engines.choose(law, outputs, shape[1])
        self.drawn = (choice.engine.name, choice.reason)  # as `told`, in the path of every run
        known = {"x0": start, "b": load, "v0": None}
        inputs = [known[name] if name in known else standard_normal(rng, shape, like) for name in law.inputs]
        return choice.engine.apply(law, inputs, outputs)

    @cached_property
    def _laws(self) -> RecentLaws:
        """Laws of what ran last, for a device that holds c times the matrix of its engines."""
        return RecentLaws(self.law, self.factor)

    def _replicas(self, schedule: Schedule, seed: int) -> Array:
        """Noise of further runs; it does not depend on the load, so none is needed."""
        law, rng = self._laws.window(schedule, state=False), np.random.default_rng(seed)
        load = self.conversion_noise("inputs", rng)
        (noise,) = self.draw(law, ("average",), load, None, rng, columns=REPLICAS)
        self.ledger.record(self.operator.shape[0], REPLICAS, schedule.total)
        read = self.conversion_noise("outputs", rng)
        noise = noise if read is None else noise + read / (schedule.readings or 1) ** 0.5
        return self.to_user(noise, 1.0)
