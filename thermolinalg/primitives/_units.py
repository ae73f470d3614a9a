"""What stands between the right-hand sides that a user writes and the equation that a device is asked."""

from __future__ import annotations

from thermolinalg._arrays import Array, dtype_name
from thermolinalg.systems import Chain, ComplexColumns, RealForm, Rescaled, System
from thermolinalg.systems.placed import Held
from thermolinalg.systems.rescaled import column_exponents

__all__ = ["units_around"]


def units_around(held: Held, b: Array, *, is_complex: bool) -> Chain:
    """From the user's right-hand sides b (m, k) to those of the equation: real numbers near one, in balanced units."""
    systems: list[System] = []
    block = b
    if is_complex:
        systems.append(RealForm())
    elif "complex" in dtype_name(b):
        systems.append(ComplexColumns())
    if systems:
        block = systems[0].into(block)
    columns = column_exponents(block, held.rows)
    if held.rows is not None or held.columns is not None or held.exponent or columns is not None:
        systems.append(Rescaled(held.rows, held.columns, held.exponent, columns))
    return Chain([*systems, *held.systems])
