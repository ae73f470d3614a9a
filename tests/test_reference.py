"""The reference: every public name says what stands beside it, by names that exist, and every picture is shown."""

import importlib
import inspect
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

import thermoapps
import thermolinalg

DOCS = Path(__file__).resolve().parents[1] / "docs"
SECTION = re.compile(r"^See Also\n-+\n(.*?)(?:\n\n|\Z)", re.DOTALL | re.MULTILINE)

NOT_SHOWN = re.compile(r":(?:class|func|meth|mod|attr|ref|doc):`|^ *=+  +=+|^ *\.\. (?!math::)\w+::", re.MULTILINE)
"""What the site would print as it stands: roles, tables and directives of reStructuredText but for formulas."""


@cache
def public() -> dict[str, object]:
    """Public functions and classes of both packages by their shortest name; without torch, those that do without it."""
    found: dict[int, tuple[str, object]] = {}
    for package in (thermolinalg, thermoapps):
        children = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
        for name in [package.__name__, *(f"{package.__name__}.{child}" for child in children)]:
            try:
                module = importlib.import_module(name)
            except ImportError:
                continue
            for short in getattr(module, "__all__", []):
                value = getattr(module, short)
                if inspect.isroutine(value) or inspect.isclass(value):
                    found.setdefault(id(value), (f"{name}.{short}", value))
    return dict(found.values())


def beside(value: object) -> list[str]:
    """Names in the section "See Also" of a docstring."""
    section = SECTION.search(inspect.getdoc(value) or "")
    lines = section[1].splitlines() if section else []
    return [name.strip() for line in lines for name in line.partition(" : ")[0].split(",")]


def exists(name: str, within: str) -> bool:
    """Whether a name means something in a module or in the packages above it, or is that of a library at hand."""
    parts = within.split(".")
    for place in [".".join(parts[:n]) for n in range(len(parts), 0, -1)] + [""]:
        full = f"{place}.{name}".strip(".").split(".")
        for cut in range(len(full) - 1, 0, -1):
            try:
                here: object = importlib.import_module(".".join(full[:cut]))
            except ModuleNotFoundError as error:
                if error.name == "torch":
                    return True  # looked at where it is installed
                continue
            for attribute in full[cut:]:
                here = getattr(here, attribute, None)
            if here is not None:
                return True
    return False


@pytest.mark.parametrize("name", sorted(public()))
def test_what_stands_beside_a_name_is_told_and_exists(name):
    value = public()[name]
    told, module = beside(value), name.rpartition(".")[0]
    assert told, "no section See Also"
    assert [other for other in told if not exists(other, module)] == []
    assert [other for other in told if name.endswith(f".{other}")] == []


def test_docstrings_hold_what_the_site_can_show():
    assert [name for name, value in public().items() if NOT_SHOWN.search(inspect.getdoc(value) or "")] == []


def test_every_picture_is_shown():
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    shown = {name for page in pages for name in re.findall(r"images/([\w./-]+\.\w+)", page.read_text(encoding="utf-8"))}
    folder = DOCS / "images"
    assert shown == {path.name for path in folder.glob("*.*")}  # those of the gallery are put there by its hook
