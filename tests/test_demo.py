"""The demonstration, on a part of its data: its numbers lie within their error bars, and its picture appears."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("rich")
pytest.importorskip("matplotlib")

from thermolinalg.cli import main
from thermolinalg.demo import run
from thermolinalg.demo.problems import problems

SIZE = 80


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    picture = tmp_path_factory.mktemp("demo") / "demo.png"
    return run(picture, seed=1, size=SIZE), picture


def test_every_problem_meets_every_task(outcome):
    rows, _ = outcome
    assert len({row.problem for row in rows}) == 5
    tasks = {"solve, one run", "solve", "invert, one run", "invert", "log det", "sample"}
    for name in {row.problem for row in rows}:
        assert {row.task for row in rows if row.problem == name} == tasks


def test_errors_are_within_their_standard_errors(outcome):
    for row in outcome[0]:
        # Refined results end in rounding, which no error bar of the device knows.
        rounding = 1e-15 * row.condition
        assert row.error <= 4 * row.standard_error + rounding, row


def test_raw_errors_are_not_far_below_their_standard_errors(outcome):
    """Error bars that were too wide would show here: norms over many entries cannot be small by chance."""
    vectors = [row for row in outcome[0] if row.task == "invert, one run"]
    assert len(vectors) == 5
    assert all(row.error > 0.1 * row.standard_error for row in vectors)


def test_refined_answers_are_those_of_scipy(outcome):
    for row in outcome[0]:
        if row.task in ("solve", "invert"):
            assert row.error < 1e-10 * row.condition


def test_the_picture_is_a_picture(outcome):
    from matplotlib.image import imread

    pixels = imread(outcome[1])
    assert min(pixels.shape[:2]) > 800
    assert np.std(pixels[..., :3]) > 0.05


@pytest.mark.slow
def test_a_picture_is_replaced_where_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("thermolinalg.demo.problems", lambda size: problems(size)[:1])
    picture = tmp_path / "demo.svg"
    picture.write_text("precious")
    with pytest.raises(FileExistsError, match=r"demo.svg cannot be written: it exists; pass force=True"):
        run(picture, size=20)
    with pytest.raises(ValueError, match=r"none of the known endings .png, .pdf, .svg"):
        run(tmp_path / "demo.docx", size=20)
    assert picture.read_text() == "precious"
    run(picture, size=20, force=True)
    assert "<svg" in picture.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["demo.svg"]


def test_the_table_and_the_last_lines(capsys):
    rows = run(None, seed=2, size=20)
    out = capsys.readouterr().out
    for part in ("ratio", "± s.e.", "time (τ)", "SciPy takes", "Hardware would draw level", rows[0].problem):
        assert part in out


def test_the_same_seed_gives_the_same_numbers():
    first, second = (run(None, seed=3, size=20) for _ in range(2))
    assert [(row.error, row.standard_error) for row in first] == [(row.error, row.standard_error) for row in second]


def test_a_quick_look_from_the_command_line(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--quick"]) == 0
    out = capsys.readouterr().out
    assert "digits, graph Laplacian" in out
    assert "race" not in out
    assert [path.name for path in tmp_path.iterdir()] == ["demo.png"]


def test_problems_are_positive_definite():
    for problem in problems(SIZE):
        assert np.linalg.eigvalsh(problem.dense)[0] > 0
        assert np.allclose(problem.dense, problem.dense.T, rtol=0, atol=1e-15 * np.abs(problem.dense).max())


def test_without_scikit_learn_the_error_names_the_extra(tmp_path):
    code = "import sys; sys.modules['sklearn'] = None; from thermolinalg.cli import main; sys.exit(main(['demo']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == "thermolinalg: the demo needs scikit-learn; install it with: pip install 'thermolinalg[sklearn]'\n"
    )
