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
PAGE, SCRIPTS, PICTURES = "gallery.md", "<!-- scripts -->", "<!-- pictures -->"
GROUP = re.compile(r"<!-- examples:(?P<names>[\w\s]+)-->")
SOURCES = ("experiments/*.py", "benchmarks/**/*.py", "examples/*.py")

NAMED_WHEN_RUN = {
    "demo.png": "thermolinalg/demo/picture.py",
    "demo-race.png": "applications/thermoapps/natural_gradient/demo.py",
    "experiments-compare-": "experiments/compare.py",
    "experiments-": "experiments/sweep.py",
}
"""Beginnings of the names of pictures that no script spells out, and who draws them; the first that fits."""

SHOWN = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?:\.\./)*(?P<picture>images/[\w/.-]+\.png)\)")
TITLE, HEADING = re.compile(r"^# (.+)$", re.MULTILINE), re.compile(r"^#{2,4} (.+)$", re.MULTILINE)

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
        for pattern in SOURCES:
            for path in sorted(ROOT.glob(pattern)):
                if f'"{name}"' in path.read_text(encoding="utf-8"):
                    return str(path.relative_to(ROOT))
        return next((script for start, script in NAMED_WHEN_RUN.items() if name.startswith(start)), None)


def examples() -> dict[str, Example]:
    """Every script of examples/gallery.

    Returns
    -------
    dict of str to Example
    """
    return {path.stem: Example(path) for path in sorted((ROOT / "examples" / "gallery").glob("[a-z]*.py"))}


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
            title, above = TITLE.search(text), HEADING.findall(text, 0, found.start())
            parts = ([title[1]] if title else []) + above[-1:]
            yield Picture(found["picture"], found["alt"], page.relative_to(docs).as_posix(), " · ".join(parts))


def written(markdown: str) -> str:
    """The page with its grids and its scripts.

    Parameters
    ----------
    markdown : str
        With names of examples in groups, the place of their scripts, and that of all pictures.

    Returns
    -------
    str
    """
    known = examples()
    named = [name for group in GROUP.finditer(markdown) for name in group["names"].split()]
    for name in known.keys() - set(named):
        log.warning("%s does not name examples/gallery/%s.py", PAGE, name)
    markdown = GROUP.sub(lambda group: _grid([_thumbnail(known[name]) for name in group["names"].split()]), markdown)
    markdown = markdown.replace(SCRIPTS, "\n".join(_section(known[name]) for name in named))
    return markdown.replace(PICTURES, _grid([_linked(picture) for picture in pictures()]))


def _thumbnail(example: Example) -> str:
    """The card of an example; its text begins with a sentence for those who do not see the picture."""
    title, text = example.told
    sentence = " ".join(text.split()).replace("`", "").partition(". ")[0]
    return _card(f"images/gallery/{example.name}.png", sentence, f"#{example.name}", title)


def _section(example: Example) -> str:
    """Text, picture and script."""
    title, text = example.told
    return (
        f"### {title} {{ #{example.name} }}\n\n{text}\n\n"
        f"![{title}](images/gallery/{example.name}.png){{ loading=lazy }}\n\n"
        f'```python title="examples/gallery/{example.name}.py"\n{example.code}\n```\n'
    )


def _linked(picture: Picture) -> str:
    """The card of a picture of another page."""
    if picture.script is None:
        log.warning("%s shows %s, and no script is known to draw it", picture.page, picture.picture)
    return _card(picture.picture, picture.alt, picture.page, f"{picture.title}<br><small>{picture.script}</small>")


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
