"""The gallery: every script draws, and every picture of the documentation is shown with its script."""

import importlib.util
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted((ROOT / "examples" / "gallery").glob("[a-z]*.py"))
OF_TORCH = [script for script in SCRIPTS if "import torch" in script.read_text(encoding="utf-8")]
LARGEST = 60_000


def gallery():
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "hooks" / "gallery.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["gallery"] = module  # as dataclasses want it
    spec.loader.exec_module(module)
    return module


def page() -> str:
    return gallery().written((ROOT / "docs" / "gallery.md").read_text(encoding="utf-8"))


def draws(script: Path, folder: Path) -> None:
    """What ``python script picture.png`` does, without a new process."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    picture = folder / "picture.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), str(picture)])
        runpy.run_path(str(script), run_name="__main__")
    axes = pyplot.gcf().axes
    pyplot.close("all")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert any(ax.lines or ax.collections or ax.patches for ax in axes)


@pytest.mark.thinned(4)
@pytest.mark.parametrize("script", [s for s in SCRIPTS if s not in OF_TORCH], ids=lambda path: path.stem)
def test_a_script_draws_its_picture(script, tmp_path):
    if "sklearn" in script.read_text(encoding="utf-8"):
        pytest.importorskip("sklearn")
    draws(script, tmp_path)


@pytest.mark.parametrize("script", OF_TORCH, ids=lambda path: path.stem)
def test_a_script_of_torch_draws_its_picture(script, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    draws(script, tmp_path)


def test_scripts_are_short_and_pictures_are_small():
    assert len(SCRIPTS) >= 14
    for script in SCRIPTS:
        assert 15 <= len(script.read_text(encoding="utf-8").splitlines()) <= 65, script.name
        assert (ROOT / "docs" / "images" / "gallery" / f"{script.stem}.png").stat().st_size <= LARGEST, script.name


def test_every_script_is_on_the_page_with_its_title_and_its_code():
    text = page()
    for example in gallery().examples().values():
        title, told = example.told
        assert title
        assert told in text
        assert f"### {title} {{ #{example.name} }}" in text
        assert f"]({f'#{example.name}'})" in text
        assert example.code.startswith("import sys")
        assert example.code in text


def test_every_picture_of_the_documentation_is_on_the_page():
    docs, text = ROOT / "docs", page()
    missing = [path.name for path in docs.rglob("*.png") if f"({path.relative_to(docs).as_posix()})" not in text]
    assert missing == []


def test_every_picture_has_a_description_and_the_script_that_draws_it():
    for picture in gallery().pictures():
        assert picture.alt, picture.picture
        assert picture.script, f"{picture.page}: no script draws {picture.picture}"
        assert (ROOT / picture.script).is_file(), picture.script


def test_pictures_and_scripts_that_are_forgotten_are_told(monkeypatch, caplog):
    module = gallery()
    monkeypatch.setattr(module, "NAMED_WHEN_RUN", {})
    module.written("<!-- pictures --> <!-- examples: wells -->")
    assert "no script is known to draw" in caplog.text
    assert "does not name examples/gallery/rails.py" in caplog.text
    assert "wells.py" not in caplog.text
