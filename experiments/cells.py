"""Numbers as cells of a table, and tables of Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median


def settings(values: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in values.items())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def spread(values: Sequence[float | None], form: str = ".3g") -> str:
    """Median, smallest and largest; what diverged counts as infinite."""
    known = [math.inf if value is None else value for value in values]
    return f"{median(known):{form}} ({min(known):{form}} to {max(known):{form}})"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)
