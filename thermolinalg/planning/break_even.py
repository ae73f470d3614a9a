"""At which price of one thing, all others as they are, a device takes as much as the best digital way."""

from __future__ import annotations

from dataclasses import dataclass

from thermolinalg._text import with_prefix
from thermolinalg.hardware import Item, Quantity
from thermolinalg.planning.ways import OnDevice, Way

__all__ = ["BreakEven", "break_even"]

NAMES = {
    ("write", "s"): "moving a coupling",
    ("load", "s"): "moving a value of a load",
    ("relax", "s"): "time constant τ",
    ("read", "s"): "moving a reading",
    ("write", "J"): "writing a coupling",
    ("load", "J"): "loading a value",
    ("read", "J"): "reading a value",
    ("link", "J"): "moving a bit",
    ("array", "J"): "power of a coupling",
    ("amplifiers", "J"): "amplifiers of a node",
    ("noise", "J"): "noise source of a node",
    ("standby", "J"): "standby power",
}


@dataclass(frozen=True)
class BreakEven:
    """The price at which device and digital way are even, all other prices as they are.

    Parameters
    ----------
    name : str
        Of what.
    now : Quantity
        What it costs in the plan.
    needed : float, optional
        In the unit of `now`; None where no price will do, or nothing is known.
    why : str
        In words.
    kind : {'s', 'J'}
        Whether device and digital way are even in time or in energy.

    See Also
    --------
    Crossover, Way, Bits : Parts of a `Plan`.
    """

    name: str
    now: Quantity
    needed: float | None
    why: str
    kind: str

    @property
    def needed_written(self) -> str:
        """The price with its unit."""
        return "none" if self.needed is None else with_prefix(self.needed, self.now.unit, 3)

    def __str__(self) -> str:
        needed = self.why if self.needed is None else f"{self.needed_written} {self.why}"
        return f"{self.name}: {needed} (now {self.now.written})"


def break_even(device: OnDevice, digital: Way | None) -> tuple[BreakEven, ...]:
    """Of every price, in time and in energy, against the best digital way.

    Parameters
    ----------
    device : OnDevice
    digital : Way, optional
        None: there is none.

    Returns
    -------
    tuple of BreakEven
        Empty where the digital way is not known in either.
    """
    if digital is None:
        return ()
    bill, host = device.bill(), device.host_seconds()
    found = []
    if digital.seconds is not None and host is not None:
        found += [_of(item, bill.times, digital.seconds - host, digital.name) for item in bill.times]
    host_energy = device.computer.power.of(host)
    if digital.joules is not None and host_energy is not None:
        found += [_of(item, bill.energies, digital.joules - host_energy, digital.name) for item in bill.energies]
    return tuple(each for each in found if each is not None)


def _of(item: Item, items: tuple[Item, ...], budget: float, name: str) -> BreakEven | None:
    """One price; None where nothing of it is used."""
    if item.amount == 0:
        return None
    label = NAMES[item.name, item.unit]
    if item.amount is None:
        return BreakEven(label, item.price, None, "how much of it is used is not known", item.unit)
    others = [other for other in items if other is not item]
    left = budget - sum(other.total for other in others if other.total is not None)
    if left <= 0:
        return BreakEven(label, item.price, None, f"not even for nothing as good as {name}", item.unit)
    unknown = [other.name for other in others if other.total is None]
    bound = f"at most, with {' and '.join(unknown)} for nothing," if unknown else "or less"
    return BreakEven(label, item.price, left / item.amount, f"{bound} to be even with {name}", item.unit)
