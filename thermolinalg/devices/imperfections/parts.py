"""The parts of a device, each with the ways in which it departs from its ideal."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated

import numpy as np

from thermolinalg._arrays import Array, as_array, namespace, standard_normal
from thermolinalg.devices.imperfections.rounding import levels, quantise
from thermolinalg.devices.imperfections.sourced import Number, Part, Quantity, as_bits, as_error, as_limit, as_share

__all__ = ["Amplifiers", "Capacitors", "Converter", "Couplings", "Noise", "connected"]

ROUNDINGS = ("nearest", "stochastic")


@dataclass(frozen=True)
class Converter(Part):
    """Digital-to-analog converters of the loads, or analog-to-digital ones of the readings.

    Parameters
    ----------
    bits : int or None
        Resolution; 0 is ideal.
    full_scale : float or None
        Largest number ± that it takes, where 1 is the full range of a load. Infinite: it follows the largest entry of
        each column, so that nothing is clipped.
    noise : float or None
        Standard deviation of white noise in each conversion, in units of the full range of a load.
    offset : float or None
        Standard deviation over the nodes of a constant in each conversion, in the same units; frozen.
    rounding : str
        ``"nearest"``, or ``"stochastic"``: up with the probability of the distance to the level below.

    See Also
    --------
    Couplings, Noise, Amplifiers, Capacitors : Parts of `Imperfections`.

    Notes
    -----
    Noise adds noise² I to the covariance of readings, and noise²/N to that of an average of N of them.
    """

    bits: Annotated[Number, Quantity("bit", as_bits)] = 0
    full_scale: Annotated[Number, Quantity("of full range", as_limit)] = inf
    noise: Annotated[Number, Quantity("of full range")] = 0.0
    offset: Annotated[Number, Quantity("of full range")] = 0.0
    rounding: str = "nearest"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounding not in ROUNDINGS:
            raise ValueError(f"rounding must be 'nearest' or 'stochastic', got {self.rounding!r}")

    def step(self, largest: float) -> float:
        """Distance of its levels where the largest number converted is this one; 0 where it has no levels."""
        bits, span = int(self.known("bits")), self.known("full_scale")
        return 0.0 if not bits else (span if np.isfinite(span) else largest) / levels(bits)

    def convert(self, x: Array, rng: np.random.Generator | None = None, readings: int = 1) -> Array:
        """Columns x (d, k) as they come out, but for the offset: averages of so many conversions, clipped and rounded.

        Parameters
        ----------
        x : array, shape (d, k)
        rng : numpy.random.Generator, optional
            Of noise and of stochastic rounding; without it there is neither.
        readings : int, optional

        Returns
        -------
        array, shape (d, k)
        """
        xp, noise, span = namespace(x), self.known("noise"), self.known("full_scale")
        if noise and rng is not None:
            x = x + noise / readings**0.5 * standard_normal(rng, tuple(x.shape), x)
        if np.isfinite(span):
            x = xp.clip(x, -span, span)
        thresholds = None
        if rng is not None and self.rounding == "stochastic" and self.known("bits"):
            thresholds = as_array(rng.random(tuple(x.shape)), x)
        return quantise(x, int(self.known("bits")), axis=0, span=span, thresholds=thresholds)


@dataclass(frozen=True)
class Couplings(Part):
    """The elements that hold A.

    Parameters
    ----------
    bits : int or None
        Resolution of the written matrix over its full range; 0 is ideal.
    on_off_ratio : float or None
        Largest conductance over the smallest one; what is less than half of that becomes none.
    mismatch : float or None
        Relative standard deviation of the elements, frozen when they are made.
    write_noise : float or None
        Standard deviation of what a write adds, relative to the largest element; drawn at each write.
    stuck_off, stuck_on : float or None
        Share of the elements that are open, and that have the largest conductance, whatever is written.
    drift : float or None
        ν of conductances that fall as age^−ν.
    series_resistance : float or None
        r of the contact of each element, in units of the smallest resistance: g becomes g/(1 + r g/g_max).
    wire_resistance : float or None
        Of the wire from one element to the next, along rows and columns alike, in the same units: what an element
        comes to depends on its place, and on all others.
    age : float
        Time since the write, in units of the time at which the matrix was as written.
    symmetric : bool
        Whether one element serves A_ij and A_ji, so that their errors agree.
    rounding : str
        ``"nearest"``; ``"stochastic"``: up with the probability of the distance to the level below, drawn at each
        write; or ``"dither"``: up where that distance exceeds a threshold, (u + phase) mod 1 with u uniform and fixed
        for each element by the seed `dither`, so that equally spaced phases are right on average.
    phase : float
        Of the thresholds of dithered rounding, in [0, 1).
    dither : int
        Seed of these thresholds.

    See Also
    --------
    Noise, Amplifiers, Capacitors, Converter : Parts of `Imperfections`.
    """

    bits: Annotated[Number, Quantity("bit", as_bits)] = 0
    on_off_ratio: Annotated[Number, Quantity("", as_limit)] = inf
    mismatch: Annotated[Number, Quantity("relative")] = 0.0
    write_noise: Annotated[Number, Quantity("of the largest element")] = 0.0
    stuck_off: Annotated[Number, Quantity("of the elements", as_share)] = 0.0
    stuck_on: Annotated[Number, Quantity("of the elements", as_share)] = 0.0
    drift: Annotated[Number, Quantity("exponent")] = 0.0
    series_resistance: Annotated[Number, Quantity("of the smallest resistance")] = 0.0
    wire_resistance: Annotated[Number, Quantity("of the smallest resistance")] = 0.0
    age: float = 1.0
    symmetric: bool = True
    rounding: str = "nearest"
    phase: float = 0.0
    dither: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rounding not in (*ROUNDINGS, "dither"):
            raise ValueError(f"rounding must be 'nearest', 'stochastic' or 'dither', got {self.rounding!r}")
        if not 1 <= self.age < np.inf:
            raise ValueError(f"age must be finite and at least 1, got {self.age!r}")
        if self.known("on_off_ratio") < 1:
            raise ValueError(f"on_off_ratio must be at least 1, got {self.on_off_ratio!r}")
        if self.known("stuck_off") + self.known("stuck_on") >= 1:
            raise ValueError("stuck_off and stuck_on together must be below 1")

    @property
    def differ(self) -> bool:
        """Whether A_ij and A_ji come out differently."""
        random = ("mismatch", "write_noise", "stuck_off", "stuck_on")
        return not self.symmetric and any(self.known(name) for name in random)

    def realise(self, elements: Array, made: np.random.Generator, written: np.random.Generator) -> Array:
        """Elements as they come out.

        Parameters
        ----------
        elements : array, any shape
        made : numpy.random.Generator
            Of what is frozen when the elements are made.
        written : numpy.random.Generator
            Of what each write draws.

        Returns
        -------
        array, same shape
        """
        xp, shape = namespace(elements), tuple(elements.shape)
        if 0 in shape:
            return elements
        g = quantise(elements, int(self.known("bits")), thresholds=self._thresholds(elements, written))
        top = float(xp.max(xp.abs(g)))
        least = top / self.known("on_off_ratio")
        if least:
            lowest = xp.where(xp.abs(g) < least / 2, 0.0 * g, xp.sign(g) * least)
            g = xp.where(xp.abs(g) < least, lowest, g)
        off, on = self.known("stuck_off"), self.known("stuck_on")
        if off or on:
            lot = as_array(made.random(shape), g)
            g = xp.where(lot < off, 0.0 * g, xp.where(lot >= 1 - on, xp.where(g < 0, -top, top) + 0.0 * g, g))
        if mismatch := self.known("mismatch"):
            g = g * (1 + mismatch * standard_normal(made, shape, g))
        if noise := self.known("write_noise"):
            g = xp.where(g == 0, g, g + noise * top * standard_normal(written, shape, g))
        if resistance := self.known("series_resistance"):
            g = g / (1 + resistance * xp.abs(g) / top) if top else g
        return g * self.aged

    def _thresholds(self, elements: Array, written: np.random.Generator) -> Array | None:
        """Distances to the level below from which on elements are rounded up; None: one half."""
        if self.rounding == "nearest" or not self.known("bits"):
            return None
        shape = tuple(elements.shape)
        if self.rounding == "stochastic":
            return as_array(written.random(shape), elements)
        return as_array((np.random.default_rng(self.dither).random(shape) + self.phase) % 1.0, elements)

    @property
    def rounding_variance(self) -> float:
        """Mean square of the rounding errors, in squares of a step."""
        return 1 / 12 if self.rounding == "nearest" else 1 / 6

    @property
    def aged(self) -> float:
        """What is left of the conductances, age^−ν."""
        return float(self.age ** -self.known("drift"))

    @property
    def distortion(self) -> float:
        """Relative size of the errors of the elements."""
        bits, stuck = self.known("bits"), self.known("stuck_off") + self.known("stuck_on")
        sizes = ("mismatch", "write_noise", "series_resistance", "wire_resistance")
        plain = sum(self.known(name) for name in sizes)
        grid = (2.0**-bits if bits else 0.0) + 0.5 / self.known("on_off_ratio")
        return float(grid + plain + stuck**0.5 + (1 - self.aged))

    @property
    def resolution(self) -> float:
        """Smallest change of an element that can be relied on, relative to the largest one."""
        bits = int(self.known("bits"))
        plain = sum(self.known(name) for name in ("mismatch", "write_noise", "wire_resistance"))
        return max(1 / levels(bits) if bits else 0.0, plain, 0.5 / self.known("on_off_ratio"))


@dataclass(frozen=True)
class Amplifiers(Part):
    """The op-amp of each node.

    Parameters
    ----------
    offset : float or None
        Standard deviation over the nodes of the input offset V_os, in units of the full range of a load; frozen.
    gain : float or None
        A₀, open loop.
    bandwidth : float or None
        ω_t, gain times bandwidth, in 1/τ.
    stuck : float or None
        Share of the nodes whose output stays at zero.

    See Also
    --------
    Capacitors, Converter, Couplings, Noise : Parts of `Imperfections`.

    Notes
    -----
    With s_i = Σ_j |G_ij| + max |G|, all that is connected to the input of amplifier i, an offset adds V_os s_i to the
    load b_i, and a finite gain adds s_i/A₀ to G_ii. A finite bandwidth is one more pole,
    ẍ/ω_t + ẋ = −(A x − b) + noise: inertia that leaves the mean and the variance as they are and rings where λ > ω_t/4.
    """

    offset: Annotated[Number, Quantity("of full range")] = 0.0
    gain: Annotated[Number, Quantity("", as_limit)] = inf
    bandwidth: Annotated[Number, Quantity("1/τ", as_limit)] = inf
    stuck: Annotated[Number, Quantity("of the nodes", as_share)] = 0.0


@dataclass(frozen=True)
class Capacitors(Part):
    """The capacitor of each node: c_i dx_i = −(A x − b)_i dt + noise.

    Parameters
    ----------
    mismatch : float or None
        Relative standard deviation of c_i, frozen.
    error : float or None
        Relative error of all of them.

    See Also
    --------
    Converter, Couplings, Noise, Amplifiers : Parts of `Imperfections`.

    Notes
    -----
    Means do not depend on capacitors. The covariance Σ solves C⁻¹A Σ + Σ A C⁻¹ = 2T C⁻²; it is T A⁻¹/c where all c_i
    are c.
    """

    mismatch: Annotated[Number, Quantity("relative")] = 0.0
    error: Annotated[Number, Quantity("relative", as_error)] = 0.0


@dataclass(frozen=True)
class Noise(Part):
    """The noise that drives the nodes.

    Parameters
    ----------
    temperature_error : float or None
        Relative error of the noise temperature.
    spread : float or None
        Relative standard deviation over the nodes of the power of their noise, frozen.
    correlation : float or None
        ρ between any two nodes.
    correlation_time : float or None
        τ_n in τ: the noise is an Ornstein–Uhlenbeck process of the spectrum 2T/(1 + ω²τ_n²).

    See Also
    --------
    Amplifiers, Capacitors, Converter, Couplings : Parts of `Imperfections`.

    Notes
    -----
    The covariance Σ solves A Σ + Σ A = D with D_ij = 2T sqrt(s_i s_j) (ρ + (1 − ρ) δ_ij); noise of correlation time
    τ_n lowers the variance of a mode by 1/(1 + λτ_n).
    """

    temperature_error: Annotated[Number, Quantity("relative", as_error)] = 0.0
    spread: Annotated[Number, Quantity("relative")] = 0.0
    correlation: Annotated[Number, Quantity("", as_share)] = 0.0
    correlation_time: Annotated[Number, Quantity("τ")] = 0.0


def connected(matrix: Array) -> Array:
    """s_i = Σ_j |G_ij| + max |G| (d,): all that is connected to the input of amplifier i, its source included.

    Parameters
    ----------
    matrix : array or sparse array, shape (d, d)
        G.

    Returns
    -------
    array, shape (d,)
    """
    sizes = abs(matrix)
    sums = sizes.sum(axis=1)
    return sums + sizes.max() if sums.shape[0] else sums
