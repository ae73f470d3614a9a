"""Numbers in lines of text, and the line that is to blame where they are none."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Generator, Iterator
from itertools import chain
from typing import BinaryIO

import numpy as np

from thermolinalg.files.bounded import counted, lines, parse_number, refuse_beyond, unpacked

__all__ = ["load_rows", "load_table"]

HINT = "; a header or a note has to stand behind a #"
"""What to do with words in a table."""


def load_table(file: BinaryIO, path: str, limit: int, longest_line: int) -> np.ndarray:
    """Rows of numbers, apart by white space or by commas; ``#`` or ``%`` begins a comment."""
    with unpacked(file, path, limit) as stream, contextlib.suppress(_ComplexNumberError):
        return load_rows(_without_comments(lines(stream, longest_line)), limit, hint=HINT)
    with unpacked(file, path, limit) as stream:
        return load_rows(_without_comments(lines(stream, longest_line)), limit, complex, HINT)


def load_rows(numbered: Iterator[tuple[int, str]], limit: int, dtype: type = float, hint: str = "") -> np.ndarray:
    """Rows of equally many numbers; the first row says how many, and whether commas stand between them."""
    number, first = next(numbered, (0, ""))
    if not first:
        raise ValueError("it holds no numbers")
    separator = "," if "," in first else None
    width, size = len(first.split(separator)), np.dtype(dtype).itemsize
    current = first

    def texts() -> Generator[str]:
        nonlocal number, current
        for count, line in enumerate(chain([(number, first)], numbered), start=1):
            number, current = line
            refuse_beyond(limit, count * width * size, f"the numbers up to line {number} take")
            yield current

    reading = texts()
    try:
        return np.loadtxt(reading, dtype=dtype, delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        if (
            inspect.getgeneratorstate(reading) != inspect.GEN_CLOSED
        ):  # NumPy stopped at a line; else the lines themselves were refused
            _blame(number, current.split(separator), width, dtype, hint)
        raise


class _ComplexNumberError(ValueError):
    """A complex number where real ones were expected."""


def _blame(number: int, words: list[str], width: int, dtype: type, hint: str) -> None:
    """Say what is wrong with a line that NumPy refused."""
    for word in map(str.strip, words):
        try:
            parse_number(word)
        except ValueError as error:
            if not _is_complex(word):
                raise ValueError(f"line {number}: {error}{hint}") from None
            if dtype is float:
                raise _ComplexNumberError(f"line {number}: {error} but a complex one") from None
    if len(words) != width:
        raise ValueError(f"line {number} has {counted(len(words), 'number')} where the first row has {width}")


def _is_complex(word: str) -> bool:
    try:
        complex(word)
    except ValueError:
        return False
    return "_" not in word and word.isascii()


def _without_comments(numbered: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for number, line in numbered:
        text = line.partition("#")[0].partition("%")[0].strip()
        if text:
            yield number, text
