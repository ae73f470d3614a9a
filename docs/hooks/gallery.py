"""The gallery is written when the site is built: examples tell their titles, pages show their pictures."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE, EXAMPLES, PICTURES = "gallery.md", "<!-- examples -->", "<!-- pictures -->"
SOURCES = ("experiments", "benchmarks")

NAMED_WHEN_RUN = {
    "demo.png": "thermolinalg/demo/picture.py",
    "demo-race.png": "applications/thermoapps/natural_gradient/demo.py",
    "experiments-compare-": "experiments/compare.py",
    "experiments-": "experiments/sweep.py",
}
"""Beginnings of the names of pictures that no script spells out, and who draws them; the first that fits."""

SHOWN = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?:\.\./)*(?P<picture>images/[\w/.-]+\.png)\)")
HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)

log = logging.getLogger("mkdocs.hooks.gallery")


@dataclass(frozen=True)
class Example:
    """A script of examples/gallery, told by its docstring."""

    path: Path

    @property
    def name(self) -> str:
        """What its picture and its anchor are called."""
        return self.path.stem

    @property
    def told(self) -> tuple[str, str]:
        """Title and text."""
        docstring = ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8")))
        if docstring is None:
            raise ValueError(f"{self.path.name} has no docstring to take its title from")
        title, _, text = docstring.partition("\n\n")
        return title.rstrip("."), text

    @property
    def code(self) -> str:
        """The script below its docstring."""
        source = self.path.read_text(encoding="utf-8")
        return source[source.index('"""', 3) + 3 :].strip()


@dataclass(frozen=True)
class Picture:
    """A picture that a page shows."""

    picture: str
    alt: str
    page: str
    title: str

    @property
    def script(self) -> str | None:
        """Who draws it, from the root of the repository; None where that is not found."""
        name = Path(self.picture).name
        for folder in SOURCES:
            for path in sorted((ROOT / folder).rglob("*.py")):
                if f'"{name}"' in path.read_text(encoding="utf-8"):
                    return str(path.relative_to(ROOT))
        return next((script for start, script in NAMED_WHEN_RUN.items() if name.startswith(start)), None)


def examples() -> list[Example]:
    """Every script of examples/gallery, by name.

    Returns
    -------
    list of Example
    """
    return [Example(path) for path in sorted((ROOT / "examples" / "gallery").glob("[a-z]*.py"))]


def pictures() -> Iterator[Picture]:
    """Every picture of every page, in the order of pages and lines.

    Yields
    ------
    Picture
    """
    docs = ROOT / "docs"
    for page in sorted(docs.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        for found in SHOWN.finditer(text):
            title = HEADING.search(text)
            where = str(page.relative_to(docs))
            yield Picture(found["picture"], found["alt"], where, title["title"] if title else where)


def written(markdown: str) -> str:
    """The page with its two grids and its scripts.

    Parameters
    ----------
    markdown : str
        With the places of both.

    Returns
    -------
    str
    """
    thumbnails, sections, shown = [], [], []
    for example in examples():
        title, text = example.told
        image = f"images/gallery/{example.name}.png"
        thumbnails.append(_card(image, title, f"#{example.name}", title))
        sections.append(
            f"### {title} {{ #{example.name} }}\n\n{text}\n\n![{title}]({image}){{ loading=lazy }}\n\n"
            f'```python title="examples/gallery/{example.name}.py"\n{example.code}\n```\n'
        )
    for picture in pictures():
        if picture.script is None:
            log.warning("%s shows %s, and no script is known to draw it", picture.page, picture.picture)
        caption = f"{picture.title}<br><small>{picture.script}</small>"
        shown.append(_card(picture.picture, picture.alt, picture.page, caption))
    return markdown.replace(EXAMPLES, _grid(thumbnails) + "\n\n" + "\n".join(sections)).replace(PICTURES, _grid(shown))


def _card(image: str, alt: str, target: str, caption: str) -> str:
    return f"- [![{alt}]({image}){{ loading=lazy }} {caption}]({target})"


def _grid(cards: list[str]) -> str:
    return '<div class="thumbnails" markdown>\n\n' + "\n".join(cards) + "\n\n</div>"


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """MkDocs asks this for every page; the gallery is filled in.

    Parameters
    ----------
    markdown : str
    page : mkdocs.structure.pages.Page

    Returns
    -------
    str
    """
    return written(markdown) if page.file.src_uri == PAGE else markdown
