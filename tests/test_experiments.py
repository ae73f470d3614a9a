"""Every experiment, at a size of seconds, on the digits of scikit-learn: numbers, picture, page."""

import importlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
NO_MNIST = EXPERIMENTS / "no-such-folder"


def run(script: str, folder: Path, *arguments: str) -> None:
    """What ``python experiments/script.py`` does, without a new process."""
    places = ("--data", str(NO_MNIST), "--results", str(folder), "--pictures", str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        patch.setattr(sys, "argv", [script, *places, *arguments])
        importlib.import_module(script).main()


def results(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    run("tune", folder, "--runs", "2", "--images", "128", "--judge", "96", "--methods", "TNGD;Adam;K-FAC")
    return folder


def test_every_method_gets_the_same_budget(tuned):
    found = results(tuned, "tune")
    assert found["data"] == "digits of scikit-learn"
    assert found["budget"]["runs per method"] == 2
    for method in found["methods"].values():
        assert len(method["tried"]) == 2
        best = max(method["tried"], key=lambda entry: entry["accuracy"])
        assert method["best"] == best["settings"]
        for entry in method["tried"]:
            assert all(low <= entry["settings"][name] <= high for name, (low, high) in method["ranges"].items())
    assert (tuned / "experiments-tune.png").is_file()


def test_comparison_over_seeds(tuned):
    run(
        "compare",
        tuned,
        "--settings",
        "tune",
        "--images",
        "128",
        "--epochs",
        "1",
        "--seeds",
        "2",
        "--methods",
        "TNGD;Adam",
    )
    runs = results(tuned, "compare-10k")["methods"]["TNGD"]["runs"]
    assert [entry["seed"] for entry in runs] == [0, 1]
    assert runs[0]["loss"] != runs[1]["loss"]
    assert runs[0]["step"][-1] == 128 // 32
    assert (tuned / "experiments-compare-10k.png").is_file()


@pytest.mark.parametrize("which", ["time", "delay", "noise"])
def test_sweeps(tmp_path, which):
    run("sweep", tmp_path, "--which", which, "--images", "64", "--seeds", "1")
    found = results(tmp_path, f"sweep-{which}")["runs"]
    assert len(found) == (6 if which == "time" else 4)
    assert (tmp_path / f"experiments-{which}.png").is_file()


def test_time_of_a_step(tmp_path):
    run("step_time", tmp_path, "--repeats", "1", "--widths", "4,8", "--batches", "4,8")
    for row in results(tmp_path, "step-time")["batch"]:
        assert row["seconds"]["TNGD, Euler–Maruyama"] > row["seconds"]["Adam"] > 0
    assert (tmp_path / "experiments-step-time.png").is_file()


def test_the_page_is_written_from_the_results(tmp_path):
    run("page", EXPERIMENTS / "results", "--output", str(tmp_path / "page.md"))
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "{{" not in text
    assert text == (EXPERIMENTS.parent / "docs" / "experiments.md").read_text(encoding="utf-8")
