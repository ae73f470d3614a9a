"""Exponents and indices of running text, as in e^{−λt} or A_ij, are raised and lowered when the site is built."""

from __future__ import annotations

import re
from typing import Any

MARKUP = re.compile(r"(<[^>]*>)")
LEFT_ALONE = re.compile(r"</?(?:pre|code|script|style|math|svg)\b")
NAME = "doc-object-name"
"""Class of what names a function or a class; its underscores are its own."""

INDEX = re.compile(
    r"(?:(?<![A-Za-z0-9_.])(?P<base>d?[A-Za-zẍẋ])|(?P<other>[Α-ωφ)]))"
    r"_(?:\{(?P<braced>[^{}]*)\}|(?P<plain>−?[A-Za-z0-9Α-ω]{1,4}))(?![A-Za-z0-9_]|\.[a-z])"
)
EXPONENT = re.compile(
    r"\^(?:\{(?P<braced>[^{}]*)\}|\((?P<bracketed>[^()]*)\)|(?P<plain>½|[−-]?(?:\d+(?:\.\d+)?|[A-Za-zα-ω]+)))"
)


def raised_and_lowered(html: str) -> str:
    """Text with its exponents and indices in tags; code and formulas stay as they are.

    Parameters
    ----------
    html : str

    Returns
    -------
    str
    """
    pieces, depth, markup = [], 0, ""
    for piece in MARKUP.split(html):
        if piece.startswith("<"):
            markup = piece
            if LEFT_ALONE.match(piece):
                depth += -1 if piece.startswith("</") else 1
        elif depth == 0 and NAME not in markup:
            piece = EXPONENT.sub(_raised, INDEX.sub(_lowered, piece))
        pieces.append(piece)
    return "".join(pieces)


def _lowered(found: re.Match[str]) -> str:
    return f"{found['base'] or found['other']}<sub>{found['braced'] or found['plain']}</sub>"


def _raised(found: re.Match[str]) -> str:
    exponent = found["braced"] or found["bracketed"] or found["plain"]
    return f"<sup>{re.sub('-(?=.)', '−', exponent)}</sup>"


def on_page_content(content: str, **_: Any) -> str:
    """MkDocs asks this for every page.

    Parameters
    ----------
    content : str
        HTML of a page.

    Returns
    -------
    str
    """
    return raised_and_lowered(content)
