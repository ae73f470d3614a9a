"""The rules of the house that no other tool keeps: its map, light imports, short files, public names, docstrings."""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from types import FunctionType

import pytest
from numpydoc.validate import validate

import thermolinalg

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "thermolinalg"
APPLICATIONS = ROOT / "applications" / "thermoapps"
OPTIONAL = {"torch", "matplotlib", "typer", "rich", "sdeint", "sklearn", "mpi4py"}
LONGEST_FILE = 370
SIMULATED = {
    "Drawn",
    "GeneralDevice",
    "GeneralProgram",
    "LangevinDevice",
    "LangevinProgram",
    "Simulated",
    "SkewProgram",
}

# numpydoc's codes: docstring and its sections (GL, SS), parameters (PR), returned and yielded values (RT, YD).
REQUIRED = {"GL06", "GL07", "GL08", "SS01", "PR01", "PR02", "PR03", "PR04", "PR07", "RT01", "RT03", "YD01"}


def imported_names(source: str) -> Iterator[tuple[str, str | None]]:
    """All absolute imports of a module as (module, name), with None for ``import module``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield from ((node.module, alias.name) for alias in node.names)


@cache
def public_modules() -> list[str]:
    """The core and those of its direct children that declare public names; deeper files are theirs alone."""
    children = [info.name for info in pkgutil.iter_modules(thermolinalg.__path__) if not info.name.startswith("_")]
    modules = [importlib.import_module(f"thermolinalg.{name}") for name in children]
    return ["thermolinalg", *(module.__name__ for module in modules if hasattr(module, "__all__"))]


@cache
def public_objects() -> dict[str, object]:
    """Every public function and class, once, by the shortest name under which a user reaches it."""
    found: dict[int, tuple[str, object]] = {}
    for module_name in public_modules():
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", []):
            value = getattr(module, name)
            if inspect.isroutine(value) or inspect.isclass(value):
                found.setdefault(id(value), (f"{module_name}.{name}", value))
    return dict(found.values())


def forbidden_import(module: str, name: str | None) -> bool:
    """Whether an application's import reaches behind the core's public names."""
    if module.partition(".")[0] != "thermolinalg" or (module, name) == ("thermolinalg", None):
        return False
    if module not in public_modules():
        return True
    declared = getattr(importlib.import_module(module), "__all__", [])
    return name is not None and name not in declared and f"{module}.{name}" not in public_modules()


@cache
def modules(package: Path) -> dict[str, ast.Module]:
    """Every module of a package by its dotted name, parsed."""
    paths = {".".join(path.relative_to(package.parent).with_suffix("").parts): path for path in package.rglob("*.py")}
    return {name.removesuffix(".__init__"): ast.parse(path.read_text()) for name, path in paths.items()}


def outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those inside functions: what runs when a module is imported, or only when types are checked."""
    for node in ast.iter_child_nodes(tree):
        yield node
        if not isinstance(node, ast.FunctionDef):
            yield from outside_functions(node)


def imported_modules(tree: ast.Module, known: set[str]) -> set[str]:
    """Modules among the known ones that a module imports from."""
    found = set()
    for node in outside_functions(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= full & known or {node.module}
    return found & known


def names_in(tree: ast.AST) -> set[str]:
    """Every plain name used in a piece of code."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def layers() -> list[str]:
    """The layers of the core, lowest first, as import-linter is told them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (contract,) = [each for each in settings["contracts"] if each.get("containers") == ["thermolinalg"]]
    return [name for layer in reversed(contract["layers"]) for name in re.findall(r"\w+", layer)]


def test_every_part_of_the_core_has_its_layer():
    parts = {path.stem for path in CORE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert parts - {"__init__"} - set(layers()) == set()


def test_the_map_of_the_house_is_in_the_order_of_its_layers():
    table = re.findall(r"^\| (`.*?`) \|", (ROOT / "docs" / "architecture.md").read_text(), flags=re.MULTILINE)
    rooms = [re.sub(r"/$|\.py$", "", room) for row in table[:-1] for room in re.findall(r"`(.*?)`", row)]
    levels = [layers().index(room) for room in rooms]
    bottom, top = layers().index("operators"), layers().index("primitives")
    middle = [level for level in levels if bottom <= level <= top]
    assert middle == sorted(middle)
    assert {room for room in layers() if (CORE / room).is_dir()} <= set(rooms)
    assert table[-1] == "`applications/thermoapps/`"


@pytest.mark.parametrize("package", [CORE, APPLICATIONS], ids=lambda path: path.name)
def test_no_module_imports_in_a_circle(package):
    trees = modules(package)
    TopologicalSorter({name: imported_modules(tree, set(trees)) - {name} for name, tree in trees.items()}).prepare()


@pytest.mark.parametrize("layer", ["estimation", "primitives"])
def test_what_runs_on_a_device_asks_for_methods_and_for_no_class(layer):
    asked = {
        f"{name}: {ast.unparse(node)}"
        for name, tree in modules(CORE).items()
        if name.startswith(f"thermolinalg.{layer}")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance" and names_in(node) & SIMULATED
    }
    assert asked == set()


def test_protocols_have_types():
    untyped = {
        f"{name}.{node.name}"
        for name, tree in modules(CORE).items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and "Protocol" in {n for base in node.bases for n in names_in(base)}
        if "Any" in names_in(node)
    }
    assert untyped == set()


def numbers_of(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Public constants of a module that are numbers, and whether a docstring follows each."""
    for node, after in zip(tree.body, [*tree.body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and re.fullmatch("[A-Z][A-Z0-9_]*", ast.unparse(node.targets[0])):
            leaves = [leaf for leaf in ast.walk(node.value) if isinstance(leaf, ast.Constant | ast.Name)]
            if all(isinstance(leaf, ast.Constant) and isinstance(leaf.value, int | float) for leaf in leaves):
                told = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                yield ast.unparse(node.targets[0]), told


def test_tuning_constants_say_what_they_trade():
    trees = {name: tree for name, tree in modules(CORE).items() if not name.startswith("thermolinalg.cli")}
    silent = {f"{name}.{constant}" for name, tree in trees.items() for constant, told in numbers_of(tree) if not told}
    assert silent == set()


def test_every_page_of_the_documentation_is_in_its_navigation():
    told = set(re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text()))
    docs = ROOT / "docs"
    assert {str(path.relative_to(docs)) for path in docs.rglob("*.md")} == told


def test_importing_the_core_imports_no_optional_dependency():
    code = "import sys, thermolinalg; print(*{name.partition('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    assert OPTIONAL.isdisjoint(run.stdout.split())


@pytest.mark.parametrize("package", [CORE, APPLICATIONS], ids=lambda path: path.name)
def test_files_are_short(package):
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in package.rglob("*.py")}
    assert {path: lines for path, lines in lengths.items() if lines > LONGEST_FILE} == {}


def test_the_core_never_imports_the_applications():
    importers = [
        str(path.relative_to(ROOT))
        for path in CORE.rglob("*.py")
        if any(module.partition(".")[0] == "thermoapps" for module, _ in imported_names(path.read_text()))
    ]
    assert importers == []


def test_the_applications_import_public_names_only():
    reached = [
        f"{path.relative_to(ROOT)}: {module} {name or ''}"
        for path in APPLICATIONS.rglob("*.py")
        for module, name in imported_names(path.read_text())
        if forbidden_import(module, name)
    ]
    assert reached == []


@pytest.mark.parametrize(
    ("module", "name", "forbidden"),
    [
        ("thermolinalg", None, False),
        ("numpy", "linalg", False),
        ("thermolinalg._validation", "check", True),
        ("thermolinalg", "_validation", True),
    ],
)
def test_a_reach_behind_the_public_names_is_seen(module, name, forbidden):
    assert forbidden_import(module, name) is forbidden


@pytest.mark.parametrize("name", sorted(public_objects()))
def test_public_names_are_documented(name):
    value = public_objects()[name]
    required = REQUIRED
    if isinstance(value, type) and (issubclass(value, BaseException) or getattr(value, "_is_protocol", False)):
        required = {"GL08", "SS01"}  # nobody calls their constructors
    assert [f"{code}: {text}" for code, text in validate(name)["errors"] if code in required] == []


def methods(value: type) -> dict[str, object]:
    """The public methods and properties that a class of this project defines or inherits within it."""
    own = [base for base in value.__mro__ if base.__module__.partition(".")[0] == "thermolinalg"]
    members = {name: member for base in reversed(own) for name, member in vars(base).items()}
    kinds = (FunctionType, classmethod, staticmethod, property)
    return {name: member for name, member in members.items() if isinstance(member, kinds) and not name.startswith("_")}


def test_public_methods_are_documented():
    classes = {name: value for name, value in public_objects().items() if isinstance(value, type)}
    protocols = [value for value in classes.values() if getattr(value, "_is_protocol", False)]
    promised = {name for protocol in protocols for name, member in methods(protocol).items() if member.__doc__}
    undocumented = [
        f"{owner}.{name}"
        for owner, value in classes.items()
        for name in methods(value).keys() - promised
        if not any(getattr(vars(base).get(name), "__doc__", None) for base in value.__mro__)
    ]
    assert undocumented == []
