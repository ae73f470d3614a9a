"""Loads and readings within the range of the converters: which load a run gets, and a lower one where readings clip."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np

from thermolinalg._arrays import Array, all_true, any_true, column_norms, namespace, standard_normal
from thermolinalg.devices.loading import AsWritten, Loaded
from thermolinalg.devices.reading import REPLICAS, Ledger
from thermolinalg.devices.schedule import Schedule

__all__ = ["Ranged"]

LOWER = 0.25
"""Factor of a load whose readings clip: a smaller one finds the range in fewer runs, and wastes more of it."""

TRIES = 40
"""Lower loads that are tried: after so many the signal is far below any noise."""

S = TypeVar("S")


class Heated(Protocol):
    """A law with a temperature."""

    @property
    def temperature(self) -> float:
        """T."""
        ...


class Ranged(Loaded):
    """A matrix on a device whose loads are as large as the converters allow.

    Attributes
    ----------
    temperature : float
        T as designed, which estimates take for granted.
    law : Heated
        With the temperature that the noise really has.
    ledger : Ledger
    """

    temperature: float
    law: Heated
    ledger: Ledger

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        raise NotImplementedError

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

    def gain_at(self, temperature: float) -> float:
        """The gain β at which the noise has this temperature in the user's units, x ~ N(A⁻¹b, temperature · A⁻¹)."""
        if self.temperature == 0:
            raise ValueError(
                "a device at temperature 0 has no noise to read; pass a device with a law of temperature > 0"
            )
        return math.sqrt(self.temperature / (self.factor * temperature))

    def within_range(self, run: Callable[[], tuple[S, Array, Array]]) -> tuple[S, Array, Array]:
        """A run whose readings stay inside the range of the output converters.

        A run that reaches the end of the range is repeated with a lower load, which further runs then start from; the
        ledger counts it. Loads that are taken as they are written cannot be lowered: there the ledger counts what was
        clipped.

        Parameters
        ----------
        run : callable
            Loads, runs and reads; the second value that it returns is what was read.

        Returns
        -------
        tuple
            What the last run returned.

        Raises
        ------
        ValueError
            The noise alone reaches the end of the range.
        """
        limit = self.imperfections.outputs.known("full_scale")
        if not math.isfinite(limit):
            return run()
        for _ in range(TRIES):
            found = run()
            clipped = abs(found[1]) >= limit
            if not any_true(clipped):
                return found
            if isinstance(self.loading, AsWritten):
                self.ledger.clipped += int(namespace(clipped).sum(clipped))
                return found
            self.attenuation *= LOWER
            self.ledger.rescaled += 1
        raise ValueError(self._too_noisy(limit))

    def unclipped(self, read: Array) -> Array:
        """Readings that no lower load would bring into range, as they are.

        Raises
        ------
        ValueError
            One reaches the end of the range.
        """
        limit = self.imperfections.outputs.known("full_scale")
        if math.isfinite(limit) and any_true(abs(read) >= limit):
            raise ValueError(self._too_noisy(limit))
        return read

    def conversion_noise(self, part: str, rng: np.random.Generator) -> Array | None:
        """What the converters add to one conversion of each replica (d, r); None where that is nothing."""
        size = self.imperfections.parts[part].known("noise")
        shape = (self.operator.shape[0], REPLICAS)
        return size * standard_normal(rng, shape, self.operator.like) if size else None

    def _too_noisy(self, limit: float) -> str:
        return (
            f"the readings of this device reach the full scale ±{limit:g} of its output converters by their noise; "
            "pass a law of lower temperature, or outputs=Converter(full_scale=…) with a larger one"
        )
