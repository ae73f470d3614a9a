"""A matrix written into a Langevin device: its runs, drawn from their law."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array, all_true, column_norms
from thermolinalg.devices import readout
from thermolinalg.devices.driven import Driven
from thermolinalg.devices.reading import REPLICAS, CovarianceReading, Reading, Spectrum
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.shifting import shifted_program
from thermolinalg.devices.simulated import Simulated
from thermolinalg.devices.windows import Windows
from thermolinalg.laws.work import Drive
from thermolinalg.matrix_functions.select import Price

__all__ = ["LangevinProgram"]


class LangevinProgram(Simulated):
    """A matrix written into a `LangevinDevice`: what it does with a load, and on the way to its matrix.

    Loads, values and states of the methods are in the user's units; see `Loaded` for the device's.

    Parameters
    ----------
    operator : Operator, shape (d, d)
        The user's A, symmetric.
    law : Law
        Of the `LangevinDevice` it was written into.
    loading : Equilibrated or AsWritten
        Likewise.
    imperfections : Imperfections
        Likewise.
    rng : numpy.random.Generator
        Draws this copy's imperfections.
    """

    def shifted(self, mu: float) -> LangevinProgram | None:
        """The program of A + μI on the same device, by a conductance to ground at every node; None where A is written.

        Nothing is written or decomposed again: an eigendecomposition has to be at hand, all nodes of one scale, and the
        copy perfect.

        Parameters
        ----------
        mu : float
            μ in the user's units; A + μI positive definite.

        Returns
        -------
        LangevinProgram or None
            It shares the ledger.

        Raises
        ------
        LinAlgError
            A + μI is indefinite.
        """
        return shifted_program(self, mu)

    def anticipate(self, schedule: Schedule) -> None:
        """Make at once what simulates the covariance of correlated readings, which tells the spectrum as well.

        Parameters
        ----------
        schedule : Schedule
            Of the `covariance` that comes next.

        Raises
        ------
        LinAlgError
            A is indefinite.
        """
        readout.anticipate(self, schedule)

    # -- what it does with a load -------------------------------------------------------------------------------------

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
            Whether to draw the last state too.

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
        """Load b (d, k) and return the voltages after `time`; from zero or from `start` (d, k).

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
        return readout.settle(self, b, time, rng, start)

    def readings(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        temperature: float | None = None,
    ) -> Reading:
        """Load b and return every reading of the schedule: the trajectory itself, or independent draws.

        Parameters
        ----------
        b : array, shape (d,)
        schedule : Schedule
            With `readings`; the first one comes after the burn-in.
        rng : numpy.random.Generator
        start : array, shape (d,), optional
        temperature : float, optional
            Temperature in the user's units, to which the amplification of the load is set: readings in equilibrium
            are from N(A⁻¹b, T A⁻¹). By default the load is amplified to full range.

        Returns
        -------
        Reading
            Value (n, d).
        """
        gain = None if temperature is None else self.gain_at(temperature)
        return readout.readings(self, b[:, None], schedule, rng, None if start is None else start[:, None], gain)

    def covariance(self, schedule: Schedule, *, rng: np.random.Generator) -> CovarianceReading:
        """Run the schedule without a load and return the sample covariance of the readings, over the temperature.

        Parameters
        ----------
        schedule : Schedule
            With `readings` ≥ 2.
        rng : numpy.random.Generator

        Returns
        -------
        CovarianceReading
            Value (d, d), estimate of A⁻¹.
        """
        return readout.covariance(self, schedule, rng)

    def variances(self, readings: int, *, rng: np.random.Generator, progress: bool = False) -> CovarianceReading:
        """The variance of each node alone, over the temperature, from independent readings in equilibrium.

        Parameters
        ----------
        readings : int
            At least 2.
        rng : numpy.random.Generator
        progress : bool, optional
            Whether to show a bar.

        Returns
        -------
        CovarianceReading
            Value (d,), estimate of the diagonal of A⁻¹.
        """
        return readout.variances(self, readings, rng, progress)

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

    # -- what it does on the way from aI ------------------------------------------------------------------------------

    @cached_property
    def _driven(self) -> Driven:
        return Driven(self)

    def spectrum(self) -> Spectrum:
        """The spectrum of H = S A S, the matrix it holds but for a factor.

        Returns
        -------
        Spectrum

        Raises
        ------
        LinAlgError
            H is not positive definite, or singular to working precision, with the eigenvalues that show it.
        """
        return self._driven.spectrum

    def readings_along(self, start: float, log_odds: float, n: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        """Hold H_s = (1 − s) aI + s H in equilibrium and read d log det H_s/du, s = 1/(1 + e^−u).

        Parameters
        ----------
        start : float
            a.
        log_odds : float
            u.
        n : int
            Readings in each group.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (16,)
            Means of the groups.
        """
        return self._driven.readings_along(start, log_odds, n, rng)

    def work(
        self, drive: Drive, steps: int, n: int, *, rng: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Drive from aI to H and back, settling after each jump, and record the work.

        Parameters
        ----------
        drive : Drive
        steps : int
            Jumps of a drive.
        n : int
            Drives each way.
        rng : numpy.random.Generator

        Returns
        -------
        forward, reverse : ndarray, shape (n,)
            In units of the temperature.

        Raises
        ------
        ValueError
            The law does not settle to N(0, T H_s⁻¹), as time stepping does not.
        """
        return self._driven.work(drive, steps, n, rng)

    # -- inside -------------------------------------------------------------------------------------------------------

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
