"""Circuits in the Bookshelf format: cells, nets, positions, rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermoapps.chip_design._text import LIMIT, LONGEST_LINE, Line, numbered_lines
from thermolinalg.files import shown

__all__ = ["Circuit", "Rows", "read_bookshelf"]


@dataclass(frozen=True)
class Rows:
    """Rows in which cells may stand, from the lowest up.

    Parameters
    ----------
    y, left, right : float array, shape (m,)
        Lower edge and ends of each row.
    height : float
        Of every row.
    """

    y: np.ndarray
    left: np.ndarray
    right: np.ndarray
    height: float


@dataclass(frozen=True)
class Circuit:
    """Cells joined by nets.

    Parameters
    ----------
    names : list of str
        Cells.
    size : float array, shape (n, 2)
        Width and height.
    fixed : bool array, shape (n,)
        Pads, and whatever else must not move.
    corner : float array, shape (n, 2)
        Lower left corners as given.
    pin_cell, pin_net : int array, shape (p,)
        Cell and net of each pin; pins of one net stand together, nets in order.
    pin_offset : float array, shape (p, 2)
        From the centre of the cell.
    rows : Rows, optional
        From the ``.scl`` file.
    """

    names: list[str]
    size: np.ndarray
    fixed: np.ndarray
    corner: np.ndarray
    pin_cell: np.ndarray
    pin_net: np.ndarray
    pin_offset: np.ndarray
    rows: Rows | None = None

    def centre(self) -> np.ndarray:
        """Centres of the cells as given.

        Returns
        -------
        float array, shape (n, 2)
            Corner plus half the size.
        """
        return np.asarray(self.corner + self.size / 2)


def read_bookshelf(folder: str | os.PathLike[str], *, limit: int = LIMIT, longest_line: int = LONGEST_LINE) -> Circuit:
    """Read a circuit from the Bookshelf files of a folder.

    Parameters
    ----------
    folder : str or path-like
        With one ``.nodes``, one ``.nets``, one ``.pl`` and at most one ``.scl`` file, each plain or ``.gz``. Weights of
        nets (``.wts``) and orientations are not read.
    limit : int, optional
        Most bytes of each file, unpacked.
    longest_line : int, optional
        Most characters of a line.

    Returns
    -------
    Circuit
        In the units of the files.

    Raises
    ------
    OSError
        One of the three files is missing, or cannot be read.
    ValueError
        A line that does not fit, by its number; counts other than declared; a cell without a position; a file that is
        larger than allowed, damaged, or not in UTF-8.

    Notes
    -----
    ``NumNodes`` is accepted with and without the terminals, and ``NumPins`` is not checked: published files differ.
    """
    place = Path(folder)

    def read(path: Path) -> _Lines:
        return _Lines(path, numbered_lines(path, "#", limit, longest_line))

    names, size, fixed = _read_nodes(read(_the_file(place, "nodes")))
    index = {name: number for number, name in enumerate(names)}
    pin_cell, pin_net, pin_offset = _read_nets(read(_the_file(place, "nets")), index)
    corner, held = _read_positions(read(_the_file(place, "pl")), index)
    rows = _read_rows(read(_the_file(place, "scl"))) if _files(place, "scl") else None
    return Circuit(names, size, fixed | held, corner, pin_cell, pin_net, pin_offset, rows)


def _files(place: Path, kind: str) -> list[Path]:
    return sorted([*place.glob(f"*.{kind}"), *place.glob(f"*.{kind}.gz")])


def _the_file(place: Path, kind: str) -> Path:
    found = _files(place, kind)
    if not found:
        raise FileNotFoundError(f"no .{kind} file in {place}")
    if len(found) > 1:
        raise ValueError(f"{place} has several .{kind} files: {', '.join(path.name for path in found)}; leave one")
    return found[0]


class _Lines:
    """The lines of a file without the heading, once; those of the form 'NumThings : 3' are counts."""

    def __init__(self, path: Path, numbered: Iterator[Line]) -> None:
        self.name, self._numbered = path.name, numbered
        self._counts: dict[str, float] = {}

    def __iter__(self) -> Iterator[Line]:
        for line in self._numbered:
            words = [word for word in " ".join(line.words).replace(":", " : ").split() if word != ":"]
            plain = Line(line.file, line.number, words)
            if words and words[0].startswith("Num") and len(words) == 2:
                self._counts[words[0].lower()] = plain.number_at(1, words[0])
            elif words and words[0] != "UCLA":
                yield plain

    def check(self, what: str, *allowed: int) -> None:
        """What the file declares, if it does, must be one of the numbers found."""
        declared = self._counts.get(f"num{what}", allowed[0])
        if declared not in allowed:
            raise ValueError(f"{self.name} declares {declared:.15g} {what} and has {allowed[0]}")


def _cell(line: Line, index: dict[str, int]) -> int:
    try:
        return index[line.words[0]]
    except KeyError:
        raise line.error(f"no cell has the name {shown(line.words[0])}") from None


def _read_nodes(lines: _Lines) -> tuple[list[str], np.ndarray, np.ndarray]:
    seen: dict[str, int] = {}
    size, fixed = [], []
    for line in lines:
        if line.words[0] in seen:
            raise line.error(f"the cell was given in line {seen[line.words[0]]} already")
        seen[line.words[0]] = line.number
        size.append((line.number_at(1, "the width"), line.number_at(2, "the height")))
        if min(size[-1]) < 0:
            raise line.error("width and height must not be negative")
        if line.words[3:] not in ([], ["terminal"], ["terminal_NI"]):
            raise line.error("after name, width and height only 'terminal' or 'terminal_NI' may stand")
        fixed.append(len(line.words) > 3)
    total, terminals = len(seen), sum(fixed)
    lines.check("terminals", terminals)
    lines.check("nodes", total, total - terminals)
    return list(seen), np.array(size).reshape(-1, 2), np.array(fixed, dtype=bool)


def _read_nets(lines: _Lines, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cells, nets, offsets = [], [], []
    heading: Line | None = None
    net = open_pins = 0
    for line in lines:
        if line.words[0] == "NetDegree":
            if heading is not None and open_pins:
                raise heading.error(f"{open_pins} pins of the net are missing")
            degree = line.number_at(1, "the degree")
            if degree < 1 or degree != int(degree):
                raise line.error("the degree must be a positive whole number")
            heading, open_pins, net = line, int(degree), net + 1
            continue
        if heading is None:
            raise line.error("a pin before the first NetDegree")
        if not open_pins:
            raise line.error(f"more pins than the degree in line {heading.number} says")
        open_pins -= 1
        direction = line.words[1:2]
        if direction and direction[0] not in ("I", "O", "B"):
            raise line.error("the direction of a pin must be I, O or B")
        cells.append(_cell(line, index))
        nets.append(net - 1)
        given = len(line.words) > 2
        offsets.append((line.number_at(2, "the offset x"), line.number_at(3, "the offset y")) if given else (0.0, 0.0))
    if heading is not None and open_pins:
        raise heading.error(f"{open_pins} pins of the net are missing")
    lines.check("nets", net)
    return np.array(cells, dtype=int), np.array(nets, dtype=int), np.array(offsets, dtype=float).reshape(-1, 2)


def _read_positions(lines: _Lines, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    corner, fixed = np.full((len(index), 2), np.nan), np.zeros(len(index), dtype=bool)
    for line in lines:
        cell = _cell(line, index)
        corner[cell] = line.number_at(1, "x"), line.number_at(2, "y")
        fixed[cell] = any(word.startswith("/FIXED") for word in line.words[3:])
    missing = np.flatnonzero(np.isnan(corner[:, 0]))
    if len(missing):
        raise ValueError(
            f"{lines.name} has no position for {shown(list(index)[missing[0]])} and {len(missing) - 1} others"
        )
    return corner, fixed


def _read_rows(lines: _Lines) -> Rows:
    rows: list[dict[str, float]] = []
    for line in lines:
        if line.words[0] == "CoreRow":
            rows.append({"sitespacing": 1.0})
        elif not rows:
            raise line.error("a line before the first CoreRow")
        elif line.words[0] != "End":
            for at in range(0, len(line.words) - 1, 2):
                if line.words[at] in ("Coordinate", "Height", "Sitespacing", "SubrowOrigin", "NumSites"):
                    rows[-1][line.words[at].lower()] = line.number_at(at + 1, line.words[at])
    wanted = ("coordinate", "subroworigin", "numsites", "height")
    for number, row in enumerate(rows, start=1):
        lacking = [name for name in wanted if name not in row]
        if lacking:
            raise ValueError(f"{lines.name}: row {number} lacks {lacking[0]}")
    if len({row["height"] for row in rows}) != 1:
        raise ValueError(f"{lines.name} must have rows, all of one height")
    rows.sort(key=lambda row: row["coordinate"])
    y, left = (np.array([row[name] for row in rows]) for name in wanted[:2])
    right = left + np.array([row["numsites"] * row["sitespacing"] for row in rows])
    return Rows(y, left, right, rows[0]["height"])
