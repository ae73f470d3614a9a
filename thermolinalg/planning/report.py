"""A plan: what a solve would take on a device and without, as a table, a picture, and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from thermolinalg._text import with_prefix
from thermolinalg.devices import Ledger
from thermolinalg.hardware import Bill, Computer, Hardware
from thermolinalg.planning.break_even import BreakEven, break_even
from thermolinalg.planning.crossover import Crossover, crossover
from thermolinalg.planning.precision import Bits
from thermolinalg.planning.referee import Refereed
from thermolinalg.planning.ways import Direct, Iterative, OnDevice, Way
from thermolinalg.plotting import CYCLE, GREY, axes, finish
from thermolinalg.primitives._pricing import counted
from thermolinalg.primitives.explain import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Plan"]

DRAWN = 200
"""Points of a curve of the picture."""

DISTORTED = 0.1
"""Error of a copy times condition from which on it slows the runs: less is hidden by their noise."""

WIDTH = 100
"""Characters of a line beside its name: with it they are as many as most terminals show."""


@dataclass(frozen=True)
class Plan:
    """What a solve would take on a device and without, and which way is recommended; its text is meant to be read.

    Parameters
    ----------
    explanation : Explanation
        What A is and how the device holds it, as `explain` says.
    rtol : float
        Relative residual asked for.
    hardware : Hardware
        Of the device.
    computer : Computer
        Beside it.
    refined : OnDevice
        Residuals are sent back to the device.
    single : OnDevice
        One run reaches the tolerance by its length.
    digital : tuple of Direct and Iterative
        The factorisation first.
    distortion : float
        Relative error of the device's copy of A, as far as it says so.
    rehearsed : bool
        Whether runs are those of a rehearsal on a simulated copy.
    referee : tuple of Refereed
        Methods at equal work, where asked for.

    See Also
    --------
    plan : Makes one.
    explain : Its short form.
    """

    explanation: Explanation
    rtol: float
    hardware: Hardware
    computer: Computer
    refined: OnDevice
    single: OnDevice
    digital: tuple[Direct | Iterative, ...]
    distortion: float = 0.0
    rehearsed: bool = False
    referee: tuple[Refereed, ...] = ()

    # -- what follows from it -----------------------------------------------------------------------------------------

    @property
    def d(self) -> int:
        """Dimension of A."""
        return self.explanation.shape[0]

    @property
    def nodes(self) -> int:
        """Nodes needed."""
        return self.refined.nodes

    @property
    def bits(self) -> Bits:
        """Bits needed with residuals sent back."""
        return self.refined.bits

    @property
    def couplings(self) -> int | None:
        """Couplings needed; None where the device does not tell."""
        return self.ledger.couplings

    @property
    def ledger(self) -> Ledger:
        """What a solve would book on the device."""
        return self.refined.ledger

    @property
    def bill(self) -> Bill:
        """Seconds and joules of the device, without its host."""
        return self.refined.bill()

    @property
    def host_seconds(self) -> float | None:
        """Of the residuals, which the host computes."""
        return self.refined.host_seconds()

    @property
    def ways(self) -> tuple[Way, ...]:
        """All ways, those on the device first."""
        return tuple(each.way for each in (self.refined, self.single, *self.digital))

    @property
    def recommended(self) -> Way:
        """The fastest way without an obstacle."""
        possible = [way for way in self.ways if way.obstacle is None and way.seconds is not None]
        if not possible:
            return next(way for way in self.ways if way.basis != "predicted")
        return min(possible, key=lambda way: way.seconds or 0.0)

    @property
    def best_digital(self) -> Way | None:
        """The fastest way without a device; None where no time is known."""
        known = [way for way in self.ways if way.basis != "predicted" and way.obstacle is None and way.seconds]
        return min(known, key=lambda way: way.seconds or 0.0) if known else None

    @property
    def why(self) -> str:
        """Why that way is recommended."""
        best, digital, device = self.recommended, self.best_digital, self.refined.way
        if best.seconds is None:
            return "no time is known: every price that one needs is missing"
        if best.basis == "predicted":
            if digital is None or digital.seconds is None:
                return "it is the only way whose time is known"
            return f"{digital.name} takes {_ratio(digital.seconds, best.seconds)} the time"
        if device.obstacle is not None:
            return f"the device cannot: {device.obstacle}"
        if device.seconds is None:
            return "what the device takes is unknown"
        longest = max(self.bill.times, key=lambda item: item.total or 0.0)
        parts = f"{longest.name} alone takes {with_prefix(longest.total or 0.0, 's', 3)}"
        return f"the device takes {_ratio(device.seconds, best.seconds)} the time; {parts}"

    @property
    def caution(self) -> str | None:
        """What the plan leaves out of account; None where nothing is known of it."""
        condition = self.explanation.condition
        if self.rehearsed:
            off = f"the device's copy of A is off by about {self.distortion:.1g}"
            return f"{off}; runs are those of one copy that was tried"
        if condition is None or self.distortion * condition < DISTORTED:
            return None
        return (
            f"the device's copy of A is off by about {self.distortion:.1g}, which its condition makes "
            f"{self.distortion * condition:.1g}; runs are counted as if it were exact"
        )

    @property
    def crossovers(self) -> tuple[Crossover, ...]:
        """From which dimension on the device is faster, with the same condition, tolerance and filling."""
        return tuple(crossover(self.refined, way, self.d) for way in self.digital)

    @property
    def break_even(self) -> tuple[BreakEven, ...]:
        """Prices at which the device is even with the best digital way."""
        return break_even(self.refined, self.best_digital)

    # -- as text, picture and JSON ------------------------------------------------------------------------------------

    def __str__(self) -> str:
        told, schedule, spectrum = self.explanation, self.explanation.schedule, self.explanation.spectrum
        m, n = told.shape
        kind = ("symmetric" if told.symmetric else "not symmetric") + f" {told.structure}"
        condition = "" if spectrum is None else f", condition {told.condition:.3g} on the device"
        burn_in, window = counted(schedule.burn_in), counted(schedule.duration)
        couplings = "unknown" if self.couplings is None else counted(self.couplings)
        bits = self.bits
        rows = [
            ("problem", f"{m} x {n}, {kind}{condition}; rtol {self.rtol:g}, {told.load}"),
            ("device", f"{self.hardware.name}: {self.refined.work}; burn in {burn_in} τ, average {window} τ"),
            ("size", f"nodes {counted(self.nodes)}, couplings {couplings}"),
            ("bits", f"{bits.couplings} for couplings, {bits.load} for loads, {bits.reading} for readings"),
            *([] if self.caution is None else [("caution", self.caution)]),
            *_rows("ways", self._table()),
            ("recommended", f"{self.recommended.name}: {self.why}"),
            ("device's time", ", ".join(f"{item.name} {_seconds(item.total)}" for item in self.bill.times)),
            ("", f"and apart from it {_seconds(self.host_seconds)} of the host, for residuals and scaling"),
            ("device's energy", self._energies()),
            *_rows("crossover", [str(each) for each in self.crossovers]),
            *_rows("break-even", self._prices()),
            *_rows("referee", self._equal_work()),
            ("digital", f"{self.computer.name}, {' and '.join(sorted({each.way.basis for each in self.digital}))}"),
        ]
        broken = [(name if i == 0 else "", line) for name, text in rows for i, line in enumerate(_broken(text))]
        return "\n".join(f"{name:>16}  {line}".rstrip() for name, line in broken)

    __repr__ = __str__

    def _table(self) -> list[str]:
        """One line for each way."""
        cells = [("", "time", "energy", "how")]
        for way in self.ways:
            energy = "unknown" if not way.at_least else f"at least {with_prefix(way.at_least, 'J', 3)}"
            energy = energy if way.joules is None else with_prefix(way.joules, "J", 3)
            note = way.work if way.obstacle is None else f"no: {way.obstacle}"
            cells.append((way.name, _seconds(way.seconds), energy, note))
        names, times, energies = (max(len(row[i]) for row in cells) for i in range(3))
        return [f"{name:<{names}}  {time:>{times}}  {energy:<{energies}}  {how}" for name, time, energy, how in cells]

    def _energies(self) -> str:
        """What is known of the joules."""
        known = [item for item in self.bill.energies if item.total is not None]
        told = ", ".join(f"{item.name} {with_prefix(item.total or 0.0, item.unit, 3)}" for item in known)
        missing = [item.name for item in self.bill.energies if item.total is None]
        return "; ".join(filter(None, (told, f"unknown: {', '.join(missing)}" if missing else "")))

    def _prices(self) -> list[str]:
        """The prices that would do, one alone each, or why there are none."""
        lines, digital = [], self.best_digital
        for unit, what, items in (("s", "time", self.bill.times), ("J", "energy", self.bill.energies)):
            prices = [each for each in self.break_even if each.kind == unit]
            enough = [each for each in prices if each.needed is not None]
            unknown = [item.name for item in items if item.total is None]
            others = "all others" if len(unknown) == len(items) else " and ".join(unknown)
            free = f", with {others} for nothing" if unknown else ""
            if not prices or digital is None:
                lines.append(f"in {what}: unknown, for want of the digital way's")
            elif not enough:
                lines.append(f"in {what}: no single price makes up for the others{free}")
            else:
                told = "; ".join(f"{each.name} {each.needed_written} (now {each.now.written})" for each in enough)
                lines.append(f"in {what}, even with {digital.name} by one of these alone{free}: {told}")
        return lines

    def _equal_work(self) -> list[str]:
        """One line for each method, with its residuals."""
        if not self.referee:
            return []
        width = max(len(each.name) for each in self.referee)
        heads = "".join(f"{f'{work:g} d³/3':>12}" for work in self.referee[0].work)
        lines = [f"{'residual after':<{width}}{heads}"]
        for each in self.referee:
            residuals = ("—" if residual is None else f"{residual:.1e}" for residual in each.residuals)
            lines.append(f"{each.name:<{width}}" + "".join(f"{residual:>12}" for residual in residuals))
        return lines

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw the time of every way against the dimension, all else being as it is.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; default: a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            With the picture on it.
        """
        ax = axes(ax)
        dimensions = np.geomspace(max(1.0, self.d / 100), max(100.0 * self.d, 1e5), DRAWN)
        ways = (self.refined, self.single, *self.digital)
        for way, colour in zip(ways, CYCLE, strict=False):
            seconds = [way.seconds(float(d) / self.d) for d in dimensions]
            if None in seconds:
                continue
            on_device = isinstance(way, OnDevice)
            name = f"{way.name}, {self.hardware.name}" if on_device else way.name
            ax.loglog(dimensions, seconds, color=colour, linestyle="-" if on_device else "--", label=name)
        ax.axvline(self.d, color=GREY, linewidth=0.8, linestyle=":", label=f"this A, d = {self.d}")
        return finish(ax, f"Time to a residual of {self.rtol:g}", "dimension d", "time (s)")

    def to_dict(self) -> dict[str, Any]:
        """The plan in JSON types.

        Returns
        -------
        dict
            Numbers that are unknown are None.
        """
        told = self.explanation
        return {
            "shape": list(told.shape),
            "structure": told.structure,
            "symmetric": told.symmetric,
            "held": told.held,
            "condition": told.condition,
            "rtol": self.rtol,
            "burn_in": told.schedule.burn_in,
            "duration": told.schedule.duration,
            "ledger": asdict(self.ledger),
            "bill": self.bill.to_dict(),
            "host_seconds": self.host_seconds,
            "nodes": self.nodes,
            "couplings": self.couplings,
            "bits": asdict(self.bits),
            "ways": [asdict(way) for way in self.ways],
            "recommended": self.recommended.name,
            "why": self.why,
            "caution": self.caution,
            "crossovers": [asdict(each) for each in self.crossovers],
            "break_even": [asdict(each) for each in self.break_even],
            "referee": [asdict(each) for each in self.referee],
            "computer": asdict(self.computer),
        }


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "unknown"
    return with_prefix(seconds, "s", 3) if seconds < 1e3 else f"{counted(seconds)} s"


def _broken(text: str) -> list[str]:
    """A long line in several."""
    return [text] if len(text) <= WIDTH else wrap(text, WIDTH, break_long_words=False)


def _ratio(longer: float, shorter: float) -> str:
    """How many times as long, as text."""
    ratio = longer / shorter if shorter > 0 else float("inf")
    return f"{ratio:.2g} times" if ratio < 100 else f"{counted(ratio)} times"


def _rows(name: str, lines: list[str]) -> list[tuple[str, str]]:
    """The name beside the first line only."""
    return [(name if i == 0 else "", line) for i, line in enumerate(lines)]
