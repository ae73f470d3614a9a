"""Schedules: temperature, pump and coupling as functions of time, and the equation that follows them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from thermolinalg.simulation.nonlinear.energies import Wells, read_energy
from thermolinalg.simulation.nonlinear.equation import Equation

__all__ = ["Annealing", "GeometricRamp", "LinearRamp", "Ramp", "Sequence"]

Scheduled = float | Callable[[float], float]
"""A number, or a function of time that gives one."""


class Ramp:
    """A function of time that ends after `time` and stays there."""

    time: float

    def __call__(self, t: float) -> float:
        """The value at time t, held at its ends outside of [0, time]."""
        return self._along(min(max(t / self.time, 0.0), 1.0))

    def then(self, following: Ramp) -> Sequence:
        """A ramp, and then another.

        Parameters
        ----------
        following : Ramp

        Returns
        -------
        Sequence
        """
        first = self.ramps if isinstance(self, Sequence) else (self,)
        return Sequence((*first, *(following.ramps if isinstance(following, Sequence) else (following,))))

    def _along(self, share: float) -> float:
        """The value when a share of the time has passed."""
        raise NotImplementedError


@dataclass(frozen=True)
class LinearRamp(Ramp):
    """start + (end − start) t/time.

    Parameters
    ----------
    start, end : float
        Values at either end.
    time : float
        How long it takes, > 0.

    Raises
    ------
    ValueError
        A value that is not finite, or a time that is not positive.

    Examples
    --------
    >>> pump = LinearRamp(-1.0, 1.0, time=10.0)
    >>> pump(0.0), pump(2.5), pump(99.0)
    (-1.0, -0.5, 1.0)
    """

    start: float
    end: float
    time: float

    def __post_init__(self) -> None:
        _read(self.start, self.end, self.time)

    def _along(self, share: float) -> float:
        return (1 - share) * self.start + share * self.end


@dataclass(frozen=True)
class GeometricRamp(Ramp):
    """start (end/start)^(t/time): equal times for equal ratios.

    Parameters
    ----------
    start, end : float
        Values at either end, both positive.
    time : float
        How long it takes, > 0.

    Raises
    ------
    ValueError
        A value that is not positive and finite, or a time that is not positive.

    Examples
    --------
    >>> cooling = GeometricRamp(1.0, 0.01, time=10.0)
    >>> round(cooling(5.0), 12)
    0.1
    >>> cooling.then(LinearRamp(0.01, 0.0, time=1.0))(11.0)
    0.0
    """

    start: float
    end: float
    time: float

    def __post_init__(self) -> None:
        _read(self.start, self.end, self.time)
        if not (self.start > 0 and self.end > 0):
            raise ValueError(
                f"a geometric ramp has positive ends, got {self.start} and {self.end}; 0 takes a LinearRamp"
            )

    def _along(self, share: float) -> float:
        return math.exp((1 - share) * math.log(self.start) + share * math.log(self.end))


@dataclass(frozen=True)
class Sequence(Ramp):
    """Ramps one after the other; made by `Ramp.then`.

    Parameters
    ----------
    ramps : tuple of Ramp
    """

    ramps: tuple[Ramp, ...]

    @property
    def time(self) -> float:  # type: ignore[override]
        """Of all of them."""
        return sum(ramp.time for ramp in self.ramps)

    def __call__(self, t: float) -> float:
        """The value at time t, held at its ends outside of [0, time]."""
        for ramp in self.ramps[:-1]:
            if t < ramp.time:
                return ramp(t)
            t -= ramp.time
        return self.ramps[-1](t)


@dataclass(frozen=True)
class Annealing:
    """Cells whose temperature, coupling and pump follow schedules: the equation at a time, to be given to `simulate`.

    U(x, t) = coupling(t) · couplings(x) + Σ_i (quartic x_i⁴/4 − pump(t) x_i²/2), between the rails, at temperature(t).
    Numbers may stand for constant functions.

    Parameters
    ----------
    couplings : Energy
        What couples the cells, as `Network(A, b)`; it stays as it is held, sparse where A is.
    temperature : float or callable
        T(t) ≥ 0.
    coupling : float or callable, optional
        Factor of the couplings and loads.
    pump : float or callable, optional
        Of bistable cells; None leaves the wells out.
    quartic : float, optional
        Of the wells, > 0.
    lower, upper : float or array_like, shape (d,), optional
        Hard rails; none by default. Box cells have -1 and 1.

    Raises
    ------
    TypeError
        Couplings without a gradient, or a schedule that is neither a number nor a function.

    Examples
    --------
    Two box cells of opposite sign, cooled:

    >>> import numpy as np
    >>> from thermolinalg.simulation.nonlinear import Annealing, GeometricRamp, Network, simulate
    >>> cells = Annealing(Network([[0.0, 1.0], [1.0, 0.0]]), GeometricRamp(1.0, 0.01, time=9.0), lower=-1.0, upper=1.0)
    >>> cells(0.0).temperature
    1.0
    >>> end = simulate(cells, np.zeros((2, 50)), time=9.0, step=0.1, rng=0).last
    >>> bool(np.mean(np.sign(end[0]) == -np.sign(end[1])) > 0.95)
    True
    """

    couplings: Any
    temperature: Scheduled
    coupling: Scheduled = 1.0
    pump: Scheduled | None = None
    quartic: float = 1.0
    lower: Any = -np.inf
    upper: Any = np.inf

    def __post_init__(self) -> None:
        read_energy(self.couplings)
        for name in ("temperature", "coupling", "pump"):
            value = getattr(self, name)
            if not (callable(value) or isinstance(value, int | float) or (name == "pump" and value is None)):
                raise TypeError(f"{name} must be a number or a function of time, got {value!r}")

    def __call__(self, t: float) -> Equation:
        """The equation at time t."""
        factor = _at(self.coupling, t)
        energy = self.couplings if factor == 1 else factor * self.couplings
        if self.pump is not None:
            energy = energy + Wells(_at(self.pump, t), self.quartic)
        return Equation(energy, _at(self.temperature, t), self.lower, self.upper)


def _at(value: Scheduled, t: float) -> float:
    """A number as it is, a function at time t."""
    return float(value(t) if callable(value) else value)


def _read(start: float, end: float, time: float) -> None:
    """Refuse what makes no ramp."""
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"a ramp has finite ends, got {start} and {end}")
    if not 0 < time < math.inf:
        raise ValueError(f"a ramp takes a positive time, got {time}")
