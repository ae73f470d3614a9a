"""Circuits in the Bookshelf format: cells, nets, positions, rows."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from thermoapps.chip_design._text import LIMIT, LONGEST_LINE, Line, numbered_lines
from thermolinalg.files import shown

__all__ = ["Circuit", "Rows", "read_bookshelf"]

TURNS = {
    "N": np.array([[1.0, 0.0], [0.0, 1.0]]),
    "W": np.array([[0.0, -1.0], [1.0, 0.0]]),
    "S": np.array([[-1.0, 0.0], [0.0, -1.0]]),
    "E": np.array([[0.0, 1.0], [-1.0, 0.0]]),
    "FN": np.array([[-1.0, 0.0], [0.0, 1.0]]),
    "FW": np.array([[0.0, 1.0], [1.0, 0.0]]),
    "FS": np.array([[1.0, 0.0], [0.0, -1.0]]),
    "FE": np.array([[0.0, -1.0], [-1.0, 0.0]]),
}
"""What orientations do to vectors from the centre of a cell; F is a reflection in the vertical axis after the turn."""


@dataclass(frozen=True)
class Rows:
    """Rows in which cells may stand, from the lowest up.

    Parameters
    ----------
    y, left, right : float array, shape (m,)
        Lower edge and ends of each row; several may have one y, with gaps between them.
    height : float
        Of every row.
    site : float, optional
        Left edges of cells stand a whole number of sites from the left end of their row; 0: anywhere.

    See Also
    --------
    rows_between_pads, overlap, wirelength, read_bookshelf : Circuits to be placed.
    """

    y: np.ndarray
    left: np.ndarray
    right: np.ndarray
    height: float
    site: float = 0.0


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

    See Also
    --------
    Element, PowerGrid, read_netlist, Netlist : Decks of simulators.
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


def read_bookshelf(
    folder: str | os.PathLike[str], *, strict: bool = True, limit: int = LIMIT, longest_line: int = LONGEST_LINE
) -> Circuit:
    """Read a circuit from the Bookshelf files of a folder.

    Parameters
    ----------
    folder : str or path-like
        With one ``.nodes``, one ``.nets``, one ``.pl`` and at most one ``.scl`` file, each plain or ``.gz``. Weights of
        nets (``.wts``) are not read.
    strict : bool, optional
        Whether counts that a file declares must be those of what it holds; published files differ. Otherwise what is
        there is read, with a warning.
    limit : int, optional
        Most bytes of each file, unpacked.
    longest_line : int, optional
        Most characters of a line.

    Returns
    -------
    Circuit
        In the units of the files; cells and their pins turned as the ``.pl`` file orients them.

    Raises
    ------
    OSError
        One of the three files is missing, or cannot be read.
    ValueError
        A line that does not fit, by its number; counts other than declared; a cell that is given twice, or has no
        position; a cell that may move and has no width or height; rows without height or sites; a file that is larger
        than allowed, damaged, or not in UTF-8.

    Warns
    -----
    UserWarning
        Counts other than declared, where they need not be the same.

    See Also
    --------
    Placement, Rows, rows_between_pads, overlap : Circuits to be placed.

    Notes
    -----
    ``NumNodes`` is accepted with and without the terminals.
    """
    place = Path(folder)

    def read(path: Path) -> _Lines:
        return _Lines(path, numbered_lines(path, "#", limit, longest_line), strict)

    names, size, fixed = _read_nodes(read(_the_file(place, "nodes")))
    index = {name: number for number, name in enumerate(names)}
    pin_cell, pin_net, pin_offset = _read_nets(read(_the_file(place, "nets")), index)
    corner, held, turns = _read_positions(read(_the_file(place, "pl")), index)
    fixed |= held
    flat = np.flatnonzero(~fixed & (size.min(axis=1, initial=np.inf) == 0))
    if len(flat):
        raise ValueError(f"{len(flat)} cells that may move have no width or no height, {names[flat[0]]!r} first")
    rows = _read_rows(read(_the_file(place, "scl"))) if _files(place, "scl") else None
    size, pin_offset = np.abs(_turned(turns, size)), _turned(turns[pin_cell], pin_offset)
    return Circuit(names, size, fixed, corner, pin_cell, pin_net, pin_offset, rows)


def _turned(turns: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Each vector by its own matrix."""
    return np.asarray(np.einsum("nij,nj->ni", turns, vectors))


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

    def __init__(self, path: Path, numbered: Iterator[Line], strict: bool) -> None:
        self.name, self._numbered, self._strict = path.name, numbered, strict
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
        if declared in allowed:
            return
        said = f"{self.name} declares {declared:.15g} {what} and has {allowed[0]}"
        if self._strict:
            raise ValueError(f"{said}; pass strict=False to read what is there")
        warnings.warn(said, UserWarning, stacklevel=4)


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
    lines.check("pins", len(cells))
    return np.array(cells, dtype=int), np.array(nets, dtype=int), np.array(offsets, dtype=float).reshape(-1, 2)


def _read_positions(lines: _Lines, index: dict[str, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners, what is fixed, and the matrix that turns each cell."""
    corner, fixed = np.full((len(index), 2), np.nan), np.zeros(len(index), dtype=bool)
    turns = np.tile(np.eye(2), (len(index), 1, 1))
    for line in lines:
        cell = _cell(line, index)
        if not np.isnan(corner[cell, 0]):
            raise line.error("the position of the cell was given already")
        corner[cell] = line.number_at(1, "x"), line.number_at(2, "y")
        for word in line.words[3:]:
            if word in TURNS:
                turns[cell] = TURNS[word]
            elif word in ("/FIXED", "/FIXED_NI"):
                fixed[cell] = True
            else:
                raise line.error(f"after the position only one of {', '.join(TURNS)}, /FIXED or /FIXED_NI may stand")
    missing = np.flatnonzero(np.isnan(corner[:, 0]))
    if len(missing):
        raise ValueError(
            f"{lines.name} has no position for {shown(list(index)[missing[0]])} and {len(missing) - 1} others"
        )
    return corner, fixed, turns


def _read_rows(lines: _Lines) -> Rows:
    """The rows, one for each of their parts."""
    rows: list[dict[str, float]] = []
    parts: list[tuple[int, float, float]] = []
    for line in lines:
        if line.words[0] == "CoreRow":
            rows.append({"sitespacing": 1.0})
        elif not rows:
            raise line.error("a line before the first CoreRow")
        elif line.words[0] != "End":
            for at in range(0, len(line.words) - 1, 2):
                key = line.words[at].lower()
                if key not in ("coordinate", "height", "sitespacing", "subroworigin", "numsites"):
                    continue
                value = line.number_at(at + 1, line.words[at])
                if value <= 0 and key in ("height", "sitespacing", "numsites"):
                    raise line.error(f"{line.words[at]} must be positive")
                rows[-1][key] = value
                if key == "numsites":
                    if value != int(value):
                        raise line.error(f"{line.words[at]} must be a whole number")
                    parts.append((len(rows), rows[-1].pop("subroworigin", np.nan), value))
    lines.check("rows", len(rows))
    for number, row in enumerate(rows, start=1):
        lacking = [name for name in ("coordinate", "height") if name not in row]
        origins = [origin for at, origin, _ in parts if at == number]
        lacking += [] if origins and not np.isnan(origins).any() else ["subroworigin with numsites"]
        if lacking:
            raise ValueError(f"{lines.name}: row {number} lacks {lacking[0]}")
    if len({(row["height"], row["sitespacing"]) for row in rows}) != 1:
        raise ValueError(f"{lines.name} must have rows, all of one height and one spacing of sites")
    site = rows[0]["sitespacing"]
    y, left, count = np.array([(rows[at - 1]["coordinate"], origin, sites) for at, origin, sites in parts]).T
    order = np.lexsort((left, y))
    y, left, right = y[order], left[order], (left + site * count)[order]
    if np.any((np.diff(y) < rows[0]["height"] * (1 - 1e-9)) & ~((np.diff(y) == 0) & (left[1:] >= right[:-1]))):
        raise ValueError(f"{lines.name} has rows that overlap")
    return Rows(y, left, right, rows[0]["height"], site)
