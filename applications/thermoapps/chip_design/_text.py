"""Lines of words, with errors that name the file and the line."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from thermolinalg.files import parse_number, shown, text_lines

__all__ = ["LIMIT", "LONGEST_LINE", "Line", "numbered_lines"]

LIMIT = 2**29
LONGEST_LINE = 2**16
"""Bytes of text, and characters of a line, that are read unless more is asked for; words take ten times as much."""


@dataclass(frozen=True)
class Line:
    """One line of a file, in words."""

    file: str
    number: int
    words: list[str]

    def error(self, problem: str) -> ValueError:
        """What is wrong with it, and where it stands."""
        return ValueError(f"{self.file}, line {self.number}: {problem}: {shown(' '.join(self.words))}")

    def number_at(self, index: int, what: str) -> float:
        """A finite number."""
        if index >= len(self.words):
            raise self.error(f"{what} is missing")
        try:
            value = parse_number(self.words[index])
        except ValueError:
            raise self.error(f"{what} must be a number, got {shown(self.words[index])}") from None
        if not math.isfinite(value):
            raise self.error(f"{what} must be finite")
        return value


def numbered_lines(
    path: str | os.PathLike[str], comment: str, limit: int = LIMIT, longest_line: int = LONGEST_LINE
) -> Iterator[Line]:
    """The lines that are neither empty nor comments."""
    file = Path(path)
    for number, text in text_lines(file, limit=limit, longest_line=longest_line):
        words = text.split()
        if words and not words[0].startswith(comment):
            yield Line(file.name, number, words)
