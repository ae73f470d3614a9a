"""A number with its unit and its source; unknown is None, never zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from thermolinalg._text import with_prefix
from thermolinalg._validation import as_nonnegative

__all__ = ["NOT_GIVEN", "Quantity"]


@dataclass(frozen=True)
class Quantity:
    """A number with its unit and its source.

    Parameters
    ----------
    value : float, optional
        None where it is unknown.
    unit : str
        Of SI, or bit; '' for a pure number.
    source : str
        Who says so: a reference, 'measured', 'assumption'.

    Raises
    ------
    ValueError
        A value that is negative or not finite, or no source.

    See Also
    --------
    as_hardware, conversion_energy, Bill, Item : Prices and what is charged.

    Examples
    --------
    >>> print(Quantity(1e-6, "s", "assumption"))
    1 µs (assumption)
    >>> print(Quantity(None, "W", "nobody has published one"))
    unknown (nobody has published one)
    """

    value: float | None
    unit: str
    source: str

    def __post_init__(self) -> None:
        if self.value is not None:
            object.__setattr__(self, "value", as_nonnegative(self.value, "value"))
        if not isinstance(self.source, str) or not self.source.strip():
            raise ValueError("a number needs its source; source='assumption' if it has none")

    def __str__(self) -> str:
        return f"{self.written} ({self.source})"

    @property
    def written(self) -> str:
        """Value and unit, without the source."""
        return "unknown" if self.value is None else with_prefix(self.value, self.unit)

    def of(self, amount: float | None) -> float | None:
        """Value times an amount: None where either is unknown, unless the other is zero."""
        if amount == 0 or self.value == 0:
            return 0.0
        return None if amount is None or self.value is None else amount * self.value

    def given(self, value: Any, name: str) -> Quantity:
        """The same with what a user gave for it: a Quantity of the same unit, a number, or None for unknown."""
        if value is NOT_GIVEN:
            value = None
        if isinstance(value, Quantity):
            if value.unit != self.unit:
                raise ValueError(f"{name} has the unit {self.unit or '1'!r}, got {value.unit or '1'!r}")
            return value
        if value is None:
            return replace(self, value=None, source="not given")
        return replace(self, value=as_nonnegative(value, name), source="as given")


NOT_GIVEN = Quantity(None, "", "not given")
"""Of any unit."""
