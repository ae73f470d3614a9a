"""Parts of a circuit, and the values they are sold in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from thermolinalg._text import with_prefix
from thermolinalg._validation import as_positive

__all__ = ["SERIES", "Component", "parts_list", "preferred"]

SERIES = ("E12", "E24", "E48", "E96", "E192")
"""Series of preferred values by their names in IEC 60063."""

_E24 = (10, 11, 12, 13, 15, 16, 18, 20, 22, 24, 27, 30, 33, 36, 39, 43, 47, 51, 56, 62, 68, 75, 82, 91)


@dataclass(frozen=True)
class Component:
    """One part.

    Parameters
    ----------
    name : str
        As in the netlist.
    kind : str
        'resistor', 'capacitor', 'inductor', 'op-amp', 'inverter', 'source' or 'noise source'.
    nodes : tuple of str
        What it is connected to.
    value : float
        In `unit`; the number of parts where there is no unit.
    unit : str
        Of `value`; '' for parts that only count.

    See Also
    --------
    parts_list, preferred : From values to parts that are sold.
    """

    name: str
    kind: str
    nodes: tuple[str, ...]
    value: float
    unit: str

    def __str__(self) -> str:
        return f"{self.name:<10} {self.kind:<13} {with_prefix(self.value, self.unit):>10}  {' – '.join(self.nodes)}"


def preferred(value: float, series: str) -> float:
    """The value of a series that is nearest in ratio.

    Parameters
    ----------
    value : float
        Positive.
    series : {"E12", "E24", "E48", "E96", "E192"}

    Returns
    -------
    float
        With the two or three digits of the series.

    Raises
    ------
    ValueError
        An unknown series, or a value that is not positive.

    See Also
    --------
    Component, parts_list : From values to parts that are sold.

    Examples
    --------
    >>> preferred(4800.0, "E24"), preferred(4800.0, "E96")
    (4700.0, 4750.0)
    """
    if series not in SERIES:
        raise ValueError(f"series must be one of {', '.join(SERIES)}, got {series!r}")
    exponent = math.floor(math.log10(as_positive(value, "value")))
    decades = (10.0**e for e in (exponent - 1, exponent, exponent + 1))
    candidates = np.concatenate([np.array(_significands(series)) * decade for decade in decades])
    nearest = candidates[np.argmin(abs(np.log(candidates / value)))]
    return float(f"{nearest:.3g}")


def parts_list(components: Iterable[Component]) -> str:
    """One line for each part.

    Parameters
    ----------
    components : iterable of Component
        As `IntegratorArray.components`.

    Returns
    -------
    str
        Name, kind, value and nodes.

    See Also
    --------
    preferred, Component : From values to parts that are sold.
    """
    return "\n".join(map(str, components))


def _significands(series: str) -> tuple[float, ...]:
    """Values between 1 and 10."""
    count = int(series[1:])
    if count <= 24:
        return tuple(value / 10 for value in _E24[:: 24 // count])
    # The rule of the standard has one exception, 9.20 in E192.
    values = (round(10 ** (i / count), 2) for i in range(count))
    return tuple(9.2 if value == 9.19 else value for value in values)
