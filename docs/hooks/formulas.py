"""Formulas become MathML when the site is built, so that browsers show them without a network and without scripts."""

from __future__ import annotations

import html
import re
from typing import Any

from griffe import Docstring, Extension, Object
from latex2mathml.converter import convert

MARKED = re.compile(r'<(?P<tag>span|div) class="arithmatex">\\[(\[](?P<formula>.*?)\\[)\]]</(?P=tag)>', flags=re.DOTALL)
ROLE = re.compile(r":math:`(?P<formula>[^`]*)`")
DIRECTIVE = re.compile(
    r"^(?P<indent>[ \t]*)\.\. math::(?P<formula>(?:[ \t]+[^\n]+)?(?:\n(?:[ \t]*\n)*(?P=indent)[ \t]+[^\n]+)*)",
    re.MULTILINE,
)


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
        return convert(formula, display="inline")
    return f'<div class="formula">{convert(formula, display="block")}</div>'  # which scrolls where it is too wide


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
