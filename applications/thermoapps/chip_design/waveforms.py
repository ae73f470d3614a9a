"""Courses of sources in time, as SPICE describes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

__all__ = ["Waveform"]

KINDS = {"pulse": (2, 7), "pwl": (2, math.inf), "sin": (2, 6), "exp": (2, 6)}
"""Least and most values of each."""


@dataclass(frozen=True)
class Waveform:
    """Course of a source in time.

    Parameters
    ----------
    kind : {'pulse', 'pwl', 'sin', 'exp'}
        As in SPICE.
    values : tuple of float
        What stands in its parentheses: first value, second value, delay, rise, fall, width and period of a pulse;
        times and values of a piecewise linear course.

    Raises
    ------
    ValueError
        Another kind, or too few or too many values; times that do not increase; a period too short for its pulse.

    See Also
    --------
    solve_grid, solve_transient, TransientSolution : Grids in time.

    Examples
    --------
    >>> pulse = Waveform("pulse", (0.0, 1.0, 1.0, 0.5, 0.5, 2.0, 10.0))
    >>> [pulse(t) for t in (0.0, 1.25, 2.0, 11.25)]
    [0.0, 0.5, 1.0, 0.5]
    """

    kind: str
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a course is {', '.join(KINDS)}, got {self.kind!r}")
        least, most = KINDS[self.kind]
        if not least <= len(self.values) <= most or (self.kind == "pwl" and len(self.values) % 2):
            raise ValueError(f"{self.kind} cannot have {len(self.values)} values")
        if not all(math.isfinite(value) for value in self.values):
            raise ValueError(f"the values of {self.kind} must be finite")
        if self.kind == "pwl" and np.any(np.diff(self.values[::2]) <= 0):
            raise ValueError("the times of pwl must increase")
        if self.kind == "pulse" and min(self.values[2:], default=0.0) < 0:
            raise ValueError("the times of pulse must not be negative")
        if self.kind == "pulse" and len(self.values) == 7 and self.values[6] < sum(self.values[3:6]):
            raise ValueError("the period of pulse is shorter than its rise, width and fall")

    @property
    def initial(self) -> float:
        """Value at the start, which a source without DC has at its operating point."""
        if self.kind == "pwl":
            return self(0.0)
        phase = math.radians(self.values[5]) if self.kind == "sin" and len(self.values) == 6 else 0.0
        return self.values[0] + (self.values[1] * math.sin(phase) if phase else 0.0)

    def __call__(self, t: float) -> float:
        """Value at a time.

        Parameters
        ----------
        t : float
            Not negative; second.

        Returns
        -------
        float
            Volt or ampere.

        Raises
        ------
        ValueError
            A sine or an exponential, or a pulse that leaves out its rise, fall or width.
        """
        corners, values, period = self._corners()
        start = corners[0]
        if period and t > start:
            t = start + (t - start) % period
        return float(np.interp(t, corners, values))

    def breakpoints(self, stop: float) -> np.ndarray:
        """Times at which its slope changes.

        Parameters
        ----------
        stop : float
            The last time of interest; second.

        Returns
        -------
        float array
            Between 0 and `stop`.

        Raises
        ------
        ValueError
            As a call.
        """
        corners, _, period = self._corners()
        rounds = max(0, math.ceil((stop - corners[0]) / period)) if period else 0
        if rounds * len(corners) > 10**6:
            raise ValueError(f"{rounds} periods of a pulse are too many; ask for a shorter time")
        times = (corners + period * np.arange(rounds + 1)[:, None]).ravel() if period else corners
        return np.asarray(times[(times > 0) & (times < stop)])

    def _corners(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Times and values of the corners of one period, and the period; 0 where there is none."""
        if self.kind == "pwl":
            return np.array(self.values[::2]), np.array(self.values[1::2]), 0.0
        if self.kind != "pulse":
            raise ValueError(f"only courses of straight lines, pulse and pwl, are followed in time, not {self.kind}")
        low, high, delay, rise, fall, width, *rest = (*self.values, *[0.0] * max(0, 6 - len(self.values)))
        if not (rise > 0 and fall > 0 and len(self.values) >= 6):
            raise ValueError(
                "a pulse needs its rise, fall and width: a simulator takes its own step for those left out"
            )
        times = delay + np.cumsum([0.0, rise, width, fall])
        return times, np.array([low, high, high, low]), rest[0] if rest else 0.0
