"""A matrix written into a Langevin device: its runs, drawn from their law."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from thermolinalg._arrays import Array
from thermolinalg.devices import readout
from thermolinalg.devices.driven import Driven
from thermolinalg.devices.reading import CovarianceReading, Reading, Spectrum
from thermolinalg.devices.schedule import Schedule
from thermolinalg.devices.shifting import anticipate_shifts, shifted_program
from thermolinalg.devices.simulated import Simulated
from thermolinalg.laws.work import Drive

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

    See Also
    --------
    GeneralProgram, SkewProgram, LatticeProgram, SaturatingProgram : Programs, what devices hold of A.
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

    def anticipate_shifts(self) -> None:
        """Make at once the eigendecomposition that all `shifted` programs share, where there can be any.

        Raises
        ------
        LinAlgError
            A is indefinite.
        """
        anticipate_shifts(self)

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

    # -- what it reads -------------------------------------------------------------------------------------------------

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

    # -- what it does on the way from aI -------------------------------------------------------------------------------

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

    def energies_along(self, start: float, log_odds: float, n: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
        """The same readings with their energies xᵀH_s x, xᵀH_s²x and xᵀH_s³x, over the temperature.

        Parameters
        ----------
        start, log_odds, n, rng
            As for `readings_along`.

        Returns
        -------
        ndarray, shape (4, 16)
            Means of the groups.
        """
        return self._driven.energies_along(start, log_odds, n, rng)

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
