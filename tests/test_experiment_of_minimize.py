"""The experiment of minima, at a size of seconds."""

import importlib
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"
SIZES = {
    "logistic regression": {"rows": 200, "columns": 3},
    "gamma regression": {"rows": 100},
    "elastic net": {"rows": 50, "columns": 8},
    "Rosenbrock": {"n": 4},
}


def test_all_methods_find_the_same_minima(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    experiment = importlib.import_module("minimize")
    results = experiment.compared(SIZES)
    for title, one in results.items():
        assert title in SIZES
        for name, run in one["methods"].items():
            assert run["excess"] <= 1e-8 * max(1.0, abs(one["least"])), (title, name)
            assert len(run["path"]) == run["iterations"] + 1
        assert all(run["success"] for name, run in one["methods"].items() if name in experiment.METHODS)
    experiment.draw(results, tmp_path / "minimize.png")
    assert (tmp_path / "minimize.png").is_file()
