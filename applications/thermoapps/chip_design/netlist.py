"""Resistive networks in SPICE's language: R, V and I elements."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from thermoapps.chip_design._text import LIMIT, LONGEST_LINE, Line, numbered_lines
from thermolinalg.files import shown

__all__ = ["Element", "Netlist", "read_netlist"]

GROUND = "0"

# Possessive: digits taken are not given back, so that a refusal takes time in proportion to the length.
NUMBER = re.compile(r"([+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?)(meg|mil|[tgkmunpf])?[a-z]*+", re.ASCII)
SCALE = {
    "t": 1e12,
    "g": 1e9,
    "meg": 1e6,
    "k": 1e3,
    "mil": 25.4e-6,
    "m": 1e-3,
    "u": 1e-6,
    "n": 1e-9,
    "p": 1e-12,
    "f": 1e-15,
}

IGNORED = {".op", ".option", ".options", ".title", ".print", ".save", ".width", ".dc"}
"""Commands that say what to compute or print, and do not change the circuit."""


@dataclass(frozen=True)
class Element:
    """A two-terminal element.

    Parameters
    ----------
    name : str
        In lower case; its first letter says what it is.
    plus, minus : str
        Nodes, in lower case; ground is "0".
    value : float
        Ohm, volt from `minus` to `plus`, or ampere flowing from `plus` through the source to `minus`.
    line : int
        Where it stands in the file.
    """

    name: str
    plus: str
    minus: str
    value: float
    line: int


@dataclass(frozen=True)
class Netlist:
    """A network of resistors, voltage sources and current sources.

    Parameters
    ----------
    resistors, voltage_sources, current_sources : list of Element
        In the order of the file.
    """

    resistors: list[Element] = field(default_factory=list)
    voltage_sources: list[Element] = field(default_factory=list)
    current_sources: list[Element] = field(default_factory=list)

    def nodes(self) -> list[str]:
        """Names of all nodes but ground.

        Returns
        -------
        list of str
            In the order in which they appear: resistors first, then sources.
        """
        elements = (*self.resistors, *self.voltage_sources, *self.current_sources)
        names = dict.fromkeys(name for element in elements for name in (element.plus, element.minus))
        names.pop(GROUND, None)
        return list(names)


def read_netlist(path: str | os.PathLike[str], *, limit: int = LIMIT, longest_line: int = LONGEST_LINE) -> Netlist:
    r"""Read resistors and sources from a SPICE netlist.

    Lines are ``Rname a b ohm``, ``Vname a b [DC] volt`` and ``Iname a b [DC] ampere``, in either case, with SPICE's
    suffixes (1k, 2meg, 5m); ``*`` begins a comment, ``$`` and ``;`` one at the end of a line, ``+`` continues the line
    before. Reading stops at ``.end``. All lines count, the first one too. Ground is ``0`` or ``gnd``.

    Parameters
    ----------
    path : str or path-like
        Plain text, or compressed where the name ends in ``.gz`` or ``.bz2``.
    limit : int, optional
        Most bytes of the text, unpacked.
    longest_line : int, optional
        Most characters of a line, and words of one with its continuations.

    Returns
    -------
    Netlist
        Names in lower case, values in ohm, volt and ampere.

    Raises
    ------
    OSError
        There is no such file, or it is a folder, a pipe or a device, or cannot be read.
    ValueError
        A line that is none of these, by its number; an element of another kind; two elements of one name; a negative
        resistance; a file that is larger than allowed, damaged, or not in UTF-8.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "divider.spice"
    >>> _ = file.write_text("V1 in 0 3\nR1 in out 1k\nR2 out 0 2k\n.end\n")
    >>> netlist = read_netlist(file)
    >>> netlist.nodes(), netlist.resistors[0].value
    (['in', 'out'], 1000.0)
    """
    netlist = Netlist()
    kinds = {"r": netlist.resistors, "v": netlist.voltage_sources, "i": netlist.current_sources}
    seen: dict[str, int] = {}
    for line in _statements(path, limit, longest_line):
        first = line.words[0]
        if first == ".end":
            break
        if first in IGNORED:
            continue
        if first[0] == ".":
            raise line.error(f"the command {shown(first)} is not known; write the circuit out in R, V and I elements")
        if first[0] not in kinds:
            raise line.error("only elements R, V and I are known")
        element = _element(line)
        if element.name in seen:
            raise line.error(f"the name {shown(element.name)} was given in line {seen[element.name]} already")
        seen[element.name] = element.line
        kinds[first[0]].append(element)
    if not seen:
        raise ValueError(f"{os.fspath(path)} has no elements")
    return netlist


def _statements(path: str | os.PathLike[str], limit: int, longest_line: int) -> Iterator[Line]:
    """Lines in lower case, with their continuations and without comments at their ends."""
    held: Line | None = None
    for line in numbered_lines(path, "*", limit, longest_line):
        words = re.split(r"[$;]", " ".join(line.words).lower())[0].split()
        if not words:
            continue
        if words[0].startswith("+"):
            if held is None:
                raise line.error("there is no line before it to continue")
            held.words.extend(" ".join(words)[1:].split())
            if len(held.words) > longest_line:
                raise line.error(f"the line from {held.number} on has more than {longest_line} words")
            continue
        if held is not None:
            yield held
        held = Line(line.file, line.number, words)
    if held is not None:
        yield held


def _element(line: Line) -> Element:
    words = [word for index, word in enumerate(line.words) if not (index == 3 and word == "dc")]
    if len(words) != 4:
        raise line.error(f"an element is 'name node node value', got {len(words)} words")
    name, plus, minus, text = words
    match = NUMBER.fullmatch(text)
    if match is None:
        raise line.error(f"the value must be a number, got {shown(text)}")
    value = float(match[1]) * SCALE.get(match[2], 1.0)
    if abs(value) == float("inf"):
        raise line.error("the value must be finite")
    if name[0] == "r" and value < 0:
        raise line.error("a resistance must not be negative")
    plus, minus = (GROUND if node == "gnd" else node for node in (plus, minus))
    return Element(name, plus, minus, value, line.number)
