"""Text files, plain or compressed, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Line", "numbered_lines"]


@dataclass(frozen=True)
class Line:
    """One line of a file, in words."""

    file: str
    number: int
    words: list[str]

    def error(self, problem: str) -> ValueError:
        """What is wrong with it, and where it stands."""
        return ValueError(f"{self.file}, line {self.number}: {problem}: {' '.join(self.words)!r}")

    def number_at(self, index: int, what: str) -> float:
        """A finite number."""
        try:
            value = float(self.words[index])
        except IndexError:
            raise self.error(f"{what} is missing") from None
        except ValueError:
            raise self.error(f"{what} must be a number, got {self.words[index]!r}") from None
        if not math.isfinite(value):
            raise self.error(f"{what} must be finite")
        return value


def numbered_lines(path: str | os.PathLike[str], comment: str) -> Iterator[Line]:
    """The lines that are neither empty nor comments."""
    file = Path(path)
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "rt", encoding="utf-8") as lines:
        for number, text in enumerate(lines, start=1):
            words = text.split()
            if words and not words[0].startswith(comment):
                yield Line(file.name, number, words)
