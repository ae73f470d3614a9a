"""A Gaussian in a box, drawn by oscillators that bounce at rails."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

import thermolinalg as tla
from thermoapps.bayesian.chains import Chains
from thermoapps.bayesian.walk import Walk
from thermoapps.boxes._reading import read_box, read_matrix, read_vector
from thermoapps.boxes.active_set import Box, Precision, minimise
from thermoapps.boxes.flight import Flight
from thermoapps.boxes.narrow import NARROW, swept
from thermoapps.quadratic_program import Problem, solve_problem
from thermolinalg.devices import Device

__all__ = ["TruncatedGaussian"]

Vector = NDArray[np.float64]

BOUNCES = 8
"""Of every voltage in one flight, about: flights end earlier where there would be more."""

UNEVEN = 0.5
"""Flights between rails last longer or shorter by up to so much: a ball that bounces in step with equal flights would
be read at the same height for long. The cosine of the time, and so the correlation without bounces, is zero on average.
"""

BURN_IN = 50
"""Flights before the first reading."""

SYMMETRIC = 1e-12
"""Asymmetry, relative to the diagonal, that is rounding."""

INVERSE = 1e-12
"""Relative residual of the covariance: bounces keep the energy to as much."""


class TruncatedGaussian:
    """The density e^{−(x − μ)ᵀA(x − μ)/2} between bounds: posterior of a linear model that knows its signs and limits.

    The device: oscillators with inertia between hard rails. Between bounces its law is exact, and its readings a time
    π/2 apart are draws: independent ones where no rail is met. Lengths are in units of each coordinate's own
    conditional spread, so that units do not matter; equal bounds fix a coordinate. One whose bounds are closer than a
    quarter of that spread is drawn given the others between two flights, instead of bouncing without end.

    Parameters
    ----------
    precision : array_like, shape (d, d)
        A, symmetric positive definite.
    mean : array_like, shape (d,), optional
        μ of the Gaussian before it is truncated; zero by default.
    lower, upper : float or array_like, shape (d,), optional
        The box; infinite entries are no bounds.
    device : thermolinalg.devices.Device, optional
        Gives velocities, covariance and mode. Default: an ideal `thermolinalg.LangevinDevice`.

    Raises
    ------
    ValueError
        Shapes that do not fit, NaN, an empty box.
    TypeError
        Entries that are not real numbers.
    numpy.linalg.LinAlgError
        A is not symmetric, or not positive definite.

    See Also
    --------
    Flight : Gaussians between rails.

    References
    ----------
    Pakman and Paninski, Exact Hamiltonian Monte Carlo for truncated multivariate Gaussians, J. Comput. Graph. Stat. 23
    (2014) 518.

    Examples
    --------
    >>> import numpy as np
    >>> half = TruncatedGaussian(np.eye(1), lower=0.0)
    >>> chains = half.sample(1000, rng=0)
    >>> bool(abs(chains.mean[0] - np.sqrt(2 / np.pi)) < 4 * chains.standard_error[0]), half.mode()
    (True, array([0.]))
    """

    def __init__(
        self,
        precision: Any,
        mean: Any = None,
        lower: Any = -np.inf,
        upper: Any = np.inf,
        *,
        device: Device | None = None,
    ) -> None:
        A = read_matrix(precision, "precision")
        d = len(A)
        if A.shape != (d, d):
            raise ValueError(f"precision must be square, got shape {A.shape}")
        self.precision, self.device = A, device
        self.mean = np.zeros(d) if mean is None else read_vector(mean, "mean", d)
        self.box = read_box(lower, upper, d)
        diagonal = np.diag(A)
        if (diagonal <= 0).any():
            raise np.linalg.LinAlgError(f"precision is not positive definite: its diagonal holds {diagonal.min():g}")
        roots = np.sqrt(diagonal)
        uneven = np.abs(A - A.T) / roots / roots[:, None]
        if uneven.max() > SYMMETRIC:
            raise np.linalg.LinAlgError("precision is not symmetric; pass (A + A.T)/2 if that is what is meant")

    def __len__(self) -> int:
        return len(self.mean)

    def mode(self, *, rng: Any = None) -> Vector:
        """Where the density is largest, to rounding.

        Parameters
        ----------
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        array, shape (d,)
        """
        reduced = self._reduced
        if reduced is None:
            return self.box.lower.copy()
        return reduced.outside(reduced.mode(np.random.default_rng(rng))[None, :, None])[0, :, 0]

    def walk(self, *, chains: int = 32, rng: Any = None) -> Walk:
        """Replicas of the device after their burn-in, to be read as often as one likes.

        Parameters
        ----------
        chains : int, optional
            How many.
        rng : None, int or numpy.random.Generator, optional

        Returns
        -------
        Walk
        """
        if isinstance(chains, bool) or not isinstance(chains, int | np.integer) or chains < 1:
            raise ValueError(f"chains must be an integer ≥ 1, got {chains!r}")
        generator, reduced = np.random.default_rng(rng), self._reduced
        if reduced is None:
            fixed = np.broadcast_to(self.box.lower, (int(chains), len(self)))
            return Walk(fixed, _stay, np.asarray, generator)
        mode = np.repeat(reduced.mode(generator)[:, None], chains, axis=1)
        time = reduced.time(mode, generator)
        walk = Walk(mode, partial(reduced.advanced, time), reduced.read, generator)
        walk.relax(BURN_IN)
        return walk

    def sample(self, draws: int = 250, *, chains: int = 32, rng: Any = None, progress: bool = False) -> Chains:
        """Draws, with their means, quantiles and error bars.

        Parameters
        ----------
        draws : int, optional
            Readings of each chain, at least 4.
        chains : int, optional
            Replicas side by side.
        rng : None, int or numpy.random.Generator, optional
        progress : bool, optional
            Whether to show a progress bar.

        Returns
        -------
        Chains

        Raises
        ------
        ValueError
            Counts out of range.

        Warns
        -----
        ThermodynamicWarning
            The draws are too correlated for error bars that hold.
        """
        if isinstance(draws, bool) or not isinstance(draws, int | np.integer) or draws < 4:
            raise ValueError(f"draws must be an integer ≥ 4, got {draws!r}")
        walk = self.walk(chains=chains, rng=rng)
        walk.draw(draws, progress=progress)
        return walk.chains.vouched()

    @cached_property
    def _reduced(self) -> _Reduced | None:
        """The coordinates that are not fixed, given the others; None where all are."""
        free = self.box.lower < self.box.upper
        if not free.any():
            return None
        A = (self.precision + self.precision.T)[np.ix_(free, free)] / 2
        scales = np.exp2(np.round(np.log2(np.diag(self.precision)[free]) / 2))
        A = A / scales / scales[:, None]
        pull = np.zeros(len(A))
        if not free.all():
            away = (self.box.lower - self.mean)[~free]
            load = -(self.precision[np.ix_(free, ~free)] @ away) / scales
            pull = np.asarray(tla.solve(A, load, assume_a="sym", device=self.device, rng=0)) / scales
        return _Reduced(A, self.mean[free] + pull, Box(self.box.lower[free], self.box.upper[free]), scales, self)


@dataclass(frozen=True)
class _Reduced:
    """A truncated Gaussian of free coordinates, measured from a bound where there is one, each in its own units.

    y = (x − origin) · scales.
    """

    A: Vector
    mean: Vector
    box: Box
    scales: Vector
    of: TruncatedGaussian

    @property
    def origin(self) -> Vector:
        """The nearest finite bound to the mean, or the mean: places near it are known to all digits."""
        lower, upper = self.box.lower, self.box.upper
        near = np.where(np.abs(self.mean - lower) <= np.abs(upper - self.mean), lower, upper)
        return np.asarray(np.where(np.isfinite(near), near, self.mean))

    @property
    def railed(self) -> bool:
        """Whether there are rails."""
        return bool((np.isfinite(self.box.lower) | np.isfinite(self.box.upper)).any())

    @cached_property
    def narrow(self) -> NDArray[np.bool_]:
        """Which coordinates have bounds so close together that they are drawn given the others."""
        return np.asarray((self.inner.upper - self.inner.lower) * np.sqrt(np.diag(self.A)) < NARROW)

    @cached_property
    def held(self) -> tla.PreparedDevice:
        """The wide part of A on the device; what it solves is the same every time: draws follow from rng."""
        wide = ~self.narrow
        return tla.program(self.A[np.ix_(wide, wide)], device=self.of.device, rng=0)

    @property
    def centre(self) -> Vector:
        """The mean."""
        return (self.mean - self.origin) * self.scales

    @property
    def inner(self) -> Box:
        """The box."""
        return Box((self.box.lower - self.origin) * self.scales, (self.box.upper - self.origin) * self.scales)

    @cached_property
    def covariance(self) -> Vector:
        """Of the wide coordinates given the narrow ones."""
        covariance = np.asarray(self.held.inv(rtol=INVERSE))
        return np.asarray((covariance + covariance.T) / 2)

    @cached_property
    def follows(self) -> Vector:
        """By how much the mean of the wide coordinates moves with each narrow one."""
        return np.asarray(-self.covariance @ self.A[np.ix_(~self.narrow, self.narrow)])

    def flight(self, y: Vector) -> Flight:
        """The oscillators of the wide coordinates, given the narrow ones."""
        narrow, wide = self.narrow, ~self.narrow
        centre = self.centre[wide, None] + self.follows @ (y[narrow] - self.centre[narrow, None])
        return Flight(centre, self.covariance, self.inner.lower[wide], self.inner.upper[wide])

    def mode(self, rng: np.random.Generator) -> Vector:
        """Where the density is largest."""
        load, inner = self.A @ self.centre, self.inner
        if not self.railed:
            return self.centre
        options: dict[str, Any] = {"device": self.of.device, "rng": rng}
        guess = solve_problem(Problem(self.A, -load, lb=inner.lower, ub=inner.upper), tol=1e-6, **options)
        start = inner.clipped(self.centre) if guess.x is None else guess.x
        return minimise(Precision(self.A, load, options), inner, start, 10 + 3 * len(load))[0]

    def time(self, mode: Vector, rng: np.random.Generator) -> float:
        """How long a flight is: a quarter of a period, or so long that voltages bounce `BOUNCES` times each."""
        if self.narrow.all():
            return 0.0
        wide, quarter = ~self.narrow, math.pi / 2
        x, flight, flown = mode[wide], self.flight(mode), np.full(mode.shape[1], quarter)
        for _ in range(3):
            x, _, flown = flight.along(x, self._velocities(mode.shape[1], rng), quarter, BOUNCES * len(x))
        return float(min(quarter, np.median(flown)))

    def advanced(self, time: float, y: Vector, rng: np.random.Generator) -> Vector:
        """The narrow coordinates drawn, and a flight of the wide ones with new velocities."""
        narrow, y = self.narrow, y.copy()
        if narrow.any():
            order = np.r_[np.flatnonzero(narrow), np.flatnonzero(~narrow)]
            offset, rails = (y - self.centre[:, None])[order], self.inner
            rows = self.A[np.ix_(narrow, order)]
            y[narrow] = swept(rows, offset, y[narrow], rails.lower[narrow], rails.upper[narrow], rng)
        if not narrow.all():
            count = y.shape[1]
            uneven = rng.uniform(1 - UNEVEN, 1 + UNEVEN, count) if self.railed else 1.0
            y[~narrow] = self.flight(y).along(y[~narrow], self._velocities(count, rng), time * uneven)[0]
        return y

    def read(self, y: Vector) -> Vector:
        """Voltages as the user's coordinates, (k, d)."""
        return np.asarray(self.outside(y[None])[0].T)

    def outside(self, y: Vector) -> Vector:
        """Voltages (n, f, k) as the user's coordinates (n, d, k)."""
        of = self.of
        x = np.repeat(of.box.lower[None, :, None], y.shape[2], axis=2).repeat(len(y), axis=0)
        free = of.box.lower < of.box.upper
        inside = self.origin[:, None] + y / self.scales[:, None]
        x[:, free] = np.clip(inside, self.box.lower[:, None], self.box.upper[:, None])
        return x

    def _velocities(self, count: int, rng: np.random.Generator) -> Vector:
        """Draws from N(0, A⁻¹) of the wide coordinates given the narrow ones, one column each."""
        return np.asarray(self.held.sample(count, rng=rng)).T


def _stay(x: Vector, _: np.random.Generator) -> Vector:
    """Nothing moves."""
    return x
