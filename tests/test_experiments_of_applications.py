"""Experiments of annealing, random fields and state-space models, at a size of seconds: numbers and pictures."""

import importlib
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def run(tmp_path, monkeypatch, data_folder):
    """What ``python experiments/name.py`` does, with other constants: its results, and the size of its picture."""
    for name in ("matplotlib", "torch"):
        pytest.importorskip(name)
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))

    def measured(script, name, *arguments, **constants):
        places = ["--data", str(data_folder), "--results", str(tmp_path), "--pictures", str(tmp_path)]
        monkeypatch.setattr(sys, "argv", [script, *places, *arguments])
        module = importlib.import_module(script)
        for constant, value in constants.items():
            monkeypatch.setattr(module, constant, value)
        module.main()
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
        return json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))

    return measured


@pytest.mark.slow
def test_annealing(run):
    for name in ("dimod", "dwave.samplers", "simulated_bifurcation"):
        pytest.importorskip(name)
    from thermoapps.annealing import Bifurcation

    short = {"METHOD": Bifurcation(steps=300), "HALVES": Bifurcation(steps=20, gain=0.2), "READS": 4, "SWEEPS": 3}
    found = run("annealing", "annealing", "--budget", "0.01", "--seeds", "1", "--graphs", "G11", **short)
    (row,) = found["maximum cuts"]
    for method in ("Langevin cells", "simulated annealing", "tabu search", "simulated bifurcation"):
        assert 0.9 * row["best known"] < row[method]["cut"] <= row["best known"]
    assert all(problem["polished"] <= problem["as read"] for problem in found["QUBO"])
    circuit = found["ibm01"]
    assert circuit["Langevin cells, polished"]["cut"] < circuit["Langevin cells"]["cut"] < circuit["at random"]["cut"]
    assert circuit["Langevin cells, polished"]["imbalance"] <= 0.02 * circuit["nodes"]


@pytest.mark.slow
def test_random_field(run):
    found = run("random_field", "random-field", SPACING=400.0, MARGIN=800.0, SIDES=(12, 20))
    assert [grid["nodes"] for grid in found["grids"]] == [144, 400]
    assert all(grid["residual of the mean"] < 1e-8 for grid in found["grids"])
    zinc = found["zinc"]["held out"]
    assert zinc["root mean square error"] < zinc["of the mean of the others"]


@pytest.mark.slow
def test_series_beside_statsmodels(run):
    pytest.importorskip("statsmodels")
    found = run("state_space", "state-space", LENGTHS=(50, 200), LAST=120, HARMONICS=1, AHEAD=10)
    assert found["nile"]["variance of the noise"] == pytest.approx(15099, rel=1e-3)
    assert found["nile"]["largest difference of variances, relative"] < 1e-9
    assert found["carbon dioxide"]["weeks"] == 120
    assert set(found["processor seconds by length"]) == {f"d = {d}, n = {n}" for d in (1, 2) for n in (50, 200)}
