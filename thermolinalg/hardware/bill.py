"""The bill: what a ledger comes to in seconds and joules, item by item."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from thermolinalg._text import with_prefix
from thermolinalg.hardware.quantity import Quantity

__all__ = ["Bill", "Item"]

KINDS = {"s": "s", "J": "J", "J/bit": "J", "W": "J"}


@dataclass(frozen=True)
class Item:
    """One line of a bill.

    Parameters
    ----------
    name : str
        What for.
    amount : float, optional
        How much of it; None where it is unknown.
    counted : str
        What the amount counts.
    price : Quantity
        Of one.

    See Also
    --------
    Quantity, as_hardware, conversion_energy, Bill : Prices and what is charged.
    """

    name: str
    amount: float | None
    counted: str
    price: Quantity

    @property
    def total(self) -> float | None:
        """Amount times price, None where either is unknown."""
        return self.price.of(self.amount)

    @property
    def unit(self) -> str:
        """Of the total: s or J."""
        return KINDS[self.price.unit]

    def __str__(self) -> str:
        total = "unknown" if self.total is None else with_prefix(self.total, self.unit)
        amount = "an unknown number of" if self.amount is None else f"{self.amount:.4g}"
        return f"{self.name:<11} {total:>8}: {amount} {self.counted} at {self.price}"


@dataclass(frozen=True)
class Bill:
    """Seconds and joules of a device, item by item. Digital work is on no bill of a device.

    Parameters
    ----------
    hardware : str
        Its name.
    times, energies : tuple of Item
        What adds up to the seconds, and to the joules.

    See Also
    --------
    Item, Quantity, as_hardware, conversion_energy : Prices and what is charged.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> from thermolinalg.hardware import PCB
    >>> x, info = tla.solve(np.diag([1.0, 2.0]), [1.0, 1.0], rtol=1e-3, rng=0, return_info=True)
    >>> bill = PCB.bill(info.ledger)
    >>> bill.joules is None, bill.unknown  # nobody tells what a write and standing by take
    (True, ('write', 'standby'))
    >>> bill.known_joules > 0
    True
    """

    hardware: str
    times: tuple[Item, ...]
    energies: tuple[Item, ...]

    @property
    def seconds(self) -> float | None:
        """All parts, one after the other; None where one is unknown."""
        return _sum(self.times)

    @property
    def joules(self) -> float | None:
        """All parts; None where one is unknown."""
        return _sum(self.energies)

    @property
    def known_seconds(self) -> float:
        """Of the parts that are known: a lower bound."""
        return _known(self.times)

    @property
    def known_joules(self) -> float:
        """Of the parts that are known: a lower bound."""
        return _known(self.energies)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of the items that are not known."""
        return tuple(item.name for item in (*self.times, *self.energies) if item.total is None)

    def part(self, name: str, unit: str = "s") -> float | None:
        """One item of the times, or with ``unit='J'`` of the energies.

        Raises
        ------
        KeyError
            There is no such item.
        """
        items = self.times if unit == "s" else self.energies
        found = {item.name: item for item in items}
        if name not in found:
            raise KeyError(f"no item {name!r} in {unit}; there are {', '.join(found)}")
        return found[name].total

    @property
    def energy_written(self) -> str:
        """The joules as text, as a lower bound where a part is unknown."""
        if self.joules is not None:
            return with_prefix(self.joules, "J")
        if all(item.total is None or item.amount == 0 for item in self.energies):
            return "unknown"
        missing = [item.name for item in self.energies if item.total is None]
        return f"at least {with_prefix(self.known_joules, 'J')} ({', '.join(missing)} unknown)"

    def __str__(self) -> str:
        seconds = "unknown" if self.seconds is None else with_prefix(self.seconds, "s")
        lines = [f"{self.hardware}: {seconds}, {self.energy_written}"]
        return "\n".join([*lines, *(f"  {item}" for item in (*self.times, *self.energies))])

    def to_dict(self) -> dict[str, Any]:
        """The bill in JSON types."""
        return {
            "hardware": self.hardware,
            "seconds": self.seconds,
            "joules": self.joules,
            "known_joules": self.known_joules,
            "times": [_told(item) for item in self.times],
            "energies": [_told(item) for item in self.energies],
        }


def _sum(items: Iterable[Item]) -> float | None:
    totals = [item.total for item in items]
    return None if None in totals else sum(total for total in totals if total is not None)


def _known(items: Iterable[Item]) -> float:
    return sum(item.total for item in items if item.total is not None)


def _told(item: Item) -> dict[str, Any]:
    price = item.price
    return {
        "name": item.name,
        "total": item.total,
        "unit": item.unit,
        "amount": item.amount,
        "counted": item.counted,
        "price": price.value,
        "price_unit": price.unit,
        "source": price.source,
    }
