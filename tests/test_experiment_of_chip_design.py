"""The experiment of chip design, at a size of seconds."""

import importlib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def experiment(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "experiments"))
    return importlib.import_module("chip_design")


def test_meshes_are_those_of_spsolve(experiment):
    found = experiment.mesh_beside_spsolve(8)
    assert found["nodes"] == 64
    assert found["worst node against spsolve (V)"] < 1e-9


def test_steps_approach_the_exponential_as_their_square(experiment, tmp_path):
    found = experiment.transient(8, tmp_path)
    errors = [run["worst voltage against the exponential (V)"] for run in found["trapezoidal rule"].values()]
    assert errors[0] > 50 * errors[1] > 2500 * errors[2]
    assert (tmp_path / "chip-design-transient.png").stat().st_size > 1000
