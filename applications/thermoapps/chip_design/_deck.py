"""A deck as a simulator takes it: its title, parameters and subcircuits, written out element by element."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from thermoapps.chip_design._expressions import Scope, evaluate, parse_value
from thermoapps.chip_design._text import Line, numbered_lines
from thermolinalg.files import shown

__all__ = ["Deck", "Statement", "read_deck"]

GROUND = "0"
WORD = re.compile(r"\{[^{}]*+\}|'[^']*+'|\"[^\"]*+\"|=|[^\s(){}=,'\"]++")
ASSIGNMENT = re.compile(r"\s*+([a-z_]\w*+)\s*+=\s*+(\{[^{}]*+\}|'[^']*+'|\"[^\"]*+\"|[^\s={}'\"]++)\s*+,?")
VALUE_BEGINS = "{'\"+-.0123456789"
DEEPEST = 50
"""Levels of subcircuits within subcircuits."""

SILENT = {".op", ".option", ".options", ".title", ".print", ".save", ".width", ".nodeset"}
"""Commands that neither change the circuit nor ask for anything but its operating point."""

SKIPPED = {
    ".ac",
    ".dc",
    ".four",
    ".ic",
    ".meas",
    ".measure",
    ".model",
    ".noise",
    ".plot",
    ".probe",
    ".temp",
    ".tf",
    ".tran",
}
"""Commands that ask for what is not computed, or describe what no element here can use: left out with a notice."""


@dataclass(frozen=True)
class Statement:
    """One element with its nodes' full names and the parameters that it sees.

    Parameters
    ----------
    line : Line
        Where it stands.
    words : list of str
        Without parentheses and commas; expressions are one word each.
    name : str
        ``r1``, or ``r.x1.r1`` within the instance ``x1``, whose own nodes are ``x1.node``.
    plus, minus : str
        Full names of its nodes.
    scope : Scope
        Of its parameters.
    """

    line: Line
    words: list[str]
    name: str
    plus: str
    minus: str
    scope: Scope

    def number(self, text: str) -> float:
        """What a word amounts to: a number, a parameter or an expression in braces or quotes."""
        try:
            if text[0] in "{'\"":
                return evaluate(text[1:-1], self.scope)
            return self.scope.value(text) if self.scope.has(text) else parse_value(text)
        except ValueError as error:
            raise self.line.error(f"the value must be a number: {error}") from None


@dataclass
class Subcircuit:
    """What stands between .subckt and .ends."""

    line: Line
    ports: list[str]
    texts: dict[str, str]
    body: list[Line] = field(default_factory=list)


@dataclass(frozen=True)
class Instance:
    """A subcircuit, or the top of the deck, in its place: the names of its nodes, and what its parameters are."""

    part: Subcircuit
    scope: Scope
    prefix: str
    nodes: dict[str, str]
    within: tuple[str, ...] = ()

    def full(self, node: str) -> str:
        """Name of a node in the circuit as a whole."""
        node = GROUND if node == "gnd" else node
        return self.nodes.get(node, self.prefix + node)


@dataclass
class Deck:
    """A deck before it is written out."""

    title: str = ""
    top: Subcircuit = field(default_factory=lambda: Subcircuit(Line("", 0, []), [], {}))
    subcircuits: dict[str, Subcircuit] = field(default_factory=dict)
    shared: set[str] = field(default_factory=lambda: {GROUND})
    skipped: list[str] = field(default_factory=list)

    def statements(self, limit: int) -> Iterator[Statement]:
        """Every element, those of subcircuits once for each instance; `limit` bounds their text, in characters."""
        written = 0
        for statement in self._expanded(Instance(self.top, Scope(self.top.texts), "", {})):
            written += len(statement.name) + len(statement.plus) + len(statement.minus)
            if written > limit:
                raise statement.line.error(f"written out, the deck takes more than {limit} characters; pass limit=")
            yield statement

    def _expanded(self, here: Instance) -> Iterator[Statement]:
        """Elements of an instance and of those within it."""
        for line in here.part.body:
            words = _words(line)
            if words[0][0] == "x":
                yield from self._expanded(self._instance(line, words, here))
                continue
            if len(words) < 4:
                raise line.error(f"an element is 'name node node value', got {len(words)} words")
            name = f"{words[0][0]}.{here.prefix}{words[0]}" if here.prefix else words[0]
            yield Statement(line, words, name, here.full(words[1]), here.full(words[2]), here.scope)

    def _instance(self, line: Line, words: list[str], here: Instance) -> Instance:
        """What a line 'xname node ... subcircuit parameter=value ...' stands for."""
        given, assigned = _heading(line, words)
        if len(given) < 2:
            raise line.error("an instance is 'xname node ... subcircuit'")
        name, *nodes, kind = given
        if kind not in self.subcircuits:
            raise line.error(f"no subcircuit has the name {shown(kind)}")
        if kind in here.within:
            raise line.error(f"the subcircuit {shown(kind)} contains itself")
        if len(here.within) >= DEEPEST:
            raise line.error(f"subcircuits are nested more than {DEEPEST} deep")
        part = self.subcircuits[kind]
        if len(nodes) != len(part.ports):
            raise line.error(f"the subcircuit {shown(kind)} has {len(part.ports)} ports, got {len(nodes)} nodes")
        texts, caller = dict(part.texts), Statement(line, words, name, "", "", here.scope)
        for key, text in assigned.items():
            if key not in texts:
                raise line.error(f"the subcircuit {shown(kind)} has no parameter {shown(key)}")
            texts[key] = repr(caller.number(f"{{{text}}}"))
        for key in texts:
            if key in self.top.texts:
                raise part.line.error(
                    f"the parameter {shown(key)} is given outside too, and simulators differ on which one counts: "
                    "rename one of them"
                )
        tied = {node: node for node in self.shared} | dict(zip(part.ports, map(here.full, nodes), strict=True))
        return Instance(part, Scope(texts, Scope(self.top.texts)), f"{here.prefix}{name}.", tied, (*here.within, kind))


def read_deck(path: str | os.PathLike[str], title: bool | None, limit: int, longest_line: int) -> Deck:
    """Sort the lines of a file into a deck."""
    deck = Deck()
    part, control = deck.top, False
    for line in _lines(path, title, deck, limit, longest_line):
        first = line.words[0]
        if control:
            control = first != ".endc"
            if first in ("alter", "altermod", "alterparam"):
                raise line.error("a control block that changes the circuit is not read; write the values into the deck")
        elif first == ".end":
            break
        elif first == ".control":
            control = True
            deck.skipped.append(f"{first} (line {line.number})")
        elif first == ".subckt":
            part = _subcircuit(line, deck, part)
        elif first == ".ends":
            if part is deck.top:
                raise line.error("there is no .subckt before it")
            part = deck.top
        elif first in (".param", ".params"):
            for key, text in _assignments(line, " ".join(line.words[1:])).items():
                if key in part.texts:
                    raise line.error(f"the parameter {shown(key)} is given twice; leave one")
                part.texts[key] = text
        elif first == ".global":
            deck.shared.update(line.words[1:])
        elif first in SKIPPED:
            deck.skipped.append(f"{first} (line {line.number})")
        elif first[0] == "." and first not in SILENT:
            raise line.error(f"the command {shown(first)} is not known; write it out in R, C, V, I and X elements")
        elif first[0] != ".":
            if first[0] not in "rcvix":
                raise line.error("only elements R, C, V, I and X are known")
            part.body.append(line)
    if part is not deck.top:
        raise part.line.error("there is no .ends after it")
    return deck


def _subcircuit(line: Line, deck: Deck, part: Subcircuit) -> Subcircuit:
    """A new one, from its heading."""
    if part is not deck.top:
        raise line.error("a subcircuit within a subcircuit is not known; define it outside")
    given, texts = _heading(line, _words(line))
    given = given[1:]
    if not given:
        raise line.error("the name of the subcircuit is missing")
    name, *ports = given
    if name in deck.subcircuits:
        raise line.error(f"the subcircuit {shown(name)} was given in line {deck.subcircuits[name].line.number} already")
    if len(set(ports)) < len(ports) or {GROUND, "gnd"} & set(ports):
        raise line.error("the ports of a subcircuit must differ, and none may be ground")
    deck.subcircuits[name] = Subcircuit(line, ports, texts)
    return deck.subcircuits[name]


def _lines(
    path: str | os.PathLike[str], title: bool | None, deck: Deck, limit: int, longest_line: int
) -> Iterator[Line]:
    """Lines in lower case, with their continuations and without comments at their ends; the title goes to the deck."""
    held: Line | None = None
    for line in numbered_lines(path, "*", limit, longest_line):
        if line.number == 1 and _is_title(line, title):
            deck.title = " ".join(line.words)
            continue
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


def _is_title(line: Line, title: bool | None) -> bool:
    """Whether the first line is the title: to a simulator always, here not where it reads like a statement."""
    if title is not None:
        return title
    words = [word for word in " ".join(line.words).lower().split() if word != "dc"]
    if words[:1] == [".title"]:
        return False
    is_element = len(words) > 3 and words[0][0] in "rcvi" and words[3][0] in VALUE_BEGINS
    if is_element or (words and words[0][0] == "."):
        raise line.error(
            "the first line reads like a statement, and a simulator would take it for the title: "
            "pass title=True or title=False"
        )
    return True


def _words(line: Line) -> list[str]:
    """Words without parentheses and commas."""
    text = " ".join(line.words)
    if WORD.sub("", text).strip(" (),"):
        raise line.error("a brace or a quotation mark is not closed")
    return WORD.findall(text)


def _heading(line: Line, words: list[str]) -> tuple[list[str], dict[str, str]]:
    """The words before the first assignment, and the assignments."""
    end = words.index("=") - 1 if "=" in words else len(words)
    return [word for word in words[:end] if word != "params:"], _assignments(line, " ".join(words[end:]))


def _assignments(line: Line, text: str) -> dict[str, str]:
    """name=value pairs; a value is one word, or an expression in braces or quotes, which are taken off."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = ASSIGNMENT.match(text, at)
        if match is None:
            raise line.error("parameters are 'name=value' or 'name={expression}'")
        if match[1] in found:
            raise line.error(f"the parameter {shown(match[1])} is given twice; leave one")
        found[match[1]] = match[2].strip("{}'\"")
        at = match.end()
    return found
