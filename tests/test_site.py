"""What the site makes of its pages: formulas, exponents and indices, pictures, and links from name to name."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
WITH_FORMULAS = [page for page in sorted(DOCS.rglob("*.md")) if "$" in page.read_text(encoding="utf-8")]


def hook(name: str) -> ModuleType:
    for library in ("griffe", "latex2mathml"):  # the extra `docs` brings them
        pytest.importorskip(library)
    spec = importlib.util.spec_from_file_location(f"hooks_{name}", DOCS / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("e^{−λt}", "e<sup>−λt</sup>"),
        ("e^(-λt) of it", "e<sup>−λt</sup> of it"),
        ("d^0.97, and κ^2.", "d<sup>0.97</sup>, and κ<sup>2</sup>."),
        ("A^½ΣA^{1/2}", "A<sup>½</sup>ΣA<sup>1/2</sup>"),
        ("e^{−(λ+σ_min)t}", "e<sup>−(λ+σ<sub>min</sub>)t</sup>"),
        ("hλ_max, (P Pᵀ)_ii and C_Jᵀ", "hλ<sub>max</sub>, (P Pᵀ)<sub>ii</sub> and C<sub>J</sub>ᵀ"),
        ("Σ_{k&lt;n} dx_i", "Σ<sub>k&lt;n</sub> dx<sub>i</sub>"),
    ],
)
def test_exponents_are_raised_and_indices_lowered(text, shown):
    assert hook("indices").raised_and_lowered(f"<p>{text}</p>") == f"<p>{shown}</p>"


@pytest.mark.parametrize(
    "text",
    [
        "<p>burn_in, n_samples, assume_a, b_test.py and thermolinalg.a_b</p>",
        "<pre><span>x_i</span> ** 2</pre><p><code>x_i</code></p>",
        '<span class="doc doc-object-name">z_box</span>',
        '<a href="#x_i">here</a><math><mi>a_b</mi></math>',
    ],
)
def test_names_code_and_formulas_keep_their_underscores(text):
    assert hook("indices").raised_and_lowered(text) == text


def test_names_of_functions_stand_apart_in_formulas():
    formula = '<span class="arithmatex">\\(a \\ln b\\)</span>'
    assert '<mo lspace="0.17em" rspace="0.17em">ln</mo>' in hook("formulas").on_page_content(formula)
    before_parenthesis = '<span class="arithmatex">\\(\\ln(b)\\)</span>'
    assert '<mo lspace="0" rspace="0">ln</mo>' in hook("formulas").on_page_content(before_parenthesis)


@pytest.mark.parametrize("page", WITH_FORMULAS, ids=lambda page: page.stem)
def test_no_formula_of_a_page_keeps_a_backslash(page, caplog):
    markdown = pytest.importorskip("markdown")
    arithmatex = {"pymdownx.arithmatex": {"generic": True}}
    pytest.importorskip("pymdownx")
    text = page.read_text(encoding="utf-8")
    extensions = ["pymdownx.superfences", "pymdownx.arithmatex", "tables"]
    html = markdown.markdown(text, extensions=extensions, extension_configs=arithmatex)
    shown = hook("formulas").on_page_content(html)
    assert 'class="arithmatex"' not in shown
    assert caplog.messages == []


def test_no_page_has_a_heading_twice():
    for page in DOCS.rglob("*.md"):
        headings = re.findall(r"^##+ .+$", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert [heading for heading in headings if headings.count(heading) > 1] == [], page.name


def test_pictures_alone_are_links_that_know_their_shape():
    picture = '<p><img alt="a" src="../images/relaxation.png"></p>'
    shown = hook("pictures").on_page_content(picture)
    assert shown.startswith('<div class="picture"><a href="../images/relaxation.png"><img style="--shape: 2.')
    assert 'alt="a"' in shown


def test_what_stands_beside_is_linked_to_the_function_and_not_to_its_module(tmp_path):
    module = hook("reference")
    griffe = pytest.importorskip("griffe")
    inner = tmp_path / "pack" / "inner"
    inner.mkdir(parents=True)
    (inner.parent / "__init__.py").write_text("from pack.inner.other import other\n")
    (inner / "__init__.py").write_text("")
    (inner / "other.py").write_text("def other():\n    pass\n")
    section = "See Also\n    --------\n    one, other, scipy.linalg.inv : More.\n    "
    (inner / "one.py").write_text(f'def one():\n    """One.\n\n    {section}"""\n')
    loader = griffe.GriffeLoader(search_paths=[tmp_path], extensions=griffe.load_extensions(module.Beside()))
    text = loader.load("pack")["inner.one.one"].docstring.value
    for name, path in {"one": "pack.inner.one.one", "other": "pack.inner.other.other"}.items():
        assert f'<autoref optional identifier="{path}">`{name}`</autoref>' in text
    assert text.endswith('identifier="scipy.linalg.inv">`scipy.linalg.inv`</autoref>: More.\n')


def test_a_parameter_without_a_text_has_no_dash():
    item = '<li>(<code>int</code>)\n –\n <div class="doc-md-description">\n\n </div></li>'
    assert hook("reference").on_page_content(item) == "<li>(<code>int</code>)</li>"
