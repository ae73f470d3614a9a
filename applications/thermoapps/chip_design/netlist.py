"""Resistive networks in SPICE's language: R, V and I elements."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field, replace

from thermoapps.chip_design._deck import GROUND, Statement, read_deck
from thermoapps.chip_design._text import LIMIT, LONGEST_LINE
from thermoapps.chip_design.waveforms import KINDS, Waveform
from thermolinalg.files import shown

__all__ = ["GROUND", "Element", "Netlist", "read_netlist"]


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
        Ohm, farad, volt from `minus` to `plus`, or ampere flowing from `plus` through the source to `minus`.
    line : int
        Where it stands in the file.
    course : Waveform, optional
        Of a source in time; `value` is that of its operating point.

    See Also
    --------
    PowerGrid, read_netlist, Netlist, Circuit : Decks of simulators.
    """

    name: str
    plus: str
    minus: str
    value: float
    line: int
    course: Waveform | None = None


@dataclass(frozen=True)
class Netlist:
    """A network of resistors, sources and capacitors.

    Parameters
    ----------
    resistors, voltage_sources, current_sources, capacitors : list of Element
        In the order of the file.
    title : str, optional
        Its first line.

    See Also
    --------
    Circuit, Element, PowerGrid, read_netlist : Decks of simulators.
    """

    resistors: list[Element] = field(default_factory=list)
    voltage_sources: list[Element] = field(default_factory=list)
    current_sources: list[Element] = field(default_factory=list)
    capacitors: list[Element] = field(default_factory=list)
    title: str = ""

    def nodes(self) -> list[str]:
        """Names of all nodes but ground.

        Returns
        -------
        list of str
            In the order in which they appear: resistors first, then sources, then capacitors.
        """
        elements = (*self.resistors, *self.voltage_sources, *self.current_sources, *self.capacitors)
        names = dict.fromkeys(name for element in elements for name in (element.plus, element.minus))
        names.pop(GROUND, None)
        return list(names)

    def at(self, t: float) -> Netlist:
        """The network at a moment, as if its sources stood still.

        Parameters
        ----------
        t : float
            Second.

        Returns
        -------
        Netlist
            Every source that has a course with the value that it takes then.

        Raises
        ------
        ValueError
            A course that is not followed in time.
        """

        def then(source: Element) -> Element:
            if source.course is None:
                return source
            try:
                return replace(source, value=source.course(t), course=None)
            except ValueError as error:
                raise ValueError(f"line {source.line}: {source.name}: {error}") from None

        return replace(
            self,
            voltage_sources=[then(source) for source in self.voltage_sources],
            current_sources=[then(source) for source in self.current_sources],
        )


def read_netlist(
    path: str | os.PathLike[str],
    *,
    title: bool | None = None,
    limit: int = LIMIT,
    longest_line: int = LONGEST_LINE,
) -> Netlist:
    r"""Read resistors, capacitors and sources from a SPICE deck.

    The first line is the title, as in every simulator. Elements are ``Rname a b ohm``, ``Cname a b farad``,
    ``Vname a b [DC] volt`` and ``Iname a b [DC] ampere``, in either case, with SPICE's suffixes (1k, 2meg, 5m). Sources
    may have a course (``PULSE``, ``PWL``, ``SIN``, ``EXP``) and an ``AC`` value, which is left out. ``.param`` gives
    names to numbers, which expressions in braces or quotes use; ``.subckt``, ``.ends`` and ``X`` elements are written
    out: the instance ``x1`` has nodes ``x1.name`` and elements ``r.x1.name``. ``*`` begins a comment, ``$`` and ``;``
    one at the end of a line, ``+`` continues the line before. Reading stops at ``.end``. Ground is ``0`` or ``gnd``.

    Parameters
    ----------
    path : str or path-like
        Plain text, or compressed where the name ends in ``.gz`` or ``.bz2``.
    title : bool, optional
        Whether the first line is the title. Default: it is, and one that reads like a statement is an error.
    limit : int, optional
        Most bytes of the text, unpacked, and most characters of it with its subcircuits written out.
    longest_line : int, optional
        Most characters of a line, and words of one with its continuations.

    Returns
    -------
    Netlist
        Names in lower case, values in ohm, farad, volt and ampere.

    Raises
    ------
    OSError
        There is no such file, or it is a folder, a pipe or a device, or cannot be read.
    ValueError
        A line that is none of these, by its number; an element of another kind; two elements of one name; a negative
        resistance or capacitance; parameters that depend on themselves, or that mean different things to different
        simulators; a file that is larger than allowed, damaged, or not in UTF-8.

    Warns
    -----
    UserWarning
        Commands that were left out, such as ``.tran``: all that they ask for is not computed.

    See Also
    --------
    Netlist, Circuit, Element, PowerGrid : Decks of simulators.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> file = pathlib.Path(tempfile.mkdtemp()) / "divider.spice"
    >>> lower = ".subckt lower a b\nR1 a b {2*r}\n.ends\n"
    >>> _ = file.write_text(f"a divider\n.param r=1k\n{lower}V1 in 0 DC 3\nR1 in out {{r}}\nX1 out 0 lower\n")
    >>> netlist = read_netlist(file)
    >>> netlist.nodes(), [(resistor.name, resistor.value) for resistor in netlist.resistors]
    (['in', 'out'], [('r1', 1000.0), ('r.x1.r1', 2000.0)])
    """
    deck = read_deck(path, title, limit, longest_line)
    netlist = Netlist(title=deck.title)
    kinds = {
        "r": netlist.resistors,
        "v": netlist.voltage_sources,
        "i": netlist.current_sources,
        "c": netlist.capacitors,
    }
    seen: dict[str, int] = {}
    for statement in deck.statements(limit):
        if statement.name in seen:
            raise statement.line.error(
                f"the name {shown(statement.name)} was given in line {seen[statement.name]} already"
            )
        seen[statement.name] = statement.line.number
        kind = statement.name[0]
        kinds[kind].append(_source(statement) if kind in "vi" else _passive(statement))
    if not seen:
        raise ValueError(f"{os.fspath(path)} has no elements")
    if deck.skipped:
        warnings.warn(f"{os.fspath(path)}: left out {', '.join(deck.skipped)}", UserWarning, stacklevel=2)
    return netlist


def _passive(statement: Statement) -> Element:
    """A resistor or a capacitor: one value, after its name and '=' if need be."""
    words, kind = statement.words[3:], statement.name[0]
    if words[:2] == [kind, "="]:
        words = words[2:]
    if len(words) != 1:
        raise statement.line.error(f"an element is 'name node node value', got {len(words) + 3} words")
    value = _finite(statement, words[0])
    if value < 0:
        raise statement.line.error(f"a {'resistance' if kind == 'r' else 'capacitance'} must not be negative")
    return Element(statement.name, statement.plus, statement.minus, value, statement.line.number)


def _source(statement: Statement) -> Element:
    """A source: [DC] value, AC size and phase, and a course, in any order."""
    words = [word for word in statement.words[3:] if word != "="]
    value: float | None = None
    course: Waveform | None = None
    while words:
        word = words.pop(0)
        if word == "ac":
            _numbers(statement, words, 2)
        elif word in KINDS and course is None:
            try:
                course = Waveform(word, tuple(_numbers(statement, words)))
            except ValueError as error:
                raise statement.line.error(str(error)) from None
        elif value is None:
            value = _finite(statement, words.pop(0) if word == "dc" and words else word)
        else:
            raise statement.line.error(f"{shown(word)} is not expected there")
    if value is None and course is None:
        raise statement.line.error("the value is missing")
    operating = course.initial if value is None and course is not None else float(value or 0.0)
    return Element(statement.name, statement.plus, statement.minus, operating, statement.line.number, course)


def _numbers(statement: Statement, words: list[str], most: int | None = None) -> list[float]:
    """Take the numbers from the front of a list of words."""
    found: list[float] = []
    while words and words[0] not in ("dc", "ac", *KINDS) and (most is None or len(found) < most):
        found.append(_finite(statement, words.pop(0)))
    return found


def _finite(statement: Statement, word: str) -> float:
    """A finite number."""
    value = statement.number(word)
    if abs(value) == float("inf"):
        raise statement.line.error("the value must be finite")
    return value
