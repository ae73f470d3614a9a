"""Numbers as engineers write them."""

from __future__ import annotations

import math

__all__ = ["with_prefix"]

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def with_prefix(value: float, unit: str, digits: int = 4) -> str:
    """A value with the prefix that engineers give it, as 4.7 kΩ; as it is where there is no unit."""
    if not unit:
        return f"{value:g}"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    # Rounded first: 999.96 with four digits is 1000, and that is 1 k.
    rounded = float(f"{abs(value):.{digits}g}")
    exponent = min(max(3 * math.floor(math.log10(rounded) / 3), min(PREFIXES)), max(PREFIXES))
    return f"{value / 10.0**exponent:.{digits}g} {PREFIXES[exponent]}{unit}"
