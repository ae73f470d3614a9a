"""Netlists: circuits as ngspice reads them, with what is to be measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["IDEAL", "OpAmp", "Transient", "noise_source"]


@dataclass(frozen=True)
class OpAmp:
    """An operational amplifier.

    Parameters
    ----------
    gain : float
        At direct current, A₀.
    bandwidth : float, optional
        Product of gain and bandwidth in Hz, with a single pole; None: none.
    offset : float
        Input offset voltage, at the non-inverting input.

    Raises
    ------
    ValueError
        A gain or bandwidth that is not positive.

    See Also
    --------
    mirrored, IntegratorArray : What an array of integrators is made of.
    """

    gain: float = 1e6
    bandwidth: float | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.gain < math.inf:
            raise ValueError(f"gain must be positive and finite, got {self.gain!r}")
        if self.bandwidth is not None and not 0 < self.bandwidth < math.inf:
            raise ValueError(f"bandwidth must be positive and finite, got {self.bandwidth!r}; None is without limit")
        if not math.isfinite(self.offset):
            raise ValueError(f"offset must be finite, got {self.offset!r}")

    def lines(self, name: str, inverting: str, output: str) -> list[str]:
        """An amplifier whose other input is grounded but for its offset."""
        plus, found = "0", []
        if self.offset:
            plus = f"{name}_p"
            found.append(f"V{name}_os {plus} 0 {self.offset:.12g}")
        if self.bandwidth is None:
            return [*found, f"E{name} {output} 0 {plus} {inverting} {self.gain:.12g}"]
        pole = f"{name}_q"  # one transconductance of 1 S into A₀ beside the capacitor of the pole, and a buffer
        return [
            *found,
            f"G{name} 0 {pole} {plus} {inverting} 1",
            f"R{name}_q {pole} 0 {self.gain:.12g}",
            f"C{name}_q {pole} 0 {1 / (2 * math.pi * self.bandwidth):.12g}",
            f"E{name} {output} 0 {pole} 0 1",
        ]


IDEAL = OpAmp()
"""Nearly: in double precision a larger gain costs digits."""


@dataclass(frozen=True)
class Transient:
    """A run in time, and what is asked of it.

    Parameters
    ----------
    duration : float
        Seconds.
    step : float
        Largest step, and that of the noise; seconds.
    window : tuple of float, optional
        Begin and end of the averages, seconds.
    seed : int, optional
        Of the noise; None: there is none.

    See Also
    --------
    SpiceDevice, run_netlist : Netlists and what ngspice makes of them.
    """

    duration: float
    step: float
    window: tuple[float, float] | None = None
    seed: int | None = None

    def control(self, outputs: list[str], samples: str | None = None, spacing: float | None = None) -> list[str]:
        """Commands: run, print the averages and the ends, write samples a `spacing` apart into a file."""
        found = [".control"]
        if self.seed is not None:
            found.append(f"setseed {self.seed}")
        found.append(f"tran {spacing or self.step:.12g} {self.duration:.12g} 0 {self.step:.12g} uic")
        for i, node in enumerate(outputs):
            if self.window is not None:
                begin, end = self.window
                found.append(f"meas tran average{i} AVG v({node}) from={begin:.12g} to={end:.12g}")
            found.append(f"meas tran end{i} FIND v({node}) AT={self.duration * (1 - 1e-9):.12g}")
        if samples is not None:
            vectors = " ".join(f"v({node})" for node in outputs)
            found += ["set wr_singlescale", "set numdgt=12", f"linearize {vectors}", f"wrdata {samples} {vectors}"]
        return [*found, "quit", ".endc", ".end"]


def noise_source(name: str, node: str, density: float, step: float) -> str:
    """A current of white noise into a node, of a two-sided density in A²/Hz, drawn every `step` seconds.

    ngspice joins normal numbers by straight lines, whose one-sided density at low frequency is 2 · amplitude² · step.
    """
    return f"I{name} 0 {node} DC 0 TRNOISE({math.sqrt(density / step):.12g} {step:.12g} 0 0)"
