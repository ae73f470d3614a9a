"""Matrix Market files, read strictly.

SciPy's reader takes 1.5 for an integer 1, ignores what follows a number, adds the triangles of a symmetric matrix where
both are given, and can end the process at a byte that is 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import scipy.sparse

from thermolinalg.files.bounded import counted, file_size, lines, refuse_beyond, shown, unpacked
from thermolinalg.files.tables import load_rows

__all__ = ["load_matrix_market"]

NUMBERS = {"real": 1, "double": 1, "integer": 1, "complex": 2, "pattern": 0}
"""How many numbers an entry has, by the field of the banner."""

SYMMETRIES = {"general", "symmetric", "skew-symmetric", "hermitian"}

Lines = Iterator[tuple[int, str]]


@dataclass(frozen=True)
class _Header:
    """What stands before the entries."""

    sparse: bool
    field: str
    symmetry: str
    shape: tuple[int, int]
    count: int

    @property
    def width(self) -> int:
        """Numbers in a line."""
        return NUMBERS[self.field] + (2 if self.sparse else 0)

    @property
    def needed(self) -> int:
        """Bytes of the text read and of the array made from it."""
        text = 8 * self.width * self.count
        size = 8 * max(NUMBERS[self.field], 1)
        if not self.sparse:
            return max(text, size * self.shape[0] * self.shape[1])
        stored = self.count * (1 if self.symmetry == "general" else 2)
        return max(text, (16 + size) * stored + 8 * (self.shape[0] + 1))


def load_matrix_market(file: BinaryIO, path: str, limit: int, longest_line: int) -> Any:
    """A sparse array from a coordinate file, a dense one from an array file."""
    with unpacked(file, path, limit) as stream:
        numbered = _not_blank(lines(stream, longest_line))
        header = _header(numbered)
        if Path(path).suffix.lower() == ".mtx" and header.count * 2 * header.width > file_size(file) + 1:
            raise ValueError(f"its header promises {header.count} entries, more than a file of its size can hold")
        refuse_beyond(limit, header.needed, f"the array of shape {header.shape} takes")
        rows = _rows(numbered, header, limit)
    faulty, problem = _first_fault(rows, header)
    if faulty is not None:
        with unpacked(file, path, limit) as stream:
            numbered = _not_blank(lines(stream, longest_line))
            _header(numbered)
            number, line = next(islice(numbered, faulty, None))
        raise ValueError(f"line {number}: {problem}: {shown(line.strip())}")
    return _sparse(rows, header) if header.sparse else _dense(_values(rows), header)


def _not_blank(numbered: Lines) -> Lines:
    return ((number, line) for number, line in numbered if line.strip())


def _header(numbered: Lines) -> _Header:
    """Banner and sizes."""
    banner = next(numbered, (1, ""))[1].lower().split()
    if banner[:2] != ["%%matrixmarket", "matrix"] or len(banner) != 5:
        raise ValueError("its first line has to be '%%MatrixMarket matrix', layout, field and symmetry")
    layout, field, symmetry = banner[2:]
    if layout not in ("coordinate", "array") or field not in NUMBERS or symmetry not in SYMMETRIES:
        raise ValueError(f"its first line names an unknown kind of matrix, {shown(' '.join(banner[2:]))}")
    if (layout, field) == ("array", "pattern") or (field != "complex" and symmetry == "hermitian"):
        raise ValueError(f"its first line contradicts itself: {layout} {field} {symmetry}")
    number, line = next((each for each in numbered if not each[1].startswith("%")), (0, ""))
    if not line:
        raise ValueError("it ends before the sizes of the matrix")
    words = line.split()
    wanted = 3 if layout == "coordinate" else 2
    if len(words) != wanted or not all(word.isascii() and word.isdigit() and len(word) < 19 for word in words):
        raise ValueError(f"line {number}: the {wanted} sizes of the matrix have to stand here: {shown(line)}")
    sizes = [int(word) for word in words]
    if symmetry != "general" and sizes[0] != sizes[1]:
        raise ValueError(f"line {number}: a {symmetry} matrix cannot be {sizes[0]} x {sizes[1]}")
    shape = sizes[0], sizes[1]
    count = sizes[2] if layout == "coordinate" else _stored(shape, symmetry)
    return _Header(layout == "coordinate", field, symmetry, shape, count)


def _stored(shape: tuple[int, int], symmetry: str) -> int:
    """Entries that an array file has."""
    n = shape[0]
    if symmetry == "general":
        return n * shape[1]
    return n * (n - 1) // 2 if symmetry == "skew-symmetric" else n * (n + 1) // 2


def _rows(numbered: Lines, header: _Header, limit: int) -> np.ndarray:
    """The numbers of all entries, one entry a row."""
    if header.count:
        first = next(numbered, None)
        if first is None:
            raise ValueError("it ends before the first entry")
        if len(first[1].split()) != header.width:
            expected = counted(header.width, "number")
            raise ValueError(f"line {first[0]}: an entry has to be of {expected}: {shown(first[1].strip())}")
        rows = load_rows(chain([first], islice(numbered, header.count - 1)), limit)
        if len(rows) != header.count:
            raise ValueError(f"its header promises {header.count} entries, and {len(rows)} follow")
    else:
        rows = np.empty((0, header.width))
    more = next(numbered, None)
    if more is not None:
        raise ValueError(f"line {more[0]}: its header promises {header.count} entries, and here is one more")
    return rows


def _values(rows: np.ndarray) -> np.ndarray:
    """Of entries without their places."""
    if rows.shape[1] == 0:
        return np.ones(len(rows))
    return rows[:, 0] if rows.shape[1] == 1 else rows[:, 0] + 1j * rows[:, 1]


def _first_fault(rows: np.ndarray, header: _Header) -> tuple[int | None, str]:
    """The first entry that is not what the header says, and what is wrong with it."""
    checks = _misplaced(rows, header) if header.sparse else []
    numbers = rows[:, 2:] if header.sparse else rows
    if header.field == "integer":
        checks.append(((numbers != np.trunc(numbers)).any(axis=1), "an integer has to stand here"))
    for wrong, problem in checks:
        if wrong.any():
            return int(np.argmax(wrong)), problem
    return None, ""


def _misplaced(rows: np.ndarray, header: _Header) -> list[tuple[np.ndarray, str]]:
    """What may be wrong with the places of entries, and which entries it is true of."""
    (m, n), (row, column), values = header.shape, rows[:, :2].T, _values(rows[:, 2:])
    outside = (rows[:, :2] != np.trunc(rows[:, :2])).any(axis=1)
    outside |= ~((row >= 1) & (row <= m) & (column >= 1) & (column <= n))
    checks = [(outside, f"its place has to be a row from 1 to {m} and a column from 1 to {n}")]
    if header.symmetry != "general" and (row > column).any():
        problem = f"a {header.symmetry} matrix is given by one of its triangles, and this entry is in the other"
        checks.append((row < column, problem))
    if header.symmetry in ("skew-symmetric", "hermitian"):
        wrong = values if header.symmetry == "skew-symmetric" else np.imag(values)
        checks.append(((row == column) & (wrong != 0), f"no {header.symmetry} matrix has this on its diagonal"))
    return checks


def _sparse(rows: np.ndarray, header: _Header) -> scipy.sparse.csr_array:
    """With the other triangle, and with the sum of what is given for one place."""
    row, column = (rows[:, :2].T - 1).astype(np.int64)
    values = _values(rows[:, 2:])
    if header.symmetry != "general":
        apart = row != column
        mirrored = _mirrored(values[apart], header.symmetry)
        row, column = np.concatenate([row, column[apart]]), np.concatenate([column, row[apart]])
        values = np.concatenate([values, mirrored])
    return scipy.sparse.csr_array(scipy.sparse.coo_array((values, (row, column)), shape=header.shape))


def _dense(values: np.ndarray, header: _Header) -> np.ndarray:
    """From columns one after another, of the lower triangle where it is symmetric."""
    if header.symmetry == "general":
        return values.reshape(header.shape, order="F")
    matrix = np.zeros(header.shape, dtype=values.dtype)
    column, row = np.triu_indices(header.shape[0], k=int(header.symmetry == "skew-symmetric"))
    matrix[column, row] = _mirrored(values, header.symmetry)
    matrix[row, column] = values
    return matrix


def _mirrored(values: np.ndarray, symmetry: str) -> np.ndarray:
    """Entries on the other side of the diagonal."""
    if symmetry == "hermitian":
        return values.conj()
    return -values if symmetry == "skew-symmetric" else values
