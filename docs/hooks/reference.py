"""The reference: what stands beside a name is linked, and parameters whose name says all have no dash behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from griffe import AliasResolutionError, CyclicAliasError, Docstring, Extension, GriffeLoader, Module, Object

SECTION = re.compile(r"(?P<title>^See Also\n-+\n)(?P<entries>(?:.+\n?)+)", re.MULTILINE)
NO_TEXT = re.compile(r'\s*–\s*<div class="doc-md-description">\s*</div>')


class Beside(Extension):
    """The section "See Also" of docstrings as a list of links."""

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **_: Any) -> None:
        """Rewrite the docstrings of a package.

        Parameters
        ----------
        pkg : griffe.Module
        loader : griffe.GriffeLoader
        """
        for place in _objects(pkg):
            if isinstance(place.docstring, Docstring):
                entries = _entries(place, loader)
                place.docstring.value = SECTION.sub(entries, place.docstring.value)


def _objects(place: Object) -> Iterator[Object]:
    """A package and what it defines."""
    yield place
    for member in place.members.values():
        if isinstance(member, Object):
            yield from _objects(member)


def _entries(place: Object, loader: GriffeLoader) -> Any:
    """What writes the section of an object anew."""

    def linked(name: str) -> str:
        return f'<autoref optional identifier="{_path(name, place, loader)}">`{name}`</autoref>'

    def entry(line: str) -> str:
        names, _, text = line.partition(" : ")
        return f"- {', '.join(linked(name.strip()) for name in names.split(','))}: {text}"

    return lambda section: section["title"] + "\n".join(map(entry, section["entries"].splitlines())) + "\n"


def _path(name: str, place: Object, loader: GriffeLoader) -> str:
    """Where a name leads from an object's module or the packages above it; unknown ones, of other libraries, stay."""
    parts = place.module.path.split(".")
    for depth in range(len(parts), 0, -1):
        try:
            found = loader.modules_collection[".".join([*parts[:depth], name])]
            if not found.is_module:  # a function's module may have its name
                return str(found.canonical_path)
        except (KeyError, AliasResolutionError, CyclicAliasError):
            continue
    return name


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
    return NO_TEXT.sub("", content)
