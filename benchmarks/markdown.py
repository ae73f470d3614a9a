"""Numbers and tables as the reports write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{short(seconds / size)} {unit}"
    return f"{short(seconds / 1e-6)} µs"


def short(x: float) -> str:
    """Three significant digits, without an exponent where it can be avoided."""
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table that reads well as plain text too."""
    body = [list(header), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in body
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
