"""Values of a deck: numbers with SPICE's suffixes, parameters, and arithmetic of both."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from thermolinalg.files import shown

__all__ = ["Scope", "evaluate", "parse_value"]

# Possessive: digits taken are not given back, so that a refusal takes time in proportion to the length.
NUMBER = re.compile(r"([+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?)(meg|mil|[tgkmunpf])?[a-z]*+", re.ASCII)
TOKEN = re.compile(
    r"\s*+(?:(?P<number>\.?\d[\w.]*+(?:(?<=e)[+-]\d++\w*+)?)|(?P<name>[a-z_]\w*+)|(?P<sign>\*\*|[-+*/^(),]))"
)
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
FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "exp": math.exp,
    "ln": lambda x: math.log(x),
    "log": lambda x: math.log(x),
    "log10": math.log10,
    "max": lambda a, b: max(a, b),
    "min": lambda a, b: min(a, b),
    "pow": math.pow,
    "sqrt": math.sqrt,
}
LONGEST = 1000
"""Characters of an expression: deep nesting must not exhaust the stack."""


def parse_value(text: str) -> float:
    """A number such as 2.2k or -1e-3; ValueError where it is none."""
    match = NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is no number")
    return float(match[1]) * SCALE.get(match[2], 1.0)


@dataclass
class Scope:
    """Parameters by name, each an expression that may use the others and those of the scope around.

    Parameters
    ----------
    texts : mapping of str to str
        Expressions.
    around : Scope, optional
        Where a name that is not here is looked for.
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    around: Scope | None = None
    _values: dict[str, float] = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)

    def has(self, name: str) -> bool:
        """Whether it is known here or around."""
        return name in self.texts or (self.around is not None and self.around.has(name))

    def value(self, name: str) -> float:
        """What a parameter amounts to."""
        if name not in self.texts:
            if self.around is None:
                raise ValueError(f"no parameter has the name {shown(name)}")
            return self.around.value(name)
        if name in self._open:
            raise ValueError(f"the parameter {shown(name)} depends on itself")
        if name not in self._values:
            self._open.append(name)
            self._values[name] = evaluate(self.texts[name], self)
            self._open.pop()
        return self._values[name]


def evaluate(text: str, scope: Scope) -> float:
    """Value of an expression of + − * / ** (or ^), parentheses, functions and parameters.

    Simulators disagree on −a**b and on a**b**c: both are refused.
    """
    if len(text) > LONGEST:
        raise ValueError(f"an expression may have {LONGEST} characters")
    reader = _Reader(_tokens(text), scope)
    try:
        value = reader.sum()
    except (ArithmeticError, RecursionError, TypeError) as error:
        raise ValueError(f"{shown(text)} has no value: {error}") from None
    if reader.tokens:
        raise ValueError(f"{shown(text)} is no expression: {shown(reader.tokens[-1][1])} is not expected there")
    if isinstance(value, complex) or not math.isfinite(value):
        raise ValueError(f"{shown(text)} is not a finite real number")
    return value


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of each token, the first one last."""
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"{shown(text)} is no expression: {shown(text[at:].lstrip()[:1])} is not known")
        found.append((str(match.lastgroup), match[match.lastgroup or 0]))
        at = match.end()
    return found[::-1]


class _Reader:
    """Recursive descent over tokens."""

    def __init__(self, tokens: list[tuple[str, str]], scope: Scope) -> None:
        self.tokens, self._scope = tokens, scope

    def sum(self) -> float:
        value = self._product()
        while sign := self._take("+", "-"):
            other = self._product()
            value = value + other if sign == "+" else value - other
        return value

    def _product(self) -> float:
        value = self._power()
        while sign := self._take("*", "/"):
            other = self._power()
            value = value * other if sign == "*" else value / other
        return value

    def _power(self) -> float:
        negated = self._take("+", "-")
        value = self._atom()
        if self._take("**", "^"):
            if negated:
                raise ValueError("simulators disagree on -a**b: write -(a**b) or (-a)**b")
            value = value ** self._exponent()
        return -value if negated == "-" else value

    def _exponent(self) -> float:
        sign = self._take("-", "+")
        value = self._atom()
        if self._take("**", "^"):
            raise ValueError("simulators disagree on a**b**c: write parentheses")
        return -value if sign == "-" else value

    def _atom(self) -> float:
        if not self.tokens:
            raise ValueError("the expression ends too early")
        kind, text = self.tokens.pop()
        if kind == "number":
            return parse_value(text)
        if kind == "name" and self._take("("):
            return self._call(text)
        if kind == "name":
            return self._scope.value(text)
        if text != "(":
            raise ValueError(f"{shown(text)} is not expected there")
        value = self.sum()
        self._close()
        return value

    def _call(self, name: str) -> float:
        if name not in FUNCTIONS:
            raise ValueError(f"no function has the name {shown(name)}; known are {', '.join(FUNCTIONS)}")
        values = [self.sum()]
        while self._take(","):
            values.append(self.sum())
        self._close()
        try:
            return FUNCTIONS[name](*values)
        except ValueError:
            raise ArithmeticError(f"{name} is not defined at {values}") from None

    def _close(self) -> None:
        if not self._take(")"):
            raise ValueError("a parenthesis is not closed")

    def _take(self, *signs: str) -> str:
        """The next token where it is one of these, '' otherwise."""
        if self.tokens and self.tokens[-1][0] == "sign" and self.tokens[-1][1] in signs:
            return self.tokens.pop()[1]
        return ""
