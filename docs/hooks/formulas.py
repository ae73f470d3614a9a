"""Formulas become MathML when the site is built, so that browsers show them without a network and without scripts."""

from __future__ import annotations

import html
import logging
import re
from typing import Any, Literal

from griffe import Docstring, Extension, Object
from latex2mathml.converter import convert

MARKED = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<formula>.*?)\\[)\]]</(?P=tag)>', flags=re.DOTALL)
ROLE = re.compile(r":math:`(?P<formula>[^`]*)`")
FUNCTION = re.compile(
    r"(?P<before></(?!mo>)\w+>)?<(?P<tag>m[io])(?P<settings>[^>]*)>(?P<name>[A-Za-z]{2,})</(?P=tag)>"
    r"(?P<after><mo [^>]*>&#x00028;</mo>)?"
)
DIRECTIVE = re.compile(
    r"^(?P<indent>[ \t]*)\.\. math::(?P<formula>(?:[ \t]+[^\n]+)?(?:\n(?:[ \t]*\n)*(?P=indent)[ \t]+[^\n]+)*)",
    re.MULTILINE,
)

log = logging.getLogger("mkdocs.hooks.formulas")


def on_page_content(content: str, **_: Any) -> str:
    """MkDocs asks this for every page; formulas that Markdown has marked are written as MathML.

    Parameters
    ----------
    content : str
        HTML of a page.

    Returns
    -------
    str
    """
    return MARKED.sub(_mathml, content)


def _mathml(found: re.Match[str]) -> str:
    formula = html.unescape(found["formula"]).strip()
    if found["tag"] == "span":
        return _spaced(_converted(formula, "inline"))
    return f'<div class="formula">{_spaced(_converted(formula, "block"))}</div>'  # which scrolls where it is too wide


def _converted(formula: str, display: Literal["inline", "block"]) -> str:
    """MathML; what the converter does not know it leaves with its backslash, and a strict build ends there."""
    mathml = convert(formula, display=display)
    if "\\" in mathml:
        log.warning("a formula keeps a backslash: %s", formula)
    return mathml


def _spaced(mathml: str) -> str:
    """Names of functions with a thin space before them and, unless a parenthesis follows, behind: a ln b, not alnb."""

    def operator(found: re.Match[str]) -> str:
        left, right = ("0.17em" if found["before"] else "0"), ("0" if found["after"] else "0.17em")
        spaces = f'{found["settings"]} lspace="{left}" rspace="{right}"'
        return f"{found['before'] or ''}<mo{spaces}>{found['name']}</mo>{found['after'] or ''}"

    return FUNCTION.sub(operator, mathml)


class Roles(Extension):
    """Roles and directives of docstrings, ``:math:`` and ``.. math::``, as the dollar signs of Markdown."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of what was read.

        Parameters
        ----------
        obj : griffe.Object
        """
        if isinstance(obj.docstring, Docstring):
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Formulas of reStructuredText between the dollar signs of Markdown.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return ROLE.sub(r"$\g<formula>$", DIRECTIVE.sub(_block, text))


def _block(found: re.Match[str]) -> str:
    lines = [found["indent"] + line.strip() for line in found["formula"].strip().splitlines() if line.strip()]
    return "\n".join([found["indent"] + "$$", *lines, found["indent"] + "$$"])
