"""Reading no more than was allowed: regular files only, unpacked up to a limit, in lines up to a length."""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

__all__ = [
    "LIMIT",
    "LONGEST_LINE",
    "counted",
    "file_size",
    "lines",
    "named",
    "opened",
    "parse_number",
    "shown",
    "text_lines",
    "unpacked",
]

LIMIT = 2**31
"""Most bytes that a file may hold, unpacked, and that an array read from it may take: a dense matrix of 16384 rows."""

LONGEST_LINE = 2**20
"""Most characters of a line of text: a row of some 40000 numbers; a split line takes thirty times its length."""

SHOWN = 60
"""Characters of foreign text that an error message repeats."""

PACKED: dict[str, Callable[[BinaryIO], Any]] = {".gz": gzip.open, ".bz2": bz2.open}


def text_lines(
    path: str | os.PathLike[str], *, limit: int = LIMIT, longest_line: int = LONGEST_LINE
) -> Iterator[tuple[int, str]]:
    r"""The lines of a text file with their numbers, read one by one.

    Parameters
    ----------
    path : str or path-like
        A regular file or a link to one: UTF-8, plain or compressed where the name ends in ``.gz`` or ``.bz2``.
    limit : int, optional
        Most bytes of the text, unpacked.
    longest_line : int, optional
        Most characters of a line.

    Yields
    ------
    number : int
        From 1.
    line : str
        Without its end.

    Raises
    ------
    OSError
        There is no such file, or it is a folder, a pipe or a device, or cannot be read.
    ValueError
        More text or a longer line than allowed, another encoding, or damaged compression; with the number of the line.

    See Also
    --------
    shown, load_matrix, load_vectors, parse_number : Reading files and numbers of users.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "two.txt"
    >>> _ = file.write_text("one\ntwo\n")
    >>> list(text_lines(file))
    [(1, 'one'), (2, 'two')]
    """
    with named(path), opened(path, limit) as file, unpacked(file, path, limit) as stream:
        yield from lines(stream, longest_line)


def parse_number(word: str) -> float:
    """A real number as other programs write it: plain ASCII, without Python's underscores.

    Parameters
    ----------
    word : str
        Such as ``-1.5e3``.

    Returns
    -------
    float
        Infinity and NaN where the word says so, or infinity where the number is beyond double precision.

    Raises
    ------
    ValueError
        It is no number.

    See Also
    --------
    text_lines, shown, load_matrix, load_vectors : Reading files and numbers of users.

    Examples
    --------
    >>> parse_number("-1.5e3")
    -1500.0
    """
    if "_" not in word and word.isascii():
        try:
            return float(word)
        except ValueError:
            pass
    raise ValueError(f"{shown(word)} is no number")


def shown(text: str) -> str:
    r"""Foreign text as an error message may repeat it: quoted, control characters escaped, cut where it is long.

    Parameters
    ----------
    text : str
        A word or a line of a file.

    Returns
    -------
    str
        At most 61 of its characters.

    See Also
    --------
    load_matrix, load_vectors, parse_number, text_lines : Reading files and numbers of users.

    Examples
    --------
    >>> print(shown("tab\there"))
    'tab\there'
    """
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


@contextmanager
def named(path: str | os.PathLike[str]) -> Iterator[None]:
    """Whatever fails within becomes an OSError or a ValueError that names the file.

    Libraries that parse damaged files raise nearly anything: zlib.error, struct.error, KeyError, RecursionError.
    """
    try:
        yield
    except OSError as error:
        raise type(error)(f"{os.fspath(path)} cannot be read: {error.strerror or error}") from None
    except Exception as error:
        reason = "it takes more memory than there is" if isinstance(error, MemoryError) else error
        raise ValueError(f"{os.fspath(path)} cannot be read: {reason or type(error).__name__}") from None


@contextmanager
def opened(path: str | os.PathLike[str], limit: int) -> Iterator[BinaryIO]:
    """A regular file of at most `limit` bytes. Pipes and devices, which may never end, are refused without waiting."""
    # Without blocking: opening a pipe that nobody writes to would wait forever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if os.path.isdir(path):
        raise IsADirectoryError("it is a folder")
    with open(os.open(path, flags), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError("it is no regular file but a pipe or a device; write it to a file first")
        refuse_beyond(limit, status.st_size, "the file has")
        if _packing(path):
            # Unpacked once for its size alone, which takes seconds where reading what a bomb unpacks to takes an hour.
            with unpacked(file, path, limit) as stream:
                while stream.read(2**16):
                    pass
        yield file


def file_size(file: BinaryIO) -> int:
    """Bytes of an opened file."""
    return os.fstat(file.fileno()).st_size


def refuse_beyond(limit: int, size: int, what: str) -> None:
    """An error where `size` bytes are more than the limit."""
    if size > limit:
        raise ValueError(f"{what} {size} bytes, and limit={limit}; pass limit={size} if you trust it")


@contextmanager
def unpacked(file: BinaryIO, path: str | os.PathLike[str], limit: int) -> Iterator[io.BufferedReader[Any]]:
    """The content of an opened file from its beginning, decompressed by its ending."""
    file.seek(0)
    packing = _packing(path)
    source = file if packing is None else packing(file)
    with io.BufferedReader(_Bounded(source, limit), buffer_size=2**16) as stream:
        yield stream


def _packing(path: str | os.PathLike[str]) -> Callable[[BinaryIO], Any] | None:
    return PACKED.get(Path(path).suffix.lower())


def counted(number: int, what: str) -> str:
    """1 number, 2 numbers."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


class _Bounded(io.RawIOBase):
    """A stream that ends in an error where it has given more than `limit` bytes, or where it is damaged."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._source, self._limit, self._left = source, limit, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._source.read(len(buffer))
        except EOFError:
            raise ValueError("its compressed content ends too early") from None
        except Exception as error:
            if isinstance(self._source, io.BufferedReader):
                raise
            raise ValueError(f"its compressed content is damaged ({error})") from None
        self._left -= len(data)
        if self._left < 0:
            more = 2 * self._limit
            raise ValueError(f"it unpacks to more than {self._limit} bytes; pass limit={more} if you trust it")
        buffer[: len(data)] = data
        return len(data)


def lines(stream: io.BufferedReader[Any], longest_line: int) -> Iterator[tuple[int, str]]:
    """The numbered lines of a stream of UTF-8 text; errors name the line, not the file."""
    if stream.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise ValueError("it is text in UTF-16; save it as UTF-8")
    # Bytes that are not UTF-8 come through as surrogates, so that the line they stand in is known.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape")
    number = 0
    while line := text.readline(longest_line + 1):
        number += 1
        if len(line) > longest_line and line[-1] != "\n":
            raise ValueError(
                f"line {number} is longer than {longest_line} characters; pass a larger longest_line= if you trust it"
            )
        if "\0" in line:
            raise ValueError(f"line {number} holds a NUL byte: this is no text, or not in UTF-8")
        if not line.isascii():
            _refuse_other_encodings(line, number)
        yield number, line.rstrip("\n")


def _refuse_other_encodings(line: str, number: int) -> None:
    try:
        line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) - 0xDC00
        raise ValueError(f"line {number} is not UTF-8 (byte 0x{byte:02x}); save the file as UTF-8") from None
