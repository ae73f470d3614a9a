"""Numbers that carry their source, and parts that are made of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import Any, Self, get_type_hints

from thermolinalg._validation import as_count, as_nonnegative, as_positive

__all__ = [
    "ASSUMED",
    "Number",
    "Part",
    "Quantity",
    "Row",
    "Sourced",
    "as_bits",
    "as_error",
    "as_limit",
    "as_share",
]

ASSUMED = "assumption"
"""Source of a number that comes with none."""

UNKNOWN = "unknown"
"""What is printed for a number that nobody has told."""


class Sourced(float):
    """A number with the place it comes from; everywhere else a float.

    Parameters
    ----------
    value : float
        The number.
    source : str
        Where it comes from, kept as an attribute of that name.

    See Also
    --------
    Spectrum, Device, Program, Drivable : Protocols of devices and what they hold.

    Examples
    --------
    >>> bits = Sourced(16, "arXiv:2405.13817, Appendix C")
    >>> bits == 16, bits.source
    (True, 'arXiv:2405.13817, Appendix C')
    """

    source: str

    def __new__(cls, value: float, source: str) -> Self:
        made = super().__new__(cls, value)
        made.source = source
        return made

    def __getnewargs__(self) -> tuple[float, str]:  # type: ignore[override] # of float: its value alone
        return float(self), self.source

    def __repr__(self) -> str:
        return f"Sourced({float(self):g}, {self.source!r})"


Number = float | None
"""A number of a configuration; None is unknown, and then left out of the simulation."""


@dataclass(frozen=True)
class Quantity:
    """What kind of number a field holds: its unit, and what refuses nonsense.

    Parameters
    ----------
    unit : str
    check : callable, optional
        ``check(value, name)`` raises what is wrong; by default with everything below zero or infinite.
    """

    unit: str
    check: Callable[[Any, str], Any] = as_nonnegative


@dataclass(frozen=True)
class Row:
    """One number of a configuration, as it is printed.

    Parameters
    ----------
    name : str
        As ``"couplings.bits"``.
    value : str
    unit : str
    source : str
    """

    name: str
    value: str
    unit: str
    source: str


def as_limit(value: Any, name: str) -> float:
    """A positive number, infinity included."""
    return math.inf if value == math.inf else as_positive(value, name)


def as_bits(value: Any, name: str) -> int:
    """Bits of a converter; 0 is as many as it takes."""
    return as_count(value, name, minimum=0)


def as_share(value: Any, name: str) -> float:
    """A share in [0, 1)."""
    share = as_nonnegative(value, name)
    if share >= 1:
        raise ValueError(f"{name} is a share and must be below 1, got {value!r}")
    return share


def as_error(value: Any, name: str) -> float:
    """A relative error: finite, above −1."""
    if not -1.0 < value < math.inf:
        raise ValueError(f"{name} must be finite and above -1, got {value!r}")
    return float(value)


@dataclass(frozen=True)
class Part:
    """What the parts of a configuration share."""

    def __post_init__(self) -> None:
        for name, quantity in self.quantities().items():
            if (value := getattr(self, name)) is not None:
                quantity.check(value, name)

    @classmethod
    def quantities(cls) -> dict[str, Quantity]:
        """The fields that are numbers."""
        part: Any = cls
        return _quantities(part)

    def known(self, name: str) -> float:
        """The number of that name; that of an ideal part where it is unknown."""
        value = getattr(self, name)
        return float(getattr(type(self), name) if value is None else value)

    @cached_property
    def is_perfect(self) -> bool:
        """Whether every number that is known is that of an ideal part."""
        return all(self.known(name) == getattr(type(self), name) for name in self.quantities())

    def rows(self, name: str) -> list[Row]:
        """Every number that is not ideal, or unknown, with its unit and source."""
        found = []
        for each, quantity in self.quantities().items():
            value = getattr(self, each)
            if value is None:
                found.append(Row(f"{name}.{each}", UNKNOWN, "", ""))
            elif value != getattr(type(self), each):
                source = getattr(value, "source", ASSUMED)
                found.append(Row(f"{name}.{each}", f"{float(value):g}", quantity.unit, source))
        return found

    def to_dict(self) -> dict[str, Any]:
        """Every field, numbers with their sources, in what JSON has."""
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Self:
        """The part of which `to_dict` tells."""
        known = {each.name for each in fields(cls)}
        if unknown := told.keys() - known:
            raise ValueError(f"{cls.__name__} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
        return cls(**{name: _number(value) for name, value in told.items()})


@cache
def _quantities(part: Any) -> dict[str, Quantity]:
    """See `Part.quantities`: what stands beside the types of the fields."""
    hints = get_type_hints(part, include_extras=True)
    told = {each.name: getattr(hints[each.name], "__metadata__", ()) for each in fields(part)}
    return {name: metadata[0] for name, metadata in told.items() if metadata}


def _plain(value: Any) -> Any:
    """A value as JSON has it: infinity as text, a source beside its number."""
    if isinstance(value, Sourced):
        return {"value": _plain(float(value)), "source": value.source}
    return "infinity" if value == math.inf else value


def _number(told: Any) -> Any:
    """The value of which `_plain` told."""
    if isinstance(told, dict):
        return Sourced(_number(told["value"]), told["source"])
    return math.inf if told == "infinity" else told
