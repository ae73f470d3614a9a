"""A matrix in a device whose runs are drawn from their law, without a path: what symmetric and skew couplings share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

import numpy as np

from thermolinalg._arrays import Array, all_true, column_norms, standard_normal
from thermolinalg.devices.loading import Loaded
from thermolinalg.devices.reading import REPLICAS, Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.windows import Averaged, Windows
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.select import Choice, Price

__all__ = ["Drawn", "Dynamics"]


class Dynamics(Averaged, Protocol):
    """Dynamics of a device, as the laws of what is read of it."""

    @property
    def temperature(self) -> float:
        """T."""
        ...

    def step(self, t: float) -> LinearLaw:
        """Law of the state a time t after a known state."""
        ...

    def stationary(self) -> LinearLaw:
        """Law of the state in equilibrium."""
        ...


class Choosing(Protocol):
    """Engines of one matrix, as `Engines` and `SingularEngines` choose among them."""

    def choose(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Choice:
        """The engine for these outputs of a law, for blocks of so many columns."""
        ...

    def price(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Price:
        """What would be chosen, and what that would spend."""
        ...


class Drawn(Loaded):
    """A matrix written into a device, and what it does with a load.

    Loads, values and states of the methods are in the user's units; see `Loaded` for the device's.

    Attributes
    ----------
    temperature : float
        T as designed, which estimates take for granted.
    law : Dynamics
        With the temperature that the noise really has.
    engines : Choosing
        Of the matrix as it was written, but for the factor c.
    ledger : Ledger
    drawn : tuple of str
        Engine of the last draw, and why it was chosen.
    """

    temperature: float
    law: Dynamics
    engines: Choosing
    ledger: Ledger
    drawn = ("none: nothing had to run", "")

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        raise NotImplementedError

    def describe(self) -> dict[str, str]:
        """Engine and reason of the last draw."""
        engine, reason = self.drawn
        return {"engine": engine, "reason": reason}

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The schedule of a run that leaves a residual of about `relative` × ‖b‖ in the device's units.

        Parameters
        ----------
        b : array, shape (d, k)
        relative : float

        Returns
        -------
        Schedule
        """
        load, _ = self.load(b)
        norms = column_norms(load)
        if not all_true(norms > 0):  # columns without a load have no say
            norms = norms[norms > 0]
        signal = float(norms.min()) / load.shape[0] ** 0.5 if norms.shape[0] else 1.0
        return Schedule.for_residual(relative, signal, self.law.temperature, self.rate())

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
        law = self._window(schedule, state=state)
        load, gain = self.load(b)
        values = self.draw(law, law.outputs, load, self.started(start, gain), rng)
        (d, k), total = b.shape, schedule.total
        self.ledger.record(d, k, total, schedule.readings or 1)
        seed = rng.bit_generator.random_raw()
        return Reading(
            value=self.to_user(self.convert(values[0]), gain),
            state=self.to_user(values[1], gain) if state else None,
            device_time=k * total,
            schedule=schedule,
            replicas=lambda: self._replicas(schedule, seed),
            gain=gain,
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
        law = self.in_device(self.law.stationary() if stationary else self.law.step(time))
        load, gain = self.load(b)
        (value,) = self.draw(law, ("state",), load, self.started(start, gain), rng)
        self.ledger.record(b.shape[0], b.shape[1], waited)
        schedule = Schedule(waited, readings=1, duration=max(waited, 1e-300))
        # Converters round what is read; the voltages stay what they are.
        read, left = self.to_user(self.convert(value), gain), self.to_user(value, gain)
        return Reading(read, b.shape[1] * waited, schedule, left)

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
        law = self._window(schedule, state=False)
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
        return self.engines.price(self.in_device(self.law.step(spacing)), ("state",), readings)

    # -- draws --------------------------------------------------------------------------------------------------------

    def in_device(self, law: LinearLaw) -> LinearLaw:
        """The law as functions of the spectrum that the engines hold, for a device that holds c times their matrix."""
        return law.rescaled(self.factor)

    def gain_at(self, temperature: float) -> float:
        """The gain β at which the noise has this temperature in the user's units, x ~ N(A⁻¹b, temperature · A⁻¹)."""
        if self.temperature == 0:
            raise ValueError(
                "a device at temperature 0 has no noise to read; pass a device with a law of temperature > 0"
            )
        return math.sqrt(self.temperature / (self.factor * temperature))

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
    def _window(self) -> Windows:
        """Laws of the windows run last."""
        return Windows(self.law, self.factor)

    def _replicas(self, schedule: Schedule, seed: int) -> Array:
        """Noise of further runs; it does not depend on the load, so none is needed."""
        law, rng = self._window(schedule, state=False), np.random.default_rng(seed)
        (noise,) = self.draw(law, ("average",), None, None, rng, columns=REPLICAS)
        self.ledger.record(self.operator.shape[0], REPLICAS, schedule.total)
        return self.to_user(noise, 1.0)
