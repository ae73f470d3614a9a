"""The experiment on mitigation, at a size of seconds."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.slow
def test_errors_fall_with_the_step_and_faster_in_ensembles(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(str(ROOT / "experiments"))
    mitigation = importlib.import_module("mitigation")
    monkeypatch.setattr(mitigation, "BITS", (7, 9))
    monkeypatch.setattr(mitigation, "COARSE", 0.0)
    places = ["--results", str(tmp_path), "--pictures", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["mitigation", "--copies", "16", "--largest", "16", "--seeds", "1", *places])
    mitigation.main()
    found = json.loads((tmp_path / "mitigation.json").read_text(encoding="utf-8"))
    assert (tmp_path / "mitigation.png").stat().st_size > 10_000
    (part,) = found["couplings"]
    assert 0.5 < part["slope"]["one rounding"] < 1.5 < part["slope"]["16 dithered roundings"] < 2.6
    for errors in part["error"].values():
        assert np.all(np.isfinite(errors))
    assert found["readout"]["6 bits, stochastic"][-1] < 0.3 * found["readout"]["6 bits, stochastic"][0]
