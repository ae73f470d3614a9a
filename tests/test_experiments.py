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
    places = ("--data", str(NO_MNIST), "--results", str(folder), "--pictures", str(folder), "--workers", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        patch.setattr(sys, "argv", [script, *places, *arguments])
        importlib.import_module(script).main()


def results(folder: Path, name: str) -> dict:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


SEARCH = ("--runs", "2", "--images", "128", "--judge", "96", "--epochs", "1", "--finalists", "1")


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiments")
    run("tune", folder, *SEARCH, "--finals", "128:1:2,10000:1:1", "--methods", "TNGD;Adam;K-FAC")
    return folder


def test_every_method_gets_the_same_budget(tuned):
    found = results(tuned, "tune")
    assert found["data"] == "digits of scikit-learn"
    for method in found["methods"].values():
        assert [len(entry["accuracies"]) for entry in method["first"]] == [1, 1]
        assert {name: len(tried) for name, tried in method["finals"].items()} == {"128": 1, "10000": 1}
        best = max(method["first"], key=lambda entry: entry["accuracies"])
        assert method["finals"]["128"][0]["settings"] == best["settings"]
        assert len(method["finals"]["128"][0]["accuracies"]) == 2
        for entry in method["first"]:
            assert all(low <= entry["settings"][name] <= high for name, (low, high) in method["ranges"].items())
    assert (tuned / "experiments-tune.png").is_file()
    assert not list(tuned.glob("*.unfinished"))


def test_the_second_search_starts_from_the_winner(tuned):
    sizes = ("--around", "128", "--points", "2", "--images", "128", "--judge", "96")
    run("refine", tuned, *sizes, "--methods", "TNGD;K-FAC")
    found = results(tuned, "refine")["methods"]
    search = results(tuned, "tune")["methods"]
    for name, method in found.items():
        first, *others = (entry["settings"] for entry in method["finals"]["128"])
        assert first == max(search[name]["finals"]["128"], key=lambda entry: sum(entry["accuracies"]))["settings"]
        assert len(others) == 2
        for entry in others:
            assert all(0.3 < entry[key] / value < 3.2 for key, value in first.items())
            assert entry.get("forget", 1) <= 1


def test_comparison_over_seeds(tuned):
    run(
        "compare", tuned, "--images", "256", "--epochs", "1", "--seeds", "2", "--methods", "TNGD;Adam", "--tuned", "128"
    )
    runs = results(tuned, "compare-10k")["methods"]["TNGD"]["runs"]
    assert [entry["seed"] for entry in runs] == [0, 1]
    assert runs[0]["loss"] != runs[1]["loss"]
    assert runs[0]["step"] == [1, 2, 3, 4]
    assert (tuned / "experiments-compare-10k.png").is_file()


def test_curves_against_run_time(tuned):
    run("runtime", tuned, "--images", "256", "--epochs", "1", "--seeds", "1")
    curves = results(tuned, "runtime")["curves"]
    (adam,), (tngd,) = (curves[name]["runs"] for name in ("Adam, tuned", "TNGD, paper"))
    assert adam["modelled"] == adam["seconds"]
    assert tngd["modelled"] != tngd["seconds"]
    assert all(0 < share <= 1 for share in tngd["seen"] + tngd["accuracy"])
    assert (tuned / "experiments-runtime.png").is_file()


@pytest.mark.parametrize(("which", "curves"), [("time", 6), ("delay", 4), ("late", 2), ("noise", 4)])
def test_sweeps(tmp_path, which, curves):
    run("sweep", tmp_path, "--which", which, "--images", "64", "--epochs", "1", "--seeds", "1")
    found = results(tmp_path, f"sweep-{which}")["runs"]
    assert len(found) == curves
    assert (tmp_path / f"experiments-{which}.png").is_file()


def test_an_interrupted_experiment_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    training = importlib.import_module("training")
    runs = [training.Run("Adam", {"lr": 0.01, "forget": 0.1}, 128, seed=seed) for seed in (0, 1)]
    kept = tmp_path / "some.unfinished"
    first = training.train_all(runs[:1], None, kept, workers=1)
    made = []
    original = training.train
    monkeypatch.setattr(training, "train", lambda run, folder: made.append(run.seed) or original(run, folder))
    both = training.train_all(runs, None, kept, workers=1)
    assert made == [1]
    assert both[0] == first[0]
    assert [entry["seed"] for entry in both] == [0, 1]


def test_time_of_a_step(tmp_path):
    run("step_time", tmp_path, "--repeats", "1", "--widths", "1", "--outputs", "2,3", "--batches", "4", "--batch", "8")
    panels = results(tmp_path, "step-time")["panels"]
    assert [panel["along"] for panel in panels] == ["parameters", "parameters", "outputs", "batch"]
    for row in panels[1]["rows"]:
        assert row["seconds"]["TNGD, Euler–Maruyama"] > row["seconds"]["Adam"] > 0
    assert (tmp_path / "experiments-step-time.png").is_file()


def test_the_page_is_written_from_the_results(tmp_path):
    run("page", EXPERIMENTS / "results", "--output", str(tmp_path / "page.md"))
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "{{" not in text
    assert text == (EXPERIMENTS.parent / "docs" / "experiments.md").read_text(encoding="utf-8")


def test_errors_against_time(tmp_path):
    run("error_against_time", tmp_path, "--sizes", "20")
    (small,) = results(tmp_path, "error-against-time")["sizes"]
    assert [curve["temperature"] for curve in small["device"]] == [1.0, 1e-4]
    for curve in small["device"]:
        single, refined = curve["single"], curve["refined"]
        assert single[-1]["error"] < single[0]["error"] / 30  # windows 10⁵ times as long
        assert refined[-1]["error"] < 1e-9
        assert all(point["seconds"] >= point["seconds without loading"] for point in single)
    assert small["digital"]["CG"]["error"][-1] < 1e-12
    assert (tmp_path / "planning-error-against-time.png").is_file()


def test_the_map_of_energy_and_time(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module = importlib.import_module("energy_time_map")
    monkeypatch.setattr(module, "ORDER", 40)
    monkeypatch.setattr(module, "CONDITIONS", (30.0,))
    run("energy_time_map", tmp_path)
    (case,) = results(tmp_path, "energy-time-map")["conditions"]
    low, middle, high = (case[name][30] for name in ("device, low", "device", "device, high"))
    assert low[0] < middle[0] < high[0]
    assert low[1] < middle[1] < high[1]
    faster, slower = (each["time against Cholesky"] for each in case["moved by"]["link and converters ×10, ÷10"])
    assert faster < case["crossover"]["time against Cholesky"] < slower
    assert (tmp_path / "planning-energy-time.png").is_file()


def test_drives_against_their_floor(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    module = importlib.import_module("drives")
    monkeypatch.setattr(module, "CONDITIONS", (10.0, 1e3))
    monkeypatch.setattr(module, "STEPS", 20_000)
    monkeypatch.setattr(module, "POINTS", 4001)
    run("drives", tmp_path)
    for row in results(tmp_path, "drives")["rows"]:
        assert 1 < row["best clock"] < row["geometric"] * (1 + 1e-3) < row["linear"]
    assert (tmp_path / "planning-drives.png").is_file()
